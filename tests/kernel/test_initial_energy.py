"""Size of the impulse response at the start: pairings, closed form, sampled matrices."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from draws import seeds as any_seed
from rnnlimits.estimate import estimate
from rnnlimits.kernel.initial_energy import (
    LONGEST_PAIRED_LAG,
    energy_correction,
    energy_polynomial,
)
from rnnlimits.networks.linear import Variances, impulse_response, initialise
from rnnlimits.random import normal, stream


@pytest.mark.parametrize("lag", range(LONGEST_PAIRED_LAG + 1))
def test_the_polynomial_counts_every_pairing_once(lag: int) -> None:
    counts = energy_polynomial(lag)
    assert counts[0] == 1
    assert counts[1] == 0, "no term of order 1/n"
    assert sum(counts) == math.prod(range(1, 2 * lag, 2))
    assert ([*counts, 0])[2] == energy_correction(lag)


@pytest.mark.parametrize("lag", range(LONGEST_PAIRED_LAG + 1))
def test_one_unit_leaves_the_moments_of_a_gaussian(lag: int) -> None:
    # n = 1: A is one number, and E A^(2 lag) = (2 lag - 1)!!
    assert sum(energy_polynomial(lag)) == math.prod(range(1, 2 * lag, 2))


def test_the_correction_is_a_polynomial_but_for_parity() -> None:
    for lag in range(60):
        smooth = lag**4 + 8 * lag**3 - 4 * lag**2 - 8 * lag
        assert 24 * energy_correction(lag) == smooth + 3 * (lag % 2)


def crossing_rank(pairing: list[tuple[int, int]], lag: int) -> int:
    """Rank over the field of two elements of the matrix of crossings and twists."""
    # round the polygon: forth along one path, back along the other
    place = [*range(lag), *range(2 * lag - 1, lag - 1, -1)]
    chords = [sorted((place[i], place[j])) for i, j in pairing]
    rows = []
    for e, (a, b) in enumerate(chords):
        twisted = (pairing[e][0] < lag) == (pairing[e][1] < lag)
        row = int(twisted) << e
        for f, (c, d) in enumerate(chords):
            row |= int(a < c < b < d or c < a < d < b) << f
        rows.append(row)
    rank = 0
    for bit in range(lag):
        pivot = next((r for r in rows if r >> bit & 1), None)
        if pivot is not None:
            rank += 1
            rows = [r ^ pivot if r >> bit & 1 else r for r in rows if r is not pivot]
    return rank


def pairings(rest: list[int]) -> list[list[tuple[int, int]]]:
    """All ways to pair the members of a list."""
    if not rest:
        return [[]]
    first, *others = rest
    return [
        [(first, other), *more]
        for other in others
        for more in pairings([x for x in others if x != other])
    ]


@pytest.mark.parametrize("lag", range(1, 6))
def test_the_power_of_a_pairing_is_the_rank_of_its_crossings(lag: int) -> None:
    counts = [0] * (lag + 1)
    for pairing in pairings(list(range(2 * lag))):
        counts[crossing_rank(pairing, lag)] += 1
    assert tuple(counts) == energy_polynomial(lag)


@pytest.mark.parametrize("width", [2, 5])
def test_the_polynomial_is_the_mean_of_sampled_powers(width: int, seed: int) -> None:
    A = normal(stream(seed, "powers", width), (40000, width, width), 1 / width)
    power = torch.eye(width, dtype=A.dtype)
    for lag in range(1, 5):
        power = A @ power
        found = estimate((power**2).sum(dim=(1, 2)) / width)
        exact = np.polyval(energy_polynomial(lag)[::-1], 1 / width)
        assert abs(found.z_score(exact)) < 4.5


def test_networks_with_several_channels_have_the_predicted_size(seed: int) -> None:
    variances, width, lag = Variances(0.8, 1.5, 0.6), 6, 3
    draw = stream(seed, "sizes")
    sizes = [
        float((impulse_response(initialise(width, 3, 2, variances, draw), 4)[lag] ** 2).sum())
        for _ in range(3000)
    ]
    polynomial = np.polyval(energy_polynomial(lag)[::-1], 1 / width)
    expected = 3 * 2 * 1.5 * 0.6 * 0.8**lag * polynomial
    assert abs(estimate(sizes).z_score(expected)) < 5.5


@settings(max_examples=20, deadline=None, derandomize=True)
@given(any_seed)
def test_the_correction_grows_with_the_lag(seed: int) -> None:
    lag = 2 + seed % 200
    assert energy_correction(lag) > energy_correction(lag - 1)


@pytest.mark.parametrize(("lag", "error"), [(-1, ValueError), (1.0, TypeError), (True, TypeError)])
@pytest.mark.parametrize("function", [energy_polynomial, energy_correction])
@pytest.mark.untyped
def test_bad_lags_are_named(function, lag, error) -> None:
    with pytest.raises(error, match="lag"):
        function(lag)


def test_too_many_pairings_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 7 for counting pairings, got 8"):
        energy_polynomial(8)
