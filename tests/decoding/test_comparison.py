"""One protocol for all decoders: splits, scores against explicit paths, the cost of a session."""

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from draws import network, quick, recorded, seeds, untyped
from rnnlimits.data.recording import in_pieces
from rnnlimits.data.simulated import simulated_s1
from rnnlimits.decoding.comparison import (
    VARIANCES,
    Protocol,
    convolution_paths,
    convolution_scores,
    initial_network,
    learning_rate,
    network_scores,
    ridge_score,
    scores_along,
    split_problem,
    starts,
    three_parts,
    weights,
)
from rnnlimits.decoding.paths import ridge_path
from rnnlimits.decoding.problem import decoding_problem, predicted
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.training import descend, stability_limit, train
from rnnlimits.networks.linear import impulse_response, initialise
from rnnlimits.random import stream

SMALL = Protocol(width=30, clock=4, longest=6)
STEPS = (0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"clock": -1}, "clock must be at least 0, got -1"),
        ({"longest": 9}, "longest must be at least 10, got 9"),
        ({"longest": 54}, "longest must be at most 53, got 54"),
        ({"longest": 2000}, "longest must be at most 53, got 2000"),
        ({"clock": 54, "longest": 60}, "clock must be at most 53, got 54"),
        ({"share": 0.0}, "share must be above 0, got 0"),
        ({"share": 1.0}, r"share must lie in \(0, 1\), got 1"),
        ({"share": float("nan")}, "share must be finite and at least 0, got nan"),
    ],
)
def test_protocols_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Protocol(**changes)


@untyped
@pytest.mark.parametrize("name", ["width", "clock", "longest", "share"])
def test_protocols_hold_numbers(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be"):
        Protocol(**{name: "many"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="variances must be a Variances, got int"):
        Protocol(variances=3)  # type: ignore[arg-type]


@quick
@given(st.integers(4, 40), seeds)
def test_three_parts_are_apart_nested_and_of_their_shares(n_reaches: int, seed: int) -> None:
    made = recorded(seed, n_reaches, size=3)
    parts = three_parts(made, None, seed)
    sets = [set(part.reaches.tolist()) for part in parts]
    train, validation, test = sets
    assert train | validation | test == set(range(n_reaches))
    assert sum(map(len, sets)) == n_reaches
    assert abs(len(test) - n_reaches / 4) <= 1
    assert abs(len(validation) - n_reaches / 8) <= 1
    fewer: set[int] = set()
    for n_train in range(1, len(train) + 1):
        some, *others = three_parts(made, n_train, seed)
        drawn = set(some.reaches.tolist())
        assert len(drawn) == n_train
        assert fewer < drawn <= train
        fewer = drawn
        for one, other in zip(others, parts[1:], strict=True):
            assert torch.equal(one.reach, other.reach)
    for one, other in zip(three_parts(made, None, seed), parts, strict=True):
        assert torch.equal(one.reach, other.reach)


@pytest.mark.parametrize(
    ("n_reaches", "sizes"), [(64, (40, 8, 16)), (24, (15, 3, 6)), (204, (127, 26, 51))]
)
def test_an_eighth_is_chosen_on_and_a_quarter_tested(
    n_reaches: int, sizes: tuple[int, int, int]
) -> None:
    parts = three_parts(recorded(0, n_reaches, size=1), None, 0)
    assert tuple(len(part.reaches) for part in parts) == sizes


def test_splits_differ_between_seeds(seed: int) -> None:
    made = recorded(0, 24, size=3)
    tests = {tuple(three_parts(made, None, 8 * seed + k)[2].reaches.tolist()) for k in range(8)}
    assert len(tests) > 1


@untyped
def test_splits_are_refused() -> None:
    made = recorded(0, 8, size=3)
    run: Any = three_parts
    with pytest.raises(ValueError, match="n_train must be at most 5, got 6"):
        run(made, 6, 0)
    with pytest.raises(ValueError, match="n_train must be at least 1, got 0"):
        run(made, 0, 0)
    assert len(run(made, 5, 0)[0].reaches) == 5
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        run(made, None, -1)
    with pytest.raises(TypeError, match="n_train must be an integer"):
        run(made, 2.0, 0)
    with pytest.raises(ValueError, match="n_train must be at most 5, got 6"):
        split_problem(made, 2, 6, 0)
    with pytest.raises(TypeError, match="seed must be an integer"):
        run(made, None, 0.5)
    for few in (1, 2):
        with pytest.raises(ValueError, match="at least 2 reaches to be split"):
            run(recorded(0, few), None, 0)


def test_a_problem_of_a_split_is_that_of_its_parts() -> None:
    made = recorded(1)
    for n_train, judged in ((None, None), (5, None), (5, 6)):
        one = split_problem(made, 4, n_train, 1, judged)
        other = decoding_problem(*three_parts(made, n_train, 1), 4, judged)
        assert torch.equal(one.loss.gram, other.loss.gram)
        assert torch.equal(one.test.last, other.test.last)
        assert torch.equal(one.input_scaling.mean, other.input_scaling.mean)
    with pytest.raises(ValueError, match="judged must be at least 4, got 3"):
        split_problem(made, 4, None, 1, 3)


def test_one_start_and_one_rate() -> None:
    problem = split_problem(recorded(2), 4, None, 2)
    rnn = initial_network(problem, SMALL, 3)
    again = initial_network(problem, SMALL, 3)
    assert torch.equal(rnn.recurrent, again.recurrent)
    other = initial_network(problem, SMALL, 4)
    assert not torch.equal(rnn.recurrent, other.recurrent)
    drawn = initialise(30, 3, 2, VARIANCES, stream(3, "decoding network"))
    assert torch.equal(rnn.readout, drawn.readout)
    both = starts(rnn, 4)
    assert torch.equal(both[0], impulse_response(rnn, 4))
    assert torch.equal(both[1], torch.zeros(4, 2, 3).double())
    rho, flat = weights(problem, SMALL)
    assert torch.equal(rho, lag_weights(4, SMALL.variances))
    assert flat.tolist() == [1.0] * 4
    limits = [stability_limit(each, problem.loss) for each in (rho, flat)]
    assert learning_rate(problem, SMALL) == pytest.approx(0.25 * min(limits), rel=1e-14)
    assert limits[0] != limits[1]
    with pytest.raises(ValueError, match="seed must be at least 0"):
        initial_network(problem, SMALL, -1)


def scores_by_hand(path: Any, windows: Any) -> list[Any]:
    """Return the share of variance explained at every place of a path."""
    targets = windows.targets[windows.last]
    spread = targets.var(dim=0, correction=0)
    return [1 - ((predicted(L, windows) - targets) ** 2).mean(dim=0) / spread for L in path]


def errors_by_hand(path: Any, windows: Any) -> list[float]:
    targets = windows.targets[windows.last]
    return [float(((predicted(L, windows) - targets) ** 2).sum()) for L in path]


def test_convolutions_descend_step_by_step_and_stop_on_validation(seed: int) -> None:
    problem = split_problem(recorded(seed), 4, 4, seed)
    start = starts(initial_network(problem, SMALL, seed), 4)[0]
    found = convolution_scores(problem, SMALL, start)
    assert found.steps == STEPS
    rate = learning_rate(problem, SMALL)
    paths = convolution_paths(problem, SMALL, start)
    assert paths.shape == (2, len(STEPS), 4, 2, 3)
    for k, each in enumerate(weights(problem, SMALL)):
        path = descend(start, each, problem.loss, rate, STEPS)
        torch.testing.assert_close(paths[k], path, rtol=1e-9, atol=1e-10)
        expected = torch.stack(scores_by_hand(path, problem.test))
        torch.testing.assert_close(found.scores[k], expected, rtol=1e-9, atol=1e-9)
        errors = errors_by_hand(path, problem.validation)
        assert errors[int(found.stops[k])] == pytest.approx(min(errors), rel=1e-9)
        assert torch.equal(found.chosen[k], found.scores[k, found.stops[k]])


def test_the_network_is_trained_and_read_off_alike() -> None:
    problem = split_problem(recorded(5), 4, 4, 5)
    rnn = initial_network(problem, SMALL, 5)
    rate, start = learning_rate(problem, SMALL), impulse_response(rnn, 4)
    counted = network_scores(problem, SMALL, rnn, True)
    path = train(rnn, problem.loss, rate, STEPS[:9]).responses
    expected = torch.stack(scores_by_hand(path, problem.test))
    assert counted.steps == STEPS[:9]
    torch.testing.assert_close(counted.scores[0], expected, rtol=1e-10, atol=1e-10)
    errors = errors_by_hand(path, problem.validation)
    assert int(counted.stops[0]) == errors.index(min(errors))
    taken = network_scores(problem, SMALL, rnn, False)
    # a decoder that starts from zero explains minus the square of the mean, so almost nothing
    targets = problem.test.targets[problem.test.last]
    nothing = -(targets.mean(dim=0) ** 2) / targets.var(dim=0, correction=0)
    torch.testing.assert_close(taken.scores[0, 0], nothing)
    assert not torch.allclose(start, torch.zeros_like(start))
    assert not torch.allclose(counted.scores[0, 0], nothing)


def test_ridge_is_scored_at_its_best_penalty() -> None:
    problem = split_problem(recorded(6), 4, 4, 6)
    largest = torch.linalg.matrix_norm(problem.loss.matrix, 2)
    penalties = torch.stack([largest * 10 ** (-k / 4) for k in range(21)])
    path = ridge_path(problem.loss, penalties)
    errors = errors_by_hand(path, problem.validation)
    best = path[errors.index(min(errors))]
    expected = scores_by_hand([best], problem.test)[0]
    torch.testing.assert_close(ridge_score(problem), expected, rtol=1e-9, atol=1e-9)


def test_velocities_that_do_not_vary_leave_nothing_to_score() -> None:
    problem = split_problem(recorded(7), 2, None, 7)
    still = replace(problem.test, targets=torch.zeros_like(problem.test.targets))
    broken = replace(problem, test=still)
    start = torch.zeros(2, 2, 3).double()
    for run in (
        lambda: convolution_scores(broken, SMALL, start),
        lambda: network_scores(broken, SMALL, initial_network(broken, SMALL, 0), False),
        lambda: ridge_score(broken),
    ):
        with pytest.raises(ValueError, match="targets must vary"):
            run()
    with pytest.raises(ValueError, match="numbers of steps must agree: responses has 1, steps"):
        scores_along(start[None, None], problem, (0, 1))
    with pytest.raises(ValueError, match="numbers of lags must agree"):
        convolution_scores(problem, SMALL, torch.zeros(3, 2, 3).double())
    with pytest.raises(ValueError, match="channels must agree"):
        network_scores(problem, SMALL, network(0, 4, 2, 2), True)
    with pytest.raises(ValueError, match=r"steps must be at most \d+"):
        convolution_scores(problem, replace(SMALL, longest=53), start)


@untyped
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_scored(bad: float) -> None:
    # argmin takes NaN for the least, so that a decoder would stop where its path is lost.
    problem = split_problem(recorded(7), 2, None, 7)
    start = torch.zeros(2, 2, 3).double()
    broken = start.clone()
    broken[0, 0, 0] = bad
    for run in (convolution_paths, convolution_scores):
        with pytest.raises(ValueError, match="start must be finite"):
            run(problem, SMALL, broken)
        with pytest.raises(TypeError, match="start must be a torch tensor, got ndarray"):
            run(problem, SMALL, start.numpy())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="responses must be finite"):
        scores_along(torch.stack([start, broken])[None], problem, (0, 1))
    with pytest.raises(ValueError, match="responses must not be empty along"):
        scores_along(start[None, None][:, :0], problem, ())


def test_a_step_costs_what_it_costs_on_a_short_recording() -> None:
    # What descent sees are the sufficient statistics: no axis of theirs runs along the bins.
    problems = [
        split_problem(in_pieces(simulated_s1(stream(0), bins), 16), 3, None, 0)
        for bins in (320, 6400)
    ]
    short, long = (problem.loss for problem in problems)
    assert short.gram.shape == long.gram.shape == (3, 52, 3, 52)
    assert short.cross.shape == long.cross.shape == (3, 2, 52)
    assert long.n_terms > 20 * short.n_terms


FULL_SESSION = """
import resource
from rnnlimits.data.recording import in_pieces
from rnnlimits.data.simulated import simulated_s1
from rnnlimits.decoding.comparison import *
from rnnlimits.decoding.paths import common_rate, network_path, step_grid
from rnnlimits.decoding.problem import r_squared
from rnnlimits.kernel.learning_curves import solve_descent
from rnnlimits.random import stream

pieces = in_pieces(simulated_s1(stream(0)), 204)
protocol = Protocol(width=100)
problem = split_problem(pieces, 15, None, 0)
rnn = initial_network(problem, protocol, 0)
rho = weights(problem, protocol)[0]
rate = common_rate(problem.loss, [rho], 0.25)
path = solve_descent(starts(rnn, 15)[0], rho, problem.loss, rate, step_grid(10))
scores = r_squared(path, problem.test)
trained = r_squared(network_path(rnn, problem.loss, rate, [1], True), problem.test)
print(pieces.n_bins, *problem.loss.gram.shape, *scores.shape, *trained.shape)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_full_session_fits_into_two_gigabytes() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "JAXTYPING_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", FULL_SESSION],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    shapes, peak = done.stdout.splitlines()
    assert shapes == "61339 15 52 15 52 21 2 1 2"
    kilobytes = int(peak) / (1024 if sys.platform == "darwin" else 1)
    assert kilobytes * 1024 < 2e9
