"""M1 of animal M decoded by networks of several widths, beside the convolution that is their limit.

Fixed before the run: with the start taken off, after the common number of steps, the mean square
distance between their predictions falls like one over the width. If the columns of the input
matrix, which at finite width are only nearly orthogonal, are what keeps the network apart,
orthogonal columns take most of it away.
"""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from experiments._recordings import CHECKSUMS, PROTOCOL, REACHES, WINDOWS, described, half
from rnnlimits.decoding.comparison import (
    convolution_paths,
    initial_network,
    learning_rate,
    split_problem,
)
from rnnlimits.decoding.paths import network_path, step_grid
from rnnlimits.decoding.problem import predicted, r_squared
from rnnlimits.experiments import Experiment

SPLITS = 6
WIDTHS = (4000, 2000, 1000, 500)
WINDOW = WINDOWS["M"][-1]


def orthogonal_columns(
    matrix: Float[Tensor, "n i"],
    variance: float,
) -> Float[Tensor, "n i"]:
    """Return the matrix with F'F = n variance that is nearest: the polar factor, to scale."""
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    return (len(matrix) * variance) ** 0.5 * left @ right


def run(recording: str, width: int, columns: str) -> dict[str, Any]:
    """Return, for every split, how much the network explains more than the convolution, and the
    mean square distance of their predictions on the test windows, in variances of velocity.
    """
    data, protocol = half(recording), replace(PROTOCOL, width=width)
    steps, reaches = step_grid(protocol.clock), REACHES[recording][-1]
    more, apart = [], []
    for seed in range(SPLITS):
        problem = split_problem(data, WINDOW, reaches, seed)
        rnn = initial_network(problem, protocol, width + seed)  # no two widths share a draw
        if columns == "orthogonal":
            even = orthogonal_columns(rnn.input, protocol.variances.input)
            rnn = replace(rnn, input=even)
        rate = learning_rate(problem, protocol)
        network = network_path(rnn, problem.loss, rate, (0, steps[-1]), False)[-1]
        zero = torch.zeros_like(network)
        limit = convolution_paths(problem, protocol, zero)[0, len(steps) - 1]
        pair = torch.stack([network, limit])
        scores = r_squared(pair, problem.test).mean(dim=-1)
        gap = predicted(network - limit, problem.test)
        more.append(scores[0] - scores[1])
        apart.append(gap.square().mean())
    return {"more": torch.stack(more), "apart": torch.stack(apart)}


EXPERIMENT = Experiment(
    name="decoding_widths",
    configuration={
        **{name: value for name, value in described(PROTOCOL).items() if name != "width"},
        "window": WINDOW,
        "splits": SPLITS,
        "recordings": CHECKSUMS,
    },
    tasks=tuple(
        {"recording": recording, "width": width, "columns": columns}
        for width in WIDTHS
        for columns in ("drawn", "orthogonal")
        for recording in ("M1", "M2")
        if width < WIDTHS[0] or columns == "drawn"
    ),
    run=run,
    digits=4,
)
