"""M1 of two animals decoded by convolutions and ridge: splits, training-set sizes, windows."""

from typing import Any

import torch

from experiments._recordings import CHECKSUMS, PROTOCOL, REACHES, WINDOWS, described, half
from rnnlimits.decoding.comparison import (
    convolution_scores,
    initial_network,
    ridge_score,
    split_problem,
    starts,
)
from rnnlimits.experiments import Experiment

SPLITS = 20


def run(recording: str, window: int, reaches: int) -> dict[str, Any]:
    """Return test scores of both components over splits, at the common number of steps and where
    validation stops; the axes after the split are start, model, component.
    """
    data, longest = half(recording), WINDOWS[recording[0]][-1]
    at_clock, chosen, stops, ridge = [], [], [], []
    for seed in range(SPLITS):
        problem = split_problem(data, window, reaches, seed, longest)
        rnn = initial_network(problem, PROTOCOL, seed)
        found = [convolution_scores(problem, PROTOCOL, start) for start in starts(rnn, window)]
        clock = found[0].steps.index(2**PROTOCOL.clock)
        at_clock.append(torch.stack([each.scores[:, clock] for each in found]))
        chosen.append(torch.stack([each.chosen for each in found]))
        stops.append([[each.steps[k] for k in each.stops] for each in found])
        ridge.append(ridge_score(problem))
    return {
        "clock": torch.stack(at_clock),
        "chosen": torch.stack(chosen),
        "stops": stops,
        "ridge": torch.stack(ridge),
    }


EXPERIMENT = Experiment(
    name="decoding_m1",
    configuration={**described(PROTOCOL), "splits": SPLITS, "recordings": CHECKSUMS},
    tasks=tuple(
        {"recording": name, "window": window, "reaches": reaches}
        for name, sizes in REACHES.items()
        for window in WINDOWS[name[0]]
        for reaches in sizes
    ),
    run=run,
    digits=4,
)
