r"""What a decoder of simulated counts scores on the law itself, not on a sample of it.

Counts are Poisson given the hand, so that their noise can be averaged in closed form: with means
:math:`\lambda_{it}`, second moments are :math:`\lambda_{it} \lambda_{js}`, and
:math:`\lambda_{it} + \lambda_{it}^2` on the diagonal. What remains is an average over the hand's
path, taken along a long one.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import all_finite, positive, same_kind
from rnnlimits.data.reaches import (
    Standardisation,
    lagged_moments,
    last_bins,
)
from rnnlimits.kernel.loss import SquaredLoss, loss_value


def population_loss(
    expected: Float[Tensor, "bins i"],
    velocities: Float[Tensor, "bins 2"],
    length: int,
    input_scaling: Standardisation,
    target_scaling: Standardisation,
) -> SquaredLoss:
    r"""Return the loss of decoding Poisson counts of the given means, averaged over the counts.

    In standardised units :math:`x = (c - m)/d`, with mean :math:`\mu = (\lambda - m)/d`,

    .. math::

        E[x_{i,t-j}\, x_{i',t-k}] = \mu_{i,t-j}\, \mu_{i',t-k}
            + \delta_{jk} \delta_{ii'} \lambda_{i,t-j} / d_i^2 .

    Raises:
        TypeError: dtypes or devices differ, or ``length`` is no integer.
        ValueError: numbers of bins or columns differ, an entry is not finite, or ``length`` is
            below 1 or above the number of bins.

    Example:
        >>> one = Standardisation(torch.zeros(1), torch.ones(1))
        >>> two = Standardisation(torch.zeros(2), torch.ones(2))
        >>> loss = population_loss(2 * torch.ones(4, 1), torch.ones(4, 2), 1, one, two)
        >>> loss.matrix.item() / loss.scale / 4
        6.0
    """
    means = input_scaling.applied(expected)
    reach = torch.zeros(
        len(expected), dtype=torch.int64, device=expected.device
    )
    moments = lagged_moments(
        means,
        target_scaling.applied(velocities),
        length,
        reach,
        "mean",
    )
    noise = expected / input_scaling.deviation**2
    last = last_bins(reach, length)
    gram = moments.gram.clone()
    for lag in range(length):
        summed = noise[last - lag].sum(dim=0)
        gram[lag, :, lag].diagonal().add_(moments.scale * summed)
    return SquaredLoss(**moments._replace(gram=gram)._asdict())


def explained(
    responses: Float[Tensor, "*many lags o i"], loss: SquaredLoss
) -> Float[Tensor, "*many"]:
    r"""Return the share of the targets' mean square that the responses explain,
    :math:`1 - \ell(L) / \ell(0)`.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit, a response is not finite, or the targets are 0, so that there
            is nothing to explain.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> explained(0.5 * one, squared_loss(one, one)).item()
        0.75
    """
    all_finite("responses", responses)
    energy = positive("energy of the targets", loss.energy)
    return 1 - loss_value(responses, loss) / (energy / 2)


class Decomposition(NamedTuple):
    """The excess loss of a random decoder over the best, in two parts that add up to its mean."""

    squared_bias: float
    variance: float


def bias_and_variance(
    responses: Float[Tensor, "samples lags o i"],
    best: Float[Tensor, "lags o i"],
    loss: SquaredLoss,
) -> Decomposition:
    r"""Return, of independent decoders :math:`L` with mean :math:`\bar L`, what their mean loses
    against the best and what they lose about their mean,

    .. math::

        \tfrac12 \langle \bar L - L^*, (\bar L - L^*) H \rangle
            + \tfrac12 E \langle L - \bar L, (L - \bar L) H \rangle
            = E\, \ell(L) - \ell(L^*) .

    :math:`L^*` is the best decoder, :math:`L^* H = R`. Both parts are estimated without bias from
    :math:`K` samples: the sample mean carries a :math:`K`-th of the variance, which is taken off
    the first; it may come out below 0 by chance.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: fewer than two samples, shapes do not fit, or an entry is not finite.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> bias_and_variance(torch.stack([2 * one, 4 * one]), one, squared_loss(one, one))
        Decomposition(squared_bias=1.5, variance=1.0)
    """
    _require_samples(responses, best)
    n = len(responses)
    quadratic = replace(loss, cross=0 * loss.cross, energy=0.0)
    centre = responses.mean(dim=0)
    about = loss_value(responses - centre, quadratic).sum() / (n - 1)
    off = loss_value(centre - best, quadratic) - about / n
    return Decomposition(float(off), float(about))


def _require_samples(responses: Tensor, best: Tensor) -> None:
    """Raise unless there are two finite responses of the shape of the best, or more."""
    n, shape = len(responses), tuple(responses.shape[1:])
    if n < 2:
        raise ValueError(
            f"responses must hold at least 2 samples, got {n}"
        )
    same_kind(best=best, responses=responses)
    if tuple(best.shape) != shape:
        raise ValueError(
            f"best must have the shape of a response, {shape}, "
            f"got {tuple(best.shape)}"
        )
    all_finite("responses", responses)
    all_finite("best", best)
