"""Convolutions against direct sums and explicit matrices, and their scaled parameters."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from draws import (
    both_dtypes,
    channels,
    distance,
    horizons,
    quick,
    response,
    seeds,
    sequences,
    untyped,
)
from rnnlimits.networks.convolution import convolve, delayed, scaled_impulse_response, toeplitz


@quick
@given(seeds, st.data(), channels)
def test_windows_hold_the_past_and_zeros_before_it(seed: int, data: st.DataObject, i: int) -> None:
    horizon = data.draw(horizons)
    n_lags = data.draw(st.integers(1, horizon))
    x = sequences(seed, 2, horizon, i)
    windows = delayed(x, n_lags)
    assert windows.shape == (2, horizon, n_lags, i)
    for t in range(horizon):
        for lag in range(n_lags):
            expected = x[:, t - lag] if lag <= t else torch.zeros_like(x[:, 0])
            assert torch.equal(windows[:, t, lag], expected)


@quick
@given(seeds, st.data(), channels, channels)
def test_convolve_is_the_sum_over_lags(seed: int, data: st.DataObject, i: int, o: int) -> None:
    horizon = data.draw(horizons)
    n_lags = data.draw(st.integers(1, horizon))
    L, x = response(seed, n_lags, o, i), sequences(seed, 2, horizon, i)
    y = convolve(L, x)
    for t in range(horizon):
        expected = sum(x[:, t - lag] @ L[lag].T for lag in range(min(t + 1, n_lags)))
        torch.testing.assert_close(y[:, t], expected, rtol=1e-13, atol=1e-13)


def test_a_single_lag_acts_at_once_and_a_single_pulse_shows_the_lags() -> None:
    x = sequences(0)
    L = response(0, 5, 3, 2)
    assert distance(convolve(L[:1], x), x @ L[0].T) < 1e-14
    pulse = torch.zeros(1, 5, 2, dtype=torch.float64)
    pulse[0, 0, 1] = 1.0
    assert distance(convolve(L, pulse)[0], L[:, :, 1]) < 1e-14


def test_a_constant_input_adds_the_lags_up() -> None:
    L = response(1, 4)
    y = convolve(L, torch.ones(1, 4, 1, dtype=torch.float64))
    assert distance(y.flatten(), L.flatten().cumsum(0)) < 1e-14


@quick
@given(seeds, horizons, channels, channels)
def test_the_toeplitz_matrix_applies_the_convolution(
    seed: int, horizon: int, i: int, o: int
) -> None:
    L, x = response(seed, horizon, o, i), sequences(seed, 2, horizon, i)
    T = toeplitz(x)
    assert T.shape == (2, horizon * i, horizon)
    rows = L.permute(1, 0, 2).flatten(1)  # (L_0, L_1, ...), one row for each output
    torch.testing.assert_close((rows @ T).transpose(1, 2), convolve(L, x), rtol=1e-12, atol=1e-12)


def test_the_toeplitz_matrix_has_equal_block_diagonals() -> None:
    T = toeplitz(sequences(0, 1, 5, 2))[0].reshape(5, 2, 5)
    assert torch.equal(T[1:, :, 1:], T[:-1, :, :-1])
    assert not T[1:, :, 0].any()


def test_scaling_multiplies_each_lag_by_the_root_of_its_weight() -> None:
    theta, rho = response(0, 3, 2, 2), torch.tensor([4.0, 0.0, 0.25], dtype=torch.float64)
    L = scaled_impulse_response(theta, rho)
    assert torch.equal(L[0], 2 * theta[0])
    assert not L[1].any()
    assert torch.equal(L[2], theta[2] / 2)


@both_dtypes
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    x, L = sequences(0, dtype=dtype), response(0, 3, 1, 2).to(dtype)
    assert delayed(x, 2).dtype == dtype
    assert toeplitz(x).dtype == dtype
    assert convolve(L, x).dtype == dtype
    assert scaled_impulse_response(L, torch.ones(3, dtype=dtype)).dtype == dtype


@untyped
def test_windows_that_do_not_exist() -> None:
    x = sequences(0)
    with pytest.raises(ValueError, match="n_lags must be at most the horizon of x, 5, got 6"):
        delayed(x, 6)
    with pytest.raises(ValueError, match="n_lags must be at least 1, got 0"):
        delayed(x, 0)
    for bad in (True, 2.0):
        with pytest.raises(TypeError, match="n_lags must be an integer, got"):
            delayed(x, bad)  # pyright: ignore[reportArgumentType]
    for function in (lambda x: delayed(x, 1), toeplitz):
        with pytest.raises(ValueError, match=r"x must have the axes \(batch, time, inputs\)"):
            function(x[0])
        with pytest.raises(ValueError, match="x must be finite"):
            function(x * math.nan)
        with pytest.raises(TypeError, match=r"x must have a floating-point dtype, got torch.int64"):
            function(x.long())


@untyped
def test_responses_that_do_not_fit() -> None:
    L, x = response(0, 3, 1, 2), sequences(0)
    with pytest.raises(ValueError, match=r"impulse_response must have the axes \(lags, outputs"):
        convolve(L[0], x)
    with pytest.raises(
        ValueError, match=r"impulse_response must hold at most 5 lags, the horizon of x, got 6"
    ):
        convolve(response(0, 6, 1, 2), x)
    with pytest.raises(ValueError, match="input channels must agree: impulse_response has 2, x"):
        convolve(L, x[:, :, :1])
    with pytest.raises(ValueError, match="x must be finite"):
        convolve(L, x * math.nan)
    with pytest.raises(TypeError, match=r"got torch.float64 and torch.float32"):
        convolve(L, x.float())


@untyped
def test_weights_that_do_not_fit() -> None:
    theta, rho = response(0, 3), torch.ones(3, dtype=torch.float64)
    with pytest.raises(ValueError, match="rho must be at least 0 at every lag, got -1"):
        scaled_impulse_response(theta, -rho)
    with pytest.raises(ValueError, match="numbers of lags must agree: theta has 3, rho has 2"):
        scaled_impulse_response(theta, rho[:2])
    with pytest.raises(ValueError, match=r"theta must have the axes \(lags, outputs, inputs\)"):
        scaled_impulse_response(theta[0], rho)
    with pytest.raises(TypeError, match=r"theta and rho .* got torch.float64 and torch.float32"):
        scaled_impulse_response(theta, rho.float())
