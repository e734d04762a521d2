r"""From the kernel's scaling to the mean-field one by one exponent, and how far training moves.

.. math::

    \hat y = n^{-\gamma}\, c \cdot h_0, \qquad
    z_k = a\, x_k + n^{-1/2}\, b\, h_{k-1}, \qquad
    \dot w = -n^{2\gamma - 1}\, \partial R / \partial w .

At :math:`\gamma = 1/2` this is the scaling of the tangent kernel, at :math:`\gamma = 1` the
mean-field flow, of :math:`\sqrt n\, b` for its recurrent weights.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import finite_tensor, non_negative, same_size
from rnnlimits.networks.elman import (
    MEAN_FIELD,
    ElmanNet,
    Scaling,
    adjoint,
    run,
)
from rnnlimits.networks.elman_risk import Population


def between(gamma: float) -> Scaling:
    r"""Return the scaling with the output :math:`n^{-\gamma} c \cdot h_0` and every clock
    :math:`n^{2\gamma - 1}`, which keeps the speed of the output of order one.

    Raises:
        TypeError: ``gamma`` is no real number.
        ValueError: ``gamma`` is not finite.

    Example:
        >>> from rnnlimits.networks.elman import NTK
        >>> between(0.5) == NTK, between(0.75).input_clock
        (True, 0.5)
    """
    Scaling(0.5, gamma, 0.0, 0.0, 0.0)  # its checks
    clock = 2 * gamma - 1
    return Scaling(0.5, gamma, clock, clock, clock)


def as_mean_field(net: ElmanNet) -> ElmanNet:
    r"""Return a network at the far end, :math:`\gamma = 1`, in the letters of the mean-field
    scaling: the same outputs and the same flow, with :math:`\sqrt n\, b` for b.

    Raises:
        ValueError: the network is not at that end.

    Example:
        >>> half = torch.full((4,), 0.25)
        >>> parts = torch.ones(4, 1), torch.ones(4, 4), torch.ones(4)
        >>> net = ElmanNet(*parts, half, scaling=between(1.0))
        >>> as_mean_field(net).recurrent[0, 0].item()
        2.0
    """
    if net.scaling != between(1.0):
        raise ValueError(
            f"net must have the scaling {between(1.0)}, "
            f"got {net.scaling}"
        )
    b = math.sqrt(net.width) * net.recurrent
    return replace(net, recurrent=b, scaling=MEAN_FIELD)


def tangent_kernel(
    net: ElmanNet, x: Float[Tensor, "batch window d"]
) -> Float[Tensor, "batch batch"]:
    r"""Return the tangent kernel of the output on windows: under gradient flow
    :math:`\dot{\hat y} = -K\, r` with the residual averaged over the law of windows,

    .. math::

        K(x, x') = \int h_0 h_0' \, dP + \sum_{kl} \int \delta_k \delta_l' \, dP\;
        \Big( x_k \cdot x_l' + \int h_{k-1} h_{l-1}' \, dP \Big),

    each of the three parts times its clock, and factors in front, in other scalings.

    Raises:
        TypeError: as `rnnlimits.networks.elman.run`.
        ValueError: as `rnnlimits.networks.elman.run`.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> tangent_kernel(net, torch.zeros(2, 3, 1)).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
    """
    states = run(net, x)
    before_b, before_c = net.scaling.factors(net.width)
    fast_a, fast_b, fast_c = net.scaling.clocks(net.width)
    deltas = _products(adjoint(net, states).currents, net.weights)
    hidden = _products(states.hidden, net.weights)
    inputs = torch.einsum("aki,bli->kalb", x, x)
    through_a = (deltas * inputs).sum((0, 2))
    heard = deltas[1:, :, 1:] * hidden[:-1, :, :-1]
    through_b = before_b**2 * heard.sum((0, 2))
    through_c = before_c**2 * hidden[-1, :, -1]
    return fast_a * through_a + fast_b * through_b + fast_c * through_c


def _products(
    f: Float[Tensor, "window batch m"], p: Float[Tensor, " m"]
) -> Float[Tensor, "window batch window batch"]:
    """Return inner products in L²(P) between all moments and windows."""
    flat = f.flatten(0, 1)
    return ((flat * p) @ flat.T).reshape(f.shape[:2] * 2)


def alignment(
    kernel: Float[Tensor, "batch batch"], population: Population
) -> float:
    r"""Return how much of a kernel lies along the target, between -1 and 1:

    .. math:: \langle F^*, K F^* \rangle / (\|K\|\, \|F^*\|^2)

    in :math:`L^2(\pi)`, with the Hilbert-Schmidt norm of K.

    Raises:
        ValueError: sizes differ, several targets, or a kernel or target that is zero.

    Example:
        >>> two = torch.full((2,), 0.5)
        >>> over = Population(torch.zeros(2, 1, 1), torch.ones(2), two)
        >>> alignment(torch.ones(2, 2), over)
        1.0
    """
    finite_tensor("kernel", kernel, ("windows", "windows"))
    finite_tensor("targets", population.targets, ("windows",))
    same_size(
        "numbers of windows",
        kernel=len(kernel),
        population=len(population.targets),
    )
    root = population.probabilities.sqrt()
    y, K = root * population.targets, torch.outer(root, root) * kernel
    size = float(K.norm() * (y @ y))
    if size == 0:
        raise ValueError("kernel and target must not be zero")
    return float(y @ K @ y) / size


@dataclass(frozen=True)
class Movement:
    """How far training has moved the output, features and currents (root mean squares over
    windows, and over neurons), and the tangent kernel (relative to its size at the start).
    """

    output: float
    features: float
    currents: float
    kernel: float


def movement(
    start: ElmanNet, end: ElmanNet, population: Population
) -> Movement:
    r"""Return the distances between two networks on the same neurons: of the output, of the last
    states and currents, :math:`(\mathbb{E}_\pi \int (h_0^T - h_0^0)^2 dP)^{1/2}`, and of kernels.

    Raises:
        ValueError: the networks differ in width, or a network does not fit the windows.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> over = Population(torch.ones(1, 3, 1), one, one)
        >>> movement(net, net, over)
        Movement(output=0.0, features=0.0, currents=0.0, kernel=0.0)
    """
    same_size("widths", start=start.width, end=end.width)
    before, after = (run(net, population.x) for net in (start, end))
    w, p = population.probabilities, start.weights
    h = (after.hidden[-1] - before.hidden[-1]).square() @ p
    z = (after.currents[-1] - before.currents[-1]).square() @ p
    y = (after.output - before.output).square()
    first = tangent_kernel(start, population.x)
    change = tangent_kernel(end, population.x) - first
    sizes = [float((w @ square).sqrt()) for square in (y, h, z)]
    relative = float(change.norm() / first.norm())
    return Movement(sizes[0], sizes[1], sizes[2], relative)


def weight_bound(
    width: int, gamma: float, time: float, lost: float
) -> float:
    r"""Return the largest distance D that gradient flow can have moved weights in the scaling
    `between` while the risk fell by ``lost``: :math:`D^2 = T\, n^{2\gamma-2}\,(R_0 - R_T)`, where

    .. math::

        D^2 \ge \tfrac1n \sum_i |\Delta a_i|^2 + \tfrac1n \sum_{ij} (\Delta b_{ij})^2
        + \tfrac1n \sum_i (\Delta c_i)^2 .

    Raises:
        TypeError: an argument is no number.
        ValueError: a negative time or loss.

    Example:
        >>> weight_bound(100, 0.5, 4.0, 1.0)
        0.2
    """
    square = non_negative("time", time) * non_negative("lost", lost)
    return float(width) ** (gamma - 1) * math.sqrt(square)


def current_bound(
    start: ElmanNet, x: Float[Tensor, "batch window d"], moved: float
) -> Float[Tensor, " batch"]:
    r"""Return the largest root mean square, over neurons, by which the last currents can have moved
    when the weights have moved by ``moved``:

    .. math:: D \sum_{j < L} \|A_0\|^j \sqrt{|x_{-j}|^2 + 1},

    for equal masses and an activation that is bounded by one and 1-Lipschitz. The matrix is
    :math:`A_0 = n^{-\beta}\, b_0`.

    Raises:
        ValueError: another activation, unequal masses, or a negative ``moved``.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> current_bound(net, torch.zeros(1, 3, 1), 0.5).item()
        1.5
    """
    s, p = start.activation, start.weights
    if s.lipschitz > 1 or s.name not in ("tanh", "sine"):
        raise ValueError(
            "activation must be bounded by one and 1-Lipschitz, "
            f"got {s.name}"
        )
    if not bool((p == p[0]).all()):
        raise ValueError("masses must be equal, got unequal ones")
    before_b, _ = start.scaling.factors(start.width)
    scale = before_b / start.width
    norm = torch.linalg.matrix_norm(scale * start.recurrent, 2)
    newest_first = x.flip(1).square().sum(-1)
    powers = norm ** torch.arange(x.shape[1]).to(norm)
    drive = (newest_first + 1).sqrt() @ powers
    return non_negative("moved", moved) * drive
