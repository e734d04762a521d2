"""A simulated S1 at full length, decoded from one minute of it to all: scores, bias, variance."""

from typing import Any

import torch
from torch import Tensor

from experiments._recordings import PROTOCOL, described
from rnnlimits.data.recording import Recording, in_pieces
from rnnlimits.data.simulated import (
    PUBLISHED_BINS,
    draw_tuning,
    expected_counts,
    reach_velocities,
    simulated_s1,
)
from rnnlimits.decoding.comparison import (
    convolution_scores,
    initial_network,
    learning_rate,
    ridge_score,
    split_problem,
    starts,
    weights,
)
from rnnlimits.decoding.paths import step_grid
from rnnlimits.decoding.problem import Problem
from rnnlimits.decoding.truth import bias_and_variance, explained, population_loss
from rnnlimits.experiments import Experiment
from rnnlimits.kernel.learning_curves import descent_limit, solve_descent
from rnnlimits.random import stream

WINDOW, PIECE, RECORDINGS, LONG = 15, 300, 12, 2**18
PIECES = (4, 9, 18, 36, 72, 127)  # of 15 s; 18 are 4.5 minutes, 127 are all that train
TUNING = draw_tuning(stream(0, "decoding, tuning"))


def run(pieces: int) -> dict[str, Any]:
    """Decode independent recordings of one population of neurons.

    Test scores as in `decoding_m1`; on the law of counts and hand, along the steps, the share of
    variance explained in the mean, and squared bias and variance as shares of the same.
    """
    at_clock, chosen, stops, ridge, paths, kept = [], [], [], [], [], []
    velocities = reach_velocities(stream(0, "decoding, long path"), LONG)
    law = [torch.from_numpy(each) for each in (expected_counts(TUNING, velocities), velocities)]
    scalings = []
    for seed in range(RECORDINGS):
        problem = split_problem(recording(seed), WINDOW, pieces, seed)
        rnn = initial_network(problem, PROTOCOL, seed)
        both = starts(rnn, WINDOW)
        found = [convolution_scores(problem, PROTOCOL, start) for start in both]
        clock = found[0].steps.index(2**PROTOCOL.clock)
        at_clock.append(torch.stack([each.scores[:, clock] for each in found]))
        chosen.append(torch.stack([each.chosen for each in found]))
        stops.append([[each.steps[k] for k in each.stops] for each in found])
        ridge.append(ridge_score(problem))
        scalings.append((problem.input_scaling, problem.target_scaling))
        truth = population_loss(law[0], law[1], WINDOW, *scalings[-1])
        responses = torch.stack([descents(problem, start) for start in both])
        paths.append(explained(responses, truth))
        kept.append(in_units_of(scalings[0], scalings[-1], responses))
    truth = population_loss(law[0], law[1], WINDOW, *scalings[0])
    nothing = torch.zeros_like(truth.cross)
    best = descent_limit(nothing, torch.ones(WINDOW).double(), truth)
    return {
        "clock": torch.stack(at_clock),
        "chosen": torch.stack(chosen),
        "stops": stops,
        "ridge": torch.stack(ridge),
        "explained": torch.stack(paths).mean(dim=0),
        "explained_error": torch.stack(paths).std(dim=0) / RECORDINGS**0.5,
        "best": explained(best, truth),
        "parts": parts(torch.stack(kept), best, truth),
    }


def recording(seed: int) -> Recording:
    """Return one simulated recording, cut into pieces."""
    made = simulated_s1(stream(seed, "decoding, recording"), PUBLISHED_BINS, TUNING)
    return in_pieces(made, PUBLISHED_BINS // PIECE)


def descents(problem: Problem, start: Tensor) -> Tensor:
    """Return the responses of both convolutions along the steps."""
    rate, steps = learning_rate(problem, PROTOCOL), step_grid(PROTOCOL.longest)
    both = weights(problem, PROTOCOL)
    return torch.stack([solve_descent(start, each, problem.loss, rate, steps) for each in both])


def in_units_of(wanted: Any, given: Any, responses: Tensor) -> Tensor:
    """Return responses between standardised units as responses between those of another fit."""
    inputs = wanted[0].deviation / given[0].deviation
    targets = given[1].deviation / wanted[1].deviation
    return targets[:, None] * responses * inputs


def parts(responses: Tensor, best: Tensor, truth: Any) -> Tensor:
    """Return squared bias and variance, axes (part, start, model, step), as shares explained."""
    flat = responses.flatten(1, 3).transpose(0, 1)
    both = torch.tensor([bias_and_variance(each, best, truth) for each in flat]).double()
    shape = responses.shape[1:4]
    return (both.T / (truth.energy / 2)).unflatten(1, shape)


EXPERIMENT = Experiment(
    name="decoding_simulated",
    configuration={
        **described(PROTOCOL),
        "window": WINDOW,
        "piece": PIECE,
        "recordings": RECORDINGS,
        "bins": PUBLISHED_BINS,
        "long_path": LONG,
    },
    tasks=tuple({"pieces": pieces} for pieces in PIECES),
    run=run,
    digits=4,
)
