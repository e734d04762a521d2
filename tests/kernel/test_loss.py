"""The squared loss by sufficient statistics, against residuals written out and against autodiff."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from torch import Tensor

from draws import both_dtypes, channels, distance, horizons, quick, response, seeds, untyped
from rnnlimits.kernel.loss import (
    NORMALISATIONS,
    SquaredLoss,
    loss_gradient,
    loss_value,
    squared_loss,
    white_loss,
)
from rnnlimits.networks.convolution import convolve, delayed
from rnnlimits.random import normal, stream


def data(seed: int, batch: int, horizon: int, n_in: int, n_out: int) -> tuple[Tensor, Tensor]:
    """Return inputs and targets drawn from the seed."""
    draw = stream(seed, "data")
    return normal(draw, (batch, horizon, n_in)), normal(draw, (batch, horizon, n_out))


def by_residuals(L: Tensor, x: Tensor, y: Tensor, normalisation: str) -> Tensor:
    """The loss, written out over sequences and times."""
    squares = (convolve(L, x) - y) ** 2
    return squares.sum() / 2 if normalisation == "half sum" else squares.mean()


@quick
@given(seeds, horizons, channels, channels)
def test_value_and_gradient_are_those_of_the_residuals(
    seed: int, horizon: int, n_in: int, n_out: int
) -> None:
    x, y = data(seed, 3, horizon, n_in, n_out)
    L = response(seed, horizon, n_out, n_in)
    for normalisation in NORMALISATIONS:
        loss = squared_loss(x, y, normalisation)
        value = by_residuals(L, x, y, normalisation)
        assert abs(loss_value(L, loss) - value) <= 1e-12 * (value + loss.energy)
        auto = torch.func.grad(by_residuals)(L, x, y, normalisation)
        torch.testing.assert_close(loss_gradient(L, loss), auto, rtol=1e-11, atol=1e-12)


@quick
@given(seeds, horizons, channels)
def test_the_gram_matrix_is_the_sum_over_windows(seed: int, horizon: int, n_in: int) -> None:
    x, y = data(seed, 4, horizon, n_in, 2)
    windows = delayed(x, horizon)
    loss = squared_loss(x, y)
    expected = torch.einsum("btji,btkl->jikl", windows, windows)
    torch.testing.assert_close(loss.gram, expected, rtol=1e-13, atol=1e-13)
    cross = torch.einsum("bto,btji->joi", y, windows)
    torch.testing.assert_close(loss.cross, cross, rtol=1e-13, atol=1e-13)
    assert loss.n_terms == y.numel()
    assert (loss.n_lags, loss.n_outputs, loss.n_inputs) == (horizon, 2, n_in)


def test_losses_on_parts_of_the_data_add_up() -> None:
    x, y = data(0, 7, 5, 2, 1)
    parts = [squared_loss(x[:3], y[:3]), squared_loss(x[3:], y[3:])]
    whole = squared_loss(x, y)
    torch.testing.assert_close(parts[0].gram + parts[1].gram, whole.gram)
    torch.testing.assert_close(parts[0].cross + parts[1].cross, whole.cross)


def test_the_mean_is_the_half_sum_in_other_units() -> None:
    x, y = data(1, 4, 3, 1, 2)
    half, mean = squared_loss(x, y), squared_loss(x, y, "mean")
    L = response(1, 3, 2, 1)
    factor = 2 / (4 * 3 * 2)
    assert mean.scale == factor
    torch.testing.assert_close(loss_value(L, mean), factor * loss_value(L, half))


def test_a_stack_of_responses_has_a_stack_of_losses() -> None:
    x, y = data(2, 4, 3, 2, 2)
    loss = squared_loss(x, y)
    stack = torch.stack([response(seed, 3, 2, 2) for seed in range(3)])
    each = torch.stack([loss_value(L, loss) for L in stack])
    torch.testing.assert_close(loss_value(stack, loss), each)
    assert loss_value(stack[:, None], loss).shape == (3, 1)


def test_a_perfect_fit_costs_nothing() -> None:
    x, _ = data(3, 4, 5, 2, 1)
    L = response(3, 5, 3, 2)
    loss = squared_loss(x, convolve(L, x))
    assert abs(loss_value(L, loss)) < 1e-13 * loss.energy
    assert loss_gradient(L, loss).abs().max() < 1e-12 * loss.cross.abs().max()


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_white_inputs_have_the_expected_statistics(normalisation: str, seed: int) -> None:
    # Monte Carlo: the loss of one response on sequences of white noise, labelled with noise.
    truth, L = response(seed, 4, 2, 2), response(seed + 1000, 4, 2, 2)
    expected = white_loss(truth, 0.3, normalisation)
    draw = stream(seed, "white")
    x = normal(draw, (4000, 4, 2))
    y = convolve(truth, x) + normal(draw, (4000, 4, 2), 0.3)
    squares = ((convolve(L, x) - y) ** 2).sum(dim=(1, 2)) * expected.scale / 2
    score = (squares.mean() - loss_value(L, expected)) / (squares.std() / 4000**0.5)
    assert abs(score) < 4.5
    best = loss_value(truth, expected)
    assert best == pytest.approx(0.3 * (4.0 if normalisation == "half sum" else 1.0))
    assert loss_gradient(truth, expected).abs().max() < 1e-14


@both_dtypes
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    x, y = (tensor.to(dtype) for tensor in data(4, 2, 3, 1, 1))
    loss = squared_loss(x, y)
    assert loss.gram.dtype == loss.cross.dtype == dtype
    assert loss_gradient(response(0, 3).to(dtype), loss).dtype == dtype
    assert white_loss(response(0, 3).to(dtype)).gram.dtype == dtype


def test_one_time_one_sequence() -> None:
    one = torch.ones(1, 1, 1)
    loss = squared_loss(2 * one, 3 * one)
    assert loss.gram.item() == 4
    assert loss.cross.item() == 6
    assert loss.energy == 9
    assert distance(loss_gradient(one, loss), -2 * one) == 0


@untyped
def test_what_does_not_fit() -> None:
    x, y = data(5, 4, 3, 2, 1)
    bad: Any = squared_loss
    with pytest.raises(ValueError, match="numbers of sequences must agree: x has 4, y has 3"):
        bad(x, y[:3])
    with pytest.raises(ValueError, match="horizons must agree: x has 3, y has 2"):
        bad(x, y[:, :2])
    with pytest.raises(ValueError, match=r"normalisation must be one of .*, got 'sum'"):
        bad(x, y, "sum")
    with pytest.raises(ValueError, match="y must be finite"):
        bad(x, y * math.nan)
    with pytest.raises(TypeError, match=r"share one dtype, got torch.float64 and torch.float32"):
        bad(x, y.float())
    with pytest.raises(ValueError, match="noise_variance must be finite and at least 0, got -1"):
        white_loss(response(0, 3), -1.0)
    loss = squared_loss(x, y)
    with pytest.raises(ValueError, match="numbers of lags must agree: response has 4, loss has 3"):
        loss_value(response(0, 4, 1, 2), loss)
    with pytest.raises(ValueError, match="output channels must agree: response has 2, loss has 1"):
        loss_gradient(response(0, 3, 2, 2), loss)
    with pytest.raises(ValueError, match="input channels must agree: response has 1, loss has 2"):
        loss_gradient(response(0, 3, 1, 1), loss)
    with pytest.raises(TypeError, match="share one dtype"):
        loss_value(response(0, 3, 1, 2).float(), loss)


@untyped
def test_statistics_that_do_not_fit_each_other() -> None:
    good = squared_loss(*data(6, 4, 3, 2, 1))
    make: Any = SquaredLoss
    with pytest.raises(ValueError, match="numbers of lags must agree: gram_rows has 3, gram_col"):
        make(good.gram[:, :, :2], good.cross, 1.0, 1.0, 12)
    with pytest.raises(ValueError, match=r"input channels must agree: .*cross has 1"):
        make(good.gram, good.cross[:, :, :1], 1.0, 1.0, 12)
    with pytest.raises(ValueError, match="energy must be finite and at least 0"):
        make(good.gram, good.cross, -1.0, 1.0, 12)
    with pytest.raises(ValueError, match="scale must be above 0"):
        make(good.gram, good.cross, 1.0, 0.0, 12)
    with pytest.raises(ValueError, match="n_terms must be at least 1"):
        make(good.gram, good.cross, 1.0, 1.0, 0)
