r"""The convergence theorem in numbers: bounds that hold along the flow, and the constant they give.

All networks of one embedding share these bounds, whatever their width, and so does the limit. They
rest on the energy: the risk cannot fall by more than it is, so the recurrent weights stay bounded
in :math:`L^2`, and from there everything else pointwise.
"""

import math
from dataclasses import dataclass

import torch

from rnnlimits._checks import (
    integer_at_least,
    non_negative,
    positive,
)
from rnnlimits.meanfield.embedding import SamplingRule
from rnnlimits.meanfield.flow import Path
from rnnlimits.meanfield.hypotheses import Answer
from rnnlimits.networks.activations import Activation
from rnnlimits.networks.elman import ElmanNet, adjoint, run
from rnnlimits.networks.elman_risk import Population

# The largest second derivatives of the activations that have one and are bounded by one.
_BENDS = {
    "tanh": 4 / (3 * math.sqrt(3)),
    "erf": 2 * math.sqrt(2 / math.pi) * math.exp(-1 / 2),
    "sine": 1.0,
}


@dataclass(frozen=True)
class Start:
    r"""What the theorem is told: bounds at the start, of any width.

    ``inputs`` bounds :math:`|x_k|`, ``target`` is :math:`(\mathbb{E} F^{*2})^{1/2}`, ``recurrent``
    and ``readout`` bound :math:`|b|` and :math:`|c|`; states are at most one.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a number is negative or not finite, or a window below 1.

    Example:
        >>> Start(3, 1.0, 1.0, 2.0, 1.0).risk
        2.0
    """

    window: int
    inputs: float
    target: float
    recurrent: float
    readout: float
    slope: float = 1.0
    bend: float = _BENDS["tanh"]

    def __post_init__(self) -> None:
        integer_at_least("window", self.window, 1)
        for name in ("inputs", "target", "recurrent", "readout"):
            non_negative(name, getattr(self, name))
        positive("slope", self.slope)
        positive("bend", self.bend)

    @property
    def risk(self) -> float:
        r"""A bound of the risk at the start, :math:`\tfrac12 (|c| + |F^*|)^2`."""
        return (self.readout + self.target) ** 2 / 2


def start_of(net: ElmanNet, population: Population) -> Start:
    """Return the bounds of a network's weights and of a finite law of windows.

    Raises:
        ValueError: the activation is not bounded by one with a Lipschitz slope.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), 2 * torch.ones(1, 1), one, one)
        >>> start_of(net, Population(torch.ones(1, 3, 1), one, one)).recurrent
        2.0
    """
    s = net.activation
    if s.name not in _BENDS:
        raise ValueError(
            "activation must be bounded with a Lipschitz slope, "
            f"got {s.name!r}"
        )
    square = population.targets.square() @ population.probabilities
    return Start(
        window=population.x.shape[1],
        inputs=float(population.x.norm(dim=-1).max()),
        target=float(square.max()) ** 0.5,
        recurrent=float(net.recurrent.abs().max()),
        readout=float(net.readout.abs().max()),
        slope=s.lipschitz,
        bend=_BENDS[s.name],
    )


@dataclass(frozen=True)
class Bounds:
    r"""What holds up to a time, for every width: pointwise bounds of :math:`|c|`, :math:`|b|`, of
    the adjoint :math:`|v_{-j}|`, and of how far a and b can have moved.
    """

    readout: float
    recurrent: float
    adjoint: tuple[float, ...]
    input_moved: float
    recurrent_moved: float


def bounds(start: Start, time: float) -> Bounds:
    r"""Return the bounds up to a time T: with :math:`\rho = \sqrt{2 R_0}`,

    .. math::

        |c| &\le C = c_0 + \rho T, \qquad
        \|b\|_{L^2} \le N = b_0 + \sqrt{T R_0}, \\
        \|\delta_{-j}\|_{L^2} &\le d_j = \ell C (\ell N)^j, \qquad
        \|b(\cdot, \omega')\|_{L^2} \le M = b_0 + \rho T \sum_{j<L-1} d_j, \\
        |v_{-j}| &\le M d_{j-1}, \qquad
        |b| \le b_0 + \rho T \sum_{j<L-1} \ell |v_{-j}| .

    Raises:
        TypeError: the time is no number.
        ValueError: the time is negative or not finite.

    Example:
        >>> bounds(Start(3, 1.0, 1.0, 2.0, 1.0), 0.0).adjoint
        (1.0, 2.0, 4.0)
    """
    t, slope = non_negative("time", time), start.slope
    rho = math.sqrt(2 * start.risk)
    c = start.readout + rho * t
    norm = start.recurrent + math.sqrt(t * start.risk)
    d = [slope * c * (slope * norm) ** j for j in range(start.window)]
    column = start.recurrent + rho * t * sum(d[:-1])
    v = (c, *(column * each for each in d[:-1]))
    moved = rho * t * slope * sum(v[:-1])
    reach = rho * t * slope * start.inputs * sum(v)
    return Bounds(c, start.recurrent + moved, v, reach, moved)


def velocity_gap(
    start: Start, here: Bounds, weights: float, sampling: float
) -> float:
    r"""Return a bound of the difference of two velocities, for weights that differ by at most
    ``weights`` and averages over neurons that err by ``sampling`` times the bound of what they
    average.

    It serves the largest difference over neurons and the root mean square alike, and is linear in
    its last two arguments.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a number is negative or not finite.

    Example:
        >>> start = Start(1, 1.0, 1.0, 0.0, 1.0)
        >>> velocity_gap(start, bounds(start, 0.0), 0.0, 0.0)
        0.0
    """
    e = non_negative("weights", weights)
    tau = non_negative("sampling", sampling)
    rho, slope = math.sqrt(2 * start.risk), start.slope
    b, c, v = here.recurrent, here.readout, here.adjoint
    current, drive = start.inputs * e, (start.inputs + 1) * e
    for _ in range(start.window - 1):
        current = drive + 2 * b * tau + slope * b * current
    state = slope * current
    output = e + c * state + 2 * c * tau
    adjoint, deltas = e, []
    for each in v:
        delta = slope * adjoint + each * start.bend * current
        deltas.append(delta)
        adjoint = slope * each * (e + 2 * b * tau) + b * delta
    read = slope * sum(v)
    heard = slope * sum(v[:-1])
    return max(
        output + rho * state,
        start.inputs * (output * read + rho * sum(deltas)),
        output * heard + rho * (sum(deltas[:-1]) + heard * state),
    )


def bounds_along(path: Path, population: Population) -> Bounds:
    """Return the largest values met on a computed path: what `bounds` bounds, without slack.

    Raises:
        TypeError: the path holds several networks.

    Example:
        >>> from rnnlimits.meanfield.flow import integrate
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), 2 * torch.ones(1, 1), one, one)
        >>> population = Population(torch.zeros(1, 2, 1), one, one)
        >>> bounds_along(integrate(net, population, 0.1, 2), population).adjoint
        (1.0, 2.0)
    """
    x, v = population.x, []
    for i in range(len(path.times)):
        net = path.at(i)
        reads = adjoint(net, run(net, x)).states
        v.append(reads.abs().amax((1, 2)).flip(0))
    moved = path.input - path.input[0]
    return Bounds(
        float(path.readout.abs().max()),
        float(path.recurrent.abs().max()),
        tuple(torch.stack(v).amax(0).tolist()),
        float(moved.norm(dim=-1).max()),
        float((path.recurrent - path.recurrent[0]).abs().max()),
    )


def log_bound(
    start: Start,
    here: Bounds,
    time: float,
    width: int,
    constant: float,
) -> float:
    r"""Return the natural logarithm of the bound of the weights' error at a time T,

    .. math::

        \sqrt{\frac Kn}\; \frac{S_T}{\Lambda_T} \big(e^{\Lambda_T T} - 1\big) ,

    for weak dependence with constant K. The logarithm, because the number itself overflows.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a number is not positive, or a width below 1.

    Example:
        >>> start = Start(1, 1.0, 0.0, 0.0, 1.0)
        >>> here = bounds(start, 1.0)
        >>> narrow, wide = (log_bound(start, here, 1.0, n, 1.0) for n in (10, 1000))
        >>> round(narrow - wide, 6) == round(math.log(10), 6)
        True
    """
    t, n = positive("time", time), integer_at_least("width", width, 1)
    rate = velocity_gap(start, here, 1.0, 0.0)
    sampling = velocity_gap(start, here, 0.0, 1.0)
    grown = rate * t + math.log(-math.expm1(-rate * t))
    root = math.log(positive("constant", constant) / n) / 2
    return root + math.log(sampling / rate) + grown


def smooth_bounded(activation: Activation) -> Answer:
    """Say whether the activation is bounded and its slope Lipschitz; the value is that constant.

    Example:
        >>> from rnnlimits.networks.activations import RELU, TANH
        >>> smooth_bounded(TANH).state, smooth_bounded(RELU).state
        ('holds', 'fails')
    """
    if not activation.smooth:
        return Answer("fails", "the slope jumps")
    if not activation.bounded:
        return Answer("fails", "the activation is unbounded")
    if activation.name not in _BENDS:
        return Answer("undecided", "no Lipschitz constant is known")
    return Answer(
        "holds", "bounded, slope Lipschitz", _BENDS[activation.name]
    )


def bounded_start(
    net: ElmanNet, declared: float | None = None
) -> Answer:
    """Say whether the weights at the start are bounded, with ``declared`` for all labels.

    A finite set of labels is declared by the largest weight of its atoms; of a continuum a
    quadrature sees a few labels only, and without a declaration the answer is undecided.

    Raises:
        ValueError: a declared bound that is not positive.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> bounded_start(net, 0.5).state, bounded_start(net).state
        ('fails', 'undecided')
    """
    parts = (net.input, net.recurrent, net.readout)
    largest = max(float(part.abs().max()) for part in parts)
    return _kept(largest, declared, "a weight above the bound")


def weak_dependence(rule: SamplingRule) -> Answer:
    """Say whether the rule is weakly dependent for bounded functions, by its declaration.

    Undecided where it is so for Lipschitz functions only: then the weights must be Lipschitz in
    the label too. The value is the constant.

    Example:
        >>> from rnnlimits.meanfield.embedding import RULES
        >>> [weak_dependence(RULES[k]).state for k in ("lattice", "two values")]
        ['undecided', 'fails']
    """
    if math.isfinite(rule.bounded):
        return Answer("holds", "for bounded functions", rule.bounded)
    if math.isfinite(rule.lipschitz):
        return Answer(
            "undecided", "for Lipschitz functions only", rule.lipschitz
        )
    return Answer("fails", "averages over neurons do not settle")


def bounded_data(
    population: Population, declared: float | None = None
) -> Answer:
    """Say whether inputs are bounded, with ``declared`` for all windows of the law.

    Raises:
        ValueError: a declared bound that is not positive.

    Example:
        >>> one = torch.ones(1)
        >>> bounded_data(Population(torch.ones(1, 3, 1), one, one), 2.0).value
        1.0
    """
    largest = float(population.x.norm(dim=-1).max())
    return _kept(largest, declared, "an input above the bound")


def _kept(
    largest: float, declared: float | None, broken: str
) -> Answer:
    """Compare the largest number at the nodes with a declared bound."""
    if declared is None:
        return Answer("undecided", "no bound is declared", largest)
    if largest > positive("declared", declared):
        return Answer("fails", broken, largest)
    return Answer("holds", "declared, and kept at all nodes", largest)
