r"""The tangent kernel of infinite width, and that of the scaled convolution.

.. math::

    K_{ts}(x, x') = \sum_\tau \rho_\tau \langle x_{t-\tau}, x'_{s-\tau} \rangle, \qquad
    \rho_\tau = \nu_C(\tau \nu_F \nu_W^{\tau-1} + \nu_W^\tau) + \nu_F \nu_W^\tau .
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    integer_at_least,
    non_negative_weights,
    same_kind,
    same_size,
    sequence_pair,
)
from rnnlimits.networks.convolution import delayed
from rnnlimits.networks.linear import Variances


@dataclass(frozen=True)
class KernelBlocks:
    """A kernel split by the parameters that cause it: the readout C, the input F, the recurrent W.

    The three tensors share one shape; ``total`` is their sum.
    """

    readout: Tensor
    input: Tensor
    recurrent: Tensor

    @property
    def total(self) -> Tensor:
        """The sum over the three parameter matrices."""
        return self.readout + self.input + self.recurrent


def lag_weights(
    n_lags: int, variances: Variances
) -> Float[Tensor, " lags"]:
    r"""Return :math:`\rho_\tau = \nu_C(\tau \nu_F \nu_W^{\tau-1} + \nu_W^\tau) + \nu_F \nu_W^\tau`
    for τ = 0..n_lags-1 (linear paper, eq. 21, re-derived).

    Raises:
        TypeError: ``n_lags`` is no integer.
        ValueError: ``n_lags`` is below 1.

    Example:
        >>> lag_weights(3, Variances(recurrent=0.5, input=1.0, readout=1.0)).tolist()
        [2.0, 2.0, 1.5]
    """
    return lag_weight_blocks(n_lags, variances).total


def lag_weight_blocks(
    n_lags: int, variances: Variances
) -> KernelBlocks:
    r"""Return the lag weights by parameter: :math:`\nu_F \nu_W^\tau` from C,
    :math:`\nu_C \nu_W^\tau` from F, :math:`\tau \nu_C \nu_F \nu_W^{\tau-1}` from W.

    Raises:
        TypeError: ``n_lags`` is no integer.
        ValueError: ``n_lags`` is below 1.

    Example:
        >>> lag_weight_blocks(3, Variances(recurrent=0.5, input=1.0, readout=1.0)).recurrent
        tensor([0., 1., 1.], dtype=torch.float64)
    """
    n_lags = integer_at_least("n_lags", n_lags, 1)
    tau = torch.arange(n_lags, dtype=torch.float64)
    nu_W, nu_F = variances.recurrent, variances.input
    nu_C = variances.readout
    return KernelBlocks(
        readout=nu_F * nu_W**tau,
        input=nu_C * nu_W**tau,
        recurrent=nu_C * nu_F * tau * nu_W ** (tau - 1).clamp(min=0),
    )


def convolution_kernel(
    x: Float[Tensor, "batch time i"],
    x2: Float[Tensor, "batch2 time i"],
    rho: Float[Tensor, " time"],
) -> Float[Tensor, "batch time batch2 time"]:
    r"""Return :math:`\mathcal{T}(x)^\top (D(\rho) \otimes I_{n_x}) \mathcal{T}(x')`, the tangent
    kernel of the scaled convolution for one output (linear paper, Thm. 3.2, eqs. 17-19).

    With :math:`n_y` outputs the kernel is this one times :math:`I_{n_y}`. Any weights are taken;
    :func:`limit_kernel` is faster for those of a network.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: horizons, channels or numbers of lags differ, or a weight is negative.

    Example:
        >>> x = torch.ones(1, 2, 1)
        >>> convolution_kernel(x, x, torch.tensor([1.0, 0.5]))[0, :, 0].tolist()
        [[1.0, 1.0], [1.0, 1.5]]
    """
    sequence_pair(x, x2)
    non_negative_weights("rho", rho)
    same_kind(x=x, rho=rho)
    same_size("numbers of lags", horizon=x.shape[1], rho=len(rho))
    T, T2 = delayed(x, x.shape[1]), delayed(x2, x.shape[1])
    return torch.einsum("atji,j,bsji->atbs", T, rho, T2)


def limit_kernel(
    x: Float[Tensor, "batch time i"],
    x2: Float[Tensor, "batch2 time i"],
    variances: Variances,
) -> Float[Tensor, "batch time batch2 time"]:
    r"""Return the tangent kernel of infinite width for one output (linear paper, Thm. 3.3 b).

    With :math:`g_{ts} = \langle x_t, x'_s \rangle`, two recurrences run down the diagonals,

    .. math::

        a_{ts} = g_{ts} + \nu_W a_{t-1,s-1}, \qquad
        K_{ts} = (\nu_C + \nu_F)\, g_{ts} + \nu_W K_{t-1,s-1} + \nu_C \nu_F\, a_{t-1,s-1},

    which is the sum over lags weighted by :func:`lag_weights`, in a time that does not know the
    number of lags. With :math:`n_y` outputs the kernel is this one times :math:`I_{n_y}`. Works in
    place of the Gram matrix, so no derivative can be taken through it.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: horizons or channels differ, or an entry is not finite.

    Example:
        >>> x = torch.ones(1, 2, 1)
        >>> limit_kernel(x, x, Variances(recurrent=0.5, input=1.0, readout=1.0))[0, :, 0].tolist()
        [[2.0, 2.0], [2.0, 4.0]]
    """
    sequence_pair(x, x2)
    nu_W, nu_F = variances.recurrent, variances.input
    nu_C = variances.readout
    kernel = torch.einsum("ati,bsi->atbs", x, x2)
    a = kernel[:, 0].clone()
    kernel[:, 0] *= nu_C + nu_F
    for before, row in pairwise(kernel.unbind(dim=1)):
        fresh = row.clone()
        fresh[..., 1:].add_(a[..., :-1], alpha=nu_W)
        row *= nu_C + nu_F
        row[..., 1:].add_(before[..., :-1], alpha=nu_W)
        row[..., 1:].add_(a[..., :-1], alpha=nu_C * nu_F)
        a = fresh
    return kernel
