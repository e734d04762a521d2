r"""The law of the impulse response at initialisation, at finite width.

Given W and F a row of :math:`L` is Gaussian with covariance :math:`\nu_C U` between lags. So its
law is a mixture of Gaussians, mixed by the Gram matrix :math:`U_{jk} = u_j^\top u_k / n`.
"""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from torch import Tensor

from rnnlimits._checks import finite_tensor, integer_at_least
from rnnlimits.networks.linear import Variances
from rnnlimits.random import normal


def gram_samples(
    n_lags: int,
    width: int,
    n_samples: int,
    variances: Variances,
    generator: np.random.Generator,
) -> Float[Tensor, "samples lags lags"]:
    r"""Draw the Gram matrix :math:`U_{jk} = u_j^\top u_k / n` of :math:`u_k = A^k F`, one input,
    from its exact law, without a matrix of size n.

    In the orthonormal basis that Gram and Schmidt make of :math:`u_0, u_1, \dots` the matrix A is
    upper Hessenberg. What each step reveals of it is fresh: entries :math:`N(0, \nu_W/n)` on and
    above the diagonal; in column k below it, the length of what is left,
    :math:`\sqrt{\nu_W/n}\, \chi_{n-k-1}`.

    Raises:
        TypeError: a number is no integer.
        ValueError: a number is below 1, or the width below the number of lags.

    Example:
        >>> from rnnlimits.random import stream
        >>> gram_samples(3, 50, 7, Variances(0.5, 1.0, 1.0), stream(0)).shape
        torch.Size([7, 3, 3])
    """
    T = integer_at_least("n_lags", n_lags, 1)
    n = integer_at_least("width", width, T)
    m = integer_at_least("n_samples", n_samples, 1)
    H = normal(generator, (m, T, T), variances.recurrent / n).triu()
    u = torch.zeros(m, T, dtype=H.dtype)
    length = generator.chisquare(n, m) * variances.input
    u[:, 0] = torch.from_numpy(length).sqrt()
    for k in range(T - 1):
        left = generator.chisquare(n - k - 1, m)
        left *= variances.recurrent / n
        H[:, k + 1, k] = torch.from_numpy(left).sqrt()
    krylov = [u]
    for _ in range(T - 1):
        krylov.append(torch.einsum("mij,mj->mi", H, krylov[-1]))
    K = torch.stack(krylov, dim=1)
    return K @ K.transpose(1, 2) / n


def mixture_law(
    x: ArrayLike | float, energies: Float[Tensor, " samples"]
) -> NDArray[np.float64]:
    r"""Return :math:`\Phi(x / \sqrt{v})` for samples v of the mixing variance, one row a sample.

    Their mean is the distribution function of the mixture, with the Gaussian averaged exactly.

    Raises:
        TypeError: ``energies`` is no floating-point tensor.
        ValueError: an energy is not finite or not above zero.

    Example:
        >>> mixture_law([0.0, 1.0], torch.ones(1)).round(3).tolist()
        [[0.5, 0.841]]
    """
    finite_tensor("energies", energies, ("samples",))
    if bool((energies <= 0).any()):
        raise ValueError(
            f"energies must be above 0, got {float(energies.min())}"
        )
    scale = energies.detach().cpu().double().sqrt().numpy()
    return norm.cdf(np.asarray(x, float) / scale[:, None])


def excess_kurtosis(n_lags: int, width: int) -> Float[Tensor, " lags"]:
    r"""Return the excess kurtosis of :math:`L_\tau` to leading order, :math:`6 (\tau + 1) / n`.

    Raises:
        TypeError: a number is no integer.
        ValueError: a number is below 1.

    Example:
        >>> excess_kurtosis(2, 12).tolist()
        [0.5, 1.0]
    """
    return 6 * _steps(n_lags) / integer_at_least("width", width, 1)


def square_correlation(
    n_lags: int, width: int
) -> Float[Tensor, "lags lags"]:
    r"""Return the correlation of :math:`L_\tau^2` and :math:`L_{\tau'}^2`: between different lags
    :math:`2 (\min(\tau, \tau') + 1) / n` to leading order, one on the diagonal.

    Raises:
        TypeError: a number is no integer.
        ValueError: a number is below 1.

    Example:
        >>> square_correlation(2, 10).tolist()
        [[1.0, 0.2], [0.2, 1.0]]
    """
    steps = _steps(n_lags)
    n = integer_at_least("width", width, 1)
    shared = 2 * torch.minimum(steps[:, None], steps) / n
    return shared.fill_diagonal_(1.0)


def law_correction(
    x: ArrayLike | float, lag: int, width: int
) -> NDArray[np.float64]:
    r"""Return the distribution function of :math:`L_\tau`, in units of its limit, minus
    :math:`\Phi`, to leading order, with :math:`\varphi` the normal density:

    .. math::

        F_n(x) - \Phi(x) = -\frac{\tau + 1}{4n}\, (x^3 - 3x)\, \varphi(x) + O(n^{-2}).

    Raises:
        TypeError: ``lag`` or ``width`` is no integer.
        ValueError: ``lag`` is below 0 or ``width`` below 1.

    Example:
        >>> float(law_correction(1.0, lag=0, width=10))
        0.0120...
    """
    lag = integer_at_least("lag", lag, 0)
    n = integer_at_least("width", width, 1)
    value = np.asarray(x, float)
    cubic = value**3 - 3 * value
    size = -(lag + 1) / (4 * n)
    return np.asarray(size * cubic * norm.pdf(value))


def _steps(n_lags: int) -> Float[Tensor, " lags"]:
    n_lags = integer_at_least("n_lags", n_lags, 1)
    return torch.arange(1, n_lags + 1, dtype=torch.float64)
