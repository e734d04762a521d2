r"""When the risk falls exponentially for ever, and what to watch along
a path of training.

With the features' operator :math:`\Phi_t : L^2(P) \to L^2(\pi)`,
:math:`G_t = \Phi_t \Phi_t^*`, the readout alone gives
:math:`\dot R \le -2 \lambda_{\min}(G_t) R`. If the risk is small beside
:math:`\lambda_{\min}(G)^2`, the weights cannot move far enough to lose
that eigenvalue.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import non_negative
from rnnlimits.meanfield.flow import Path
from rnnlimits.meanfield.hypotheses import Answer
from rnnlimits.networks.elman import ElmanNet, run, unchecked
from rnnlimits.networks.elman_risk import (
    Population,
    gradient,
    gram,
    risk,
    squared_norms,
)
from rnnlimits.networks.scaling_family import tangent_kernel


def feature_shift(
    net: ElmanNet,
    x: Float[Tensor, "batch window d"],
    distance: float,
) -> Float[Tensor, " batch"]:
    r"""Return a bound on how far the features of each window can move,
    in :math:`L^2(P)`, while the weights stay within ``distance``:

    .. math::

        e_k = \mathrm{Lip}(s)\,\big( \rho\,
        \sqrt{|x_k|^2 + (\lVert h_{k-1} \rVert + e_{k-1})^2}
        + \lVert b \rVert\, e_{k-1} \big) ,

    from the first input on, with nothing before it. Weights, states and
    the operator b are those of ``net``.

    Raises:
        TypeError: as `rnnlimits.networks.elman.run`.
        ValueError: as there; or a distance that is negative.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> feature_shift(net, torch.ones(1, 1, 1), 0.5).tolist()
        [0.5]
    """
    rho = non_negative("distance", distance)
    hidden = run(net, x).hidden
    size = (hidden.square() @ net.weights).sqrt()
    operator = _operator_norm(net)
    heard = shift = torch.zeros_like(size[0])
    for k in range(x.shape[1]):
        own = (x[:, k].square().sum(-1) + (heard + shift) ** 2).sqrt()
        shift = net.activation.lipschitz * (
            rho * own + operator * shift
        )
        heard = size[k]
    return shift


@dataclass(frozen=True)
class Decay:
    r"""What is known of the risk from here on.

    ``least`` is :math:`\lambda_{\min}(G)` now, ``distance`` the length
    :math:`\sqrt{8R/\lambda_{\min}}` that the weights cannot exceed,
    ``shift`` what the features can move meanwhile, ``room`` what they
    may move, :math:`\sqrt{\lambda_{\min}}/2`.
    """

    risk: float
    least: float
    distance: float
    shift: float
    room: float

    @property
    def proved(self) -> bool:
        """Whether the risk falls to zero exponentially from here."""
        return self.shift <= self.room and self.least > 0

    @property
    def rate(self) -> float:
        r"""The proved rate, :math:`\lambda_{\min}/2`; 0 if none is."""
        return self.least / 2 if self.proved else 0.0


def guaranteed_decay(net: ElmanNet, population: Population) -> Decay:
    r"""Return whether :math:`R(t) \le R(0)\, e^{-\lambda_{\min} t / 2}`
    is proved for the gradient flow that starts at ``net``.

    An eigenvalue like round-off counts as zero.

    Raises:
        TypeError: as `rnnlimits.networks.elman_risk.risk`.
        ValueError: as there; not the mean-field scaling; or an
            activation with a kink, which the proof does not cover.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> near = Population(one[:, None, None], 0.76 * one, one)
        >>> guaranteed_decay(net, near).proved
        True
    """
    if not net.scaling.forgets_width:
        raise ValueError(
            f"net must have the mean-field scaling, got {net.scaling}"
        )
    if not net.activation.smooth:
        raise ValueError(
            "net must have a smooth activation, "
            f"got {net.activation.name}"
        )
    now = float(risk(net, population))
    least = least_eigenvalue(gram(net, population))
    if least == 0:
        return Decay(now, 0.0, math.inf, math.inf, 0.0)
    distance = math.sqrt(8 * now / least)
    shifts = feature_shift(net, population.x, distance)
    mean = float(shifts.square() @ population.probabilities)
    return Decay(
        now, least, distance, math.sqrt(mean), math.sqrt(least) / 2
    )


def least_eigenvalue(g: Float[Tensor, "batch batch"]) -> float:
    """Return the least eigenvalue of a Gram matrix; zero where it is
    not told from round-off.

    Example:
        >>> least_eigenvalue(torch.ones(2, 2).double())
        0.0
    """
    values = torch.linalg.eigvalsh(g)
    noise = 10 * len(g) * torch.finfo(g.dtype).eps * float(values[-1])
    return float(values[0]) if float(values[0]) > noise else 0.0


def converges(path: Path, population: Population) -> Answer:
    """Say whether the trajectory converges: proved by
    `guaranteed_decay` from some recorded time on, or not contradicted.

    The value is that time, or the largest velocity of a readout weight
    at the end relative to the start.

    Raises:
        TypeError: as `rnnlimits.meanfield.flow.Path.at`.

    Example:
        >>> from rnnlimits.meanfield.flow import integrate
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> near = Population(one[:, None, None], 0.76 * one, one)
        >>> str(converges(integrate(net, near, 0.1, 2), near))
        'holds: proved from time (0)'
    """
    smooth = path.at(0).activation.smooth
    for i, t in enumerate(path.times.tolist() if smooth else []):
        if guaranteed_decay(path.at(i), population).proved:
            return Answer("holds", "proved from time", t)
    first, last = (
        float(gradient(path.at(i), population).readout.abs().max())
        for i in (0, -1)
    )
    until = float(path.times[-1])
    reason = f"not contradicted up to t = {until:g}"
    return Answer("undecided", reason, last / first if first else 0.0)


@dataclass(frozen=True, eq=False)
class Watch:
    r"""Along a path: risk, mean square and largest modulus of
    :math:`g_c`, lowest eigenvalue of :math:`G_t`, what the gradient
    dissipates relative to 2R (in all, and by block), and the least
    distance between two neurons.
    """

    times: Float[Tensor, " times"]
    risk: Float[Tensor, "times *several"]
    readout: Float[Tensor, "times *several"]
    largest: Float[Tensor, "times *several"]
    least: Float[Tensor, "times *several"]
    ratio: Float[Tensor, "times *several"]
    shares: Float[Tensor, "blocks times *several"]
    apart: Float[Tensor, "times *several"]


def watch(path: Path, population: Population) -> Watch:
    r"""Return what the theory speaks of, at every recorded time of one
    network or of several side by side.

    Example:
        >>> from rnnlimits.meanfield.flow import integrate
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> near = Population(one[:, None, None], 0.5 * one, one)
        >>> watch(integrate(net, near, 0.1, 2), near).ratio.shape
        torch.Size([3])
    """
    several = isinstance(path.net, tuple)
    kinds = path.net if isinstance(path.net, tuple) else (path.net,)
    rows = []
    for i in range(len(path.times)):
        a, b, c = path.input[i], path.recurrent[i], path.readout[i]
        if not several:
            a, b, c = a[None], b[None], c[None]
        nets = [
            unchecked(kind, a[j], b[j], c[j], kind.weights)
            for j, kind in enumerate(kinds)
        ]
        each = [_numbers(net, population) for net in nets]
        rows.append(torch.stack(each))
    numbers = torch.stack(rows).movedim(-1, 0)
    if not several:
        numbers = numbers[..., 0]
    now, readout, largest, least, ratio = numbers[:5]
    shares, apart = numbers[5:8], numbers[8]
    return Watch(
        path.times, now, readout, largest, least, ratio, shares, apart
    )


def _numbers(net: ElmanNet, population: Population) -> Tensor:
    g = gradient(net, population)
    lost = squared_norms(net, g)
    now = risk(net, population)
    least = torch.linalg.eigvalsh(gram(net, population))[0]
    parts = torch.stack([lost.input, lost.recurrent, lost.readout])
    return torch.stack(
        [
            now,
            lost.readout,
            g.readout.abs().max(),
            least,
            lost.total / (2 * now),
            *(parts / lost.total),
            nearest(net),
        ]
    )


def nearest(net: ElmanNet) -> Float[Tensor, ""]:
    r"""Return the least distance between two neurons:
    :math:`|a - a'|^2 + \lVert b(\omega, \cdot) - b(\omega', \cdot)
    \rVert^2 + \lVert b(\cdot, \omega) - b(\cdot, \omega') \rVert^2
    + |c - c'|^2`, and the root; infinite for one neuron.

    Example:
        >>> half = torch.full((2,), 0.5)
        >>> twins = torch.ones(2)
        >>> net = ElmanNet(twins[:, None], torch.ones(2, 2), twins, half)
        >>> nearest(net).item()
        0.0
    """
    if net.width == 1:
        return net.weights.new_tensor(math.inf)
    root = net.weights.sqrt()
    everything = torch.cat(
        [
            net.input,
            net.recurrent * root,
            net.recurrent.T * root,
            net.readout[:, None],
        ],
        dim=1,
    )
    return torch.pdist(everything).min()


def tangent_gram(
    net: ElmanNet, population: Population
) -> Float[Tensor, "batch batch"]:
    r"""Return the operator K of all blocks on :math:`L^2(\pi)`, with
    :math:`\dot R = -\langle r, K r \rangle`: the features' operator G
    and those of the other two blocks.

    Raises:
        TypeError: as `rnnlimits.networks.elman_risk.risk`.
        ValueError: as there.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(one[:, None], one[:, None], 0 * one, one)
        >>> flat = Population(torch.ones(1, 1, 1), one, one)
        >>> bool(tangent_gram(net, flat) == gram(net, flat))
        True
    """
    root = population.probabilities.sqrt()
    return torch.outer(root, root) * tangent_kernel(net, population.x)


def _operator_norm(net: ElmanNet) -> Tensor:
    root = net.weights.sqrt()
    weighed = root[:, None] * net.recurrent * root
    return torch.linalg.matrix_norm(weighed, 2)
