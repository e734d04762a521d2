r"""The tangent kernel of a linear recurrent network of finite width.

Write :math:`A = n^{-1/2} W`, :math:`u_k = A^k F`, :math:`v_k = n^{-1/2} (A^\top)^k C^\top` and the
Gram matrices :math:`U_{ij} = u_i^\top u_j / n`, :math:`V_{ij} = v_i^\top v_j`. At every width, and
at every moment of training, the kernel on impulse responses is

.. math::

    \Theta_{\tau\tau'} = I_{n_y} \otimes U_{\tau\tau'} + V_{\tau\tau'} \otimes I_{n_x}
        + \sum_{i<\tau,\; i'<\tau'} V_{ii'} \otimes U_{\tau-1-i,\,\tau'-1-i'}

(the blocks of C, F and W), and the kernel on data is :math:`\mathcal{T}^\top \Theta \mathcal{T}`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    same_kind,
    same_size,
    sequence_pair,
)
from rnnlimits.kernel.limit import KernelBlocks
from rnnlimits.networks.convolution import delayed
from rnnlimits.networks.linear import LinearRNN, krylov, unroll

SCRATCH_BYTES = 2**28


def krylov_grams(
    rnn: LinearRNN, n_lags: int
) -> tuple[
    Float[Tensor, "lags i lags i"], Float[Tensor, "lags o lags o"]
]:
    r"""Return the Gram matrices :math:`U_{ij} = u_i^\top u_j / n` and
    :math:`V_{ij} = v_i^\top v_j`.

    Everything that depends on the width happens here: two products of W with a few columns per
    lag, whatever the number of sequences.

    Raises:
        TypeError: ``n_lags`` is no integer.
        ValueError: ``n_lags`` is below 1.

    Example:
        >>> rnn = LinearRNN(torch.zeros(4, 4), torch.ones(4, 1), torch.ones(1, 4))
        >>> krylov_grams(rnn, 1)[0].item()
        1.0
    """
    scale = rnn.width**-0.5
    u = scale * krylov(rnn.recurrent, rnn.input, n_lags)
    v = scale * krylov(rnn.recurrent.T, rnn.readout.T, n_lags)
    U = torch.einsum("ani,bnj->aibj", u, u)
    V = torch.einsum("ano,bnp->aobp", v, v)
    return U, V


def impulse_kernel(rnn: LinearRNN, n_lags: int) -> KernelBlocks:
    r"""Return the kernel :math:`\Theta` on impulse responses, axes (lag, output, input) twice,
    by parameter: exact at every width, for any parameters.

    .. math::

        \Theta^C = I_{n_y} \otimes U, \qquad \Theta^F = V \otimes I_{n_x}, \qquad
        \Theta^W_{\tau\tau'} = \sum_{i<\tau,\; i'<\tau'}
            V_{ii'} \otimes U_{\tau-1-i,\,\tau'-1-i'}.

    Raises:
        TypeError: ``n_lags`` is no integer.
        ValueError: ``n_lags`` is below 1.

    Example:
        >>> rnn = LinearRNN(torch.zeros(4, 4), torch.ones(4, 1), torch.ones(1, 4))
        >>> impulse_kernel(rnn, 2).total[:, 0, 0, :, 0, 0].tolist()
        [[2.0, 0.0], [0.0, 1.0]]
    """
    return kernel_of_grams(*krylov_grams(rnn, n_lags))


def kernel_of_grams(
    U: Float[Tensor, "lags i lags i"], V: Float[Tensor, "lags o lags o"]
) -> KernelBlocks:
    r"""Return the kernel :math:`\Theta` on impulse responses that two Gram matrices make, those of
    a network (see `krylov_grams`) or others in their place.

    Example:
        >>> one = torch.ones(1, 1, 1, 1)
        >>> kernel_of_grams(one, 2 * one).total.item()
        3.0
    """
    eye_in = torch.eye(U.shape[1], dtype=U.dtype, device=U.device)
    eye_out = torch.eye(V.shape[1], dtype=V.dtype, device=V.device)
    return KernelBlocks(
        readout=torch.einsum("op,aibj->aoibpj", eye_out, U),
        input=torch.einsum("aobp,ij->aoibpj", V, eye_in),
        recurrent=recurrent_block(U, V),
    )


def recurrent_block(
    U: Float[Tensor, "lags i lags i"], V: Float[Tensor, "lags o lags o"]
) -> Float[Tensor, "lags o i lags o i"]:
    r"""Return :math:`\Theta^W_{\tau\tau'} = \sum_{i<\tau,\, i'<\tau'} V_{ii'} \otimes
    U_{\tau-1-i,\,\tau'-1-i'}` from the two Gram matrices.

    Example:
        >>> recurrent_block(torch.ones(2, 1, 2, 1), torch.ones(2, 1, 2, 1)).flatten().tolist()
        [0.0, 0.0, 0.0, 1.0]
    """
    n_lags, n_inputs, n_outputs = len(U), U.shape[1], V.shape[1]
    block = U.new_zeros(
        n_lags, n_outputs, n_inputs, n_lags, n_outputs, n_inputs
    )
    # V[i, t - j] at time t and lag j: a zero is kept where t < j
    lags = torch.arange(n_lags, device=V.device)
    past = lags[:-1, None] - lags
    past[past < 0] = n_lags
    padded = torch.nn.functional.pad(V, (0, 0, 0, 1))
    for i in range(n_lags - 1):
        across, rest = padded[i][:, past], U[: n_lags - 1 - i]
        terms = torch.einsum("otjp,kajb->koatpb", across, rest)
        block[i + 1 :, :, :, 1:] += terms
    return block


def kernel_on_data(
    theta: Float[Tensor, "time o i time o i"],
    x: Float[Tensor, "batch time i"],
    x2: Float[Tensor, "batch2 time i"],
    *,
    out: Float[Tensor, "batch time o batch2 time o"] | None = None,
    scratch_bytes: int = SCRATCH_BYTES,
) -> Float[Tensor, "batch time o batch2 time o"]:
    r"""Return :math:`\tilde{\mathcal{T}}(x)^\top \Theta\, \tilde{\mathcal{T}}(x')`, where
    :math:`\tilde{\mathcal{T}}` has the blocks :math:`I_{n_y} \otimes x_{t-j}` at (lag j, time t).

    Works through the sequences in chunks: beyond the result and two rearranged copies of ``theta``,
    at most ``scratch_bytes`` are held.
    Pass ``out`` (a memory-mapped tensor, say) to have a result larger than the memory.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: horizons or channels differ, ``out`` has a wrong shape, or ``scratch_bytes``
            does not hold one sequence.

    Example:
        >>> theta = torch.ones(2, 1, 1, 2, 1, 1)
        >>> x = torch.ones(1, 2, 1)
        >>> kernel_on_data(theta, x, x)[0, :, 0, 0, :, 0].tolist()
        [[1.0, 2.0], [2.0, 4.0]]
    """
    sequence_pair(x, x2)
    _check_theta(theta, x)
    horizon, n_outputs, n_inputs = theta.shape[:3]
    shape = (len(x), horizon, n_outputs, len(x2), horizon, n_outputs)
    if out is None:
        out = x.new_empty(shape)
    elif tuple(out.shape) != shape:
        raise ValueError(
            f"out must have shape {shape}, got {tuple(out.shape)}"
        )
    same_kind(theta=theta, out=out)
    size = _chunk_length(
        horizon, n_outputs, n_inputs, x.element_size(), scratch_bytes
    )
    core = theta.permute(1, 4, 0, 2, 3, 5).flatten(4, 5).flatten(2, 3)
    for left, left_out in zip(
        x.split(size), out.split(size), strict=True
    ):
        weighted = torch.einsum(
            "atk,opkl->opatl", delayed(left, horizon).flatten(2), core
        )
        for right, block in zip(
            x2.split(size), left_out.split(size, dim=3), strict=True
        ):
            windows = delayed(right, horizon).flatten(2)
            block.copy_(
                torch.einsum("opatl,bsl->atobsp", weighted, windows)
            )
    return out


def _check_theta(theta: Tensor, x: Tensor) -> None:
    """Raise unless ``theta`` is a kernel on the impulse responses that act on ``x``."""
    finite_tensor("theta", theta, ("lags", "outputs", "inputs") * 2)
    same_kind(theta=theta, x=x)
    if theta.shape[3:] != theta.shape[:3]:
        raise ValueError(
            f"theta must have the axes (lags, outputs, inputs) twice, "
            f"got shape {tuple(theta.shape)}"
        )
    same_size("numbers of lags", theta=len(theta), horizon=x.shape[1])
    same_size("input channels", theta=theta.shape[2], x=x.shape[2])


def tangent_kernel(
    rnn: LinearRNN,
    x: Float[Tensor, "batch time i"],
    x2: Float[Tensor, "batch2 time i"],
    *,
    out: Float[Tensor, "batch time o batch2 time o"] | None = None,
    scratch_bytes: int = SCRATCH_BYTES,
) -> Float[Tensor, "batch time o batch2 time o"]:
    r"""Return the tangent kernel of a network of finite width, at all output times and outputs.

    :math:`K_{(t,o),(s,p)} = \langle \nabla_{(W,F,C)}\, y_{t,o}(x),\,
    \nabla_{(W,F,C)}\, y_{s,p}(x') \rangle`. The width enters through :func:`krylov_grams` alone, so
    that its cost does not depend on the number of sequences, and no Jacobian is formed.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: as :func:`kernel_on_data`.

    Example:
        >>> rnn = LinearRNN(torch.zeros(4, 4), torch.ones(4, 1), torch.ones(1, 4))
        >>> x = torch.ones(1, 1, 1)
        >>> tangent_kernel(rnn, x, x).item()
        2.0
    """
    sequence_pair(x, x2)
    same_kind(recurrent=rnn.recurrent, x=x)
    same_size("input channels", rnn=rnn.n_inputs, x=x.shape[2])
    theta = impulse_kernel(rnn, x.shape[1]).total
    return kernel_on_data(
        theta, x, x2, out=out, scratch_bytes=scratch_bytes
    )


def jacobian(
    rnn: LinearRNN, x: Float[Tensor, "batch time i"]
) -> Float[Tensor, "data parameters"]:
    r"""Return the derivatives of all outputs in all parameters by automatic differentiation: one
    row for each (sequence, time, output), one column for each entry of C, then of F, then of W.

    The oracle for everything above, at small sizes: it holds N T n_y rows of n² numbers.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: wrong axes or channels.

    Example:
        >>> rnn = LinearRNN(torch.zeros(4, 4), torch.ones(4, 1), torch.ones(1, 4))
        >>> jacobian(rnn, torch.ones(1, 1, 1)).shape
        torch.Size([1, 24])
    """
    finite_tensor("x", x, ("batch", "time", "inputs"))
    same_kind(recurrent=rnn.recurrent, x=x)
    same_size("input channels", rnn=rnn.n_inputs, x=x.shape[2])
    derivative = torch.func.jacrev(unroll, argnums=(2, 1, 0))
    blocks = derivative(rnn.recurrent, rnn.input, rnn.readout, x)
    return torch.cat(
        [block.flatten(3).flatten(0, 2) for block in blocks], dim=1
    )


def autodiff_kernel(
    rnn: LinearRNN,
    x: Float[Tensor, "batch time i"],
    x2: Float[Tensor, "batch2 time i"],
) -> KernelBlocks:
    r"""Return :math:`J(x) J(x')^\top` by parameter, axes (sequence, time, output) twice.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: wrong axes or channels.

    Example:
        >>> rnn = LinearRNN(torch.zeros(4, 4), torch.ones(4, 1), torch.ones(1, 4))
        >>> x = torch.ones(1, 1, 1)
        >>> autodiff_kernel(rnn, x, x).total.item()
        2.0
    """
    sequence_pair(x, x2)
    sizes = [
        rnn.readout.numel(),
        rnn.input.numel(),
        rnn.recurrent.numel(),
    ]
    shape = (*x.shape[:2], rnn.n_outputs, *x2.shape[:2], rnn.n_outputs)
    left, right = (
        jacobian(rnn, x).split(sizes, dim=1),
        jacobian(rnn, x2).split(sizes, dim=1),
    )
    return KernelBlocks(
        *(
            (a @ b.T).reshape(shape)
            for a, b in zip(left, right, strict=True)
        )
    )


def _chunk_length(
    horizon: int,
    n_outputs: int,
    n_inputs: int,
    element_size: int,
    scratch_bytes: int,
) -> int:
    """Return how many sequences a chunk may hold so that its temporaries fit the scratch."""
    entries = integer_at_least("scratch_bytes", scratch_bytes, 1) / (
        element_size * horizon**2
    )
    windows = (
        2 * n_outputs**2 + 2
    ) * n_inputs  # both windows, the weighted product and its copy
    length = int(
        min(
            entries / (2 * windows),
            (entries / (4 * n_outputs**2)) ** 0.5,
        )
    )
    if length < 1:
        least = (
            element_size
            * horizon**2
            * max(2 * windows, 4 * n_outputs**2)
        )
        raise ValueError(
            f"scratch_bytes must be at least {least} for one sequence of horizon {horizon}, "
            f"got {scratch_bytes}"
        )
    return length
