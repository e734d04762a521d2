r"""A linear network that learns to remember one pulse: the curve its weights follow.

The window has one pulse, :math:`\tau` moments ago, and the target is one. In the family of
`rnnlimits.networks.scaling_family` the output is :math:`n^{1-\gamma} f` with

.. math:: f = \tfrac1n\, c \cdot A^\tau a, \qquad A = n^{-1/2}\, b,

and gradient flow follows the steepest ascent of f, whatever the exponent: only the clock, and the
place on the curve where f is :math:`n^{\gamma-1}`, depend on it.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from scipy.integrate import simpson
from scipy.interpolate import CubicHermiteSpline, CubicSpline
from scipy.optimize import root_scalar
from torch import Tensor

from rnnlimits._checks import integer_at_least, positive
from rnnlimits.networks.linear import LinearRNN
from rnnlimits.networks.runge_kutta import RUNGE_KUTTA, stepped
from rnnlimits.networks.weights import Weights


@dataclass(frozen=True, eq=False)
class Ascent:
    r"""Points of the curve: length from the start, f, and the squared slope
    :math:`K = |\nabla f|^2`, which is the tangent kernel at the pulse.
    """

    length: Float[Tensor, " points"]
    f: Float[Tensor, " points"]
    kernel: Float[Tensor, " points"]
    width: int


def slopes(
    a: Float[Tensor, " n"],
    A: Float[Tensor, "n n"],
    c: Float[Tensor, " n"],
    lag: int,
) -> tuple[Tensor, Weights]:
    r"""Return f and its gradient: with :math:`u_k = A^k a` and :math:`v_k = (A^\top)^k c`

    .. math::

        \nabla_a f = v_\tau, \qquad \nabla_c f = u_\tau, \qquad
        \nabla_A f = \tfrac1n \sum_{i<\tau} v_i\, u_{\tau-1-i}^\top,

    in the metric :math:`\tfrac1n |\Delta a|^2 + \|\Delta A\|_F^2 + \tfrac1n |\Delta c|^2`.

    Example:
        >>> one = torch.ones(1)
        >>> f, (by_a, by_A, by_c) = slopes(one, 2 * one[:, None], one, 3)
        >>> f.item(), by_A.item()
        (8.0, 12.0)
    """
    n, u, v = len(a), [a], [c]
    for _ in range(lag):
        u.append(A @ u[-1])
        v.append(A.T @ v[-1])
    if lag == 0:
        return c @ a / n, (c, torch.zeros_like(A), a)
    left = torch.stack(v[:lag], dim=1)
    right = torch.stack(u[:lag][::-1])
    return c @ u[lag] / n, (v[lag], left @ right / n, u[lag])


def squared(gradient: Weights) -> Tensor:
    r"""Return the squared slope K of a gradient, the tangent kernel at the pulse.

    Example:
        >>> one = torch.ones(1)
        >>> squared(slopes(one, one[:, None], one, 3)[1]).item()
        11.0
    """
    by_a, by_A, by_c = gradient
    n = len(by_a)
    return (by_a @ by_a + by_c @ by_c) / n + by_A.square().sum()


def ascend(
    rnn: LinearRNN, lag: int, share: float = 0.25, top: float = 0.6
) -> Ascent:
    r"""Follow the steepest ascent of f at unit speed until f exceeds ``top``, by Runge-Kutta steps
    of order four and length ``share`` over the lag plus two.

    Raises:
        TypeError: ``lag`` is no integer.
        ValueError: a negative lag, a share that is not positive, or more than one input or output.
        FloatingPointError: f has not reached ``top`` at length 100.

    Example:
        >>> one = torch.ones(1, 1)
        >>> curve = ascend(LinearRNN(0 * one, one, 0.1 * one), 0)
        >>> bool((curve.f.diff() > 0).all())
        True
    """
    integer_at_least("lag", lag, 0)
    step = positive("share", share) / (lag + 2)
    if rnn.n_inputs != 1 or rnn.n_outputs != 1:
        raise ValueError(
            "rnn must have one input and one output, "
            f"got {rnn.n_inputs} and {rnn.n_outputs}"
        )
    A = rnn.recurrent / math.sqrt(rnn.width)
    w: Weights = (rnn.input[:, 0], A, rnn.readout[0])
    points: list[tuple[float, float, float]] = []
    uphill = partial(_direction, lag=lag)
    while not points or points[-1][1] <= top:
        f, gradient = slopes(w[0], w[1], w[2], lag)
        here = len(points) * step, float(f), float(squared(gradient))
        points.append(here)
        if here[0] > 100 or not math.isfinite(here[1]):
            raise FloatingPointError(
                f"f must reach {top} along the curve, got {here[1]}"
            )
        w = stepped(uphill, w, step, RUNGE_KUTTA)
    columns = torch.tensor(points, dtype=torch.float64).T
    return Ascent(columns[0], columns[1], columns[2], rnn.width)


def _direction(w: Weights, lag: int) -> Weights:
    """Return the unit vector of the gradient."""
    gradient = slopes(w[0], w[1], w[2], lag)[1]
    size = squared(gradient).sqrt()
    return tuple(block / size for block in gradient)


def time_to_halve(curve: Ascent, gamma: float) -> float:
    r"""Return the time of gradient flow until half of the residual is left, an integral over the
    length s of the curve up to the place where :math:`\hat y = (1 + \hat y_0) / 2`:

    .. math::

        T = \int \frac{n^{1-\gamma}\, ds}{\sqrt K\, (1 - \hat y)}, \qquad
        \hat y = n^{1-\gamma} f .

    Between the points log K and f are cubic splines.

    Raises:
        ValueError: the output starts at or above the target, or the curve ends before half.

    Example:
        >>> flat = torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64)
        >>> curve = Ascent(flat.cumsum(0) - 1, flat.cumsum(0) - 1, flat, 1)
        >>> round(time_to_halve(curve, 1.0), 6), round(math.log(2), 6)
        (0.693147, 0.693147)
    """
    factor = float(curve.width) ** (1 - gamma)
    columns = (curve.length, curve.f, curve.kernel.log())
    s, f, log_kernel = (column.numpy() for column in columns)
    first, half = factor * f[0], (1 + factor * f[0]) / 2
    if first >= 1 or factor * f[-1] < half:
        raise ValueError(
            "curve must lead from below the target to half of it, "
            f"got outputs from {first} to {factor * f[-1]}"
        )
    output = CubicHermiteSpline(
        s, factor * f, factor * np.exp(log_kernel / 2)
    )
    place = root_scalar(
        lambda at: float(output(at)) - half, bracket=(s[0], s[-1])
    )
    grid = np.linspace(s[0], float(place.root), 2001)
    speed = np.exp(CubicSpline(s, log_kernel)(grid) / 2)
    return float(simpson(factor / speed / (1 - output(grid)), x=grid))


@dataclass(frozen=True)
class StartSizes:
    r"""Sizes of a start: :math:`\|u_k\|, \|v_k\| \le \text{vectors}\; \nu^{k/2}` and
    :math:`\|A^k\| \le \text{powers}\; \nu^{k/2}` for k up to the lag; both at least one.
    """

    vectors: float
    powers: float


def start_sizes(rnn: LinearRNN, lag: int, nu: float) -> StartSizes:
    r"""Return the least such numbers, for root mean square and operator norms.

    Raises:
        TypeError: ``lag`` is no integer.
        ValueError: a negative lag, or ``nu`` is not positive.

    Example:
        >>> one = torch.ones(1, 1)
        >>> start_sizes(LinearRNN(0.5 * one, one, 2 * one), 3, 0.25)
        StartSizes(vectors=2.0, powers=1.0)
    """
    integer_at_least("lag", lag, 0)
    shrink = positive("nu", nu) ** -0.5
    A = shrink * rnn.recurrent / math.sqrt(rnn.width)
    u, v, power = (
        rnn.input[:, 0],
        rnn.readout[0],
        torch.eye(rnn.width).to(A),
    )
    vectors, powers = 1.0, 1.0
    for k in range(lag + 1):
        if k:
            u, v, power = A @ u, A.T @ v, A @ power
        size = max(float(u.norm()), float(v.norm())) / math.sqrt(
            rnn.width
        )
        vectors = max(vectors, size)
        powers = max(powers, float(torch.linalg.matrix_norm(power, 2)))
    return StartSizes(vectors, powers)


def least_time(
    sizes: StartSizes,
    lag: int,
    nu: float,
    width: int,
    gamma: float,
    residual: float = 1.0,
) -> float:
    r"""Return a lower bound on the time until half of the residual is left:

    .. math::

        T \ge \min\Big( \frac{\log 2}{\kappa\, \nu^{\tau-1}},\;
        \frac{n^{1-\gamma}\, \sqrt\nu}{4 M \tau\, |r_0|\, \sqrt\kappa\, \nu^{(\tau-1)/2}} \Big),
        \qquad \kappa = (\tau^2 + 2)\, e\, (B + \tfrac14)^4,

    with B and M the sizes of vectors and powers at the start.

    Raises:
        TypeError: ``lag`` is no integer.
        ValueError: a lag below 1, ``nu`` that is not in (0, 1], or a residual that is not positive.

    Example:
        >>> round(least_time(StartSizes(1.0, 1.0), 1, 1.0, 1, 1.0), 4)
        0.0348
    """
    integer_at_least("lag", lag, 1)
    if not 0 < nu <= 1:
        raise ValueError(f"nu must lie in (0, 1], got {nu}")
    kappa = (lag**2 + 2) * math.e * (sizes.vectors + 0.25) ** 4
    largest = kappa * nu ** (lag - 1)
    by_kernel = math.log(2) / largest
    reach = math.sqrt(nu) / (4 * sizes.powers * lag)
    slow = float(width) ** (1 - gamma)
    size = positive("residual", residual)
    return min(by_kernel, slow * reach / (size * math.sqrt(largest)))
