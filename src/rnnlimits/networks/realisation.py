r"""Linear recurrent networks with a prescribed impulse response (linear paper, Prop. 2.1 b).

Four constructions. The paper's rests on a Vandermonde system with real nodes. The others are ours:
two shift registers, whose states are stored inputs, and the factorisation of a Hankel matrix, which
finds the fewest states when its rank condition holds.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Inexact
from numpy.polynomial.chebyshev import cheb2poly
from torch import Tensor
from torch.linalg import LinAlgError  # pyright: ignore[reportAttributeAccessIssue]

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    positive,
    same_kind,
    same_size,
)
from rnnlimits.networks.linear import LinearRNN, impulse_response


@dataclass(frozen=True)
class Realisation:
    """A network with a prescribed impulse response, and the condition number of its construction.

    ``condition_number`` is that of the linear system that was solved; 1 where none is.
    """

    rnn: LinearRNN
    condition_number: float


def vandermonde(
    nodes: Inexact[Tensor, " states"], n_lags: int
) -> Inexact[Tensor, "lags states"]:
    r"""Return the matrix :math:`V_{\tau k} = a_k^\tau` for τ = 0..n_lags-1.

    Raises:
        TypeError: ``n_lags`` is no integer.
        ValueError: ``n_lags`` is below 1, or ``nodes`` is no vector of finite numbers.

    Example:
        >>> vandermonde(torch.tensor([1.0, 2.0]), 3).tolist()
        [[1.0, 1.0], [1.0, 2.0], [1.0, 4.0]]
    """
    finite_tensor("nodes", abs(nodes), ("states",))  # complex nodes too
    powers = torch.arange(
        integer_at_least("n_lags", n_lags, 1), device=nodes.device
    )
    return nodes[None, :] ** powers[:, None]


def vandermonde_condition(nodes: Inexact[Tensor, " states"]) -> float:
    r"""Return the condition number :math:`\sigma_{\max}(V)/\sigma_{\min}(V)` of the square V.

    Nodes may be complex. A matrix that is singular in floating point has condition number
    infinity or above 1e16: both say that no digit survives.

    Example:
        >>> round(vandermonde_condition(torch.tensor([1.0, -1.0])), 5)
        1.0
    """
    return float(torch.linalg.cond(vandermonde(nodes, len(nodes))))


def vandermonde_condition_bound(n_lags: int) -> float:
    r"""Return a lower bound on the condition number of V for n_lags nodes in :math:`[-1, 1]`.

    With m = n_lags - 1 it is the Euclidean norm of the coefficients of the Chebyshev polynomial
    :math:`p_m`, whose absolute values sum to
    :math:`\tfrac12 ((1+\sqrt2)^m + (1-\sqrt2)^m)`. Divided by the root of n_lags, it holds for
    any real nodes.

    Raises:
        TypeError: ``n_lags`` is no integer.
        ValueError: ``n_lags`` is below 1.

    Example:
        >>> vandermonde_condition_bound(3)  # p_2 = 2 x^2 - 1
        2.236...
    """
    degree = integer_at_least("n_lags", n_lags, 1) - 1
    return float(np.linalg.norm(cheb2poly([0] * degree + [1])))


def vandermonde_realisation(
    response: Float[Tensor, "lags o i"], nodes: Float[Tensor, " lags"]
) -> Realisation:
    r"""Realise a response with :math:`n_x n_y T` states, one bank of T decaying modes for each pair
    of an input and an output (linear paper, Prop. 2.1 b and eqs. 33-35).

    With :math:`A = \mathrm{diag}(a_1, \dots, a_T)` in each bank and ones as input weights, the
    readout solves :math:`V c = L`, :math:`V_{\tau k} = a_k^\tau`.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: the nodes are not T distinct numbers, or V is singular in this dtype.

    Example:
        >>> L = torch.tensor([1.0, 2.0], dtype=torch.float64).reshape(2, 1, 1)
        >>> nodes = torch.tensor([1.0, -1.0], dtype=torch.float64)
        >>> rnn = vandermonde_realisation(L, nodes).rnn
        >>> impulse_response(rnn, 2).flatten().round(decimals=5).tolist()
        [1.0, 2.0]
    """
    finite_tensor("response", response, ("lags", "outputs", "inputs"))
    finite_tensor("nodes", nodes, ("lags",))
    same_kind(response=response, nodes=nodes)
    n_lags, n_outputs, n_inputs = response.shape
    same_size(
        "numbers of lags and nodes", response=n_lags, nodes=len(nodes)
    )
    if len(nodes.unique()) < n_lags:
        raise ValueError(
            f"nodes must be distinct, got {nodes.tolist()}"
        )
    V = vandermonde(nodes, n_lags)
    condition = float(torch.linalg.cond(V))
    try:
        modes = torch.linalg.solve(V, response.flatten(1)).reshape(
            response.shape
        )
    except LinAlgError as error:
        raise ValueError(
            f"nodes must give an invertible Vandermonde matrix in {nodes.dtype}, "
            f"got condition number {condition:.1e} at {n_lags} lags"
        ) from error
    eye_in = torch.eye(
        n_inputs, dtype=response.dtype, device=response.device
    )
    eye_out = torch.eye(
        n_outputs, dtype=response.dtype, device=response.device
    )
    # state (o, i, k): output o, input i, mode k
    drive = eye_in.repeat_interleave(n_lags, 0).repeat(n_outputs, 1)
    read = torch.einsum("koi,op->poik", modes, eye_out).flatten(1)
    return Realisation(
        _network(
            nodes.repeat(n_outputs * n_inputs).diag(), drive, read
        ),
        condition,
    )


def delay_line_realisation(
    response: Float[Tensor, "lags o i"],
) -> Realisation:
    r"""Realise a response with :math:`T \min(n_x, n_y)` states that store the last T inputs.

    The recurrent matrix moves each stored input one place on and drops the last; the readout is
    :math:`(L_0, \dots, L_{T-1})` itself. With fewer outputs than inputs, the transposed network.
    Nothing is solved, and the response is zero from lag T on.

    Raises:
        TypeError: ``response`` is no floating-point tensor.
        ValueError: wrong axes, or an entry is not finite.

    Example:
        >>> L = torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1)
        >>> impulse_response(delay_line_realisation(L).rnn, 4).flatten().round(decimals=5)
        tensor([1., 2., 3., 0.])
    """
    return _shift_realisation(response, cyclic=False)


def rotation_realisation(
    response: Float[Tensor, "lags o i"],
) -> Realisation:
    r"""Realise a response with :math:`T \min(n_x, n_y)` states and an orthogonal recurrence.

    The delay line closed to a ring: a cyclic shift, whose eigenvalues are the T-th roots of unity.
    In the basis of its eigenvectors this is the Vandermonde construction with nodes on the unit
    circle, whose matrix is the discrete Fourier transform. The response repeats after T lags.

    Raises:
        TypeError: ``response`` is no floating-point tensor.
        ValueError: wrong axes, or an entry is not finite.

    Example:
        >>> L = torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1)
        >>> impulse_response(rotation_realisation(L).rnn, 4).flatten().round(decimals=5)
        tensor([1., 2., 3., 1.])
    """
    return _shift_realisation(response, cyclic=True)


def _shift_realisation(
    response: Float[Tensor, "lags o i"], cyclic: bool
) -> Realisation:
    finite_tensor("response", response, ("lags", "outputs", "inputs"))
    n_lags, n_outputs, n_inputs = response.shape
    if n_outputs < n_inputs:
        mirrored = _shift_realisation(
            response.transpose(1, 2), cyclic
        ).rnn
        return Realisation(
            LinearRNN(
                mirrored.recurrent.T,
                mirrored.readout.T,
                mirrored.input.T,
            ),
            1.0,
        )
    block = torch.eye(
        n_inputs, dtype=response.dtype, device=response.device
    )
    shift = response.new_zeros(n_lags, n_lags)
    shift[1:, :-1] = torch.eye(
        n_lags - 1, dtype=response.dtype, device=response.device
    )
    if cyclic:
        shift[0, -1] += 1
    first = response.new_zeros(n_lags, 1)
    first[0] = 1
    read = response.permute(1, 0, 2).flatten(1)
    return Realisation(
        _network(
            torch.kron(shift, block), torch.kron(first, block), read
        ),
        1.0,
    )


def hankel(
    response: Float[Tensor, "lags o i"], rows: int
) -> Float[Tensor, "block_rows block_columns"]:
    r"""Return the block-Hankel matrix with block (a, b) equal to :math:`L_{a+b}`, with ``rows``
    block rows and as many block columns as the known lags fill.

    Raises:
        TypeError: ``response`` is no floating-point tensor, or ``rows`` no integer.
        ValueError: ``rows`` does not lie between 1 and the number of lags.

    Example:
        >>> hankel(torch.arange(4.0).reshape(4, 1, 1), 2).tolist()
        [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    """
    finite_tensor("response", response, ("lags", "outputs", "inputs"))
    n_lags, n_outputs, n_inputs = response.shape
    if integer_at_least("rows", rows, 1) > n_lags:
        raise ValueError(
            f"rows must lie between 1 and the number of lags {n_lags}, got {rows}"
        )
    columns = n_lags + 1 - rows
    blocks = response.unfold(
        0, columns, 1
    )  # row, output, input, column
    return blocks.permute(0, 1, 3, 2).reshape(
        rows * n_outputs, columns * n_inputs
    )


def states_needed(
    response: Float[Tensor, "lags o i"], rtol: float = 1e-10
) -> int:
    r"""Return a lower bound on the states of any network with these first T lags.

    Block (a, b) of the Hankel matrix of a network with m states is :math:`\bar C A^a A^b B`, so
    the rank is at most m for every split of the T lags into rows and columns. Singular values count
    from ``rtol`` times the largest on, and never below a hundred round-offs of the dtype.

    Raises:
        TypeError: ``response`` is no floating-point tensor.
        ValueError: wrong axes, or an entry is not finite.

    Example:
        >>> states_needed((0.5 ** torch.arange(6.0, dtype=torch.float64)).reshape(6, 1, 1))
        1
    """
    finite_tensor("response", response, ("lags", "outputs", "inputs"))
    splits = range(1, len(response) + 1)
    rtol = _counted(response, rtol)
    return max(
        int(torch.linalg.matrix_rank(hankel(response, r), rtol=rtol))
        for r in splits
    )


def hankel_realisation(
    response: Float[Tensor, "lags o i"], rtol: float = 1e-10
) -> Realisation:
    r"""Realise a response with as many states as the rank of its Hankel matrix (Ho and Kalman).

    With :math:`H = P \Sigma Q^\top` the Hankel matrix of lags 0..T-2 and :math:`H^{+}` that of
    lags 1..T-1, :math:`A = \Sigma^{-1/2} P^\top H^{+} Q \Sigma^{-1/2}`, and input and readout are
    the first block column and row of :math:`\Sigma^{1/2} Q^\top` and :math:`P \Sigma^{1/2}`.
    The condition number is that of the retained :math:`\Sigma`; ``rtol`` as in
    :func:`states_needed`.

    Raises:
        TypeError: ``response`` is no floating-point tensor.
        ValueError: fewer than 2 lags, a response that is zero before its last lag, or one whose
            Hankel rank still grows at the last lag (append lags), or whose modes grow too fast for
            its dtype (use :func:`delay_line_realisation`).

    Example:
        >>> L = (0.5 ** torch.arange(6.0, dtype=torch.float64)).reshape(6, 1, 1)
        >>> hankel_realisation(L).rnn.width
        1
    """
    finite_tensor("response", response, ("lags", "outputs", "inputs"))
    n_lags, n_outputs, n_inputs = response.shape
    if n_lags < 2:
        raise ValueError(
            f"response must hold at least 2 lags, got {n_lags}"
        )
    rows = n_lags // 2
    H, shifted = hankel(response[:-1], rows), hankel(response[1:], rows)
    P, sigma, Qt = torch.linalg.svd(H, full_matrices=False)
    if sigma[0] == 0:
        raise ValueError(
            "response must not be zero before its last lag, got only zeros there"
        )
    rank = int((sigma > _counted(response, rtol) * sigma[0]).sum())
    P, sigma, Qt = P[:, :rank], sigma[:rank], Qt[:rank]
    root = sigma.sqrt()
    A = (P.T @ shifted @ Qt.T) / (root[:, None] * root[None, :])
    rnn = _network(
        A, root[:, None] * Qt[:, :n_inputs], P[:n_outputs] * root
    )
    condition = float(sigma[0] / sigma[-1])
    error = (
        impulse_response(rnn, n_lags) - response
    ).abs().max() / response.abs().max()
    if not error <= max(1e-6, 1e3 * torch.finfo(response.dtype).eps):
        raise ValueError(
            f"response must have a Hankel rank that has stopped growing within its {n_lags} lags, "
            f"and modes that do not outgrow {response.dtype}; with {rank} states the largest "
            f"relative error is {float(error):.1e}"
        )
    return Realisation(rnn, condition)


def _counted(response: Tensor, rtol: float) -> float:
    """Return the relative size from which a singular value counts, in the dtype of ``response``."""
    return max(
        positive("rtol", rtol), 100 * torch.finfo(response.dtype).eps
    )


def _network(
    A: Float[Tensor, "n n"],
    B: Float[Tensor, "n i"],
    C: Float[Tensor, "o n"],
) -> LinearRNN:
    """Return the network whose states follow s_t = A s_{t-1} + B x_t and y_t = C s_t."""
    root = len(A) ** 0.5
    return LinearRNN(root * A, B, root * C)
