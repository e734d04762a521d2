r"""The bias to short lags: bounds with their constants, learning times, where they end.

Descent on the loss :math:`\tfrac12\langle L, LH\rangle - \langle L, R\rangle + \tfrac12 E` leaves
the least-squares solution :math:`\hat L` alone. In :math:`Z = (L - \hat L) H^{1/2}`, whose square
is twice the excess loss, one step with a constant kernel is a contraction for
:math:`\eta \le B_1 = 2/\lambda_{\max}(H^{1/2} \Theta H^{1/2})`, and lag :math:`\tau` moves by

.. math::

    \|L_\tau^{\ell+1} - L_\tau^\ell\|_F = \eta\, \|(\Theta H^{1/2} Z_\ell)_\tau\|
        \le \eta\, g_\tau \|Z_0\|, \qquad g_\tau = \|(\Theta H^{1/2})_\tau\|_{\mathrm{op}} .
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    integer_at_least,
    non_negative_weights,
    positive,
    step_numbers,
)
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import (
    SquaredLoss,
    loss_gradient,
    require_fit,
)
from rnnlimits.kernel.training import stability_limit, stable_rate
from rnnlimits.networks.linear import Variances


def weight_peak(variances: Variances) -> int:
    r"""Return the first lag at which the lag weights are largest: the smallest integer at or above

    .. math::

        \frac{\nu_W}{1 - \nu_W} - \frac{\nu_W (\nu_C + \nu_F)}{\nu_C \nu_F},

    or 0 where that is negative. The weights rise up to it and fall after it; where the number
    above is an integer at or above 0 the next lag is as large.

    Raises:
        ValueError: :math:`\nu_W` is at least 1, so that there may be no largest weight.

    Example:
        >>> weight_peak(Variances(recurrent=0.9, input=1.0, readout=1.0))
        8
    """
    _stable(variances)
    return int(_peak(variances, 1.0))


def geometric_constant(
    variances: Variances, rate: float, n_lags: int | None = None
) -> float:
    r"""Return the least C with :math:`\rho_\tau \le C r^\tau`, at all lags or at the first
    ``n_lags``, for the rate r (linear paper, eq. 22, in the form that holds).

    The maximum of :math:`\rho_\tau r^{-\tau}` is attained at a lag known in closed form. Over all
    lags it is finite for every rate above :math:`\nu_W`; at the rate :math:`\nu_W` itself, and
    :math:`\tau < T`, it is
    :math:`\nu_C + \nu_F + (T - 1)\, \nu_C \nu_F / \nu_W` and grows with T.

    Raises:
        TypeError: ``n_lags`` is no integer.
        ValueError: the rate is not positive; or there is no ``n_lags`` and the rate does not lie
            above :math:`\nu_W`.

    Example:
        >>> geometric_constant(Variances(recurrent=0.5, input=1.0, readout=1.0), rate=0.5, n_lags=4)
        8.0
    """
    rate = positive("rate", rate)
    if n_lags is None and rate <= variances.recurrent:
        raise ValueError(
            f"rate must lie above the recurrent variance {variances.recurrent} to bound the "
            f"weights at all lags, got {rate}; give n_lags to bound the first of them"
        )
    last = math.inf
    if n_lags is not None:
        last = integer_at_least("n_lags", n_lags, 1) - 1
    peak = int(min(_peak(variances, rate), last))
    return float(lag_weights(peak + 1, variances)[peak]) / rate**peak


def _peak(variances: Variances, rate: float) -> int | float:
    r"""Return the first lag at which :math:`\rho_\tau r^{-\tau}` is largest, inf if it rises for
    ever: it rises from τ to τ + 1 as long as τ lies below :math:`q/(1-q) - \nu_W a/b`, with
    :math:`q = \nu_W / r`, :math:`a = \nu_C + \nu_F` and :math:`b = \nu_C \nu_F`.
    """
    nu_W, nu_F = variances.recurrent, variances.input
    a, b = variances.readout + nu_F, variances.readout * nu_F
    q = nu_W / rate
    if nu_W == 0:  # only lags 0 and 1 have weights, a and b
        return int(b / rate > a)
    if q >= 1:
        return math.inf if b > 0 or (q > 1 and a > 0) else 0
    if b == 0:
        return 0
    return max(0, math.ceil(q / (1 - q) - nu_W * a / b))


def residual_norm(
    initial: Float[Tensor, "lags o i"], loss: SquaredLoss
) -> float:
    r"""Return :math:`\|Z_0\| = \sqrt{2\,(\ell(L^0) - \min \ell)}`, the part of the residual that a
    linear map of the inputs can remove.

    Computed as :math:`\langle G H^+, G \rangle^{1/2}` with the gradient :math:`G` at ``initial``;
    directions in which H vanishes to round-off are left out, as the gradient vanishes there.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> residual_norm(3 * one, squared_loss(one, one))
        2.0
    """
    gradient = loss_gradient(initial, loss)
    values, vectors = torch.linalg.eigh(loss.matrix)
    rows = gradient.transpose(0, 1).flatten(1) @ vectors
    seen = values > _noise(values)
    return float((rows[:, seen] / values[seen].sqrt()).norm())


def reach(kernel: Tensor, loss: SquaredLoss) -> Float[Tensor, " lags"]:
    r"""Return :math:`g_\tau = \|(\Theta H^{1/2})_\tau\|_{\mathrm{op}}`: how far lag τ can move in
    one step, per unit of learning rate and of residual.

    For lag weights this is :math:`\rho_\tau \|H_{\tau\tau}\|_{\mathrm{op}}^{1/2}`; for a full
    kernel, axes (lag, output, input) twice, every lag also moves with the others.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit, or a weight is negative.

    Example:
        >>> from rnnlimits.kernel.loss import white_loss
        >>> reach(torch.tensor([2.0, 1.0]), white_loss(torch.zeros(2, 1, 1)))
        tensor([2.8284, 1.0000])
    """
    require_fit(kernel, loss)
    if kernel.ndim == 1:
        blocks = torch.einsum("kikj->kij", loss.gram)
        largest = torch.linalg.eigvalsh(blocks)[:, -1]
        return kernel * largest.clamp(min=0).sqrt()
    through = torch.einsum("koilpj,ljmb->koimpb", kernel, loss.gram)
    blocks = torch.einsum("koimpb,kqcmpb->koiqc", through, kernel)
    size = loss.n_outputs * loss.n_inputs
    blocks = blocks.reshape(loss.n_lags, size, size)
    return torch.linalg.eigvalsh(blocks)[:, -1].clamp(min=0).sqrt()


def movement_bound(
    initial: Float[Tensor, "lags o i"],
    kernel: Tensor,
    loss: SquaredLoss,
    learning_rate: float,
    steps: Sequence[int],
) -> Float[Tensor, "steps lags"]:
    r"""Return :math:`\eta\, \ell\, g_\tau \|Z_0\|`, which :math:`\|L_\tau^\ell - L_\tau^0\|_F`
    does not exceed under descent with a constant kernel at any :math:`\eta < B_1` (linear paper,
    Thm. 4.1, eq. 25).

    With lag weights :math:`g_\tau = \rho_\tau \|H_{\tau\tau}\|^{1/2}`, so that the paper's
    :math:`B_2` may be :math:`\eta\, \|H_{00}\|^{1/2} \|Z_0\|`; with a full kernel this is what
    holds for a network linearised at its start, at its own width.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit, a step is negative, or the learning rate is not below
            :math:`B_1`.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> movement_bound(0 * one, torch.ones(1), squared_loss(one, one), 0.5, [0, 1, 2]).flatten()
        tensor([0.0000, 0.5000, 1.0000])
    """
    rate = stable_rate(learning_rate, kernel, loss)
    speed = rate * residual_norm(initial, loss) * reach(kernel, loss)
    return _column(steps, speed) * speed


def sharp_movement_bound(
    initial: Float[Tensor, "lags o i"],
    weights: Float[Tensor, " lags"],
    loss: SquaredLoss,
    learning_rate: float,
    steps: Sequence[int],
) -> Float[Tensor, "steps lags"]:
    r"""Return, for lag weights, the least of three bounds on the movement of each lag:

    .. math::

        \|Z_0\| \min\Big\{ \eta \ell \rho_\tau \|H_{\tau\tau}\|^{1/2},\;
            m^{1/2} (\eta \ell \rho_\tau)^{1/2},\;
            m\, \|(H^{-1})_{\tau\tau}\|^{1/2} \Big\}, \qquad
        m = \max\Big\{1, \frac{2 \eta}{B_1}\Big\},

    linear in the steps at first, then their root, then constant. Where H is singular to round-off
    the third does not exist, and two remain.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit, a weight or step is negative, or the learning rate is not
            below :math:`B_1`.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> sharp_movement_bound(
        ...     0 * one, torch.ones(1), squared_loss(one, one), 0.5, [1, 9]
        ... ).flatten()
        tensor([0.5000, 1.0000])
    """
    non_negative_weights("weights", weights)
    require_fit(weights, loss, "weights")
    linear = movement_bound(
        initial, weights, loss, learning_rate, steps
    )
    size = residual_norm(initial, loss)
    swing = max(1, 2 * learning_rate / stability_limit(weights, loss))
    step = _column(steps, linear)
    root = size * (swing * learning_rate * step * weights).sqrt()
    bound = torch.minimum(linear, root)
    values, vectors = torch.linalg.eigh(loss.matrix)
    if values[0] > _noise(values):
        inverse = (vectors / values) @ vectors.T
        blocks = inverse.reshape(loss.gram.shape)
        blocks = torch.einsum("kikj->kij", blocks)
        largest = torch.linalg.eigvalsh(blocks)[:, -1]
        bound = torch.minimum(bound, size * swing * largest.sqrt())
    return bound


def steps_to_learn(
    weights: Float[Tensor, " lags"],
    loss: SquaredLoss,
    learning_rate: float,
    remaining: float = 0.5,
) -> Float[Tensor, " lags"]:
    r"""Return, for white inputs, the steps after which no more than the fraction ``remaining`` is
    left of the error at each lag:

    .. math::

        \ell_\tau = \bigg\lceil
            \frac{\log \varepsilon}{\log |1 - \eta \rho_\tau H_{\tau\tau}|} \bigg\rceil .

    White inputs make :math:`H` diagonal, each lag is learned alone, and its error is multiplied by
    :math:`1 - \eta \rho_\tau H_{\tau\tau}` in every step. A lag of weight 0 takes infinitely many.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit, a weight is negative, the learning rate is not below the
            stability limit, ``remaining`` does not lie between 0 and 1, or the loss is not that of
            white inputs.

    Example:
        >>> from rnnlimits.kernel.loss import white_loss
        >>> loss = white_loss(torch.ones(2, 1, 1))
        >>> steps_to_learn(torch.tensor([1.0, 0.1]), loss, learning_rate=0.5)
        tensor([ 1., 14.])
    """
    rate = stable_rate(learning_rate, weights, loss)
    if not 0 < remaining < 1:
        raise ValueError(
            f"remaining must lie between 0 and 1, got {remaining}"
        )
    x = rate * weights * white_power(loss)
    log_factor = torch.where(
        x < 0.5, torch.log1p(-x), (1 - x).abs().log()
    )
    return (math.log(remaining) / log_factor).ceil().clamp(min=1)


def white_power(loss: SquaredLoss) -> Float[Tensor, " lags"]:
    r"""Return :math:`h_\tau` of a loss with :math:`H_{\tau\tau'} = h_\tau \delta_{\tau\tau'} I`.

    Raises:
        ValueError: the loss is not that of white inputs.

    Example:
        >>> from rnnlimits.kernel.loss import white_loss
        >>> white_power(white_loss(torch.ones(3, 1, 1)))
        tensor([3., 2., 1.])
    """
    matrix = loss.matrix
    power = matrix.diagonal().unflatten(0, (loss.n_lags, -1))
    if not (
        torch.equal(matrix, matrix.diagonal().diag())
        and torch.equal(power, power[:, :1].expand_as(power))
    ):
        raise ValueError(
            "loss must be that of white inputs (see white_loss), with a diagonal Gram matrix that "
            "is equal for all inputs"
        )
    return power[:, 0]


def _stable(variances: Variances) -> None:
    """Raise unless the recurrent variance lies below 1."""
    if variances.recurrent >= 1:
        raise ValueError(
            "the recurrent variance must lie below 1 for the weights to fall in the end, got "
            f"{variances.recurrent}"
        )


def _noise(values: Float[Tensor, " m"]) -> float:
    """Return the size below which eigenvalues, given in ascending order, are round-off."""
    largest = max(float(values[-1]), 0.0)
    return 10 * len(values) * torch.finfo(values.dtype).eps * largest


def _column(
    steps: Sequence[int], like: Tensor
) -> Float[Tensor, "steps 1"]:
    """Return the checked step numbers as a column of the kind of another tensor."""
    return torch.tensor(step_numbers(steps)).to(like)[:, None]
