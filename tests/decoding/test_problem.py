"""Decoding problems: explicit windows, no leak from what is held out, scores by hand."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from draws import quick, recorded, response, seeds, untyped
from rnnlimits.data.reaches import last_bins, split_reaches, windows_of
from rnnlimits.data.recording import Recording
from rnnlimits.decoding.problem import (
    Problem,
    Windows,
    decoding_problem,
    predicted,
    r_squared,
    squared_error,
)
from rnnlimits.kernel.loss import loss_value, squared_loss
from rnnlimits.random import normal, stream

PARTS = ("train", "validation", "test")
lengths = st.integers(1, 6)


def split(recording: Recording, seed: int) -> dict[str, Recording]:
    """Return a recording in three parts, by name."""
    train, rest = split_reaches(recording, 0.5, stream(seed, "train"))
    return dict(zip(PARTS, (train, *split_reaches(rest, 0.5, stream(seed, "rest"))), strict=True))


def problem_of(parts: dict[str, Recording], length: int, judged: int | None = None) -> Problem:
    """Return the problem of three parts."""
    train, validation, test = (parts[name] for name in PARTS)
    return decoding_problem(train, validation, test, length, judged)


def by_hand(part: Recording, problem: Problem, length: int) -> tuple[Tensor, Tensor]:
    """Return all windows of a part, latest bin first, and the velocities, both standardised."""
    windows, velocities = windows_of(part, length)
    scaled = problem.input_scaling.applied(windows.flip(1))
    return scaled, problem.target_scaling.applied(velocities)


@quick
@given(seeds, lengths)
def test_predictions_are_those_of_explicit_windows(seed: int, length: int) -> None:
    parts = split(recorded(seed), seed)
    problem = problem_of(parts, length)
    responses = normal(stream(seed, "many"), (2, 3, length, 2, 3))
    for name, part in parts.items():
        windows, targets = by_hand(part, problem, length)
        expected = torch.einsum("abjoi,wji->abwo", responses, windows)
        found = predicted(responses, getattr(problem, name))
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        squares = ((expected - targets) ** 2).sum(dim=2)
        torch.testing.assert_close(squared_error(responses, getattr(problem, name)), squares)
        alone = predicted(responses[1, 2], getattr(problem, name))
        torch.testing.assert_close(alone, expected[1, 2], rtol=1e-12, atol=1e-12)


@quick
@given(seeds, lengths)
def test_the_loss_is_the_mean_square_over_the_training_windows(seed: int, length: int) -> None:
    parts = split(recorded(seed), seed)
    problem = problem_of(parts, length)
    L = response(seed, length, 2, 3)
    squares = squared_error(L, problem.train).sum() / problem.train.last.numel() / 2
    torch.testing.assert_close(loss_value(L, problem.loss), squares, rtol=1e-11, atol=0)
    # one lag: a window is a sequence of one time, and the sufficient statistics are those of these
    if length == 1:
        windows, targets = by_hand(parts["train"], problem, 1)
        same = squared_loss(windows, targets[:, None], "mean")
        torch.testing.assert_close(problem.loss.gram, same.gram, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(problem.loss.cross, same.cross, rtol=1e-12, atol=1e-12)


@quick
@given(seeds, lengths)
def test_nothing_of_what_is_held_out_enters(seed: int, length: int) -> None:
    made = recorded(seed)
    parts = split(made, seed)
    problem = problem_of(parts, length)
    seen = parts["train"].within[:, None]
    other = recorded(seed + 1)
    changed = {
        name: replace(
            part,
            counts=part.counts.where(seen, 1000 * other.counts),
            velocities=part.velocities.where(seen, -50 * other.velocities),
        )
        for name, part in parts.items()
    }
    again = problem_of(changed, length)
    for statistic in ("gram", "cross", "energy", "scale", "n_terms"):
        one, two = getattr(problem.loss, statistic), getattr(again.loss, statistic)
        assert torch.equal(torch.as_tensor(one), torch.as_tensor(two))
    for scaling in ("input_scaling", "target_scaling"):
        one, two = getattr(problem, scaling), getattr(again, scaling)
        assert torch.equal(one.mean, two.mean)
        assert torch.equal(one.deviation, two.deviation)
    assert not torch.equal(problem.test.inputs, again.test.inputs)
    L = response(seed, length, 2, 3)
    assert torch.equal(squared_error(L, problem.train), squared_error(L, again.train))


@quick
@given(seeds, lengths, st.integers(0, 6))
def test_windows_keep_to_one_reach_of_their_own_part(seed: int, length: int, more: int) -> None:
    parts = split(recorded(seed), seed)
    judged = length + more
    problem = problem_of(parts, length, judged)
    for name, part in parts.items():
        windows: Windows = getattr(problem, name)
        late = length if name == "train" else judged
        assert windows.length == length
        assert torch.equal(windows.last, last_bins(part.reach, late))
        labels = torch.stack([part.reach[windows.last - lag] for lag in range(length)])
        assert int(labels.min()) >= 0
        assert bool((labels == labels[0]).all())
        # the first bins of a reach end no window
        assert len(windows.last) == len(part.reaches) * (12 - late + 1)


def test_decoders_of_several_lengths_are_judged_on_the_same_bins() -> None:
    parts = split(recorded(0), 0)
    short = problem_of(parts, 2, 7)
    long = problem_of(parts, 7)
    for name in ("validation", "test"):
        assert torch.equal(getattr(short, name).last, getattr(long, name).last)
    assert len(short.train.last) > len(long.train.last)


def test_scalings_are_fitted_where_they_are_used() -> None:
    parts = split(recorded(1), 1)
    problem = problem_of(parts, 5)
    train = parts["train"]
    counts = problem.train.inputs[train.within]
    targets = problem.train.targets[problem.train.last]
    for values in (counts, targets):
        zeros, ones = torch.zeros(values.shape[1]).double(), torch.ones(values.shape[1]).double()
        torch.testing.assert_close(values.mean(dim=0), zeros)
        torch.testing.assert_close(values.std(dim=0, correction=0), ones)
    for part in PARTS:  # one pair of scalings for all three
        undone = problem.input_scaling.undone(getattr(problem, part).inputs)
        torch.testing.assert_close(undone, parts[part].counts)
        undone = problem.target_scaling.undone(getattr(problem, part).targets)
        torch.testing.assert_close(undone, parts[part].velocities)
    assert problem.loss.energy == pytest.approx(2, rel=1e-12)  # two components of mean square 1


def test_r_squared_is_that_of_its_definition() -> None:
    parts = split(recorded(2), 2)
    problem = problem_of(parts, 3)
    responses = 0.3 * normal(stream(2, "many"), (4, 3, 2, 3))
    found = r_squared(responses, problem.test)
    windows, targets = by_hand(parts["test"], problem, 3)
    for k, L in enumerate(responses):
        met = torch.einsum("joi,wji->wo", L, windows)
        for o in range(2):
            left = float(((met - targets)[:, o] ** 2).sum())
            mean = float(targets[:, o].mean())
            spread = sum((float(y) - mean) ** 2 for y in targets[:, o])
            assert float(found[k, o]) == pytest.approx(1 - left / spread, rel=1e-11)
    # units do not matter: the same number from velocities as they were recorded
    raw = problem.target_scaling.undone(torch.einsum("joi,wji->wo", responses[0], windows))
    truth = windows_of(parts["test"], 3)[1]
    left = ((raw - truth) ** 2).mean(dim=0) / truth.var(dim=0, correction=0)
    torch.testing.assert_close(found[0], 1 - left, rtol=1e-11, atol=0)


def test_exact_scores() -> None:
    x = torch.tensor([[0.0], [1.0], [2.0]]).double()
    windows = Windows(x, x - 1, torch.arange(1, 3), 2)
    exact = torch.tensor([[[0.0]], [[1.0]]]).double()  # the bin before, which is x - 1
    assert r_squared(exact, windows).tolist() == [1.0]
    assert squared_error(exact, windows).tolist() == [0.0]
    # targets 0 and 1: nothing predicted costs 1, where the mean would cost 1/2
    assert r_squared(0 * exact, windows).tolist() == [-1.0]


@untyped
def test_problems_are_refused() -> None:
    made = recorded(3)
    parts = split(made, 3)
    train, validation, test = parts.values()
    with pytest.raises(ValueError, match="train has 3, validation has 2"):
        decoding_problem(train, replace(validation, counts=made.counts[:, :2]), test, 3)
    with pytest.raises(ValueError, match="train and test must share no reach, got 96 bins"):
        decoding_problem(train, validation, train, 3)
    with pytest.raises(ValueError, match="validation and test must share no reach, got 48 bins"):
        decoding_problem(train, test, test, 3)
    with pytest.raises(ValueError, match="longest reach, 12, got 13"):
        decoding_problem(train, validation, test, 13)
    with pytest.raises(ValueError, match="longest reach, 12, got 13"):
        decoding_problem(train, validation, test, 3, judged=13)
    with pytest.raises(ValueError, match="judged must be at least 3, got 2"):
        decoding_problem(train, validation, test, 3, judged=2)
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        decoding_problem(train, validation, test, 0)
    with pytest.raises(TypeError, match="must be an integer, got float"):
        decoding_problem(train, validation, test, 2.5)  # type: ignore[arg-type]


def test_parts_of_other_recordings_are_apart() -> None:
    one, other, longer = recorded(4), recorded(5), recorded(4, n_reaches=20)
    assert decoding_problem(one, other, longer, 3).loss.n_lags == 3
    # two recordings of one length meet in one reach alone, and no neuron fires in it
    quiet = torch.ones(len(one.counts), 1, dtype=torch.float64)
    quiet[:12] = 0
    early, late = (
        replace(made, counts=made.counts * quiet, reach=made.reach.where(kept, -1))
        for made, kept in ((one, one.reach < 8), (other, (other.reach == 0) | (other.reach > 7)))
    )
    assert int((early.within & late.within).sum()) == 12
    assert torch.equal(early.counts[:12], late.counts[:12])
    assert decoding_problem(early, late, longer, 3).loss.n_lags == 3
    again = replace(early, reach=late.reach)
    with pytest.raises(ValueError, match="train and validation must share no reach, got 12 bins"):
        decoding_problem(early, again, longer, 3)


def test_a_copy_cut_anew_is_not_noticed() -> None:
    # What the docstring says: only parts of equal length are compared.
    made = recorded(4)
    train, validation, _ = split(made, 4).values()
    cut = replace(
        train, counts=made.counts[1:], velocities=made.velocities[1:], reach=train.reach[1:]
    )
    assert decoding_problem(cut, validation, train, 3).loss.n_lags == 3
    promise = " ".join(str(decoding_problem.__doc__).split())
    assert "two parts of equal length hold the same counts and velocities" in promise


@untyped
def test_what_does_not_fit_the_windows() -> None:
    problem = problem_of(split(recorded(6), 6), 3)
    for function in (predicted, squared_error, r_squared):
        for size, message in (
            ((4, 2, 3), "numbers of lags must agree: responses has 4, windows has 3"),
            ((3, 1, 3), "output channels must agree: responses has 1, windows has 2"),
            ((3, 2, 2), "input channels must agree: responses has 2, windows has 3"),
        ):
            with pytest.raises(ValueError, match=message):
                function(torch.zeros(size).double(), problem.test)
        with pytest.raises(TypeError, match="responses and inputs must share one dtype"):
            function(torch.zeros(3, 2, 3), problem.test)
        for bad in (torch.nan, torch.inf):
            responses = torch.zeros(2, 3, 2, 3).double()
            responses[1, 0, 0, 0] = bad
            with pytest.raises(ValueError, match="responses must be finite"):
                function(responses, problem.test)
    still = replace(problem.test, targets=torch.ones_like(problem.test.targets))
    with pytest.raises(ValueError, match=r"targets must vary over the windows .* got sums"):
        r_squared(torch.zeros(3, 2, 3).double(), still)
