"""A simulated S1 at full length, decoded from one minute of it to all: scores, bias, variance."""

from typing import Any

import torch
from torch import Tensor

from experiments._recordings import PROTOCOL, described
from rnnlimits.data.reaches import Standardisation
from rnnlimits.data.recording import Recording, in_pieces
from rnnlimits.data.simulated import (
    PUBLISHED_BINS,
    draw_tuning,
    expected_counts,
    reach_velocities,
    simulated_s1,
)
from rnnlimits.decoding.comparison import (
    convolution_paths,
    initial_network,
    ridge_score,
    scores_along,
    split_problem,
    starts,
)
from rnnlimits.decoding.paths import step_grid
from rnnlimits.decoding.problem import Problem
from rnnlimits.decoding.truth import bias_and_variance, explained, population_loss
from rnnlimits.experiments import Experiment
from rnnlimits.kernel.learning_curves import descent_limit
from rnnlimits.kernel.loss import SquaredLoss
from rnnlimits.random import stream

WINDOW, PIECE, PAIRS, LONG = 15, 300, 6, 2**17
PIECES = (4, 9, 18, 36, 72, 127)  # of 15 s; 18 are 4.5 minutes, 127 are all that train
TUNING = draw_tuning(stream(0, "decoding, tuning"))


def run(pair: int, pieces: int) -> dict[str, Any]:
    """Decode two independent recordings of one population of neurons.

    Test scores of both, axes as in `decoding_m1`. On the law of counts and hand, along the steps:
    the share of variance explained, in the mean over both, and squared bias and variance as shares
    of the same.
    """
    seeds = 2 * pair, 2 * pair + 1
    problems = [split_problem(recording(seed), WINDOW, pieces, seed) for seed in seeds]
    networks = [
        initial_network(problem, PROTOCOL, seed)
        for problem, seed in zip(problems, seeds, strict=True)
    ]
    laws = [law(each.input_scaling, each.target_scaling) for each in problems]
    steps = step_grid(PROTOCOL.longest)
    at_clock, chosen, stops, ridge, responses = [], [], [], [], []
    for problem, rnn in zip(problems, networks, strict=True):
        both = starts(rnn, WINDOW)
        paths = [convolution_paths(problem, PROTOCOL, start) for start in both]
        found = [scores_along(path, problem, steps) for path in paths]
        clock = steps.index(2**PROTOCOL.clock)
        at_clock.append(torch.stack([each.scores[:, clock] for each in found]))
        chosen.append(torch.stack([each.chosen for each in found]))
        stops.append([[steps[k] for k in each.stops] for each in found])
        ridge.append(ridge_score(problem))
        responses.append(torch.stack(paths))
    path = [explained(each, truth) for each, truth in zip(responses, laws, strict=True)]
    ideal = best(laws[0])
    both = [responses[0], in_units(problems[0], problems[1], responses[1])]
    return {
        "clock": torch.stack(at_clock),
        "chosen": torch.stack(chosen),
        "stops": stops,
        "ridge": torch.stack(ridge),
        "explained": (path[0] + path[1]) / 2,
        "best": explained(ideal, laws[0]),
        "parts": parts(both, ideal, laws[0]),
    }


def recording(seed: int) -> Recording:
    """Return one simulated recording, cut into pieces."""
    made = simulated_s1(stream(seed, "decoding, recording"), PUBLISHED_BINS, TUNING)
    return in_pieces(made, PUBLISHED_BINS // PIECE)


def law(inputs: Standardisation, targets: Standardisation) -> SquaredLoss:
    """Return the loss on the law of the counts, along a long path of the hand."""
    velocities = reach_velocities(stream(0, "decoding, long path"), LONG)
    expected = torch.from_numpy(expected_counts(TUNING, velocities))
    return population_loss(expected, torch.from_numpy(velocities), WINDOW, inputs, targets)


def best(truth: SquaredLoss) -> Tensor:
    """Return the best response there is."""
    nothing = torch.zeros_like(truth.cross)
    return descent_limit(nothing, torch.ones(WINDOW, dtype=torch.float64), truth)


def in_units(wanted: Problem, given: Problem, responses: Tensor) -> Tensor:
    """Return responses between the units of one problem as responses between those of another."""
    inputs = wanted.input_scaling.deviation / given.input_scaling.deviation
    targets = given.target_scaling.deviation / wanted.target_scaling.deviation
    return targets[:, None] * responses * inputs


def parts(pair: list[Tensor], ideal: Tensor, truth: SquaredLoss) -> Tensor:
    """Return squared bias and variance, axes (part, start, model, step), as shares explained."""
    flat = torch.stack(pair).flatten(1, 3).transpose(0, 1)
    both = torch.tensor([bias_and_variance(each, ideal, truth) for each in flat]).to(ideal)
    return (both.T / (truth.energy / 2)).unflatten(1, pair[0].shape[:3])


EXPERIMENT = Experiment(
    name="decoding_simulated",
    configuration={
        **described(PROTOCOL),
        "window": WINDOW,
        "piece": PIECE,
        "bins": PUBLISHED_BINS,
        "long_path": LONG,
    },
    tasks=tuple({"pair": k, "pieces": pieces} for pieces in PIECES for k in range(PAIRS)),
    run=run,
    digits=4,
)
