"""Tangent kernels against automatic differentiation, explicit matrices and sums; symmetries."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import convolve2d
from torch import Tensor

from draws import (
    VARIANCES,
    both_dtypes,
    channels,
    distance,
    horizons,
    network,
    quick,
    response,
    seeds,
    sequences,
    untyped,
    widths,
)
from rnnlimits.kernel import tangent
from rnnlimits.kernel.limit import (
    KernelBlocks,
    convolution_kernel,
    lag_weight_blocks,
    lag_weights,
    limit_kernel,
)
from rnnlimits.kernel.tangent import (
    autodiff_kernel,
    impulse_kernel,
    jacobian,
    kernel_on_data,
    krylov_grams,
    recurrent_block,
    tangent_kernel,
)
from rnnlimits.networks.convolution import convolve, scaled_impulse_response, toeplitz
from rnnlimits.networks.linear import LinearRNN, Variances, unroll

BLOCKS = ("readout", "input", "recurrent")
SIZES = [
    (1, 1, 1),
    (1, 2, 3),
    (4, 2, 12),
    (4, 12, 2),
    (6, 1, 1),
    (6, 3, 1),
    (6, 1, 3),
    (5, 2, 3),
    (5, 3, 2),
]
variances = st.builds(Variances, *[st.floats(0.0, 2.0)] * 3)


def trained(rnn: LinearRNN, x: Tensor, target: Tensor, n_steps: int = 4) -> LinearRNN:
    """Return the network after a few steps of gradient descent by back-propagation."""
    parameters = [m.clone().requires_grad_() for m in (rnn.recurrent, rnn.input, rnn.readout)]
    for _ in range(n_steps):
        W, F, C = parameters
        loss = ((unroll(W, F, C, x) - target) ** 2).mean()
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= 0.3 * gradient
    return LinearRNN(*(parameter.detach() for parameter in parameters))


def pulse_kernel(rnn: LinearRNN, n_lags: int) -> KernelBlocks:
    """Return the kernel on impulse responses by autodiff: the inputs are unit pulses at time 0."""
    pulses = torch.zeros(rnn.n_inputs, n_lags, rnn.n_inputs, dtype=torch.float64)
    pulses[:, 0] = torch.eye(rnn.n_inputs, dtype=torch.float64)
    blocks = autodiff_kernel(rnn, pulses, pulses)
    return KernelBlocks(*(getattr(blocks, name).permute(1, 2, 0, 4, 5, 3) for name in BLOCKS))


def close(actual: Tensor, expected: Tensor) -> bool:
    """Say whether two kernels agree to the book's standard; a block may vanish (one lag)."""
    assert actual.shape == expected.shape
    return bool((actual - expected).abs().max() <= 1e-12 * expected.abs().max().clamp(min=1e-6))


# Lag weights -------------------------------------------------------------------------------------


@quick
@given(variances, st.integers(1, 12))
def test_lag_weights_are_the_sums_over_paths(v: Variances, n_lags: int) -> None:
    blocks, total = lag_weight_blocks(n_lags, v), lag_weights(n_lags, v)
    U = [v.input * v.recurrent**k for k in range(n_lags)]
    V = [v.readout * v.recurrent**k for k in range(n_lags)]
    for tau in range(n_lags):
        paths = sum(V[i] * U[tau - 1 - i] for i in range(tau))
        assert float(blocks.readout[tau]) == pytest.approx(U[tau], rel=1e-12, abs=1e-300)
        assert float(blocks.input[tau]) == pytest.approx(V[tau], rel=1e-12, abs=1e-300)
        assert float(blocks.recurrent[tau]) == pytest.approx(paths, rel=1e-12, abs=1e-300)
    assert torch.equal(total, blocks.readout + blocks.input + blocks.recurrent)


@quick
@given(variances)
def test_lag_weights_follow_a_recurrence_of_two_terms(v: Variances) -> None:
    rho = lag_weights(10, v)
    expected = 2 * v.recurrent * rho[1:-1] - v.recurrent**2 * rho[:-2]
    torch.testing.assert_close(rho[2:], expected, rtol=1e-9, atol=1e-12 * float(rho.max()))


def test_lag_weights_without_recurrence_and_with_one_lag() -> None:
    assert lag_weights(4, Variances(0.0, 2.0, 3.0)).tolist() == [5.0, 6.0, 0.0, 0.0]
    assert lag_weights(1, Variances(0.5, 2.0, 3.0)).tolist() == [5.0]
    assert not lag_weights(3, Variances(1.0, 0.0, 0.0)).any()


@untyped
def test_lags_are_positive_integers() -> None:
    for function in (
        lambda n: lag_weights(n, VARIANCES),
        lambda n: lag_weight_blocks(n, VARIANCES),
        lambda n: krylov_grams(network(0), n),
        lambda n: impulse_kernel(network(0), n),
    ):
        with pytest.raises(ValueError, match="n_lags must be at least 1, got 0"):
            function(0)
        for bad in (True, 2.0):
            with pytest.raises(TypeError, match="n_lags must be an integer, got"):
                function(bad)


# The limit ---------------------------------------------------------------------------------------


@quick
@given(seeds, channels, horizons, variances)
def test_three_ways_to_the_limit_kernel(seed: int, i: int, horizon: int, v: Variances) -> None:
    x, x2 = sequences(seed, 2, horizon, i), sequences(seed + 1, 3, horizon, i)
    K, rho = limit_kernel(x, x2, v), lag_weights(horizon, v)
    assert K.shape == (2, horizon, 3, horizon)
    scale = float(rho.sum()) * 20 + 1e-300
    torch.testing.assert_close(K, convolution_kernel(x, x2, rho), rtol=1e-12, atol=1e-13 * scale)
    D = torch.kron(rho.diag(), torch.eye(i, dtype=torch.float64))
    T, T2 = toeplitz(x), toeplitz(x2)
    for a in range(2):
        for b in range(3):
            torch.testing.assert_close(
                K[a, :, b], T[a].T @ D @ T2[b], rtol=1e-12, atol=1e-13 * scale
            )


def test_the_limit_kernel_of_one_time_step_and_of_a_constant() -> None:
    v = Variances(0.5, 2.0, 3.0)
    x = torch.tensor([[[2.0]], [[3.0]]])
    assert limit_kernel(x, x, v)[:, 0, :, 0].tolist() == [[20.0, 30.0], [30.0, 45.0]]
    ones = torch.ones(1, 6, 1, dtype=torch.float64)
    sums = lag_weights(6, v).cumsum(0)
    expected = sums[torch.minimum(torch.arange(6)[:, None], torch.arange(6))]
    assert distance(limit_kernel(ones, ones, v)[0, :, 0], expected) < 1e-14


@pytest.mark.parametrize(("i", "o"), [(1, 1), (2, 3), (3, 2)])
def test_the_scaled_convolution_by_autodiff(i: int, o: int) -> None:
    theta, rho = response(0, 4, o, i), lag_weights(4, VARIANCES)
    x, x2 = sequences(1, 2, 4, i), sequences(2, 3, 4, i)

    def rows(x: Tensor) -> Tensor:
        def outputs(theta: Tensor) -> Tensor:
            return convolve(scaled_impulse_response(theta, rho), x)

        return torch.autograd.functional.jacobian(outputs, theta).flatten(3)

    found = torch.einsum("atok,bspk->atobsp", rows(x), rows(x2))
    eye = torch.eye(o, dtype=torch.float64)
    expected = torch.einsum("atbs,op->atobsp", convolution_kernel(x, x2, rho), eye)
    assert close(found, expected)


@quick
@given(seeds, channels, horizons, variances)
def test_the_limit_kernel_is_symmetric_and_positive(
    seed: int, i: int, horizon: int, v: Variances
) -> None:
    x, x2 = sequences(seed, 3, horizon, i), sequences(seed + 1, 2, horizon, i)
    K = limit_kernel(x, x, v).reshape(3 * horizon, 3 * horizon)
    torch.testing.assert_close(K, K.T, rtol=1e-12, atol=1e-14)
    assert torch.linalg.eigvalsh(K)[0] >= -1e-12 * K.abs().max()
    torch.testing.assert_close(
        limit_kernel(x, x2, v), limit_kernel(x2, x, v).permute(2, 3, 0, 1), rtol=1e-12, atol=1e-14
    )
    torch.testing.assert_close(
        limit_kernel(2 * x, 3 * x2, v), 6 * limit_kernel(x, x2, v), rtol=1e-12, atol=1e-12
    )


# Finite width, against autodiff ------------------------------------------------------------------


@pytest.mark.parametrize(("n", "i", "o"), SIZES)
@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("after", ["initialisation", "training"])
def test_every_block_equals_autodiff(n: int, i: int, o: int, horizon: int, after: str) -> None:
    rnn, x, x2 = network(0, n, i, o), sequences(1, 3, horizon, i), sequences(2, 2, horizon, i)
    if after == "training":
        start = rnn
        rnn = trained(rnn, x, sequences(3, 3, horizon, o))
        assert distance(rnn.readout, start.readout) > 1e-3
    theta, pulses = impulse_kernel(rnn, horizon), pulse_kernel(rnn, horizon)
    oracle = autodiff_kernel(rnn, x, x2)
    for name in BLOCKS:
        assert close(getattr(theta, name), getattr(pulses, name))
        assert close(kernel_on_data(getattr(theta, name), x, x2), getattr(oracle, name))
    assert close(tangent_kernel(rnn, x, x2), oracle.total)


def test_the_jacobian_by_central_differences() -> None:
    rnn, x = network(0, 3, 2, 2), sequences(0, 1, 4)
    J = jacobian(rnn, x)
    shapes = [rnn.readout.shape, rnn.input.shape, rnn.recurrent.shape]
    sizes = [shape.numel() for shape in shapes]
    step = 1e-5

    def outputs(flat: Tensor) -> Tensor:
        C, F, W = (p.reshape(s) for p, s in zip(flat.split(sizes), shapes, strict=True))
        return unroll(W, F, C, x).flatten()

    flat = torch.cat([rnn.readout.flatten(), rnn.input.flatten(), rnn.recurrent.flatten()])
    for k, unit in enumerate(torch.eye(len(flat), dtype=torch.float64)):
        slope = (outputs(flat + step * unit) - outputs(flat - step * unit)) / (2 * step)
        torch.testing.assert_close(J[:, k], slope, rtol=1e-7, atol=1e-8)


def test_the_data_kernel_with_explicit_matrices() -> None:
    rnn, x, x2 = network(1, 5, 2, 3), sequences(1, 1, 4), sequences(2, 1, 4)
    theta = impulse_kernel(rnn, 4).total.reshape(4 * 3 * 2, 4 * 3 * 2)

    def stacked(x: Tensor) -> Tensor:
        zero = torch.zeros(3 * 2, 3, dtype=torch.float64)
        eye = torch.eye(3, dtype=torch.float64)
        rows = [
            torch.cat(
                [torch.kron(eye, x[0, t - j, :, None]) if j <= t else zero for t in range(4)], dim=1
            )
            for j in range(4)
        ]
        return torch.cat(rows)

    expected = (stacked(x).T @ theta @ stacked(x2)).reshape(1, 4, 3, 1, 4, 3)
    assert close(tangent_kernel(rnn, x, x2), expected)


@quick
@given(seeds, widths)
def test_the_generating_functions_multiply(seed: int, n: int) -> None:
    # 1 + zwΘ = (1 + zwU)(1 + zwV) for one input and one output, as polynomials in z and w.
    rnn, lags = network(seed, n, 1, 1), 5

    def series(coefficients: Tensor) -> np.ndarray:
        polynomial = np.zeros((lags + 1, lags + 1))
        polynomial[0, 0] = 1.0
        polynomial[1:, 1:] = coefficients.reshape(lags, lags).numpy()
        return polynomial

    U, V = krylov_grams(rnn, lags)
    product = convolve2d(series(U), series(V))[: lags + 1, : lags + 1]
    np.testing.assert_allclose(
        series(impulse_kernel(rnn, lags).total), product, rtol=1e-11, atol=1e-11 * product.max()
    )


def test_one_unit_by_hand() -> None:
    W, F, C = (torch.tensor([[value]], dtype=torch.float64) for value in (0.5, 2.0, 3.0))
    theta = impulse_kernel(LinearRNN(W, F, C), 3)
    # L_τ = c w^τ f: the derivatives are w^τ f, c w^τ and τ c w^(τ-1) f.
    for block, slopes in [
        (theta.readout, [2.0, 1.0, 0.5]),
        (theta.input, [3.0, 1.5, 0.75]),
        (theta.recurrent, [0.0, 6.0, 6.0]),
    ]:
        slopes = torch.tensor(slopes, dtype=torch.float64)
        assert distance(block.reshape(3, 3), torch.outer(slopes, slopes)) < 1e-14


def test_one_time_step_has_no_recurrent_part() -> None:
    rnn, x = network(0), sequences(0, 2, 1)
    inner = x[:, 0] @ (rnn.input.T @ rnn.input / 6) @ x[:, 0].T
    V = rnn.readout @ rnn.readout.T / 6
    expected = torch.einsum("ab,op->aobp", inner, torch.eye(3, dtype=torch.float64))
    expected += torch.einsum("ab,op->aobp", x[:, 0] @ x[:, 0].T, V)
    assert distance(tangent_kernel(rnn, x, x)[:, 0, :, :, 0], expected) < 1e-13
    assert not impulse_kernel(rnn, 1).recurrent.any()


def test_without_recurrence_the_weights_are_still_those_of_lag_1() -> None:
    rnn = network(0, variances=Variances(0.0, 1.0, 1.0))
    theta = impulse_kernel(rnn, 4)
    assert not theta.readout[1:].any()
    assert not theta.input[1:].any()
    assert not theta.recurrent[2:].any()
    U, V = krylov_grams(rnn, 1)
    first = torch.einsum("op,ij->oipj", V[0, :, 0], U[0, :, 0])
    assert distance(theta.recurrent[1, :, :, 1], first) < 1e-14


def test_grams_are_inner_products_of_krylov_vectors() -> None:
    rnn = network(2, 5, 2, 3)
    U, V = krylov_grams(rnn, 3)
    A = rnn.recurrent / 5**0.5
    for a in range(3):
        for b in range(3):
            left = torch.linalg.matrix_power(A, a)
            right = torch.linalg.matrix_power(A, b)
            assert distance(U[a, :, b], (left @ rnn.input).T @ (right @ rnn.input) / 5) < 1e-13
            expected = (rnn.readout @ left) @ (rnn.readout @ right).T / 5
            assert distance(V[a, :, b], expected) < 1e-13
    assert distance(recurrent_block(U, V), impulse_kernel(rnn, 3).recurrent) == 0.0


# Symmetries --------------------------------------------------------------------------------------


@quick
@given(seeds, widths, channels, channels, horizons)
def test_the_kernel_is_symmetric_and_positive(
    seed: int, n: int, i: int, o: int, horizon: int
) -> None:
    rnn, x, x2 = network(seed, n, i, o), sequences(seed, 2, horizon, i), sequences(1, 3, horizon, i)
    K = tangent_kernel(rnn, x, x).reshape(2 * horizon * o, 2 * horizon * o)
    torch.testing.assert_close(K, K.T, rtol=1e-11, atol=1e-12)
    assert torch.linalg.eigvalsh(K)[0] >= -1e-12 * K.abs().max()
    mirrored = tangent_kernel(rnn, x2, x).permute(3, 4, 5, 0, 1, 2)
    torch.testing.assert_close(tangent_kernel(rnn, x, x2), mirrored, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(
        tangent_kernel(rnn, 2 * x, 3 * x2), 6 * tangent_kernel(rnn, x, x2), rtol=1e-11, atol=1e-11
    )


@quick
@given(seeds, widths, channels, channels)
def test_what_leaves_the_blocks_alone_and_what_scales_them(
    seed: int, n: int, i: int, o: int
) -> None:
    rnn = network(seed, n, i, o)
    W, F, C = rnn.recurrent, rnn.input, rnn.readout
    Q = torch.linalg.qr(network(seed + 1, n).recurrent)[0]
    tau = torch.arange(4, dtype=torch.float64)
    both = (tau[:, None] + tau).reshape(4, 1, 1, 4, 1, 1)
    theta = impulse_kernel(rnn, 4)
    for changed, factors in [
        (LinearRNN(Q @ W @ Q.T, Q @ F, C @ Q.T), (1.0, 1.0, 1.0)),
        (LinearRNN(-W, F, C), ((-1) ** both,) * 3),
        (LinearRNN(W, 3 * F, C), (9.0, 1.0, 9.0)),
        (LinearRNN(W, F, 3 * C), (1.0, 9.0, 9.0)),
        (LinearRNN(2 * W, F, C), (2**both, 2**both, 2.0 ** (both - 2))),
    ]:
        found = impulse_kernel(changed, 4)
        for name, factor in zip(BLOCKS, factors, strict=True):
            torch.testing.assert_close(
                getattr(found, name), factor * getattr(theta, name), rtol=1e-9, atol=1e-10
            )


@quick
@given(seeds, widths, channels, channels)
def test_the_transposed_network_swaps_inputs_and_outputs(seed: int, n: int, i: int, o: int) -> None:
    rnn = network(seed, n, i, o)
    theta = impulse_kernel(rnn, 4)
    mirrored = impulse_kernel(LinearRNN(rnn.recurrent.T, rnn.readout.T, rnn.input.T), 4)
    for name, partner in [("readout", "input"), ("input", "readout"), ("recurrent", "recurrent")]:
        expected = getattr(theta, partner).permute(0, 2, 1, 3, 5, 4)
        torch.testing.assert_close(getattr(mirrored, name), expected, rtol=1e-11, atol=1e-12)


def test_a_batch_of_one_is_a_block_of_the_kernel() -> None:
    rnn, x = network(3), sequences(3, 4)
    whole = tangent_kernel(rnn, x, x)
    assert distance(tangent_kernel(rnn, x[1:2], x[3:]), whole[1:2, :, :, 3:]) < 1e-13


# Chunks, memory and dtypes -----------------------------------------------------------------------


@pytest.mark.parametrize(("i", "o", "scratch"), [(1, 1, 2500), (2, 3, 30_000), (3, 2, 20_000)])
def test_small_chunks_give_the_same_kernel(i: int, o: int, scratch: int) -> None:
    rnn, x, x2 = network(0, 5, i, o), sequences(1, 9, 6, i), sequences(2, 7, 6, i)
    assert tangent._chunk_length(6, o, i, 8, scratch) < 7
    whole = tangent_kernel(rnn, x, x2)
    assert distance(tangent_kernel(rnn, x, x2, scratch_bytes=scratch), whole) < 1e-14


def peak_bytes(trace: Path) -> int:
    """Return the most memory that the allocator had given out during a trace."""
    events = json.loads(trace.read_text())["traceEvents"]
    memory = [event for event in events if event.get("name") == "[memory]"]
    changes = [event["args"]["Bytes"] for event in sorted(memory, key=lambda event: event["ts"])]
    assert changes
    return int(np.cumsum(changes).max())


@pytest.mark.parametrize(
    ("i", "o", "horizon", "scratch"),
    [(1, 1, 20, 100_000), (2, 3, 8, 40_960), (12, 1, 6, 40_000), (1, 4, 6, 40_000)],
)
def test_the_scratch_bounds_what_is_allocated(
    i: int, o: int, horizon: int, scratch: int, tmp_path: Path
) -> None:
    theta, x = impulse_kernel(network(0, 5, i, o), horizon).total, sequences(1, 9, horizon, i)
    assert tangent._chunk_length(horizon, o, i, 8, scratch) < 9
    out = torch.empty(9, horizon, o, 9, horizon, o, dtype=torch.float64)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        kernel_on_data(theta, x, x, out=out, scratch_bytes=scratch)
    profile.export_chrome_trace(str(tmp_path / "trace.json"))
    peak = peak_bytes(tmp_path / "trace.json")
    assert peak <= scratch + 2 * theta.numel() * 8
    assert peak > 8 * 9 * horizon * i  # the trace has seen the windows


def test_a_result_may_live_in_a_file(tmp_path: Path) -> None:
    rnn, x = network(0), sequences(0)
    expected = tangent_kernel(rnn, x, x)
    file = tmp_path / "kernel.bin"
    mapped = torch.from_file(
        str(file), shared=True, size=expected.numel(), dtype=torch.float64
    ).reshape(expected.shape)
    assert tangent_kernel(rnn, x, x, out=mapped) is mapped
    stored = np.fromfile(file).reshape(expected.shape)
    np.testing.assert_array_equal(stored, expected.numpy())


@both_dtypes
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    rnn, x = network(0, dtype=dtype), sequences(0, dtype=dtype)
    results = [
        *krylov_grams(rnn, 3),
        impulse_kernel(rnn, 3).total,
        tangent_kernel(rnn, x, x),
        limit_kernel(x, x, VARIANCES),
        convolution_kernel(x, x, lag_weights(5, VARIANCES).to(dtype)),
        jacobian(rnn, x),
        autodiff_kernel(rnn, x, x).total,
    ]
    assert {result.dtype for result in results} == {dtype}
    exact = tangent_kernel(network(0), sequences(0), sequences(0))
    assert distance(results[3].to(torch.float64), exact) < 1e-5


# Refusals ----------------------------------------------------------------------------------------


@untyped
@pytest.mark.parametrize("name", ["limit", "convolution", "data", "tangent", "autodiff"])
def test_sequences_that_do_not_fit_together(name: str) -> None:
    rnn, x = network(0), sequences(0)
    kernel = {
        "limit": lambda x, x2: limit_kernel(x, x2, VARIANCES),
        "convolution": lambda x, x2: convolution_kernel(x, x2, lag_weights(5, VARIANCES)),
        "data": lambda x, x2: kernel_on_data(impulse_kernel(rnn, 5).total, x, x2),
        "tangent": lambda x, x2: tangent_kernel(rnn, x, x2),
        "autodiff": lambda x, x2: autodiff_kernel(rnn, x, x2),
    }[name]
    with pytest.raises(ValueError, match="horizons must agree: x has 5, x2 has 4"):
        kernel(x, x[:, :4])
    with pytest.raises(ValueError, match="input channels must agree: x has 2, x2 has 1"):
        kernel(x, x[:, :, :1])
    with pytest.raises(TypeError, match=r"x and x2 .* got torch.float64 and torch.float32"):
        kernel(x, x.float())
    with pytest.raises(ValueError, match=r"x2 must have the axes \(batch, time, inputs\)"):
        kernel(x, x[0])
    with pytest.raises(ValueError, match="x2 must be finite"):
        kernel(x, x * math.nan)
    with pytest.raises(ValueError, match="x must not be empty"):
        kernel(x[:0], x)


@untyped
def test_networks_that_do_not_fit_the_data() -> None:
    rnn, x = network(0), sequences(0)
    for kernel in (lambda rnn, x: tangent_kernel(rnn, x, x), jacobian):
        with pytest.raises(ValueError, match="input channels must agree: rnn has 2, x has 1"):
            kernel(rnn, x[:, :, :1])
        with pytest.raises(TypeError, match=r"recurrent and x .* torch.float64 and torch.float32"):
            kernel(rnn, x.float())


@untyped
def test_weights_that_do_not_fit() -> None:
    x, rho = sequences(0), torch.ones(5, dtype=torch.float64)
    with pytest.raises(ValueError, match="numbers of lags must agree: horizon has 5, rho has 4"):
        convolution_kernel(x, x, rho[:4])
    with pytest.raises(ValueError, match="rho must be at least 0 at every lag"):
        convolution_kernel(x, x, -rho)
    with pytest.raises(TypeError, match=r"x and rho .* got torch.float64 and torch.float32"):
        convolution_kernel(x, x, rho.float())


@untyped
def test_what_the_data_kernel_refuses() -> None:
    theta, x = impulse_kernel(network(0), 5).total, sequences(0)
    with pytest.raises(ValueError, match="theta must have the axes"):
        kernel_on_data(theta[0], x, x)
    with pytest.raises(ValueError, match=r"theta must have the axes .* twice, got shape"):
        kernel_on_data(theta[..., :1, :], x, x)
    with pytest.raises(ValueError, match="numbers of lags must agree: theta has 5, horizon has 4"):
        kernel_on_data(theta, x[:, :4], x[:, :4])
    with pytest.raises(ValueError, match="input channels must agree: theta has 2, x has 1"):
        kernel_on_data(theta, x[:, :, :1], x[:, :, :1])
    with pytest.raises(TypeError, match=r"theta and x .* torch.float32 and torch.float64"):
        kernel_on_data(theta.float(), x, x)
    with pytest.raises(ValueError, match=r"out must have shape \(3, 5, 3, 3, 5, 3\), got \(2,\)"):
        kernel_on_data(theta, x, x, out=torch.zeros(2, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"theta and out .* torch.float64 and torch.float32"):
        kernel_on_data(theta, x, x, out=torch.zeros(3, 5, 3, 3, 5, 3))
    with pytest.raises(ValueError, match=r"scratch_bytes must be at least \d+ for one sequence"):
        kernel_on_data(theta, x, x, scratch_bytes=100)
    with pytest.raises(ValueError, match="scratch_bytes must be at least 1, got 0"):
        kernel_on_data(theta, x, x, scratch_bytes=0)
    with pytest.raises(TypeError, match="scratch_bytes must be an integer, got float"):
        kernel_on_data(theta, x, x, scratch_bytes=1e9)  # pyright: ignore[reportArgumentType]


def test_the_least_scratch_named_is_enough() -> None:
    theta, x = impulse_kernel(network(0), 5).total, sequences(0)
    with pytest.raises(ValueError, match="scratch_bytes must be at least") as refusal:
        kernel_on_data(theta, x, x, scratch_bytes=1)
    least = int(str(refusal.value).split("at least ")[1].split()[0])
    K = kernel_on_data(theta, x, x, scratch_bytes=least)
    assert distance(K, kernel_on_data(theta, x, x)) < 1e-14
    with pytest.raises(ValueError, match="scratch_bytes must be at least"):
        kernel_on_data(theta, x, x, scratch_bytes=least - 1)
