"""Recordings: what they hold, and what they refuse."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnlimits.data.recording import Provenance, Recording, in_pieces, spans

NOBODY = Provenance("", "", "", "made up")


def recording(reach: list[int], neurons: int = 3) -> Recording:
    bins = len(reach)
    return Recording(
        name="made up",
        counts=torch.arange(bins * neurons, dtype=torch.float64).reshape(bins, neurons),
        velocities=torch.arange(2 * bins, dtype=torch.float64).reshape(bins, 2) - bins,
        reach=torch.tensor(reach),
        count_unit="spikes per bin",
        velocity_unit="cm/s",
        bin_unit="50 ms",
        provenance=NOBODY,
    )


def test_sizes_and_reaches() -> None:
    made = recording([4, 4, -1, 2, 2, 2])
    assert (made.n_bins, made.n_neurons) == (6, 3)
    assert made.reaches.tolist() == [4, 2]
    assert made.within.tolist() == [True, True, False, True, True, True]


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("field", "value", "error", "words"),
    [
        ("counts", torch.full((4, 3), torch.nan).double(), ValueError, "counts must be finite"),
        ("counts", -torch.ones(4, 3).double(), ValueError, "counts must be at least 0, got -1"),
        ("counts", torch.ones(4).double(), ValueError, r"axes \(bins, neurons\), got shape \(4,\)"),
        ("counts", torch.ones(5, 3).double(), ValueError, "counts has 5, velocities has 4"),
        ("counts", torch.ones(4, 0).double(), ValueError, "counts must not be empty"),
        ("counts", torch.ones(4, 3), TypeError, "counts must have the dtype torch.float64"),
        ("counts", torch.ones(4, 3).long(), TypeError, "counts must have a floating-point dtype"),
        ("velocities", torch.ones(4, 2), TypeError, "counts and velocities must share one dtype"),
        (
            "velocities",
            torch.full((4, 2), torch.inf).double(),
            ValueError,
            "velocities must be fin",
        ),
        ("velocities", torch.ones(4, 3).double(), ValueError, "must have 2 columns, got 3"),
        ("velocities", [[1.0, 2.0]], TypeError, "velocities must be a torch tensor, got list"),
        ("reach", torch.zeros(3).long(), ValueError, "reach has 3"),
        ("reach", torch.zeros(4), TypeError, "reach must be an int64 tensor, got torch.float32"),
        ("reach", [0, 0, 0, 0], TypeError, "reach must be an int64 tensor, got list"),
        ("reach", torch.zeros(4, 1).long(), ValueError, r"reach must have one axis .* \(4, 1\)"),
        ("reach", torch.zeros(0).long(), ValueError, "not be empty"),
        ("reach", torch.tensor([0, 0, -2, 1]), ValueError, "reach must be at least -1, got -2"),
        ("reach", torch.tensor([0, 1, 1, 0]), ValueError, "comes back after another"),
    ],
)
def test_what_is_refused(field: str, value: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        replace(recording([0, 0, 1, 1]), **{field: value})


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=8))
def test_spans_are_the_runs(runs: list[tuple[int, bool]]) -> None:
    reach: list[int] = []
    wanted: list[list[int]] = []
    for number, (size, inside) in enumerate(runs):
        if inside:
            wanted.append([len(reach), len(reach) + size])
        reach += [number if inside else -1] * size
    assert spans(torch.tensor(reach)).tolist() == wanted


@given(st.integers(1, 40), st.data())
def test_pieces_are_consecutive_and_of_equal_size(bins: int, data: st.DataObject) -> None:
    pieces = data.draw(st.integers(1, bins))
    cut = in_pieces(recording([7] * bins), pieces)
    sizes = [stop - start for start, stop in spans(cut.reach).tolist()]
    assert len(sizes) == pieces
    assert sum(sizes) == bins
    assert max(sizes) - min(sizes) <= 1


def test_pieces_are_refused() -> None:
    with pytest.raises(ValueError, match="at most the number of bins, 3, got 4"):
        in_pieces(recording([0, 0, 0]), 4)
    with pytest.raises(ValueError, match="n_pieces must be at least 1"):
        in_pieces(recording([0]), 0)
    with pytest.raises(ValueError, match="one reach from end to end, got 2 reaches"):
        in_pieces(recording([0, 1]), 2)
    with pytest.raises(ValueError, match="one reach from end to end, got 1 reaches"):
        in_pieces(recording([0, -1]), 2)
