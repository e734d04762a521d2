"""Spikes counted and velocities averaged in bins, one by one."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlimits.data.binning import binned
from rnnlimits.random import stream


@given(st.integers(0, 99), st.floats(0.02, 0.3), st.integers(0, 60))
def test_bins_are_counted_one_by_one(seed: int, width: float, spikes: int) -> None:
    draw = stream(seed)
    times = 5 + np.cumsum(draw.uniform(0.001, 0.02, 200))
    moves = draw.standard_normal((200, 2))
    trains = [draw.uniform(4, 8, spikes), draw.permutation(times)[:7]]
    counts, velocities = binned(trains, moves, times, width)
    edges = np.arange(times[0], times[-1], width)
    assert len(counts) == len(velocities) == len(edges) - 1
    for k, (start, stop) in enumerate(pairwise(edges)):
        inside = (times >= start) & (times < stop)
        np.testing.assert_allclose(velocities[k], moves[inside].mean(axis=0), atol=1e-12)
        for i, train in enumerate(trains):
            assert counts[k, i] == sum(start <= time < stop for time in train)


LINE = np.linspace(0, 1, 11)
PLANE = np.zeros((11, 2))


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([], PLANE, LINE, 0.1), "spike_times must hold a neuron, got none"),
        (([LINE], PLANE, LINE, 0.0), "width must be above 0"),
        (([LINE], PLANE, LINE, 2.0), "width must leave a whole bin before time 1.0, got 2.0"),
        (([LINE], PLANE, LINE, 1e-9), "width must leave at most"),
        (([LINE], PLANE, LINE, 0.03), "times must fall into every bin, got none in bin 1"),
        (([LINE], PLANE[1:], LINE, 0.1), "velocities has 10, times has 11"),
        (([LINE], PLANE, LINE[::-1], 0.1), "times must increase"),
        (([LINE], PLANE[:1], LINE[:1], 0.1), "times must increase"),
        (([LINE], PLANE * np.nan, LINE, 0.1), "velocities must be finite"),
        (([LINE], PLANE[:, 0], LINE, 0.1), r"velocities must have 2 axes, got shape \(11,\)"),
        (([LINE], PLANE[:, :0], LINE, 0.1), "velocities must have a column, got none"),
        (([LINE], PLANE, PLANE, 0.1), r"times must have 1 axis, got shape \(11, 2\)"),
        (([LINE, PLANE], PLANE, LINE, 0.1), r"spike_times\[1\] must have 1 axis, got shape \(11,"),
        (
            ([LINE[:0]] * 2 + [np.array(1.0)], PLANE, LINE, 0.1),
            r"spike_times\[2\] must have 1 axis",
        ),
        (([LINE > 0], PLANE, LINE, 0.1), r"spike_times\[0\] must hold numbers, got booleans"),
        (([LINE], PLANE > 0, LINE, 0.1), "velocities must hold numbers, got booleans"),
        (([LINE], PLANE, LINE > 0, 0.1), "^times must hold numbers, got booleans"),
        (([LINE], PLANE, 1.0, 0.1), "^times must hold numbers, got float"),
        (([LINE], 1.0, LINE, 0.1), "velocities must hold numbers, got float"),
        (([3.0], PLANE, LINE, 0.1), r"spike_times\[0\] must hold numbers, got float"),
        (([LINE], PLANE, np.array(1.0), 0.1), r"^times must have 1 axis, got shape \(\)"),
        (([LINE], PLANE, np.arange(11, 0, -1, dtype="u1"), 0.1), "times must increase"),
        (([LINE], PLANE[:2], np.array([2**53, 2**53 + 1]), 0.1), "times must increase"),
        (([LINE], PLANE[:2], np.array([-1.7e308, 1.7e308]), 0.1), "width must leave at most"),
        (([LINE], PLANE, LINE + np.nan, 0.1), "times must be finite"),
        (([np.array([np.inf])], PLANE, LINE, 0.1), r"spike_times\[0\] must be finite"),
    ],
)
def test_other_times_are_refused(arguments: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        binned(*arguments)


def test_spikes_outside_the_edges_are_left_out() -> None:
    # Edges at 0, 0.4 and 0.8: on the last a spike still counts, beyond it none does.
    train = np.array([-1e9, -1e-9, 0.0, 0.5, 0.8, 0.8000001, 1.0, 1e9])
    counts, _ = binned([train], PLANE, LINE, 0.4)
    assert counts.tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize("kind", ["u1", "i1", "u8", "f4"])
def test_other_numbers_are_taken_for_what_they_are(kind: str) -> None:
    # From -100 to 100 there are more steps than a signed byte can count.
    whole = np.array([0, 50, 100, 120]) if kind[0] == "u" else np.array([-100, -20, 60, 100])
    moves = np.array([[1.0], [2.0], [3.0], [4.0]])
    wanted = binned([whole.astype(float)], moves, whole.astype(float), 100.0)
    found = binned([whole.astype(kind)], moves, whole.astype(kind), 100.0)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
