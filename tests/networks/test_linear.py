"""The linear network: what kind of map it is, its impulse response, its spectrum."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from draws import (
    VARIANCES,
    both_dtypes,
    channels,
    distance,
    horizons,
    network,
    quick,
    seeds,
    sequences,
    untyped,
    widths,
)
from rnnlimits.estimate import estimate
from rnnlimits.networks.convolution import convolve
from rnnlimits.networks.linear import (
    LinearRNN,
    Variances,
    eigenvalues,
    forward,
    impulse_response,
    initialise,
    krylov,
    recurrent_norm,
    spectral_radius,
    unroll,
)
from rnnlimits.random import stream


def by_hand(rnn: LinearRNN, x: Tensor) -> Tensor:
    """Return the outputs by equation (1), one number at a time."""
    n = rnn.width
    W, F, C = (matrix.numpy() for matrix in (rnn.recurrent, rnn.input, rnn.readout))
    y = np.zeros((len(x), x.shape[1], rnn.n_outputs))
    for b, sequence in enumerate(x.numpy()):
        h = np.zeros(n)
        for t, x_t in enumerate(sequence):
            h = np.array([W[i] @ h / math.sqrt(n) + F[i] @ x_t for i in range(n)])
            y[b, t] = [C[o] @ h / math.sqrt(n) for o in range(rnn.n_outputs)]
    return torch.from_numpy(y)


# The map -----------------------------------------------------------------------------------------


@quick
@given(seeds, widths, channels, channels, horizons)
def test_forward_is_equation_1(seed: int, n: int, i: int, o: int, horizon: int) -> None:
    rnn, x = network(seed, n, i, o), sequences(seed, 2, horizon, i)
    assert distance(forward(rnn, x), by_hand(rnn, x)) < 1e-13


@quick
@given(seeds, widths, channels, channels, horizons, st.floats(-3, 3))
def test_forward_is_linear(seed: int, n: int, i: int, o: int, horizon: int, a: float) -> None:
    rnn = network(seed, n, i, o)
    x, z = sequences(seed, 2, horizon, i), sequences(seed + 1, 2, horizon, i)
    torch.testing.assert_close(
        forward(rnn, a * x + z), a * forward(rnn, x) + forward(rnn, z), rtol=1e-11, atol=1e-11
    )


@quick
@given(seeds, st.data())
def test_forward_is_causal(seed: int, data: st.DataObject) -> None:
    horizon = data.draw(st.integers(2, 6))
    cut = data.draw(st.integers(1, horizon - 1))
    rnn, x = network(seed), sequences(seed, 2, horizon)
    changed = x.clone()
    changed[:, cut:] += 1.0
    y, z = forward(rnn, x), forward(rnn, changed)
    assert torch.equal(y[:, :cut], z[:, :cut])
    assert not torch.equal(y[:, cut:], z[:, cut:])


@quick
@given(seeds, horizons, st.integers(1, 5))
def test_forward_is_time_invariant(seed: int, horizon: int, delay: int) -> None:
    rnn, x = network(seed), sequences(seed, 2, horizon)
    y = forward(rnn, torch.cat([torch.zeros(2, delay, 2, dtype=x.dtype), x], dim=1))
    assert torch.equal(y[:, :delay], torch.zeros(2, delay, 3, dtype=x.dtype))
    torch.testing.assert_close(y[:, delay:], forward(rnn, x), rtol=1e-13, atol=1e-13)


@quick
@given(seeds, widths, channels, channels, horizons)
def test_the_impulse_response_tells_all(seed: int, n: int, i: int, o: int, horizon: int) -> None:
    rnn, x = network(seed, n, i, o), sequences(seed, 2, horizon, i)
    y = convolve(impulse_response(rnn, horizon), x)
    torch.testing.assert_close(y, forward(rnn, x), rtol=1e-12, atol=1e-12)


def test_a_batch_of_one_is_a_row_of_the_batch() -> None:
    rnn, x = network(0), sequences(0, 4)
    torch.testing.assert_close(forward(rnn, x[2:3]), forward(rnn, x)[2:3], rtol=1e-14, atol=1e-14)


def test_a_pulse_returns_the_impulse_response() -> None:
    rnn = network(1, 5, 3, 2)
    pulses = torch.zeros(3, 4, 3, dtype=torch.float64)
    pulses[:, 0] = torch.eye(3, dtype=torch.float64)
    L = impulse_response(rnn, 4)
    torch.testing.assert_close(forward(rnn, pulses).permute(1, 2, 0), L, rtol=1e-13, atol=1e-13)


# The impulse response ----------------------------------------------------------------------------


@pytest.mark.parametrize(("i", "o"), [(1, 1), (1, 3), (3, 1), (2, 3), (3, 2)])
def test_the_impulse_response_is_equation_9(i: int, o: int) -> None:
    rnn = network(2, 5, i, o)
    L = impulse_response(rnn, 4)
    for tau in range(4):
        power = torch.linalg.matrix_power(rnn.recurrent, tau)
        expected = 5 ** (-(tau + 1) / 2) * rnn.readout @ power @ rnn.input
        assert distance(L[tau], expected) < 1e-13


def test_one_unit_is_a_geometric_series() -> None:
    W, F, C = (torch.tensor([[value]], dtype=torch.float64) for value in (0.5, 3.0, -2.0))
    L = impulse_response(LinearRNN(W, F, C), 5).flatten()
    assert L.tolist() == [-6.0 * 0.5**tau for tau in range(5)]


def test_without_recurrence_only_lag_0_remains() -> None:
    rnn = network(0, variances=Variances(0.0, 1.0, 1.0))
    L = impulse_response(rnn, 4)
    assert distance(L[0], 6**-0.5 * rnn.readout @ rnn.input) < 1e-14
    assert not L[1:].any()


def test_one_lag_and_one_time_step() -> None:
    rnn, x = network(3), sequences(3, 2, 1)
    L = impulse_response(rnn, 1)
    assert L.shape == (1, 3, 2)
    assert distance(forward(rnn, x)[:, 0], x[:, 0] @ L[0].T) < 1e-13


def test_a_constant_input_adds_the_lags_up() -> None:
    rnn = network(4)
    y = forward(rnn, torch.ones(1, 6, 2, dtype=torch.float64))[0]
    assert distance(y, impulse_response(rnn, 6).sum(2).cumsum(0)) < 1e-13


@quick
@given(seeds, widths, channels, channels)
def test_symmetries_of_the_impulse_response(seed: int, n: int, i: int, o: int) -> None:
    rnn = network(seed, n, i, o)
    W, F, C, L = rnn.recurrent, rnn.input, rnn.readout, impulse_response(rnn, 4)
    Q = torch.linalg.qr(network(seed + 1, n).recurrent)[0]
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)[:, None, None]
    powers = 2.0 ** torch.arange(4, dtype=torch.float64)[:, None, None]
    for changed, expected in [
        (LinearRNN(Q @ W @ Q.T, Q @ F, C @ Q.T), L),  # a change of basis
        (LinearRNN(-W, F, C), signs * L),
        (LinearRNN(W.T, C.T, F.T), L.transpose(1, 2)),
        (LinearRNN(2 * W, 3 * F, 5 * C), 15 * powers * L),
        (LinearRNN(W.tile(2, 2) / 2**0.5, F.tile(2, 1), C.tile(1, 2) / 2**0.5), L),  # each twice
    ]:
        torch.testing.assert_close(impulse_response(changed, 4), expected, rtol=1e-10, atol=1e-12)


def test_gradients_flow_through_the_impulse_response() -> None:
    rnn = network(5, 3, 2, 2)
    for i, o in [(2, 2), (1, 2), (2, 1)]:
        parameters = tuple(
            matrix.clone().requires_grad_()
            for matrix in (rnn.recurrent, rnn.input[:, :i], rnn.readout[:o])
        )
        assert torch.autograd.gradcheck(
            lambda W, F, C: impulse_response(LinearRNN(W, F, C), 3), parameters
        )


def test_krylov_multiplies_by_the_scaled_matrix() -> None:
    rnn = network(6)
    u = krylov(rnn.recurrent, rnn.input, 3)
    A = rnn.recurrent / 6**0.5
    assert torch.equal(u[0], rnn.input)
    assert distance(u[2], A @ A @ rnn.input) < 1e-14
    with pytest.raises(ValueError, match="n_lags must be at least 1, got 0"):
        krylov(rnn.recurrent, rnn.input, 0)


# Draws and dtypes --------------------------------------------------------------------------------


@both_dtypes
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    rnn, x = network(0, dtype=dtype), sequences(0, dtype=dtype)
    assert {rnn.recurrent.dtype, rnn.input.dtype, rnn.readout.dtype} == {dtype}
    assert forward(rnn, x).dtype == dtype
    assert unroll(rnn.recurrent, rnn.input, rnn.readout, x).dtype == dtype
    assert impulse_response(rnn, 3).dtype == dtype
    assert krylov(rnn.recurrent, rnn.input, 3).dtype == dtype
    assert eigenvalues(rnn).dtype == dtype.to_complex()
    exact = network(0)
    assert torch.equal(rnn.recurrent, exact.recurrent.to(dtype))
    # float32 round-off through four products: 1e-5 is far above it and far below an error.
    close = forward(rnn, x).to(torch.float64)
    assert distance(close, forward(exact, sequences(0))) < 1e-5


def test_sizes_of_a_network() -> None:
    rnn = network(0, 5, 3, 2)
    assert (rnn.width, rnn.n_inputs, rnn.n_outputs) == (5, 3, 2)
    assert (rnn.recurrent.shape, rnn.input.shape, rnn.readout.shape) == ((5, 5), (5, 3), (2, 5))


def test_each_matrix_has_its_own_variance(seed: int) -> None:
    # Sums of squares are chi-square, exactly: three two-sided tests, false alarm 1e-6 together.
    variances = Variances(0.3, 2.0, 5.0)
    rnn = initialise(60, 30, 40, variances, stream(seed, "variances"))
    for name in ("recurrent", "input", "readout"):
        matrix = getattr(rnn, name)
        square = float((matrix**2).sum()) / getattr(variances, name)
        tail = 1e-6 / 6
        assert stats.chi2.ppf(tail, matrix.numel()) < square < stats.chi2.isf(tail, matrix.numel())


def test_the_variance_of_each_lag(seed: int) -> None:
    # E L_τ² = ν_C ν_F ν_W^τ (1, 1, 1 + 2/n²) for τ = 0, 1, 2, exactly. Student's t over 2000
    # networks, each averaged over 16 pairs of channels so that skewness moves the level by less
    # than a factor of two: false alarm about 1e-6 for the three lags together.
    n, m = 16, 2000
    generator = stream(seed, "lags")
    squares = [
        (impulse_response(initialise(n, 4, 4, VARIANCES, generator), 3) ** 2).mean((1, 2)).tolist()
        for _ in range(m)
    ]
    tau = np.arange(3)
    expected = VARIANCES.readout * VARIANCES.input * VARIANCES.recurrent**tau
    scores = estimate(squares).z_score(expected * np.array([1, 1, 1 + 2 / n**2]))
    assert np.abs(scores).max() < stats.t.isf(1e-6 / 6, m - 1)


# The spectrum ------------------------------------------------------------------------------------


def test_the_spectrum_of_a_scaled_rotation() -> None:
    angle = torch.tensor(0.7, dtype=torch.float64)
    rotation = torch.stack(
        [torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])]
    )
    rnn = LinearRNN(3 * rotation, torch.ones(2, 1).double(), torch.ones(1, 2).double())
    scale = 3 / math.sqrt(2)
    expected = scale * np.exp(0.7j)
    found = eigenvalues(rnn)
    assert min(abs(value - expected) for value in found.tolist()) < 1e-14
    assert spectral_radius(rnn) == pytest.approx(scale, rel=1e-14)
    assert recurrent_norm(rnn) == pytest.approx(scale, rel=1e-14)


def test_a_nilpotent_matrix_grows_once_and_forgets() -> None:
    W = torch.zeros(4, 4)
    W[1, 0] = 10.0
    rnn = LinearRNN(W, torch.ones(4, 1), torch.ones(1, 4))
    assert spectral_radius(rnn) == 0.0
    assert recurrent_norm(rnn) == pytest.approx(5.0, rel=1e-6)


# Refusals ----------------------------------------------------------------------------------------


@untyped
def test_shapes_that_make_no_network() -> None:
    square, column, row = torch.ones(3, 3), torch.ones(3, 1), torch.ones(1, 3)
    with pytest.raises(ValueError, match=r"recurrent must have the axes \(width, width\)"):
        LinearRNN(torch.ones(3), column, row)
    with pytest.raises(ValueError, match="recurrent_rows has 3, recurrent_columns has 2"):
        LinearRNN(torch.ones(3, 2), column, row)
    with pytest.raises(ValueError, match="recurrent_rows has 3, input_rows has 4"):
        LinearRNN(square, torch.ones(4, 1), row)
    with pytest.raises(ValueError, match="recurrent_rows has 3, readout_columns has 4"):
        LinearRNN(square, column, torch.ones(1, 4))
    with pytest.raises(ValueError, match=r"recurrent must not be empty .* got shape \(0, 0\)"):
        LinearRNN(torch.ones(0, 0), torch.ones(0, 1), torch.ones(1, 0))
    with pytest.raises(ValueError, match="input must be finite"):
        LinearRNN(square, column * math.nan, row)
    with pytest.raises(TypeError, match="readout must be a torch tensor, got ndarray"):
        LinearRNN(square, column, np.ones((1, 3)))  # pyright: ignore[reportArgumentType]
    with pytest.raises(
        TypeError, match=r"recurrent and readout .* got torch.float32 and torch.float64"
    ):
        LinearRNN(square, column, row.double())


@untyped
def test_variances_are_finite_and_not_negative() -> None:
    for name in ("recurrent", "input", "readout"):
        good = {"recurrent": 1.0, "input": 1.0, "readout": 1.0}
        for bad in (-0.1, math.nan, math.inf):
            with pytest.raises(ValueError, match=f"{name} must be finite and at least 0, got"):
                Variances(**{**good, name: bad})
        with pytest.raises(TypeError, match=f"{name} must be a real number, got bool True"):
            Variances(**{**good, name: True})


@untyped
@pytest.mark.parametrize("which", ["width", "n_inputs", "n_outputs"])
def test_sizes_are_positive_integers(which: str) -> None:
    def draw(wrong: object) -> None:
        sizes: dict[str, Any] = {"width": 2, "n_inputs": 1, "n_outputs": 1, which: wrong}
        initialise(**sizes, variances=VARIANCES, generator=stream(0))

    with pytest.raises(ValueError, match=f"{which} must be at least 1, got 0"):
        draw(0)
    for bad in (True, 2.0):
        with pytest.raises(TypeError, match=f"{which} must be an integer, got"):
            draw(bad)


@untyped
def test_inputs_that_do_not_fit() -> None:
    rnn, x = network(0), sequences(0)
    with pytest.raises(ValueError, match=r"x must have the axes \(batch, time, inputs\)"):
        forward(rnn, x[0])
    with pytest.raises(ValueError, match="input channels must agree: x has 1, rnn has 2"):
        forward(rnn, x[:, :, :1])
    with pytest.raises(ValueError, match="x must be finite"):
        forward(rnn, x * math.inf)
    with pytest.raises(ValueError, match="x must not be empty"):
        forward(rnn, x[:0])
    with pytest.raises(TypeError, match=r"x and recurrent .* got torch.float32 and torch.float64"):
        forward(rnn, x.float())
    with pytest.raises(TypeError, match="x must be a torch tensor, got list"):
        forward(rnn, x.tolist())  # pyright: ignore[reportArgumentType]


@untyped
def test_lags_are_positive_integers() -> None:
    for rnn in (network(0, 4, 1, 2), network(0, 4, 2, 1)):
        with pytest.raises(ValueError, match="n_lags must be at least 1, got 0"):
            impulse_response(rnn, 0)
        for bad in (True, 1.0):
            with pytest.raises(TypeError, match="n_lags must be an integer, got"):
                impulse_response(rnn, bad)  # pyright: ignore[reportArgumentType]
