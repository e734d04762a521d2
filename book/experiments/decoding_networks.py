"""M1 of two animals decoded by networks of width 1000 beside both convolutions."""

from typing import Any

import torch

from experiments._recordings import CHECKSUMS, PROTOCOL, REACHES, WINDOWS, described, half
from rnnlimits.decoding.comparison import (
    convolution_scores,
    initial_network,
    network_scores,
    split_problem,
    starts,
)
from rnnlimits.experiments import Experiment

SPLITS = 6


def run(recording: str, window: int, reaches: int) -> dict[str, Any]:
    """Return test scores of the network over splits and starts, and paths of all three models.

    Paths hold the mean of both components at the steps that all three have; their axes are split,
    start, model (network, scaled, plain), step.
    """
    data, longest = half(recording), WINDOWS[recording[0]][-1]
    at_clock, chosen, stops, paths = [], [], [], []
    for seed in range(SPLITS):
        problem = split_problem(data, window, reaches, seed, longest)
        rnn = initial_network(problem, PROTOCOL, seed)
        for start, counts in zip(starts(rnn, window), (True, False), strict=True):
            network = network_scores(problem, PROTOCOL, rnn, counts)
            others = convolution_scores(problem, PROTOCOL, start)
            common = len(network.steps)
            at_clock.append(network.scores[0, -1])
            chosen.append(network.chosen[0])
            stops.append(network.steps[network.stops[0]])
            path = torch.cat([network.scores, others.scores[:, :common]])
            paths.append(path.mean(dim=-1))
    pairs = SPLITS, 2
    return {
        "clock": torch.stack(at_clock).unflatten(0, pairs),
        "chosen": torch.stack(chosen).unflatten(0, pairs),
        "stops": torch.tensor(stops).unflatten(0, pairs),
        "paths": torch.stack(paths).unflatten(0, pairs),
    }


EXPERIMENT = Experiment(
    name="decoding_networks",
    configuration={**described(PROTOCOL), "splits": SPLITS, "recordings": CHECKSUMS},
    tasks=tuple(
        {"recording": name, "window": window, "reaches": reaches}
        for name, sizes in REACHES.items()
        for window in WINDOWS[name[0]]
        for reaches in sizes
        if window == WINDOWS[name[0]][-1] or reaches == sizes[-1]
    ),
    run=run,
    digits=4,
)
