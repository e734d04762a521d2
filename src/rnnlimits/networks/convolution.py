r"""Convolutions, plain and scaled, and their Toeplitz operators.

.. math::

    y_t = \sum_{j=0}^{t} L_j x_{t-j}, \qquad L_j = \sqrt{\rho_j}\, \theta_j.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    non_negative_weights,
    same_kind,
    same_size,
)


def delayed(
    x: Float[Tensor, "batch time i"], n_lags: int
) -> Float[Tensor, "batch time lags i"]:
    r"""Return the inputs that each output sees: entry (b, t, j) is :math:`x_{t-j}`, 0 before 0.

    Raises:
        TypeError: ``x`` is no floating-point tensor, or ``n_lags`` no integer.
        ValueError: ``n_lags`` is below 1 or above the horizon, or ``x`` is not finite.

    Example:
        >>> delayed(torch.tensor([[[1.0], [2.0]]]), 2)[0, :, :, 0].tolist()
        [[1.0, 0.0], [2.0, 1.0]]
    """
    finite_tensor("x", x, ("batch", "time", "inputs"))
    horizon = x.shape[1]
    if integer_at_least("n_lags", n_lags, 1) > horizon:
        raise ValueError(
            f"n_lags must be at most the horizon of x, {horizon}, got {n_lags}"
        )
    windows = x.new_zeros(len(x), horizon, n_lags, x.shape[2])
    for lag in range(n_lags):
        windows[:, lag:, lag] = x[:, : horizon - lag]
    return windows


def convolve(
    impulse_response: Float[Tensor, "lags o i"],
    x: Float[Tensor, "batch time i"],
) -> Float[Tensor, "batch time o"]:
    r"""Return :math:`y_t = \sum_j L_j x_{t-j}` (linear paper, eqs. 5 and 8).

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: wrong axes or channels, or more lags than the horizon of ``x``.

    Example:
        >>> L = torch.tensor([1.0, 0.5]).reshape(2, 1, 1)
        >>> convolve(L, torch.ones(1, 3, 1)).flatten().tolist()
        [1.0, 1.5, 1.5]
    """
    finite_tensor(
        "impulse_response",
        impulse_response,
        ("lags", "outputs", "inputs"),
    )
    finite_tensor("x", x, ("batch", "time", "inputs"))
    same_kind(impulse_response=impulse_response, x=x)
    same_size(
        "input channels",
        impulse_response=impulse_response.shape[2],
        x=x.shape[2],
    )
    n_lags, horizon = len(impulse_response), x.shape[1]
    if n_lags > horizon:
        raise ValueError(
            f"impulse_response must hold at most {horizon} lags, the horizon of x, got {n_lags}"
        )
    return torch.einsum(
        "joi,btji->bto", impulse_response, delayed(x, n_lags)
    )


def toeplitz(
    x: Float[Tensor, "batch time i"],
) -> Float[Tensor, "batch rows time"]:
    r"""Return the block-Toeplitz matrices :math:`\mathcal{T}(x)` of shape (T n_x, T): block row j,
    column t holds :math:`x_{t-j}` (linear paper, eq. 18).

    Raises:
        TypeError: ``x`` is no floating-point tensor.
        ValueError: ``x`` has wrong axes or is not finite.

    Example:
        >>> toeplitz(torch.tensor([[[1.0], [2.0]]]))[0].tolist()
        [[1.0, 2.0], [0.0, 1.0]]
    """
    finite_tensor("x", x, ("batch", "time", "inputs"))
    return (
        delayed(x, x.shape[1]).flatten(2).transpose(1, 2).contiguous()
    )


def scaled_impulse_response(
    theta: Float[Tensor, "lags o i"], rho: Float[Tensor, " lags"]
) -> Float[Tensor, "lags o i"]:
    r"""Return :math:`L_j = \sqrt{\rho_j}\, \theta_j` (linear paper, eq. 7).

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: numbers of lags differ, or a weight is negative.

    Example:
        >>> scaled_impulse_response(torch.ones(2, 1, 1), torch.tensor([4.0, 1.0])).flatten()
        tensor([2., 1.])
    """
    finite_tensor("theta", theta, ("lags", "outputs", "inputs"))
    non_negative_weights("rho", rho)
    same_kind(theta=theta, rho=rho)
    same_size("numbers of lags", theta=len(theta), rho=len(rho))
    return rho.sqrt()[:, None, None] * theta
