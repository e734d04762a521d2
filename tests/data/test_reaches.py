"""Windows, splits, scalings and moments: none of them crosses from one reach into another."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rnnlimits.data.reaches import (
    Standardisation,
    draw_reaches,
    lagged_moments,
    last_bins,
    split_reaches,
    standardisation,
    windows_of,
)
from rnnlimits.data.recording import NO_REACH, Provenance, Recording, spans
from rnnlimits.kernel.loss import SquaredLoss, loss_value
from rnnlimits.random import stream

NOBODY = Provenance("", "", "", "made up")
RUNS = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=6)


def labels(runs: list[tuple[int, bool]]) -> list[int]:
    return [k if inside else -1 for k, (size, inside) in enumerate(runs) for _ in range(size)]


def recording(reach: list[int], neurons: int = 3, seed: int = 0) -> Recording:
    draw = stream(seed)
    return Recording(
        name="made up",
        counts=torch.from_numpy(draw.poisson(2, (len(reach), neurons)).astype(np.float64)),
        velocities=torch.from_numpy(draw.standard_normal((len(reach), 2))),
        reach=torch.tensor(reach),
        count_unit="spikes per bin",
        velocity_unit="cm/s",
        bin_unit="50 ms",
        provenance=NOBODY,
    )


def ends_one_by_one(reach: list[int], length: int) -> list[int]:
    """Return the last bins of windows by looking at every window."""
    return [
        end
        for end in range(length - 1, len(reach))
        if reach[end] != -1 and set(reach[end - length + 1 : end + 1]) == {reach[end]}
    ]


@given(RUNS, st.integers(1, 10))
def test_windows_are_those_within_a_reach(runs: list[tuple[int, bool]], length: int) -> None:
    reach = labels(runs)
    wanted = ends_one_by_one(reach, length)
    made = recording(reach)
    if not wanted:
        with pytest.raises(ValueError, match="at most the length of the longest reach"):
            windows_of(made, length)
        return
    assert last_bins(made.reach, length).tolist() == wanted
    windows, velocities = windows_of(made, length)
    for k, end in enumerate(wanted):
        assert torch.equal(windows[k], made.counts[end - length + 1 : end + 1])
        assert torch.equal(velocities[k], made.velocities[end])


def by_hand(windows: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    lagged = windows.flip(1)
    gram = torch.einsum("wji,wkl->jikl", lagged, lagged)
    return gram, torch.einsum("wo,wji->joi", targets, lagged), (targets**2).sum()


@given(RUNS, st.integers(1, 9), st.integers(0, 50), st.sampled_from(["half sum", "mean"]))
def test_moments_are_those_of_the_windows(
    runs: list[tuple[int, bool]], length: int, seed: int, normalisation: str
) -> None:
    reach = labels(runs)
    if not ends_one_by_one(reach, length):
        return
    made = recording(reach, seed=seed)
    inputs = standardisation(made.counts, made.reach).applied(made.counts)
    windows = inputs.unfold(0, length, 1)[last_bins(made.reach, length) - length + 1].mT
    targets = windows_of(made, length)[1]
    found = lagged_moments(inputs, made.velocities, length, made.reach, normalisation)
    terms = len(windows) * 2
    scale = 1.0 if normalisation == "half sum" else 2 / terms
    gram, cross, energy = by_hand(windows, targets)
    room = 1e-12 * max(1.0, float(gram.abs().max()))
    assert float((found.gram - scale * gram).abs().max()) <= room
    assert float((found.cross - scale * cross).abs().max()) <= room
    assert found.energy == pytest.approx(scale * float(energy), rel=1e-12)
    assert (found.scale, found.n_terms) == (scale, terms)


def test_counts_have_exact_moments() -> None:
    made = recording([0] * 300 + [-1] * 3 + [1] * 40, neurons=5)
    found = lagged_moments(made.counts, made.counts, 12, made.reach)
    windows = windows_of(made, 12)[0]
    gram, cross, energy = by_hand(windows, windows[:, -1])
    assert torch.equal(found.gram, gram)
    assert torch.equal(found.cross, cross)
    assert found.energy == float(energy)


def test_the_loss_at_the_last_bins_is_a_function_of_the_moments() -> None:
    made = recording([0] * 20 + [1] * 5 + [2] * 11)
    moments = lagged_moments(made.counts, made.velocities, 6, made.reach)
    response = torch.from_numpy(stream(1).standard_normal((6, 2, 3)))
    windows, targets = windows_of(made, 6)
    predicted = torch.einsum("joi,wji->wo", response, windows.flip(1))
    direct = 0.5 * ((predicted - targets) ** 2).sum()
    found = loss_value(response, SquaredLoss(**moments._asdict()))
    torch.testing.assert_close(found, direct, rtol=1e-12, atol=0)


def test_one_lag_and_one_window() -> None:
    ones = torch.ones(4, 1)
    reach = torch.tensor([0, 0, 0, 0])
    assert lagged_moments(ones, ones, 1, reach).gram.tolist() == [[[[4.0]]]]
    assert lagged_moments(2 * ones, ones, 4, reach).gram.flatten().tolist() == [4.0] * 16


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_moments_keep_the_dtype(dtype: torch.dtype) -> None:
    ones = torch.ones(3, 1, dtype=dtype)
    found = lagged_moments(ones, ones, 2, torch.zeros(3, dtype=torch.int64))
    assert found.gram.dtype == found.cross.dtype == dtype


@pytest.mark.untyped
def test_moments_are_refused() -> None:
    ones, reach = torch.ones(3, 1), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ValueError, match="inputs has 3, targets has 2"):
        lagged_moments(ones, ones[:2], 1, reach)
    with pytest.raises(ValueError, match="normalisation must be 'half sum' or 'mean', got 'sum'"):
        lagged_moments(ones, ones, 1, reach, "sum")
    with pytest.raises(ValueError, match="longest reach, 3, got 4"):
        lagged_moments(ones, ones, 4, reach)
    with pytest.raises(ValueError, match="longest reach, 0, got 1"):
        lagged_moments(ones, ones, 1, reach - 1)
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        lagged_moments(ones, ones, 0, reach)
    with pytest.raises(TypeError, match="one dtype"):
        lagged_moments(ones, ones.double(), 1, reach)
    with pytest.raises(ValueError, match="inputs must be finite"):
        lagged_moments(ones * torch.nan, ones, 1, reach)


@given(st.integers(2, 12), st.floats(0.01, 0.99), st.integers(0, 99))
def test_a_split_is_by_whole_reaches(n_reaches: int, fraction: float, seed: int) -> None:
    sizes = stream(seed).integers(1, 5, n_reaches)
    made = recording([*np.repeat(np.arange(n_reaches), sizes).tolist(), -1])
    first, second = split_reaches(made, fraction, stream(seed, "split"))
    assert set(first.reaches.tolist()) | set(second.reaches.tolist()) == set(range(n_reaches))
    assert len(first.reaches) + len(second.reaches) == n_reaches
    assert abs(len(first.reaches) - fraction * n_reaches) <= 1
    assert len(first.reaches) >= 1 <= len(second.reaches)
    assert not bool((first.within & second.within).any())
    assert torch.equal(first.within | second.within, made.within)
    assert torch.equal(first.reach[first.within], made.reach[first.within])
    assert first.counts is made.counts


def test_a_split_is_the_streams(seed: int) -> None:
    made = recording(np.repeat(np.arange(20), 3).tolist())
    one = split_reaches(made, 0.5, stream(seed))[0].reaches
    assert torch.equal(one, split_reaches(made, 0.5, stream(seed))[0].reaches)
    others = [split_reaches(made, 0.5, stream(seed, k))[0].reaches for k in range(8)]
    assert any(not torch.equal(one, other) for other in others)


@pytest.mark.untyped
def test_splits_are_refused() -> None:
    made = recording([0, 0, 1])
    for fraction in (0, 1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="fraction must lie between 0 and 1"):
            split_reaches(made, fraction, stream(0))
    for fraction in (True, "half"):
        with pytest.raises(TypeError, match="fraction must be a number"):
            split_reaches(made, fraction, stream(0))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="generator must be a numpy Generator, got int"):
        split_reaches(made, 0.5, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 2 reaches to be split, got 1"):
        split_reaches(recording([0, 0]), 0.5, stream(0))


@given(st.integers(1, 12), st.integers(0, 99))
def test_draws_are_nested_and_of_whole_reaches(n_reaches: int, seed: int) -> None:
    sizes = stream(seed).integers(1, 5, n_reaches)
    made = recording([-1, *np.repeat(3 * np.arange(n_reaches), sizes).tolist()])
    fewer: set[int] = set()
    assert torch.equal(draw_reaches(made, n_reaches, stream(seed)).reach, made.reach)
    for number in range(1, n_reaches + 1):
        drawn = draw_reaches(made, number, stream(seed, "draw"))
        kept = set(drawn.reaches.tolist())
        assert len(kept) == number
        assert fewer < kept <= set(made.reaches.tolist())
        fewer = kept
        inside = torch.tensor([int(label) in kept for label in made.reach])
        assert torch.equal(drawn.within, inside)
        assert torch.equal(drawn.reach[inside], made.reach[inside])
        assert drawn.counts is made.counts


def test_a_draw_is_the_first_part_of_a_split(seed: int) -> None:
    made = recording(np.repeat(np.arange(20), 2).tolist())
    first = split_reaches(made, 0.3, stream(seed))[0]
    assert torch.equal(draw_reaches(made, 6, stream(seed)).reach, first.reach)
    others = [draw_reaches(made, 6, stream(seed, k)).reach for k in range(8)]
    assert any(not torch.equal(first.reach, other) for other in others)


def test_every_reach_is_drawn_as_often(seed: int) -> None:
    # One of 5 reaches, 2000 times: each count is binomial.
    made, draw = recording([0, 1, 2, 3, 4]), stream(seed, "often")
    found = [int(draw_reaches(made, 1, draw).reaches) for _ in range(2000)]
    scores = (np.bincount(found, minlength=5) - 400) / np.sqrt(2000 * 0.2 * 0.8)
    assert np.abs(scores).max() < 4.5


@pytest.mark.untyped
def test_draws_are_refused() -> None:
    made = recording([0, 0, 1])
    with pytest.raises(ValueError, match="number must be at least 1, got 0"):
        draw_reaches(made, 0, stream(0))
    with pytest.raises(ValueError, match="at most the number of reaches, 2, got 3"):
        draw_reaches(made, 3, stream(0))
    for number in (True, 1.0, "all"):
        with pytest.raises(TypeError, match="number must be an integer"):
            draw_reaches(made, number, stream(0))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="generator must be a numpy Generator, got int"):
        draw_reaches(made, 1, 3)  # type: ignore[arg-type]


def test_a_standardisation_sees_the_training_reaches_alone() -> None:
    made = recording(np.repeat(np.arange(10), 6).tolist())
    train, _ = split_reaches(made, 0.4, stream(0))
    fitted = standardisation(train.counts, train.reach)
    kept = torch.cat([made.counts[a:b] for a, b in spans(train.reach).tolist()])
    torch.testing.assert_close(fitted.mean, kept.mean(dim=0), rtol=1e-14, atol=0)
    torch.testing.assert_close(fitted.deviation, kept.std(dim=0, correction=0))
    changed = made.counts.where(train.within[:, None], 1e6)
    again = standardisation(changed, train.reach)
    assert torch.equal(again.mean, fitted.mean)
    assert torch.equal(again.deviation, fitted.deviation)
    scaled = fitted.applied(kept)
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(3).double())
    torch.testing.assert_close(scaled.std(dim=0, correction=0), torch.ones(3).double())
    torch.testing.assert_close(fitted.undone(scaled), kept)


def test_a_silent_neuron_stays_at_zero() -> None:
    values = torch.tensor([[0.1, 1.0], [0.1, 2.0], [0.1, 4.0]]).double()
    fitted = standardisation(values, torch.zeros(3, dtype=torch.int64))
    assert float(fitted.deviation[0]) == 1
    assert fitted.applied(values)[:, 0].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.untyped
def test_standardisations_are_refused() -> None:
    ones = torch.ones(2)
    with pytest.raises(ValueError, match="deviation must be above 0, got 0"):
        Standardisation(ones, 0 * ones)
    with pytest.raises(ValueError, match="mean has 2, deviation has 1"):
        Standardisation(ones, ones[:1])
    none = torch.full((2,), NO_REACH)
    with pytest.raises(ValueError, match="at least one reach, got none"):
        standardisation(torch.ones(2, 1), none)
    with pytest.raises(ValueError, match="values has 3, reach has 2"):
        standardisation(torch.ones(3, 1), none)
