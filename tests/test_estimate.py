"""Estimates and rates: closed forms, coverage of the intervals, refusals."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from draws import quick, untyped
from rnnlimits.estimate import (
    Array,
    Estimate,
    estimate,
    fit_rate,
    fit_two_orders,
    over_splits,
    root_mean_square,
)
from rnnlimits.random import stream

SIZES = np.array([16.0, 32.0, 64.0, 128.0])


def power_law(slope: float, spread: float = 0.05, factor: float = 3.0) -> Estimate:
    """Return errors on an exact power law, each with the same relative uncertainty."""
    mean = factor * SIZES**slope
    return Estimate(mean, spread * mean, 30)


def test_mean_and_standard_error_of_three_numbers() -> None:
    result = estimate([1.0, 2.0, 6.0])
    assert result.mean == 3.0
    assert result.standard_error == pytest.approx(math.sqrt(7.0 / 3.0), rel=1e-15)
    assert result.n == 3
    assert type(result.mean) is float


def test_samples_along_another_axis() -> None:
    samples = stream(0).standard_normal((4, 7, 2))
    result = estimate(samples, axis=1)
    assert result.n == 7
    np.testing.assert_allclose(result.mean, samples.mean(1), rtol=1e-14)
    np.testing.assert_allclose(result.standard_error, stats.sem(samples, axis=1), rtol=1e-14)
    np.testing.assert_array_equal(estimate(samples, axis=-1).mean, samples.mean(-1))


def test_equal_samples_have_no_uncertainty() -> None:
    result = estimate([2.0, 2.0])
    assert (result.mean, result.standard_error) == (2.0, 0.0)
    assert result.interval() == (2.0, 2.0)
    with pytest.raises(ValueError, match="z_score needs a standard error above 0, got 0"):
        result.z_score(2.0)


def test_the_interval_is_students() -> None:
    samples = stream(1).standard_normal(12)
    low, high = estimate(samples).interval(0.9)
    expected = stats.t.interval(0.9, 11, loc=samples.mean(), scale=stats.sem(samples))
    np.testing.assert_allclose(np.stack([low, high]), expected, rtol=1e-13)


def test_the_interval_covers_as_often_as_it_says(seed: int) -> None:
    # 2000 intervals at level 0.9 from 5 normal samples each: the count is binomial, exactly.
    low, high = estimate(stream(seed, "coverage").standard_normal((5, 2000))).interval(0.9)
    covered = int(((np.asarray(low) < 0) & (np.asarray(high) > 0)).sum())
    assert stats.binom.ppf(5e-7, 2000, 0.9) <= covered <= stats.binom.isf(5e-7, 2000, 0.9)


def test_the_score_counts_standard_errors() -> None:
    assert Estimate(1.5, 0.25, 10).z_score(1.0) == 2.0
    scores = Estimate(np.array([1.0, 2.0]), np.array([0.5, 0.5]), 10).z_score([0.0, 2.0])
    np.testing.assert_array_equal(scores, [2.0, 0.0])


def test_an_estimate_prints_its_uncertainty() -> None:
    assert str(Estimate(1.2345, 0.0678, 50)) == "1.23 ± 0.07 (n = 50)"
    assert str(Estimate(np.zeros((2, 3)), np.ones((2, 3)), 50)) == (
        "Estimate of shape (2, 3), n = 50"
    )


@untyped
def test_what_no_estimate_can_be() -> None:
    with pytest.raises(TypeError, match="n must be an integer, got float"):
        Estimate(1.0, 1.0, 2.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="n must be at least 2, got 1"):
        Estimate(1.0, 1.0, 1)
    with pytest.raises(ValueError, match=r"share one shape, got \(2,\) and \(\)"):
        Estimate(np.ones(2), 1.0, 3)
    with pytest.raises(ValueError, match="standard_error must be at least 0, got -1"):
        Estimate(1.0, -1.0, 3)
    for mean, error in [(math.nan, 1.0), (1.0, math.inf)]:
        with pytest.raises(ValueError, match="must be finite, got a NaN or infinite entry"):
            Estimate(mean, error, 3)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 2.0, math.nan])
def test_a_level_lies_between_0_and_1(level: float) -> None:
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got"):
        Estimate(1.0, 1.0, 3).interval(level)
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got"):
        fit_rate(SIZES, power_law(-0.5), level)


@untyped
def test_what_no_samples_can_be() -> None:
    with pytest.raises(ValueError, match="samples must hold at least 2 along axis 0, got 1"):
        estimate([1.0])
    with pytest.raises(ValueError, match="samples must hold at least 2 along axis 1, got 1"):
        estimate(np.ones((3, 1)), axis=1)
    with pytest.raises(ValueError, match="samples must have at least one axis"):
        estimate(1.0)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="samples must be finite, got a NaN or infinite"):
            estimate([1.0, bad])
        with pytest.raises(ValueError, match="samples must be finite, got a NaN or infinite"):
            root_mean_square([1.0, bad])


def test_root_mean_square_and_its_delta_method() -> None:
    result = root_mean_square([3.0, 4.0, 5.0])
    assert result.mean == pytest.approx(math.sqrt(50 / 3), rel=1e-15)
    spread = stats.sem([9.0, 16.0, 25.0])
    assert result.standard_error == pytest.approx(spread / (2 * math.sqrt(50 / 3)), rel=1e-14)
    assert root_mean_square(np.ones((2, 3)), axis=1).n == 3
    with pytest.raises(ValueError, match="samples must not all be zero"):
        root_mean_square([0.0, 0.0])


def test_splits_of_one_data_set_share_data() -> None:
    samples = stream(3).standard_normal((6, 2))
    for axis, values in ((0, samples), (1, samples.T)):
        found = over_splits(values, 0.4, axis)
        np.testing.assert_allclose(found.mean, samples.mean(axis=0), rtol=1e-14)
        variance = samples.var(axis=0, ddof=1) * (1 / 6 + 0.4)
        np.testing.assert_allclose(found.standard_error, np.sqrt(variance), rtol=1e-14)
        assert found.n == 6
    one = over_splits([1.0, 2.0, 6.0], 2.0)
    assert one.standard_error == pytest.approx(math.sqrt(7 * (1 / 3 + 2)), rel=1e-15)
    assert type(one.standard_error) is float


def test_more_splits_do_not_shrink_the_error_without_limit() -> None:
    alternating = np.tile([-1.0, 1.0], 50_000)
    assert over_splits(alternating, 0.25).standard_error == pytest.approx(0.5, rel=1e-4)
    assert estimate(alternating).standard_error < 0.004
    # without shared data, nothing is added
    apart = over_splits(alternating, 1e-15)
    assert apart.standard_error == pytest.approx(estimate(alternating).standard_error, rel=1e-9)


def test_the_correction_is_exact_where_splits_correlate_as_it_assumes(seed: int) -> None:
    # Scores with correlation q / (1 + q), q test over train: mean of the squared error as said.
    q, n = 0.5, 5
    draw = stream(seed, "splits")
    common = np.sqrt(q) * draw.standard_normal(4000)
    scores = common + draw.standard_normal((n, 4000))
    # var of the mean: q + 1 / n; the sample variance within has mean 1
    said = np.square(over_splits(scores, q).standard_error)
    assert abs(estimate(said).z_score(1 / n + q)) < 4.5
    assert abs(estimate(scores.mean(axis=0) ** 2).z_score(1 / n + q)) < 4.5


@untyped
def test_what_no_splits_can_be() -> None:
    for share, message in ((0.0, "above 0, got 0"), (-1.0, "at least 0, got -1")):
        with pytest.raises(ValueError, match=f"test_to_train must be .*{message}"):
            over_splits([1.0, 2.0], share)
    with pytest.raises(TypeError, match="test_to_train must be a real number"):
        over_splits([1.0, 2.0], "half")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="samples must hold at least 2 along axis 0, got 1"):
        over_splits([1.0], 0.5)
    with pytest.raises(ValueError, match="samples must be finite"):
        over_splits([1.0, math.nan], 0.5)


@quick
@given(st.floats(-3.0, 3.0), st.floats(0.1, 10.0))
def test_an_exact_power_law_is_found(slope: float, factor: float) -> None:
    rate = fit_rate(SIZES, power_law(slope, factor=factor))
    assert rate.slope == pytest.approx(slope, abs=1e-12)
    np.testing.assert_allclose(rate.local, slope, atol=1e-12)
    assert rate.misfit == pytest.approx(1.0, abs=1e-6)
    assert rate.low < slope < rate.high


def carried(fit: Callable[[Array], Array], values: Array, errors: Array) -> Array:
    """Return the standard errors of a fit that is linear in its values, one value at a time."""
    moved = [fit(values + unit * errors) - fit(values) for unit in np.eye(len(values))]
    return np.sqrt(np.sum(np.square(moved), axis=0))


def uneven(mean: Array) -> Estimate:
    """Return an estimate with standard errors that differ between sizes."""
    return Estimate(mean, mean * np.array([0.02, 0.05, 0.1, 0.2]), 30)


def misfit(x: Array, y: Array, errors: Array) -> float:
    """Return the chance of residuals from the best straight line that are at least as large."""
    best = np.polyval(np.polyfit(x, y, 1, w=1 / errors), x)
    return float(stats.chi2.sf(np.sum(((y - best) / errors) ** 2), len(x) - 2))


def test_a_rate_is_the_least_squares_of_numpy_with_errors_carried_through() -> None:
    errors = uneven(SIZES**-0.5 * np.exp(0.1 * stream(2).standard_normal(4)))
    rate = fit_rate(SIZES, errors, level=0.9)
    log_x, log_y, spread = np.log(SIZES), np.log(errors.mean), np.array([0.02, 0.05, 0.1, 0.2])

    def slope(y: Array) -> Array:
        return np.polyfit(log_x, y, 1)[:1]

    assert rate.slope == pytest.approx(slope(log_y)[0], rel=1e-12)
    assert rate.standard_error == pytest.approx(carried(slope, log_y, spread)[0], rel=1e-9)
    half = stats.norm.isf(0.05) * rate.standard_error
    assert (rate.low, rate.high) == pytest.approx((rate.slope - half, rate.slope + half), rel=1e-12)
    assert rate.misfit == pytest.approx(misfit(log_x, log_y, spread), rel=1e-9)


def test_the_interval_of_a_rate_covers_as_often_as_it_says(seed: int) -> None:
    # Log-errors exactly normal with the stated spread: 400 intervals at level 0.9, binomial count.
    noise = 0.01 * stream(seed, "rate").standard_normal((400, 4))
    covered = 0
    for row in noise:
        mean = SIZES**-0.5 * np.exp(row)
        rate = fit_rate(SIZES, Estimate(mean, 0.01 * mean, 30), level=0.9)
        covered += rate.low < -0.5 < rate.high
    assert stats.binom.ppf(5e-7, 400, 0.9) <= covered <= stats.binom.isf(5e-7, 400, 0.9)


def test_drifting_slopes_show_in_the_misfit_and_in_the_local_slopes() -> None:
    mean = 1 / SIZES + 0.05
    rate = fit_rate(SIZES, Estimate(mean, 0.01 * mean, 30))
    assert rate.misfit < 1e-6
    assert np.all(np.diff(rate.local) > 0)
    np.testing.assert_allclose(rate.local_error, 0.01 * math.sqrt(2) / math.log(2), rtol=1e-12)


def test_a_rate_prints_its_interval() -> None:
    assert str(fit_rate(SIZES, power_law(-0.5))).startswith("-0.50 [-0.5")


@quick
@given(st.floats(0.1, 10.0), st.floats(-1.0, 10.0))
def test_two_exact_orders_are_found(first: float, second: float) -> None:
    squares = first / SIZES + second / SIZES**2
    result = fit_two_orders(SIZES, Estimate(squares, 0.02 * squares, 30))
    assert result.first == pytest.approx(first, rel=1e-9)
    assert result.second == pytest.approx(second, abs=1e-7)
    assert result.misfit == pytest.approx(1.0, abs=1e-6)


def test_two_orders_are_a_straight_line_in_1_over_size() -> None:
    squares = uneven(2 / SIZES + 5 / SIZES**2 + 0.001)
    result = fit_two_orders(SIZES, squares)
    scaled, errors = SIZES * squares.mean, SIZES * squares.standard_error

    def line(y: Array) -> Array:
        return np.polyfit(1 / SIZES, y, 1)[::-1]

    np.testing.assert_allclose((result.first, result.second), line(scaled), rtol=1e-10)
    found = (result.first_error, result.second_error)
    np.testing.assert_allclose(found, carried(line, scaled, errors), rtol=1e-8)
    assert result.misfit == pytest.approx(misfit(1 / SIZES, scaled, errors), rel=1e-8)


@pytest.mark.parametrize("fit", [fit_rate, fit_two_orders])
def test_what_no_curve_can_be_fitted_to(fit) -> None:
    good = power_law(-0.5)
    with pytest.raises(ValueError, match=r"length of at least 3, got shapes \(2,\) and \(2,\)"):
        fit([1, 2], Estimate(np.ones(2), np.ones(2), 3))
    with pytest.raises(ValueError, match=r"got shapes \(3,\) and \(4,\)"):
        fit([1, 2, 3], good)
    with pytest.raises(ValueError, match="must be vectors"):
        fit(np.ones((2, 2)), Estimate(np.ones((2, 2)), np.ones((2, 2)), 3))
    for sizes in ([0, 1, 2, 3], [-1, 1, 2, 3], [1, 2, 3, math.nan], [1, 2, 3, math.inf]):
        with pytest.raises(ValueError, match="must be finite and above 0"):
            fit(sizes, good)
    with pytest.raises(ValueError, match="sizes must be distinct"):
        fit([1, 2, 2, 3], good)
    with pytest.raises(ValueError, match="must be finite and above 0"):
        fit(SIZES, Estimate(np.ones(4), np.zeros(4), 3))
    with pytest.raises(ValueError, match="must be finite and above 0"):
        fit(SIZES, Estimate(np.zeros(4), np.ones(4), 3))
