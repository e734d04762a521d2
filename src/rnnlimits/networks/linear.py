r"""The linear recurrent network and its impulse response.

.. math::

    h_t = n^{-1/2} W h_{t-1} + F x_t, \qquad y_t = n^{-1/2} C h_t, \qquad h_{-1} = 0.

Everything the network computes goes through its impulse response
:math:`L_\tau = n^{-(\tau+1)/2} C W^\tau F`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    non_negative,
    same_kind,
    same_size,
)
from rnnlimits.random import normal

FEW_COLUMNS = (
    4  # below about eight, products with single vectors were faster
)


@dataclass(frozen=True)
class LinearRNN:
    r"""The parameters :math:`W, F, C` of a linear recurrent network (linear paper, eq. 3).

    Raises:
        TypeError: an entry is no floating-point tensor, or dtypes or devices differ.
        ValueError: a wrong shape, or an entry that is not finite.

    Example:
        >>> LinearRNN(torch.eye(2), torch.ones(2, 1), torch.ones(1, 2)).width
        2
    """

    recurrent: Float[Tensor, "n n"]
    input: Float[Tensor, "n i"]
    readout: Float[Tensor, "o n"]

    def __post_init__(self) -> None:
        finite_tensor("recurrent", self.recurrent, ("width", "width"))
        finite_tensor("input", self.input, ("width", "inputs"))
        finite_tensor("readout", self.readout, ("outputs", "width"))
        same_kind(
            recurrent=self.recurrent,
            input=self.input,
            readout=self.readout,
        )
        rows, columns = self.recurrent.shape
        same_size(
            "widths",
            recurrent_rows=rows,
            recurrent_columns=columns,
            input_rows=len(self.input),
            readout_columns=self.readout.shape[1],
        )

    @property
    def width(self) -> int:
        """The number of hidden units n."""
        return len(self.recurrent)

    @property
    def n_inputs(self) -> int:
        """The number of input channels."""
        return self.input.shape[1]

    @property
    def n_outputs(self) -> int:
        """The number of output channels."""
        return len(self.readout)


@dataclass(frozen=True)
class Variances:
    r"""The variances :math:`\nu_W, \nu_F, \nu_C` of the initial entries (linear paper, eq. 4).

    Raises:
        TypeError: a variance is no real number.
        ValueError: a variance is negative or not finite.

    Example:
        >>> Variances(recurrent=0.3, input=1.0, readout=1.0).recurrent
        0.3
    """

    recurrent: float
    input: float
    readout: float

    def __post_init__(self) -> None:
        for name in ("recurrent", "input", "readout"):
            non_negative(name, getattr(self, name))


def initialise(
    width: int,
    n_inputs: int,
    n_outputs: int,
    variances: Variances,
    generator: np.random.Generator,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> LinearRNN:
    r"""Draw :math:`W_{ij} \sim N(0,\nu_W)`, :math:`F_{ij} \sim N(0,\nu_F)`,
    :math:`C_{ij} \sim N(0,\nu_C)`, all independent (linear paper, eq. 4).

    Raises:
        TypeError: a size is no integer.
        ValueError: a size is below 1.

    Example:
        >>> from rnnlimits.random import stream
        >>> initialise(4, 2, 1, Variances(0.3, 1.0, 1.0), stream(0)).readout.shape
        torch.Size([1, 4])
    """
    n = integer_at_least("width", width, 1)
    shape_in = (n, integer_at_least("n_inputs", n_inputs, 1))
    shape_out = (integer_at_least("n_outputs", n_outputs, 1), n)
    return LinearRNN(
        normal(
            generator,
            (n, n),
            variances.recurrent,
            dtype=dtype,
            device=device,
        ),
        normal(
            generator,
            shape_in,
            variances.input,
            dtype=dtype,
            device=device,
        ),
        normal(
            generator,
            shape_out,
            variances.readout,
            dtype=dtype,
            device=device,
        ),
    )


def forward(
    rnn: LinearRNN, x: Float[Tensor, "batch time i"]
) -> Float[Tensor, "batch time o"]:
    r"""Run the network over sequences: :math:`h_t = n^{-1/2} W h_{t-1} + F x_t`,
    :math:`y_t = n^{-1/2} C h_t`, :math:`h_{-1} = 0` (linear paper, eq. 1).

    Raises:
        TypeError: ``x`` is no tensor of the network's dtype and device.
        ValueError: ``x`` has wrong axes, a wrong number of inputs, or is not finite.

    Example:
        >>> rnn = LinearRNN(torch.eye(1), torch.ones(1, 1), torch.ones(1, 1))
        >>> forward(rnn, torch.ones(1, 3, 1)).flatten().tolist()
        [1.0, 2.0, 3.0]
    """
    finite_tensor("x", x, ("batch", "time", "inputs"))
    same_kind(x=x, recurrent=rnn.recurrent)
    same_size("input channels", x=x.shape[2], rnn=rnn.n_inputs)
    return unroll(rnn.recurrent, rnn.input, rnn.readout, x)


def unroll(
    W: Float[Tensor, "n n"],
    F: Float[Tensor, "n i"],
    C: Float[Tensor, "o n"],
    x: Float[Tensor, "batch time i"],
) -> Float[Tensor, "batch time o"]:
    r"""Equation (1) as a function of its three matrices, unchecked, so that autodiff can take it.

    Example:
        >>> unroll(torch.eye(1), torch.ones(1, 1), torch.ones(1, 1), torch.ones(1, 2, 1)).shape
        torch.Size([1, 2, 1])
    """
    scale = len(W) ** -0.5
    h = x.new_zeros(len(x), len(W))
    outputs = []
    for x_t in x.unbind(dim=1):
        h = scale * h @ W.T + x_t @ F.T
        outputs.append(scale * h @ C.T)
    return torch.stack(outputs, dim=1)


def krylov(
    recurrent: Float[Tensor, "n n"],
    start: Float[Tensor, "n k"],
    n_lags: int,
) -> Float[Tensor, "lags n k"]:
    r"""Return :math:`u_\tau = A^\tau u_0` with :math:`A = n^{-1/2} W`, for τ = 0..n_lags-1.

    ``start`` is :math:`u_0`. One product of W with k columns per lag; :math:`A^\tau` is never
    formed.

    Raises:
        ValueError: ``n_lags`` is below 1.

    Example:
        >>> krylov(2 * torch.eye(4), torch.ones(4, 1), 3)[:, 0, 0].tolist()
        [1.0, 1.0, 1.0]
    """
    n_lags = integer_at_least("n_lags", n_lags, 1)
    scale = len(recurrent) ** -0.5
    u = [start.T]
    for _ in range(n_lags - 1):
        u.append(scale * rows_times(u[-1], recurrent.T))
    return torch.stack(u).transpose(1, 2)


def rows_times(
    rows: Float[Tensor, "k n"], matrix: Float[Tensor, "n n"]
) -> Float[Tensor, "k n"]:
    """Return ``rows @ matrix``; a few rows go one by one, as fast as memory can be read.

    A product with a thin matrix falls short of that by several times.

    Example:
        >>> rows_times(torch.ones(1, 2), 3 * torch.eye(2)).tolist()
        [[3.0, 3.0]]
    """
    if len(rows) > FEW_COLUMNS:
        return rows @ matrix
    return torch.stack([row @ matrix for row in rows])


def impulse_response(
    rnn: LinearRNN, n_lags: int
) -> Float[Tensor, "lags o i"]:
    r"""Return :math:`L_\tau = n^{-1/2} C A^\tau F = n^{-(\tau+1)/2} C W^\tau F` for
    τ = 0..n_lags-1 (linear paper, eq. 9).

    The powers act on whichever of F and Cᵀ has fewer columns.

    Raises:
        TypeError: ``n_lags`` is no integer.
        ValueError: ``n_lags`` is below 1.

    Example:
        >>> rnn = LinearRNN(torch.eye(1) / 2, torch.ones(1, 1), torch.ones(1, 1))
        >>> impulse_response(rnn, 3).flatten().tolist()
        [1.0, 0.5, 0.25]
    """
    scale = rnn.width**-0.5
    if rnn.n_inputs <= rnn.n_outputs:
        return scale * (
            rnn.readout @ krylov(rnn.recurrent, rnn.input, n_lags)
        )
    adjoint = krylov(rnn.recurrent.T, rnn.readout.T, n_lags)
    return scale * (adjoint.transpose(1, 2) @ rnn.input)


def eigenvalues(rnn: LinearRNN) -> Complex[Tensor, " n"]:
    r"""Return the eigenvalues of :math:`A = n^{-1/2} W`.

    Example:
        >>> rnn = LinearRNN(torch.eye(4), torch.ones(4, 1), torch.ones(1, 4))
        >>> eigenvalues(rnn).real.tolist()
        [0.5, 0.5, 0.5, 0.5]
    """
    return torch.linalg.eigvals(rnn.recurrent) * rnn.width**-0.5


def spectral_radius(rnn: LinearRNN) -> float:
    r"""Return :math:`\max|\lambda(A)|`; below 1 the network forgets, above 1 it may explode.

    Example:
        >>> spectral_radius(LinearRNN(torch.eye(4), torch.ones(4, 1), torch.ones(1, 4)))
        0.5
    """
    return float(eigenvalues(rnn).abs().max())


def recurrent_norm(rnn: LinearRNN) -> float:
    r"""Return :math:`\|A\|`, the largest growth of a state in one step without input.

    Example:
        >>> recurrent_norm(LinearRNN(torch.eye(4), torch.ones(4, 1), torch.ones(1, 4)))
        0.5
    """
    return (
        float(torch.linalg.matrix_norm(rnn.recurrent, 2))
        * rnn.width**-0.5
    )
