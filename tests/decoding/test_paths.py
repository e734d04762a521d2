"""Decoders along a path: starts that count or are taken off, ridge regression, the place chosen."""

from itertools import pairwise
from math import isqrt
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from draws import (
    VARIANCES,
    channels,
    designed,
    horizons,
    network,
    quick,
    response,
    seeds,
    sequences,
    untyped,
)
from rnnlimits.decoding.paths import (
    MOST_DOUBLINGS,
    chosen,
    common_rate,
    network_path,
    ridge_path,
    step_grid,
    without_start,
)
from rnnlimits.decoding.problem import Windows, predicted
from rnnlimits.kernel.learning_curves import solve_descent
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import loss_value, squared_loss
from rnnlimits.kernel.tangent import impulse_kernel
from rnnlimits.kernel.training import apply_kernel, stability_limit, train
from rnnlimits.networks.convolution import convolve
from rnnlimits.networks.linear import impulse_response
from rnnlimits.random import normal, stream

ONE = torch.ones(1, 1, 1).double()


def test_one_rate_is_the_share_of_the_smallest_limit() -> None:
    X, _, loss = designed(0, 8)
    rho, flat = lag_weights(4, VARIANCES), torch.ones(4).double()
    largest = [
        float(torch.linalg.matrix_norm(X * w.repeat_interleave(2).sqrt(), 2) ** 2)
        for w in (rho, flat)
    ]
    found = common_rate(loss, [rho, flat], 0.3)
    assert found == pytest.approx(0.3 * 2 / max(largest), rel=1e-12)
    assert found == common_rate(loss, [flat, rho], 0.3)
    assert common_rate(loss, [flat], 1.0) == stability_limit(flat, loss)


@untyped
def test_rates_are_refused() -> None:
    _, _, loss = designed(0, 8)
    flat = torch.ones(4).double()
    run: Any = common_rate
    with pytest.raises(ValueError, match="weights must hold at least one, got none"):
        run(loss, [], 0.5)
    with pytest.raises(ValueError, match="share must be above 0, got 0"):
        run(loss, [flat], 0)
    with pytest.raises(TypeError, match="share must be a real number, got str"):
        run(loss, [flat], "half")
    with pytest.raises(ValueError, match="kernel has 3, loss has 4"):
        run(loss, [flat, flat[:3]], 0.5)
    with pytest.raises(ValueError, match="positive product, got zero"):
        run(loss, [0 * flat], 0.5)
    with pytest.raises(TypeError, match="share one dtype"):
        run(loss, [flat.float()], 0.5)


@given(st.integers(0, MOST_DOUBLINGS))
def test_steps_double_every_second_time(doublings: int) -> None:
    steps = step_grid(doublings)
    assert steps[0] == 0
    assert steps[-1] == 2**doublings
    assert all(b > a for a, b in pairwise(steps))
    for k in range(doublings + 1):
        assert 2**k in steps
        between = [s for s in steps if 2**k < s < 2 ** (k + 1)]
        assert len(between) == (1 if 0 < k < doublings else 0)
        # the root of 2^(2k + 1), rounded to the nearest integer, by integers alone
        assert all(s == (isqrt(2 ** (2 * k + 3)) + 1) // 2 for s in between)


@untyped
def test_grids_of_one_doubling_and_of_none() -> None:
    assert step_grid(0) == (0, 1)
    assert step_grid(1) == (0, 1, 2)
    with pytest.raises(ValueError, match="doublings must be at least 0, got -1"):
        step_grid(-1)
    with pytest.raises(TypeError, match="doublings must be an integer, got float"):
        step_grid(1.5)  # type: ignore[arg-type]


def test_grids_end_where_floats_stop_to_hold_every_integer() -> None:
    last = step_grid(MOST_DOUBLINGS)[-1]
    assert float(last - 1) == last - 1
    assert float(last + 1) != last + 1
    for doublings in (MOST_DOUBLINGS + 1, 2000):
        with pytest.raises(ValueError, match=f"doublings must be at most 53, got {doublings}"):
            step_grid(doublings)


@quick
@given(seeds, horizons, channels, channels)
def test_taking_a_start_off_is_learning_what_it_leaves(
    seed: int, horizon: int, n_in: int, n_out: int
) -> None:
    x = sequences(seed, 4, horizon, n_in)
    y = normal(stream(seed, "targets"), (4, horizon, n_out))
    start, L = response(seed, horizon, n_out, n_in), response(seed + 1, horizon, n_out, n_in)
    for normalisation in ("half sum", "mean"):
        loss = squared_loss(x, y, normalisation)
        found = without_start(loss, start)
        expected = squared_loss(x, y + convolve(start, x), normalisation)
        torch.testing.assert_close(found.gram, expected.gram, rtol=0, atol=0)
        torch.testing.assert_close(found.cross, expected.cross, rtol=1e-11, atol=1e-11)
        assert found.energy == pytest.approx(expected.energy, rel=1e-11)
        assert (found.scale, found.n_terms) == (loss.scale, loss.n_terms)
        # what L - start costs on y is what L costs on the moved targets
        torch.testing.assert_close(loss_value(L, found), loss_value(L - start, loss))
        assert without_start(loss, 0 * start).energy == pytest.approx(loss.energy, rel=1e-15)
        assert torch.equal(without_start(loss, 0 * start).cross, loss.cross)


def test_targets_that_the_start_meets_leave_nothing() -> None:
    for k in range(20):
        x, L = normal(stream(k), (1, 2, 1)), normal(stream(k, "L"), (2, 1, 1))
        met = without_start(squared_loss(x, -convolve(L, x)), L)
        assert 0 <= met.energy < 1e-14
        assert float(met.cross.abs().max()) < 1e-14


@untyped
def test_starts_that_do_not_fit() -> None:
    _, _, loss = designed(0, 8)
    with pytest.raises(ValueError, match="response has 3, loss has 4"):
        without_start(loss, response(0, 3, 2, 2))
    with pytest.raises(TypeError, match="share one dtype"):
        without_start(loss, response(0, 4, 2, 2).float())
    with pytest.raises(ValueError, match="start must be finite"):
        without_start(loss, torch.nan * response(0, 4, 2, 2))


@quick
@given(seeds, horizons, channels, channels)
def test_a_network_without_its_start_learns_moved_targets(
    seed: int, horizon: int, n_in: int, n_out: int
) -> None:
    x = sequences(seed, 4, horizon, n_in)
    y = normal(stream(seed, "targets"), (4, horizon, n_out))
    rnn, loss = network(seed, 7, n_in, n_out), squared_loss(x, y, "mean")
    start, steps = impulse_response(rnn, horizon), [0, 1, 5]
    kernel = impulse_kernel(rnn, horizon).total
    rate = 0.1 * stability_limit(kernel, loss)
    moved = squared_loss(x, y + convolve(start, x), "mean")
    expected = train(rnn, moved, rate, steps).responses - start
    found = network_path(rnn, loss, rate, steps, False)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)
    assert float(found[0].abs().max()) < 1e-14  # from zero
    counted = network_path(rnn, loss, rate, steps, True)
    assert torch.equal(counted, train(rnn, loss, rate, steps).responses)
    torch.testing.assert_close(counted[0], start, rtol=1e-13, atol=1e-15)
    # the first step is that of the kernel, up to the square of the rate
    tiny = 1e-7 * rate
    step = network_path(rnn, loss, tiny, [1], False)[0] / tiny
    wanted = apply_kernel(kernel, loss.cross)
    assert float((step - wanted).abs().max()) < 1e-4 * float(wanted.abs().max()) + 1e-6


def test_a_wide_network_without_its_start_is_the_scaled_convolution_from_zero(seed: int) -> None:
    # The kernel of width n is off by sqrt(2 (lag + 1) / n), which is at most 0.05 here.
    x, y = sequences(seed, 6, 3, 1), normal(stream(seed, "targets"), (6, 3, 1))
    loss, rho = squared_loss(x, y, "mean"), lag_weights(3, VARIANCES)
    rate, steps = 0.25 * stability_limit(rho, loss), [1, 4, 16, 64]
    limit = solve_descent(torch.zeros(3, 1, 1).double(), rho, loss, rate, steps)
    found = network_path(network(seed, 2400, 1, 1), loss, rate, steps, False)
    assert float((found - limit).norm() / limit.norm()) < 0.25


@untyped
def test_network_paths_are_refused() -> None:
    rnn, (_, _, loss) = network(0, 5, 2, 2), designed(0, 8)
    run: Any = network_path
    for counts in (True, False):
        with pytest.raises(ValueError, match="learning_rate must be above 0, got 0"):
            run(rnn, loss, 0.0, [1], counts)
        with pytest.raises(ValueError, match="steps must increase strictly"):
            run(rnn, loss, 1e-3, [2, 1], counts)
        with pytest.raises(ValueError, match="channels must agree"):
            run(network(0, 5, 1, 2), loss, 1e-3, [1], counts)
        with pytest.raises(ValueError, match="channels must agree"):
            run(network(0, 5, 2, 1), loss, 1e-3, [1], counts)
        with pytest.raises(TypeError, match="share one dtype"):
            run(network(0, 5, 2, 2, dtype=torch.float32), loss, 1e-3, [1], counts)
    with (
        pytest.warns(RuntimeWarning, match="not below the stability limit"),
        pytest.raises(FloatingPointError, match="training left the finite numbers"),
    ):
        run(rnn, loss, 1e3, [200], False)


@quick
@given(seeds, st.integers(1, 8))
def test_ridge_is_least_squares_on_augmented_windows(seed: int, rank: int) -> None:
    X, Y, loss = designed(seed, rank)
    penalties = torch.tensor([1e-3, 0.1, 1.0, 100.0]).double()
    for penalty, found in zip(penalties, ridge_path(loss, penalties), strict=True):
        augmented = np.vstack([X.numpy(), float(penalty) ** 0.5 * np.eye(8)])
        targets = np.vstack([Y.numpy(), np.zeros((8, 2))])
        rows = np.linalg.lstsq(augmented, targets, rcond=None)[0]
        expected = torch.from_numpy(rows.T.copy()).unflatten(1, (4, 2)).transpose(0, 1)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


def test_ridge_without_and_with_endless_penalty() -> None:
    X, Y, loss = designed(1, 8)
    none, large = ridge_path(loss, torch.tensor([0.0, 1e12], dtype=torch.float64))
    rows = np.linalg.lstsq(X.numpy(), Y.numpy(), rcond=None)[0]
    expected = torch.from_numpy(rows.T.copy()).unflatten(1, (4, 2)).transpose(0, 1)
    torch.testing.assert_close(none, expected, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(1e12 * large, loss.cross, rtol=1e-10, atol=1e-11)


@untyped
def test_penalties_are_refused() -> None:
    loss, run = squared_loss(0 * ONE, ONE), ridge_path
    with pytest.raises(ValueError, match="penalties must be above 0 where the data do not"):
        run(loss, torch.zeros(1).double())
    for k in range(20):  # two equal channels: an eigenvalue is zero up to round-off
        x = normal(stream(k), (3, 1, 1)).expand(3, 1, 2)
        with pytest.raises(ValueError, match="penalties must be above 0 where the data do not"):
            run(squared_loss(x, x[..., :1]), torch.zeros(1).double())
    with pytest.raises(TypeError, match="share one dtype"):
        run(loss, torch.ones(1))
    with pytest.raises(ValueError, match="penalties must be at least 0"):
        run(loss, -torch.ones(1).double())
    with pytest.raises(ValueError, match="penalties must be finite"):
        run(loss, torch.full((1,), torch.inf).double())
    with pytest.raises(TypeError, match="penalties must have a floating-point dtype"):
        run(loss, torch.ones(1, dtype=torch.int64))


@quick
@given(seeds)
def test_the_place_chosen_has_the_least_error_over_both_components(seed: int) -> None:
    draw = stream(seed)
    windows = Windows(normal(draw, (9, 2)), normal(draw, (9, 2)), torch.arange(2, 9), 3)
    path = normal(draw, (6, 3, 2, 2))
    errors = [float(((predicted(each, windows) - windows.targets[2:]) ** 2).sum()) for each in path]
    assert chosen(path, windows) == errors.index(min(errors))


def test_the_first_of_equal_places_is_chosen() -> None:
    x = torch.tensor([[-1.0], [1.0]])
    windows = Windows(x, x, torch.arange(2), 1)
    path = torch.tensor([0.0, 2.0, 0.5, 1.5])[:, None, None, None]
    assert chosen(path, windows) == 2
    assert chosen(path[:2], windows) == 0
    assert chosen(path[:1], windows) == 0


@untyped
def test_paths_that_do_not_fit_the_windows() -> None:
    x = torch.ones(2, 1)
    windows = Windows(x, x, torch.arange(2), 1)
    with pytest.raises(ValueError, match="numbers of lags must agree"):
        chosen(torch.ones(1, 2, 1, 1), windows)
    with pytest.raises(TypeError, match="share one dtype"):
        chosen(torch.ones(1, 1, 1, 1).double(), windows)
    path = torch.tensor([0.0, 1e-3, torch.nan])[:, None, None, None]
    with pytest.raises(ValueError, match="path must be finite"):
        chosen(path, windows)
    with pytest.raises(ValueError, match=r"path must not be empty along .* \(0, 1, 1, 1\)"):
        chosen(path[:0], windows)
