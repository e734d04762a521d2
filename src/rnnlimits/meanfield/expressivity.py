r"""Approximation by networks whose hidden weights obey one bound.

With :math:`|a|, |b| \le K` everywhere the readout alone is free. Groups
of neurons that pass the past along a delay line make it visible to the
others; what K cannot do, the readout must: it has a price.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.optimize import brentq
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    positive,
)
from rnnlimits.networks.activations import TANH, Activation
from rnnlimits.networks.elman import ElmanNet, run
from rnnlimits.networks.elman_risk import Population


def delay_net(
    labels: Float[Tensor, "n coordinates"],
    bound: float,
    activation: Activation = TANH,
    *,
    offset: float = 0.0,
    bias: bool = True,
) -> ElmanNet:
    r"""Return a delay line and n neurons that read it, all hidden
    weights at most K.

    Labels :math:`(u_0, u, w_1, \dots, w_{L-1})` in
    :math:`[-1, 1]^{L+1}` and windows with channels x and 1. Atom j of
    the line, of mass :math:`p = 1/(2(L-1))`, hears the one before it;
    readers share the other half of the mass:

    .. math::

        z^{(1)}_k &= K x_k + K \beta, \qquad
        z^{(j)}_k = K p\, s(z^{(j-1)}_{k-1}) + K \beta, \\
        z_k(\omega) &= K u_0 x_k + K u
            + K p \sum_j w_j\, s(z^{(j)}_{k-1}).

    where ``offset`` is :math:`\beta`, at most one in size. Without
    ``bias`` the second input channel is heard by none. The readout is
    zero.

    Raises:
        TypeError: ``labels`` is no floating-point tensor.
        ValueError: fewer than three coordinates, labels or an offset
            outside of [-1, 1], or a bound that is not positive.

    Example:
        >>> net = delay_net(torch.ones(4, 4), 0.5)
        >>> net.width, float(net.recurrent.max())
        (6, 0.5)
    """
    finite_tensor("labels", labels, ("neurons", "coordinates"))
    n, coordinates = labels.shape
    if coordinates < 3 or bool((labels.abs() > 1).any()):
        raise ValueError(
            "labels must have at least 3 coordinates in [-1, 1], got "
            f"{coordinates} up to {float(labels.abs().max())}"
        )
    if not abs(offset) <= 1:
        raise ValueError(f"offset must lie in [-1, 1], got {offset}")
    k, lines = positive("bound", bound), coordinates - 2
    a = labels.new_zeros(lines + n, 2)
    a[0, 0], a[:lines, 1] = 1.0, offset
    a[lines:] = labels[:, :2]
    a[:, 1] *= bias
    b = labels.new_zeros(lines + n, lines + n)
    b[range(1, lines), range(lines - 1)] = 1.0
    b[lines:, :lines] = labels[:, 2:]
    p = labels.new_full((lines + n,), 0.5 / n)
    p[:lines] = 0.5 / lines
    return ElmanNet(k * a, k * b, 0 * p, p, activation)


@dataclass(frozen=True, eq=False)
class Features:
    r"""Singular values of the features in :math:`L^2(\pi) \to
    L^2(P)`, and the target in their singular vectors.

    ``beyond`` is the norm of what no readout reaches. All are relative
    to the norm of the target.
    """

    singular: Float[Tensor, " r"]
    target: Float[Tensor, " r"]
    beyond: float

    def error(self, ridge: float) -> float:
        r"""Return :math:`\|\hat y - F^*\| / \|F^*\|` of the readout that
        minimises :math:`\|\hat y - F^*\|^2 + \lambda^2 \|c\|^2`.
        """
        left = ridge**2 / (self.singular**2 + ridge**2)
        missed = float((left * self.target).square().sum())
        return math.sqrt(missed + self.beyond**2)

    def size(self, ridge: float) -> float:
        r"""Return the norm :math:`\|c\|_{L^2(P)} / \|F^*\|` of this
        readout.
        """
        gain = self.singular / (self.singular**2 + ridge**2)
        return float((gain * self.target).norm())


def features(net: ElmanNet, population: Population) -> Features:
    r"""Return the features :math:`h_0`, decomposed, and one target.

    Raises:
        TypeError: as `rnnlimits.networks.elman.run`.
        ValueError: several targets, a target that vanishes, or windows
            that do not fit the network.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> data = Population(torch.ones(1, 2, 1), 3 * one, one)
        >>> features(net, data).target.abs().item()
        1.0
    """
    finite_tensor("targets", population.targets, ("batch",))
    root = population.probabilities.sqrt()
    y = root * population.targets
    if not bool(y.any()):
        raise ValueError("targets must not vanish, got zeros only")
    y = y / y.norm()
    h = run(net, population.x).hidden[-1]
    design = root[:, None] * h * net.weights.sqrt()
    u, singular, _ = torch.linalg.svd(design, full_matrices=False)
    seen = u.T @ y
    return Features(singular, seen, float((y - u @ seen).norm()))


def best_error(found: Features, digits: float = 1e-10) -> float:
    r"""Return the relative error of the least-squares readout, damped
    at ``digits`` times the largest singular value.

    Undamped, the readout would follow singular values that are
    round-off; the damping bounds its norm by ``1 / (2 digits)`` over
    the largest singular value.

    Raises:
        ValueError: ``digits`` is not positive.

    Example:
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> best_error(Features(one, 0.8 * one, 0.6))
        0.6
    """
    ridge = positive("digits", digits) * float(found.singular[0])
    return found.error(ridge)


def price(found: Features, error: float) -> float:
    r"""Return the least :math:`\|c\|_{L^2(P)} / \|F^*\|` among readouts
    of this relative error.

    Raises:
        ValueError: the error is not between 0 and 1, or no readout that
            double precision resolves attains it.

    Example:
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> round(price(Features(one / 10, one, 0.0), 0.5), 6)
        5.0
    """
    top = float(found.singular[0])
    floor = found.error(1e-13 * top)
    if not floor < error < 1:
        raise ValueError(
            f"error must lie between {floor:.3g}, the least one here, "
            f"and 1, got {error}"
        )

    # A ridge of top * t leaves at least t² / (1 + t²) of the target.
    enough = math.sqrt(error / (1 - error))
    low, high = math.log(1e-13 * top), math.log(1.01 * enough * top)
    ridge, _ = brentq(
        lambda t: found.error(math.exp(t)) - error,
        low,
        high,
        xtol=1e-12,
        full_output=True,
    )
    return found.size(math.exp(ridge))


def derivatives_at_zero(
    activation: Activation, order: int
) -> list[float]:
    r"""Return :math:`s(0), s'(0), \dots, s^{(\text{order})}(0)`.

    Raises:
        TypeError: ``order`` is no integer.
        ValueError: ``order`` is negative.

    Example:
        >>> derivatives_at_zero(TANH, 3)
        [0.0, 1.0, 0.0, -2.0]
    """
    integer_at_least("order", order, 0)
    function: Callable[[Tensor], Tensor] = activation.value
    zero, found = torch.zeros((), dtype=torch.float64), []
    for _ in range(order + 1):
        found.append(float(function(zero)) + 0.0)
        function = torch.func.grad(function)
    return found


def price_exponent(
    activation: Activation, degree: int, lag: int = 0
) -> int:
    r"""Return the power of 1/K that the readout pays at least for
    :math:`x_{-\text{lag}}^m` when biases, too, are at most K: the lag
    plus :math:`m` if :math:`s^{(m)}(0) \ne 0`, the lag plus
    :math:`m + 1` if only :math:`s^{(m+1)}(0) \ne 0`.

    Raises:
        TypeError: a number is no integer.
        ValueError: the degree is below 1, the lag negative, the
            activation not smooth, or both derivatives vanish.

    Example:
        >>> [price_exponent(TANH, degree) for degree in (1, 2, 3)]
        [1, 3, 3]
    """
    m = integer_at_least("degree", degree, 1)
    j = integer_at_least("lag", lag, 0)
    if not activation.smooth:
        raise ValueError(
            f"activation must be smooth, got {activation.name}"
        )
    here, above = derivatives_at_zero(activation, m + 1)[m:]
    if abs(here) > 1e-9:
        return m + j
    if abs(above) > 1e-9:
        return m + 1 + j
    raise ValueError(
        f"activation must have a derivative of order {m} or {m + 1} "
        f"at 0 that is not zero, got {activation.name}"
    )


def lag_price(
    activation: Activation, bound: float, lag: int, error: float
) -> float:
    r"""Return :math:`(1 - \epsilon) / (\ell K)^{j+1}`, the least
    :math:`\int |c|\, dP` with which a network of hidden weights at
    most K can give :math:`x_{-j}` up to a relative error
    :math:`\epsilon`.

    The input at lag j must be independent of the others, of any centred
    law; :math:`\ell` is the Lipschitz constant of the activation. As
    :math:`\|c\|_{L^2(P)}` is no less, it obeys the bound too; `price`
    gives it relative to the norm of the target.

    Raises:
        TypeError: ``lag`` is no integer.
        ValueError: a bound that is not positive, a lag below 0, or an
            error outside of [0, 1).

    Example:
        >>> lag_price(TANH, 0.5, 2, 0.0)
        8.0
    """
    j = integer_at_least("lag", lag, 0)
    if not 0 <= error < 1:
        raise ValueError(f"error must lie in [0, 1), got {error}")
    gain = activation.lipschitz * positive("bound", bound)
    return (1 - error) / gain ** (j + 1)
