r"""Descent with a constant kernel, solved: any number of steps at one price.

With :math:`\Theta = S S^\top` and :math:`S^\top H S = Q \Lambda Q^\top`,

.. math::

    L^\ell = L^0 - B\, \varphi_\ell(\Lambda)\, B^\top G^0, \qquad B = S Q, \quad
    \varphi_\ell(\lambda) = \frac{1 - (1 - \eta\lambda)^\ell}{\lambda},

and :math:`\varphi_\ell(0) = \eta\ell`: a polynomial, at most :math:`\eta\ell`, so that directions
which the data do not see, or the kernel does not move, need no care.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    non_negative,
    non_negative_weights,
    same_kind,
    same_size,
    step_numbers,
)
from rnnlimits.kernel.loss import (
    SquaredLoss,
    loss_gradient,
    require_fit,
)
from rnnlimits.kernel.training import curvature, stable_rate


@dataclass(frozen=True)
class LearningCurves:
    """Expected training and test loss at the given steps."""

    train: Float[Tensor, " steps"]
    test: Float[Tensor, " steps"]


def solve_descent(
    initial: Float[Tensor, "lags o i"],
    kernel: Tensor,
    loss: SquaredLoss,
    learning_rate: float,
    steps: Sequence[int],
) -> Float[Tensor, "steps lags o i"]:
    r"""Return what :func:`rnnlimits.kernel.training.descend` would after each of ``steps``, without
    taking them.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit, the learning rate is not below the stability limit, or a step
            lies beyond what eigenvalues known to round-off allow.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> solve_descent(0 * one, torch.ones(1), squared_loss(one, one), 0.5, [2, 10**6]).flatten()
        tensor([0.7500, 1.0000])
    """
    rate = stable_rate(learning_rate, kernel, loss)
    values, basis = _modes(kernel, loss)
    phi = _filters(values, rate, steps)
    start = loss_gradient(initial, loss)
    if kernel.ndim == 1:
        rows = start.transpose(1, 2).flatten(0, 1)
        change = torch.einsum(
            "ma,sa,ao->smo", basis, phi, basis.T @ rows
        )
        change = change.unflatten(1, (loss.n_lags, loss.n_inputs)).mT
    else:
        change = (phi * (basis.T @ start.flatten())) @ basis.T
        change = change.unflatten(1, initial.shape)
    return initial - change


def descent_limit(
    initial: Float[Tensor, "lags o i"],
    weights: Float[Tensor, " lags"],
    loss: SquaredLoss,
) -> Float[Tensor, "lags o i"]:
    r"""Return where descent with lag weights ends: among all minima of the loss, the one with the
    least weighted distance from the start,

    .. math::

        \sum_\tau \|L_\tau - L^0_\tau\|^2 / \rho_\tau .

    This is :math:`L^0 - S M^+ S G^0` with :math:`S = \Theta^{1/2}`, :math:`M = S H S` and the
    pseudo-inverse :math:`M^+`. A lag of weight zero stays where it is, and the minima are those
    over the other lags. Eigenvalues of :math:`M` within round-off, a thousand units of it, of the
    largest count as zero.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit, or a weight is negative.

    Example:
        >>> sum_is_3 = SquaredLoss(torch.ones(2, 1, 2, 1), 3 * torch.ones(2, 1, 1), 9.0, 1.0, 1)
        >>> descent_limit(torch.zeros(2, 1, 1), torch.tensor([2.0, 1.0]), sum_is_3).flatten()
        tensor([2.0000, 1.0000])
    """
    require_fit(weights, loss, "weights")
    rtol = 1e3 * torch.finfo(loss.gram.dtype).eps
    matrix, root = curvature(weights, loss)
    inverse = torch.linalg.pinv(matrix, rtol=rtol, hermitian=True)
    slope = root @ _columns(loss_gradient(initial, loss))
    change = root @ (inverse @ slope)
    return initial - change.unflatten(0, (loss.n_lags, -1)).mT


def expected_losses(
    train: SquaredLoss,
    test: SquaredLoss,
    weights: Float[Tensor, " lags"],
    initial_variances: Float[Tensor, " lags"],
    learning_rate: float,
    steps: Sequence[int],
    *,
    noise_variance: float = 0.0,
) -> LearningCurves:
    r"""Return the expected losses of the scaled convolution, and so of the limit of infinite width,
    over its random start and over noise in the training targets.

    The start has independent entries of mean zero, with variance ``initial_variances`` at each lag.
    With :math:`P = I - B \varphi B^\top H`, the mean response after :math:`\ell` steps is
    :math:`B \varphi B^\top R`, a start :math:`L^0` adds :math:`P L^0`, and noise :math:`\xi` in the
    statistic :math:`R`, of covariance :math:`s \sigma^2 H`, adds :math:`B \varphi B^\top \xi`.
    These are three independent parts, whose mean squares are quadratic in the numbers
    :math:`\varphi_\ell(\lambda_a)`.

    ``train`` holds the targets as they are. Where these are without noise, and training would see
    them with independent noise of variance :math:`\sigma^2` on each, give that as
    ``noise_variance``; the training loss is then the one on the noisy targets.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit, a weight or variance is negative, or the learning rate is not
            below the stability limit.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one, zero = torch.ones(1, 1, 1), torch.zeros(1)
        >>> data = squared_loss(one, one)
        >>> expected_losses(data, data, torch.ones(1), zero, 0.5, [0, 1]).test
        tensor([0.5000, 0.1250])
    """
    _same_problem(train, test)
    non_negative_weights("initial_variances", initial_variances)
    same_kind(initial_variances=initial_variances, train=train.cross)
    same_size(
        "numbers of lags",
        initial_variances=len(initial_variances),
        train=train.n_lags,
    )
    noise = train.scale * non_negative("noise_variance", noise_variance)
    rate = stable_rate(learning_rate, weights, train)
    values, basis = _modes(weights, train)
    phi = _filters(values, rate, steps)
    spread = torch.diag(
        initial_variances.repeat_interleave(train.n_inputs)
    )
    return LearningCurves(
        train=_expected(train, train, basis, phi, spread, noise)
        + noise * _own_noise(train, values, phi),
        test=_expected(test, train, basis, phi, spread, noise),
    )


def _expected(
    loss: SquaredLoss,
    train: SquaredLoss,
    basis: Tensor,
    phi: Tensor,
    spread: Tensor,
    noise: float,
) -> Float[Tensor, " steps"]:
    """Return the expected ``loss`` of responses trained on ``train``, from all three parts."""
    H, H_train = loss.matrix, train.matrix
    R, R_train = _columns(loss.cross), _columns(train.cross)
    mean, seen = basis.T @ R_train, basis.T @ H_train
    curved = basis.T @ H @ basis
    moved = mean @ mean.T + train.n_outputs * (
        seen @ spread @ seen.T + noise * seen @ basis
    )
    linear = (mean * (basis.T @ R)).sum(dim=1)
    linear += train.n_outputs * ((seen @ spread @ H) * basis.T).sum(
        dim=1
    )
    constant = loss.energy + train.n_outputs * (H * spread).sum()
    quadratic = ((phi @ (curved * moved)) * phi).sum(dim=1)
    return (quadratic + constant) / 2 - phi @ linear


def _own_noise(
    train: SquaredLoss, values: Tensor, phi: Tensor
) -> Float[Tensor, " steps"]:
    """Return what noise adds to the loss on the very targets that carry it, per unit of noise."""
    return train.n_terms / 2 - train.n_outputs * phi @ values


def _modes(
    kernel: Tensor, loss: SquaredLoss
) -> tuple[Float[Tensor, " m"], Float[Tensor, "m m"]]:
    """Return the eigenvalues of the curvature, none negative, and the basis B."""
    matrix, root = curvature(kernel, loss)
    values, vectors = torch.linalg.eigh(matrix)
    return values.clamp(min=0), root @ vectors


def _filters(
    values: Float[Tensor, " m"], rate: float, steps: Sequence[int]
) -> Float[Tensor, "steps m"]:
    r"""Return :math:`\varphi_\ell(\lambda)`, by powers where descent oscillates and without
    cancellation where it creeps.
    """
    numbers = step_numbers(steps)
    largest = 1 / (len(values) * torch.finfo(values.dtype).eps)
    if max(numbers) * rate * float(values[-1]) > largest:
        most = int(largest / (rate * float(values[-1])))
        raise ValueError(
            f"steps must be at most {most}: beyond it, eigenvalues that are known only to "
            f"round-off decide; got {max(numbers)}"
        )
    step = torch.tensor(numbers, dtype=values.dtype)[:, None]
    step = step.to(values.device)
    z = rate * values
    creeping = -torch.expm1(step * torch.log1p(-z.clamp(max=0.5)))
    swinging = 1 - (1 - z) ** step
    share = torch.where(z < 0.5, creeping, swinging)
    return torch.where(z > 0, share / values, rate * step)


def _columns(cross: Float[Tensor, "lags o i"]) -> Float[Tensor, "m o"]:
    """Return R with (lag, input) down and outputs across."""
    return cross.transpose(1, 2).flatten(0, 1)


def _same_problem(train: SquaredLoss, test: SquaredLoss) -> None:
    """Raise unless both losses are of responses with the same lags and channels."""
    same_kind(train=train.cross, test=test.cross)
    same_size("numbers of lags", train=train.n_lags, test=test.n_lags)
    same_size(
        "output channels", train=train.n_outputs, test=test.n_outputs
    )
    same_size(
        "input channels", train=train.n_inputs, test=test.n_inputs
    )
