"""The simulated stand-in: published statistics, known tuning, files that give it back."""

import math
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnlimits.data.macaque import S1_PICKLE, S1_RAW, s1_from_pickle, s1_from_spikes
from rnnlimits.data.simulated import (
    BIN,
    LAG_WEIGHTS,
    PUBLISHED_BINS,
    PUBLISHED_NEURONS,
    REACH_TIMES,
    SIDE,
    Tuning,
    draw_tuning,
    expected_counts,
    published_rates,
    reach_velocities,
    simulated_s1,
    write_matlab,
    write_pickle,
)
from rnnlimits.random import stream


@pytest.mark.parametrize("neurons", [3, 4, 52, 53, 1001])
def test_rates_have_the_published_mean_and_median(neurons: int) -> None:
    rates = published_rates(neurons)
    assert rates.mean() == pytest.approx(9.3, rel=1e-12)
    assert np.median(rates) == pytest.approx(6.3, rel=1e-12)
    assert rates.min() > 0


def test_many_rates_are_log_normal() -> None:
    wanted = math.sqrt(2 * math.log(9.3 / 6.3))
    spreads = [float(np.log(published_rates(n)).std()) for n in (100, 1000, 10_000)]
    errors = [abs(spread - wanted) for spread in spreads]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3


def test_the_published_size() -> None:
    minutes = PUBLISHED_BINS * BIN / 60
    assert round(minutes) == 51
    assert PUBLISHED_NEURONS == 52


def test_the_hand_stays_in_its_square_and_keeps_its_speed(seed: int) -> None:
    velocities = reach_velocities(stream(seed), 5000)
    positions = np.vstack([np.zeros(2), np.cumsum(velocities * BIN, axis=0)])
    assert np.ptp(positions, axis=0).max() <= SIDE * (1 + 1e-12)
    # A path of least jerk moves at most at 15/8 of its mean speed.
    assert np.abs(velocities).max() <= 15 / 8 * SIDE / REACH_TIMES[0]
    resting = np.abs(velocities).max(axis=1) < 1e-9
    assert 0.02 < resting.mean() < 0.4
    # Acceleration is at most 10/sqrt(3) distances over the duration squared.
    steepest = 10 / math.sqrt(3) * SIDE / REACH_TIMES[0] ** 2
    assert np.abs(np.diff(velocities, axis=0)).max() <= BIN * steepest


def test_expected_counts_follow_the_formula(seed: int) -> None:
    tuning = draw_tuning(stream(seed, "tuning"))
    velocities = reach_velocities(stream(seed, "hand"), 200)
    found = expected_counts(tuning, velocities)
    size = np.sqrt(np.mean(velocities**2))
    for i in (0, 17, 51):
        unit = np.array([np.cos(tuning.directions[i]), np.sin(tuning.directions[i])])
        drive = np.zeros(200)
        for t in range(200):
            for k, weight in zip((-1, 0, 1), LAG_WEIGHTS, strict=True):
                source = t - int(tuning.lags[i]) - k
                if 0 <= source < 200:
                    drive[t] += weight * float(velocities[source] @ unit) / size
        rate = np.exp(tuning.depths[i] * drive)
        wanted = tuning.rates[i] * BIN * rate / rate.mean()
        np.testing.assert_allclose(found[:, i], wanted, rtol=1e-12)
    np.testing.assert_allclose(found.mean(axis=0), tuning.rates * BIN, rtol=1e-12)


def test_lags_may_be_longer_than_the_drawn_ones() -> None:
    one = np.ones(1)
    velocities = reach_velocities(stream(0), 50)
    late = expected_counts(Tuning(one, one, one, np.array([9])), velocities)
    now = expected_counts(Tuning(one, one, one, np.array([0])), velocities)
    ratio = late[10:] / now[1:-9]
    np.testing.assert_allclose(ratio, float(ratio[0, 0]), rtol=1e-12)


def test_counts_are_poisson_around_the_expected(seed: int) -> None:
    tuning = draw_tuning(stream(seed, "tuning"))
    bins = 6000
    made = simulated_s1(stream(seed, "counts"), bins, tuning)
    velocities = made.velocities.numpy()
    expected = expected_counts(tuning, velocities)
    total = made.counts.numpy().sum(axis=0)
    z = (total - expected.sum(axis=0)) / np.sqrt(expected.sum(axis=0))
    assert np.abs(z).max() < 4.5
    # (N - m)^2 / m has mean 1 and variance 2 + 1/m.
    squares = (made.counts.numpy() - expected) ** 2 / expected
    error = math.sqrt(float((2 + 1 / expected).sum())) / expected.size
    assert abs(squares.mean() - 1) < 4.5 * error


def test_a_simulated_recording_says_so(seed: int) -> None:
    made = simulated_s1(stream(seed), 40)
    assert made.name.startswith("simulated")
    assert "simulated" in made.provenance.citation
    assert (made.n_bins, made.n_neurons) == (40, 52)
    assert made.reaches.tolist() == [0]
    assert torch.equal(made.counts, simulated_s1(stream(seed), 40).counts)
    assert simulated_s1(stream(seed), 1).n_bins == 1


@pytest.mark.untyped
def test_simulations_are_refused() -> None:
    with pytest.raises(TypeError, match="generator must be a numpy Generator, got int"):
        simulated_s1(0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
        simulated_s1(stream(0), 0)
    with pytest.raises(ValueError, match="n_neurons must be at least 3, got 2"):
        published_rates(2)
    with pytest.raises(ValueError, match="rates has 1, directions has 2"):
        Tuning(np.ones(1), np.ones(2), np.ones(1), np.ones(1, dtype=int))
    with pytest.raises(ValueError, match=r"velocities must move, .* a mean square of 0\.0"):
        expected_counts(draw_tuning(stream(0)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="velocities must be finite"):
        expected_counts(draw_tuning(stream(0)), np.full((3, 2), np.nan))
    one = np.ones(1)
    with pytest.raises(ValueError, match="rates must be at least 0, got -1"):
        Tuning(-one, one, one, np.ones(1, dtype=int))
    with pytest.raises(ValueError, match="depths must be finite"):
        Tuning(one, one, one * np.inf, np.ones(1, dtype=int))


@pytest.mark.untyped
def test_generators_are_asked_for() -> None:
    with pytest.raises(TypeError, match="generator must be a numpy Generator, got int"):
        draw_tuning(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="generator must be a numpy Generator, got int"):
        reach_velocities(3, 10)  # type: ignore[arg-type]


@pytest.mark.untyped
@pytest.mark.parametrize("field", ["rates", "directions", "depths", "lags"])
def test_tunings_hold_one_number_a_neuron(field: str) -> None:
    good = draw_tuning(stream(0), 4)
    value = getattr(good, field)
    for bad, shape in ((value.reshape(2, 2), r"\(2, 2\)"), (value[:0], r"\(0,\)")):
        message = rf"{field} must have one axis \(neurons\) and not be empty, got shape {shape}"
        with pytest.raises(ValueError, match=message):
            replace(good, **{field: bad})
    with pytest.raises(ValueError, match=f"{field} must hold numbers, got list"):
        replace(good, **{field: value.tolist()})
    with pytest.raises(ValueError, match="numbers of neurons must agree"):
        replace(good, **{field: value[:3]})


@pytest.mark.untyped
def test_lags_are_whole_bins() -> None:
    good = draw_tuning(stream(0), 4)
    for kind in ("float64", "bool"):
        with pytest.raises(TypeError, match=f"lags must be integers, got {kind}"):
            replace(good, lags=good.lags.astype(kind))


@pytest.mark.untyped
def test_lags_of_every_size_and_kind() -> None:
    one, velocities = np.ones(1), stream(0).standard_normal((20, 2))

    def counts(lag: int, kind: str = "int64") -> np.ndarray:
        return expected_counts(Tuning(one, one, one, np.array([lag], dtype=kind)), velocities)

    # Beyond the recording the hand rests: nothing but the rate is left, at no cost in memory.
    for far in (21, 2**40, -21, -(2**40)):
        np.testing.assert_array_equal(counts(far), np.full((20, 1), BIN))
    assert np.ptp(counts(20)) > 0 < np.ptp(counts(-20))
    for kind in ("int8", "uint8"):
        np.testing.assert_array_equal(counts(3, kind), counts(3))
    np.testing.assert_array_equal(counts(-128, "int8"), np.full((20, 1), BIN))
    np.testing.assert_array_equal(counts(255, "uint8"), np.full((20, 1), BIN))


@pytest.mark.untyped
@pytest.mark.parametrize("shape", [(5, 3), (5, 1), (5,), (), (0, 2), (5, 2, 1)])
def test_velocities_have_two_columns(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"velocities must have the axes \(bins, 2\) and not be"):
        expected_counts(draw_tuning(stream(0)), np.ones(shape))


@pytest.mark.untyped
def test_what_nobody_can_expect() -> None:
    tuning, velocities = draw_tuning(stream(0)), reach_velocities(stream(0), 50)
    message = r"rates and depths must leave expected counts finite and at most 1e\+15"
    for changed in (
        replace(tuning, depths=1e5 * tuning.depths),
        replace(tuning, depths=1e308 * np.sign(tuning.depths)),
        replace(tuning, rates=1e25 * tuning.rates),
        replace(tuning, rates=np.full(52, 1e308)),
    ):
        with pytest.raises(ValueError, match=message):
            expected_counts(changed, velocities)
        with pytest.raises(ValueError, match=message):
            simulated_s1(stream(0), 50, changed)
    # no summand overflows here, but their sum does
    one = np.ones(1)
    still = np.vstack([np.full((1, 2), -99.0), np.ones((9801, 2))])
    size = math.sqrt(float((still**2).mean()))
    edge = Tuning(one, 0 * one, 709 * size * one, np.zeros(1, dtype=int))
    with pytest.raises(ValueError, match=message):
        expected_counts(edge, still)
    with pytest.raises(ValueError, match=r"velocities must move, .* a mean square of inf"):
        expected_counts(tuning, 1e200 * velocities)
    with pytest.raises(TypeError, match="tuning must be a Tuning, got str"):
        expected_counts("sharp", velocities)  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", range(6))
def test_the_pickle_gives_the_recording_back(protocol: int, tmp_path: Path) -> None:
    made = simulated_s1(stream(0), 60)
    write_pickle(made, tmp_path / S1_PICKLE.file, protocol)
    found = s1_from_pickle(tmp_path)
    assert torch.equal(found.counts, made.counts)
    assert torch.equal(found.velocities, made.velocities)
    assert [path.name for path in tmp_path.iterdir()] == [S1_PICKLE.file]


@pytest.mark.parametrize("bins", [1, 2, 300, 4000])
def test_the_spike_times_give_the_recording_back(bins: int, tmp_path: Path) -> None:
    made = simulated_s1(stream(bins), bins)
    write_matlab(made, tmp_path / S1_RAW.file)
    found = s1_from_spikes(tmp_path)
    assert torch.equal(found.counts, made.counts)
    assert torch.equal(found.velocities, made.velocities)


def test_an_interrupted_writer_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = simulated_s1(stream(0), 5)
    with pytest.raises(ValueError, match="protocol"):
        write_pickle(made, tmp_path / "file", 99)

    def breaks(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pickle, "dump", breaks)
    with pytest.raises(KeyboardInterrupt):
        write_pickle(made, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_rates_have_no_spike_times(tmp_path: Path) -> None:
    made = simulated_s1(stream(0), 5)
    half = replace(made, counts=made.counts + 0.5)
    with pytest.raises(ValueError, match="counts must be whole numbers, got a fraction"):
        write_matlab(half, tmp_path / "file.mat")
    assert list(tmp_path.iterdir()) == []
