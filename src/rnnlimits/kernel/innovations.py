r"""A Gaussian process in discrete time, told forward: prediction from the past, and innovation.

.. math::

    R_{t} = \sum_{s<t} R_s\, B_{st} + E_t, \qquad E_t \sim N(0, S_t) \text{ independent.}
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import finite_tensor, integer_at_least, same_size
from rnnlimits.random import normal
from rnnlimits.wasserstein import square_root

CUTOFF = 1e-10  # eigenvalues below this part of the largest are zero


@dataclass(frozen=True)
class Innovations:
    r"""Prediction coefficients :math:`B_{st}`, zero for :math:`s \ge t`, and innovation covariances
    :math:`S_t`; rows are row vectors, so that coefficients stand on their right.
    """

    coefficients: Float[Tensor, "time time d d"]
    covariances: Float[Tensor, "time d d"]

    def process_covariance(self) -> Float[Tensor, "time time d d"]:
        r"""The covariance of the process: :math:`R = R\,B + E` solved for R."""
        T, d = self.covariances.shape[:2]
        B = _flat(self.coefficients)
        E = torch.block_diag(*self.covariances)
        eye = torch.eye(T * d, dtype=B.dtype, device=B.device)
        solve = torch.linalg.inv(eye - B)
        return _blocks(solve.T @ E @ solve, T)

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> Float[Tensor, "time n d"]:
        """Draw n independent paths, step by step."""
        T, d = self.covariances.shape[:2]
        n = integer_at_least("n", n, 1)
        rows: list[Tensor] = []
        for t in range(T):
            fresh = normal(generator, (n, d)).to(self.covariances)
            row = fresh @ square_root(self.covariances[t])
            for s, earlier in enumerate(rows):
                row = row + earlier @ self.coefficients[s, t]
            rows.append(row)
        return torch.stack(rows)


def innovations(
    covariance: Float[Tensor, "time time d d"],
) -> Innovations:
    r"""Return the innovations form of a Gaussian process from its covariance
    :math:`K_{st} = \operatorname{Cov}(R_s, R_t)` (linear paper, eqs. 72, reconstructed). With
    :math:`K` over the past of t and :math:`k` its column t,

    .. math::

        B = K^{+} k, \qquad S_t = K_{tt} - k^\top K^{+} k .

    Eigenvalues of K below 1e-10 of its largest count as zero in the pseudo-inverse. Directions of
    the past that do not vary predict nothing.

    Raises:
        TypeError: no floating-point tensor.
        ValueError: wrong axes, not square, not finite, or no covariance: not symmetric, or with a
            negative eigenvalue.

    Example:
        >>> walk = torch.tensor([[1.0, 1.0], [1.0, 3.0]]).double().reshape(2, 2, 1, 1)
        >>> form = innovations(walk)
        >>> float(form.coefficients[0, 1]), form.covariances.flatten().tolist()
        (1.0, [1.0, 2.0])
    """
    finite_tensor("covariance", covariance, ("time", "time", "d", "d"))
    T, other, d, wide = covariance.shape
    same_size("sides of covariance in time", rows=T, columns=other)
    same_size("sides of covariance in columns", rows=d, columns=wide)
    K = _flat(covariance)
    square_root(K)  # raises unless it is a covariance
    B, S = torch.zeros_like(K), []
    for t in range(T):
        past, now = slice(0, t * d), slice(t * d, (t + 1) * d)
        inverse = torch.linalg.pinv(
            K[past, past], rtol=CUTOFF, hermitian=True
        )
        B[past, now] = inverse @ K[past, now]
        S.append(K[now, now] - K[now, past] @ B[past, now])
    left = torch.stack(S)
    left = (left + left.transpose(1, 2)) / 2
    return Innovations(_blocks(B, T), left)


def _flat(
    blocks: Float[Tensor, "time time d d"],
) -> Float[Tensor, "Td Td"]:
    return blocks.transpose(1, 2).flatten(2).flatten(0, 1)


def _blocks(
    matrix: Float[Tensor, "Td Td"], n_blocks: int
) -> Float[Tensor, "time time d d"]:
    size = len(matrix) // n_blocks
    return matrix.reshape(n_blocks, size, n_blocks, size).transpose(
        1, 2
    )
