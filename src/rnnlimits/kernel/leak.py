r"""What moves a long lag at finite width: the fluctuations of the kernel off its diagonal.

In the limit lag :math:`\tau` moves with its own weight :math:`\rho_\tau`. At width n the gradient
at a short lag :math:`\sigma` moves it too, by an entry :math:`\Theta_{\tau\sigma}` of standard
deviation :math:`(\kappa_{\tau\sigma} / n)^{1/2}`, which falls at half the exponential rate.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import integer_at_least
from rnnlimits.kernel.fluctuations import fluctuation_constants
from rnnlimits.kernel.implicit_bias import white_power
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import SquaredLoss
from rnnlimits.networks.linear import Variances


def leak_constants(
    n_lags: int, variances: Variances
) -> Float[Tensor, "lags lags"]:
    r"""Return :math:`\kappa_{\tau\sigma} = \lim_n n \operatorname{Var} \Theta_{\tau\sigma}` for
    one input and one output, with :math:`m = \min(\tau, \sigma)`:

    .. math::

        \kappa_{\tau\sigma} = (1 + \delta_{\tau\sigma})\, \nu_W^{\tau+\sigma} \sum_{q=0}^m
            \Big[ \Big(\nu_F + \frac{\nu_C \nu_F}{\nu_W} q\Big)^2
            + \Big(\nu_C + \frac{\nu_C \nu_F}{\nu_W} q\Big)^2 \Big] .

    The blocks of C and F fluctuate together with that of W, so that this is more than the sum of
    :func:`rnnlimits.kernel.fluctuations.fluctuation_constants` over the blocks.

    Raises:
        TypeError: ``n_lags`` is no integer.
        ValueError: ``n_lags`` is below 1.

    Example:
        >>> leak_constants(2, Variances(recurrent=1.0, input=1.0, readout=1.0))
        tensor([[ 4.,  2.],
                [ 2., 20.]], dtype=torch.float64)
    """
    alone = fluctuation_constants(n_lags, variances).total
    nu_W, nu_F = variances.recurrent, variances.input
    nu_C = variances.readout
    tau = torch.arange(n_lags, dtype=torch.float64)
    m = torch.minimum(tau[:, None], tau)
    shared = nu_W ** (tau[:, None] + tau - 1).clamp(min=0)
    shared *= nu_C * nu_F * (nu_C + nu_F) * m * (m + 1)
    twice = 1 + torch.eye(n_lags, dtype=torch.float64)
    return alone + twice * shared


def expected_reach(
    width: int, variances: Variances, loss: SquaredLoss
) -> Float[Tensor, " lags"]:
    r"""Return the root mean square of :func:`rnnlimits.kernel.implicit_bias.reach` at the start of
    networks of the given width, to leading order, for one white input and one output:

    .. math::

        \bar g_\tau^2 = \rho_\tau^2 H_{\tau\tau}
            + \frac1n \sum_\sigma \kappa_{\tau\sigma} H_{\sigma\sigma},

    with the constants of :func:`leak_constants`. The first part is the limit; the
    second, the leak, falls only like :math:`\nu_W^{\tau/2}` in its root. Were H not diagonal, the
    covariances of :math:`\Theta_{\tau,\tau-d}` with :math:`\Theta_{\tau,\tau+d}` would enter too.

    Raises:
        TypeError: ``width`` is no integer.
        ValueError: ``width`` is below 1, there is more than one input or output, or the loss is
            not that of white inputs.

    Example:
        >>> from rnnlimits.kernel.loss import white_loss
        >>> loss = white_loss(torch.zeros(2, 1, 1).double())
        >>> expected_reach(100, Variances(1.0, 1.0, 1.0), loss)
        tensor([2.8460, 3.0397], dtype=torch.float64)
    """
    n = integer_at_least("width", width, 1)
    if loss.n_inputs > 1 or loss.n_outputs > 1:
        raise ValueError(
            f"loss must be of one input and one output, got {loss.n_inputs} and {loss.n_outputs}"
        )
    power = white_power(loss)
    kappa = leak_constants(loss.n_lags, variances)
    limit = lag_weights(loss.n_lags, variances) ** 2
    limit, kappa = limit.to(power), kappa.to(power)
    return (limit * power + kappa @ power / n).sqrt()
