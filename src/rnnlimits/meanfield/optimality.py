r"""Certificates: is a state stationary, is it optimal, and which
hypothesis of the optimality theorem does it lack?
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import finite_tensor
from rnnlimits.meanfield.hypotheses import (
    Answer,
    bends_within,
    hears_bias,
    independent_features,
    keeps_past,
)
from rnnlimits.networks.activations import Activation
from rnnlimits.networks.elman import Adjoint, ElmanNet, States, run
from rnnlimits.networks.elman_risk import (
    Blocks,
    Population,
    gradient,
    pull_back,
    risk,
)

BLOCKS = ("input", "recurrent", "readout")


@dataclass(frozen=True)
class Certificate:
    r"""What was found at one state.

    ``entries`` holds the largest entry of the gradient in each block of
    weights, ``noise`` what round-off can make of it; ``floor`` is the
    least risk of any function of the window, ``readouts`` the least
    risk of any readout of these features.
    """

    risk: float
    floor: float
    readouts: float
    entries: dict[str, float]
    noise: dict[str, float]
    stationary: Answer
    optimal: Answer
    hypotheses: dict[str, Answer]

    @property
    def failing(self) -> list[str]:
        """The names of the hypotheses that fail."""
        answers = self.hypotheses.items()
        return [name for name, a in answers if a.state == "fails"]

    @property
    def refutes(self) -> bool:
        """Whether the state is stationary and not optimal."""
        return self.stationary.holds and self.optimal.state == "fails"


def certify(
    net: ElmanNet,
    population: Population,
    trained: tuple[str, ...] = BLOCKS,
) -> Certificate:
    """Return what can be said of this state under gradient flow of the
    blocks in ``trained``.

    Raises:
        TypeError: as `rnnlimits.networks.elman_risk.risk`.
        ValueError: as there; a block that does not exist, several
            targets, or not the mean-field scaling.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(0 * one[:, None], one[:, None], one, one)
        >>> x = torch.tensor([[[1.0]], [[-1.0]]]).double()
        >>> target, half = x[:, 0, 0], torch.full((2,), 0.5).double()
        >>> certify(net, Population(x, target, half)).stationary.state
        'fails'
    """
    unknown = set(trained) - set(BLOCKS)
    if unknown or not trained:
        raise ValueError(
            f"trained must name blocks among {', '.join(BLOCKS)}, "
            f"got {', '.join(map(str, trained)) or 'none'}"
        )
    if not net.scaling.forgets_width:
        raise ValueError(
            f"net must have the mean-field scaling, got {net.scaling}"
        )
    finite_tensor("population.targets", population.targets, ("batch",))
    g, noise = gradient(net, population), round_off(net, population)
    entries = {b: float(getattr(g, b).abs().max()) for b in trained}
    allowed = {b: float(getattr(noise, b).max()) for b in trained}
    now, floor = float(risk(net, population)), risk_floor(population)
    best = readout_infimum(net, population)
    return Certificate(
        now,
        floor,
        best,
        entries,
        allowed,
        _stationary(g, noise, trained),
        _optimal(now, floor, population),
        theorem_hypotheses(net, population, trained),
    )


def round_off(net: ElmanNet, population: Population) -> Blocks:
    r"""Return the scale of rounding errors in the gradient, to first
    order: the sums that make it, in which every term is taken by its
    modulus and increased by the errors of its factors, times 16 units
    of round-off.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> flat = Population(one[:, None, None], one, one)
        >>> 0 < round_off(net, flat).readout.item() < 1e-13
        True
    """
    states, reads = _sizes(net, population.x)
    residual = states.output + population.targets.abs()
    weighed = residual * population.probabilities
    sums = pull_back(net, population.x.abs(), states, reads, weighed)
    unit = 16 * torch.finfo(weighed.dtype).eps
    return Blocks(
        unit * sums.input, unit * sums.recurrent, unit * sums.readout
    )


def risk_floor(population: Population) -> float:
    r"""Return the least risk of any function of the window: half the
    mean variance of the target among equal windows.

    Example:
        >>> x = torch.ones(2, 3, 1).double()
        >>> target, half = torch.tensor([[0, 2], [1, 1]]).double() / 2
        >>> risk_floor(Population(x, target, half))
        0.125
    """
    flat = population.x.flatten(1)
    _, group = torch.unique(flat, dim=0, return_inverse=True)
    w, f = population.probabilities, population.targets
    zero = w.new_zeros(int(group.max()) + 1)
    mass = zero.index_add(0, group, w)
    mean = zero.index_add(0, group, w * f) / mass.clamp_min(1e-300)
    return float(w @ (f - mean[group]).square() / 2)


def readout_infimum(net: ElmanNet, population: Population) -> float:
    r"""Return :math:`\inf_c R`, the risk of the best readout of the
    features at hand: half the squared distance of the target from their
    span in :math:`L^2(\pi)`.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> x = torch.tensor([[[1.0]], [[-1.0]]]).double()
        >>> half = torch.full((2,), 0.5).double()
        >>> readout_infimum(net, Population(x, x[:, 0, 0] ** 2, half))
        0.5
    """
    left = population.targets - best_outputs(net, population)
    return float(left.square() @ population.probabilities / 2)


def best_outputs(
    net: ElmanNet, population: Population
) -> Float[Tensor, " batch"]:
    r"""Return the projection of the target on the span of the features
    in :math:`L^2(\pi)`; singular values below :math:`10^{-12}` of the
    largest count as zero.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> flat = Population(one[:, None, None], 3 * one, one)
        >>> best_outputs(net, flat).tolist()
        [3.0]
    """
    root = population.probabilities.sqrt()
    heard = net.weights > 0
    h = run(net, population.x).hidden[-1][:, heard]
    u, sigma, _ = torch.linalg.svd(
        root[:, None] * h, full_matrices=False
    )
    u = u[:, sigma > 1e-12 * sigma[0]]
    projected = u @ (u.T @ (root * population.targets))
    return torch.where(root > 0, projected / root, root)


def theorem_hypotheses(
    net: ElmanNet,
    population: Population,
    trained: tuple[str, ...] = BLOCKS,
) -> dict[str, Answer]:
    """Return what this state says of the hypotheses of the optimality
    theorem that a finite state can speak of.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> x = torch.tensor([[[1.0]], [[-1.0]]]).double()
        >>> half = torch.full((2,), 0.5).double()
        >>> answers = theorem_hypotheses(net, Population(x, half, half))
        >>> [name for name, a in answers.items() if a.state == "fails"]
        ['bias', 'neurons']
    """
    x = population.x
    states = run(net, x)
    reach = float(states.currents.abs().max())
    h = states.hidden[-1][:, net.weights > 0]
    answers = {
        "regular": regular(net.activation),
        "bends": bends_within(net.activation, reach or 1.0),
        "bias": hears_bias(net, x),
        "neurons": enough_neurons(net, x),
        "past": _past(net, x),
        "trained": _all_trained(trained),
    }
    if "fails" not in {each.state for each in answers.values()}:
        answers["features"] = independent_features(h[_different(x)])
    return answers


def regular(activation: Activation) -> Answer:
    """Say whether the activation is bounded and smooth.

    Example:
        >>> from rnnlimits.networks.activations import RELU
        >>> print(regular(RELU))
        fails: relu is not bounded, not smooth
    """
    lacking = [
        f"not {word}"
        for word in ("bounded", "smooth")
        if not getattr(activation, word)
    ]
    if lacking:
        why = f"{activation.name} is {', '.join(lacking)}"
        return Answer("fails", why)
    return Answer("holds", f"{activation.name} is bounded and smooth")


def enough_neurons(
    net: ElmanNet, x: Float[Tensor, "batch window d"]
) -> Answer:
    """Say whether there are as many neurons as windows, counting those
    of positive mass that differ in what they hear and are not silent on
    all windows. The value is their number.

    Example:
        >>> half = torch.full((2,), 0.5)
        >>> twins = torch.ones(2)
        >>> net = ElmanNet(twins[:, None], torch.ones(2, 2), twins, half)
        >>> x = torch.tensor([[[1.0]], [[2.0]]])
        >>> print(enough_neurons(net, x))
        fails: fewer live neurons than windows, 2 (1)
    """
    h = run(net, x).hidden[-1]
    live = (h != 0).any(dim=0) & (net.weights > 0)
    rows = torch.cat([net.input, net.recurrent], dim=1)[live]
    count = len(torch.unique(rows, dim=0)) if len(rows) else 0
    windows = int(_different(x).numel())
    if count >= windows:
        return Answer("holds", f"for {windows} windows", float(count))
    why = f"fewer live neurons than windows, {windows}"
    return Answer("fails", why, float(count))


def diverse(rows: str, others: str) -> Answer:
    """Say whether a start is diverse, from what its constructor
    declares of the support of the rows (a, b) and of the other weights
    of a neuron, its readout and its column.

    Words: "everything" for a full support, "bounded", "finite" for
    finitely many values, "thin" for any other support with gaps,
    "unknown". "Everything" for the rows means near one and the same
    value of the others.

    Raises:
        ValueError: another word.

    Example:
        >>> diverse("everything", "bounded").state
        'holds'
    """
    known = ("everything", "thin", "bounded", "finite", "unknown")
    for name, word in (("rows", rows), ("others", others)):
        if word not in known:
            raise ValueError(
                f"{name} must be one of {', '.join(known)}, "
                f"got {word!r}"
            )
    if rows == "unknown" or others == "unknown":
        return Answer("undecided", "nothing declared")
    if rows != "everything":
        return Answer("fails", f"the support of the rows is {rows}")
    if others == "everything":
        return Answer("undecided", "the rest without a bound")
    return Answer("holds", "rows everywhere, the rest bounded")


def _sizes(net: ElmanNet, x: Tensor) -> tuple[States, Adjoint]:
    """Return the moduli of states and adjoints, each increased by its
    error in units of round-off. The error of a current passes on
    through the slope, and changes the slope.
    """
    s, a, b = net.activation, net.input.abs(), net.recurrent.abs()
    c, states = net.readout.abs(), run(net, x)
    z, h = states.currents, states.hidden
    slope = s.slope(z, h).abs()
    bend = torch.func.grad(lambda at: s.slope(at, s.value(at)).sum())(z)
    currents, hidden = torch.zeros_like(z), h.abs()
    for k in range(len(z)):
        heard = hidden[k - 1] * net.weights if k else 0 * hidden[0]
        currents[k] = x[:, k].abs() @ a.T + heard @ b.T
        hidden[k] += slope[k] * currents[k]
    steep = 2 * slope + s.lipschitz * h.abs() + bend.abs() * currents
    reads, deltas = torch.zeros_like(z), torch.zeros_like(z)
    reads[-1] = c
    for k in reversed(range(len(z))):
        deltas[k] = reads[k] * steep[k]
        if k:
            reads[k - 1] = (deltas[k] * net.weights) @ b
    output = (hidden[-1] * net.weights) @ c
    return States(currents, hidden, output), Adjoint(reads, deltas)


def _stationary(
    g: Blocks, noise: Blocks, trained: tuple[str, ...]
) -> Answer:
    """Compare with round-off; below a million times that, undecided.

    Where the scale is zero every term is, and so is the gradient.
    """
    worst = 0.0
    for block in trained:
        size, scale = getattr(g, block).abs(), getattr(noise, block)
        live = scale > 0
        if bool(live.any()):
            ratio = float((size[live] / scale[live]).max())
            worst = max(worst, ratio)
    if worst <= 1:
        return Answer("holds", "gradient within round-off", worst)
    if worst <= 1e6:
        return Answer("undecided", "gradient near round-off", worst)
    return Answer("fails", "gradient above round-off", worst)


def _optimal(
    now: float, floor: float, population: Population
) -> Answer:
    size = population.targets.square() @ population.probabilities / 2
    share = (now - floor) / (float(size) or 1.0)
    eps = torch.finfo(size.dtype).eps
    if share <= 1000 * eps:
        return Answer("holds", "risk least to round-off", share)
    if share <= math.sqrt(eps):
        return Answer("undecided", "risk near the least", share)
    return Answer("fails", "risk above the least", share)


def _past(net: ElmanNet, x: Tensor) -> Answer:
    if len(_different(x)) < 2:
        return Answer("holds", "one window")
    return keeps_past(net, x)


def _all_trained(trained: tuple[str, ...]) -> Answer:
    frozen = [block for block in BLOCKS if block not in trained]
    if frozen:
        return Answer("fails", f"{', '.join(frozen)} frozen")
    return Answer("holds", "all blocks move")


def _different(x: Tensor) -> Tensor:
    """Return the index of the first window of each kind."""
    flat = x.flatten(1)
    _, group = torch.unique(flat, dim=0, return_inverse=True)
    order = torch.arange(len(x), device=x.device)
    first = torch.full_like(order[: int(group.max()) + 1], len(x))
    return first.scatter_reduce(0, group, order, "amin")
