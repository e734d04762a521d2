"""Some reaches of M1, decoded by every model: paths of the hand beside those decoded."""

from typing import Any

import torch
from torch import Tensor

from experiments._recordings import CHECKSUMS, PROTOCOL, REACHES, WINDOWS, described, half
from rnnlimits.data.recording import spans
from rnnlimits.decoding.comparison import (
    initial_network,
    learning_rate,
    split_problem,
    three_parts,
    weights,
)
from rnnlimits.decoding.paths import chosen, network_path, step_grid
from rnnlimits.decoding.problem import predicted
from rnnlimits.experiments import Experiment
from rnnlimits.kernel.learning_curves import solve_descent

SHOWN, SEED = 6, 0


def run(recording: str, reaches: int) -> dict[str, Any]:
    """Return paths of the first test reaches of the longest length, axes (model, reach, bin, 2).

    The models are the hand itself, the network, the scaled and the plain convolution, all without
    their start and where validation stops them. A path is the sum of velocities from the last bin
    of the first window on, in standard deviations of the velocity times bins.
    """
    window = WINDOWS[recording[0]][-1]
    problem = split_problem(half(recording), window, reaches, SEED)
    rnn = initial_network(problem, PROTOCOL, SEED)
    rate = learning_rate(problem, PROTOCOL)
    steps, late = step_grid(PROTOCOL.clock), step_grid(PROTOCOL.longest)
    zero = torch.zeros_like(problem.loss.cross)
    descents = [
        network_path(rnn, problem.loss, rate, steps, False),
        *(
            solve_descent(zero, each, problem.loss, rate, late)
            for each in weights(problem, PROTOCOL)
        ),
    ]
    decoded = [predicted(path[chosen(path, problem.validation)], problem.test) for path in descents]
    true = problem.test.targets[problem.test.last]
    _, _, test = three_parts(half(recording), reaches, SEED)
    return {"paths": torch.stack([shown(test.reach, window, each) for each in (true, *decoded)])}


def shown(reach: Tensor, window: int, velocities: Tensor) -> Tensor:
    """Return the paths of the first reaches of the longest length."""
    sizes = (spans(reach).diff(dim=1).flatten() - window + 1).clamp(min=0)
    pieces = velocities.split(sizes.tolist())
    longest = int(sizes.max())
    whole = [piece.cumsum(dim=0) for piece in pieces if len(piece) == longest]
    return torch.stack(whole[:SHOWN])


EXPERIMENT = Experiment(
    name="decoded_reaches",
    configuration={**described(PROTOCOL), "seed": SEED, "recordings": CHECKSUMS},
    tasks=({"recording": "C2", "reaches": REACHES["C2"][-1]},),
    run=run,
    digits=4,
)
