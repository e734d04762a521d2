r"""The Wasserstein distance of order two: between samples, between centred Gaussians.

.. math::

    W_2(\mu, \nu)^2 = \min_{X \sim \mu,\, Y \sim \nu} \mathbb{E} \|X - Y\|^2 .
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import norm
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    non_negative,
    same_kind,
    same_size,
)

_ROUND_OFF = 1e-10  # eigenvalues above minus this, relative to the largest, count as zero


def square_root(covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    r"""Return the symmetric positive semidefinite square root, of singular matrices too.

    Eigenvalues that round-off made negative count as zero.

    Raises:
        TypeError: no floating-point tensor.
        ValueError: not square, not symmetric, not finite, or with a negative eigenvalue.

    Example:
        >>> square_root(torch.tensor([[4.0, 0.0], [0.0, 0.0]])).tolist()
        [[2.0, 0.0], [0.0, 0.0]]
    """
    values, vectors = _spectrum("covariance", covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def gaussian_distance(
    first: Float[Tensor, "d d"], second: Float[Tensor, "d d"]
) -> Float[Tensor, ""]:
    r"""Return :math:`W_2(N(0, \Sigma_1), N(0, \Sigma_2))`; its **square** is the linear paper's
    (32), re-derived:

    .. math::

        W_2^2 = \operatorname{tr}\big(\Sigma_1 + \Sigma_2
            - 2 (\Sigma_1^{1/2} \Sigma_2 \Sigma_1^{1/2})^{1/2}\big)
        = \min_{O^\top O = I} \|\Sigma_1^{1/2} - \Sigma_2^{1/2} O\|_F^2 .

    Computed by the right-hand side, in which nothing cancels when the two are close.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: sizes differ, or one is no covariance.

    Example:
        >>> one = torch.eye(4, dtype=torch.float64)
        >>> round(float(gaussian_distance(one, 9 * one)), 12)
        4.0
    """
    _pair(first, second)
    root, other = square_root(first), square_root(second)
    left, _, right = torch.linalg.svd(other @ root)
    return (root - other @ left @ right).norm()


def optimal_map(first: Float[Tensor, "d d"], second: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    r"""Return the symmetric matrix that carries :math:`N(0, \Sigma_1)` to :math:`N(0, \Sigma_2)`
    at the least cost,

    .. math::

        H = \Sigma_1^{-1/2} (\Sigma_1^{1/2} \Sigma_2 \Sigma_1^{1/2})^{1/2} \Sigma_1^{-1/2},
        \qquad H \Sigma_1 H = \Sigma_2 .

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: sizes differ, one is no covariance, or the first is singular.

    Example:
        >>> optimal_map(torch.eye(2), 4 * torch.eye(2)).tolist()
        [[2.0, 0.0], [0.0, 2.0]]
    """
    _pair(first, second)
    values, vectors = _spectrum("first", first)
    if float(values[0]) <= _ROUND_OFF * float(values[-1]):
        raise ValueError(f"first must be invertible, got the eigenvalues {values.tolist()}")
    root = (vectors * values.sqrt()) @ vectors.T
    inverse = (vectors * values.rsqrt()) @ vectors.T
    inner = root @ second @ root
    return inverse @ square_root((inner + inner.T) / 2) @ inverse


def sample_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> float:
    """Return the distance of order two between two samples of one size, each row of weight 1/n.

    Transport between such samples is an assignment; `optimal_assignment` finds it exactly.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes differ, or an entry is not finite.

    Example:
        >>> sample_distance(torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [3.0]]))
        1.581...
    """
    partner = torch.from_numpy(optimal_assignment(x, y)).to(y.device)
    return float((x - y[partner]).square().sum(dim=1).mean().sqrt())


def optimal_assignment(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> Int[np.ndarray, " n"]:
    """Return for each row of x the row of y that cheapest transport carries it to.

    Solved by scipy's linear_sum_assignment on squared distances; time grows like n³.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes differ, or an entry is not finite.

    Example:
        >>> optimal_assignment(torch.tensor([[0.0], [5.0]]), torch.tensor([[4.0], [1.0]])).tolist()
        [1, 0]
    """
    finite_tensor("x", x, ("samples", "coordinates"))
    finite_tensor("y", y, ("samples", "coordinates"))
    same_kind(x=x, y=y)
    same_size("numbers of samples", x=len(x), y=len(y))
    same_size("numbers of coordinates", x=x.shape[1], y=y.shape[1])
    cost = (x[:, None] - y[None]).square().sum(dim=2).detach().cpu().numpy()
    return linear_sum_assignment(cost)[1]


def distance_to_normal(x: Float[Tensor, " n"], variance: float) -> float:
    r"""Return the exact distance of order two between a sample on the line and
    :math:`N(0, \sigma^2)`.

    On the line transport is monotone: the k-th smallest of n values is spread over the k-th of n
    equal slices of the Gaussian. With :math:`z_k = \Phi^{-1}(k/n)` and
    :math:`\varphi` the density,

    .. math::

        W_2^2 = \frac1n \sum_k x_{(k)}^2 + \sigma^2
            - 2 \sigma \sum_k x_{(k)} \big(\varphi(z_{k-1}) - \varphi(z_k)\big).

    Raises:
        TypeError: ``x`` is no floating-point tensor or ``variance`` no number.
        ValueError: an entry is not finite, or the variance is negative.

    Example:
        >>> distance_to_normal(torch.zeros(5), 4.0)
        2.0
    """
    finite_tensor("x", x, ("samples",))
    scale = non_negative("variance", variance) ** 0.5
    values = np.sort(x.detach().cpu().double().numpy())
    means = slice_means(len(values))
    # The slices' spread within themselves, and the distance of the values to the slices' means.
    inside = scale**2 * (1 - np.mean(means**2))
    return float(np.sqrt(inside + np.mean((values - scale * means) ** 2)))


def slice_means(n: int) -> NDArray[np.float64]:
    r"""Return the means of a standard Gaussian over its n slices of equal probability,
    :math:`n (\varphi(z_{k-1}) - \varphi(z_k))`, :math:`z_k = \Phi^{-1}(k/n)`.

    Raises:
        TypeError: ``n`` is no integer.
        ValueError: ``n`` is below 1.

    Example:
        >>> slice_means(2).round(4).tolist()
        [-0.7979, 0.7979]
    """
    n = integer_at_least("n", n, 1)
    density = norm.pdf(norm.ppf(np.arange(n + 1) / n))
    return -n * np.diff(density)


def _pair(first: Tensor, second: Tensor) -> None:
    """Raise unless the two are square matrices of one size and kind."""
    finite_tensor("first", first, ("coordinates", "coordinates"))
    finite_tensor("second", second, ("coordinates", "coordinates"))
    same_kind(first=first, second=second)
    same_size("numbers of coordinates", first=len(first), second=len(second))


def _spectrum(name: str, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues and eigenvectors of a covariance, or raise if it is none."""
    finite_tensor(name, matrix, ("coordinates", "coordinates"))
    same_size(f"sides of {name}", rows=matrix.shape[0], columns=matrix.shape[1])
    size = float(matrix.detach().abs().max())
    slack = max(_ROUND_OFF, 1e3 * torch.finfo(matrix.dtype).eps) * size
    asymmetry = float((matrix - matrix.T).detach().abs().max())
    if asymmetry > slack:
        raise ValueError(
            f"{name} must be symmetric, got entries that differ by {asymmetry:.3g} when transposed"
        )
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    least = float(values[0].detach())
    if least < -slack:
        raise ValueError(f"{name} must have no negative eigenvalue, got {least:.3g}")
    return values, vectors
