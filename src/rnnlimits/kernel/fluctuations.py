r"""How far the tangent kernel of a finite network is from its limit, to leading order.

For one input and one output. In units of its limit, :math:`U_{jk}` gathers one independent Gaussian
of variance 1/n (2/n on the diagonal) for each application of A that its two indices share.
"""

import torch

from rnnlimits._checks import integer_at_least
from rnnlimits.kernel.limit import KernelBlocks
from rnnlimits.networks.linear import Variances


def fluctuation_constants(
    n_lags: int, variances: Variances
) -> KernelBlocks:
    r"""Return :math:`\lim_n n \operatorname{Var} \Theta_{\tau\tau'}` by parameter, as matrices over
    lags, for one input and one output. With :math:`m = \min(\tau, \tau')`,

    .. math::

        C:\; (1 + \delta_{\tau\tau'})\, \nu_F^2 \nu_W^{\tau+\tau'} (m + 1), \qquad
        F:\; (1 + \delta_{\tau\tau'})\, \nu_C^2 \nu_W^{\tau+\tau'} (m + 1),

    .. math::

        W:\; (1 + \delta_{\tau\tau'})\, \nu_C^2 \nu_F^2 \nu_W^{\tau+\tau'-2}\,
            \tfrac13 m (m + 1)(2m + 1).

    Their ``total`` is not the constant of the whole kernel, because the blocks of C and F fluctuate
    together with that of W: for the whole take :func:`rnnlimits.kernel.leak.leak_constants`.

    Raises:
        TypeError: ``n_lags`` is no integer.
        ValueError: ``n_lags`` is below 1.

    Example:
        >>> fluctuation_constants(2, Variances(recurrent=1.0, input=1.0, readout=1.0)).recurrent
        tensor([[0., 0.],
                [0., 4.]], dtype=torch.float64)
    """
    n_lags = integer_at_least("n_lags", n_lags, 1)
    tau = torch.arange(n_lags, dtype=torch.float64)
    nu_W, nu_F = variances.recurrent, variances.input
    nu_C = variances.readout
    m = torch.minimum(tau[:, None], tau)
    both = tau[:, None] + tau
    twice = 1 + torch.eye(n_lags, dtype=torch.float64)
    shared = twice * nu_W**both * (m + 1)
    paths = twice * nu_W ** (both - 2).clamp(min=0)
    paths *= m * (m + 1) * (2 * m + 1) / 3
    return KernelBlocks(
        readout=nu_F**2 * shared,
        input=nu_C**2 * shared,
        recurrent=(nu_C * nu_F) ** 2 * paths,
    )
