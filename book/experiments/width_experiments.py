"""Learning curves of networks of many widths, from a smooth law of labels and from independent
recurrent weights.
"""

import itertools
import math
from typing import Any

import torch
from torch import Tensor

from rnnlimits.experiments import Experiment
from rnnlimits.meanfield.flow import integrate
from rnnlimits.networks.elman import ElmanNet, equal_weights
from rnnlimits.networks.elman_risk import Population
from rnnlimits.networks.measures import WeightFunctions, empirical, network
from rnnlimits.random import normal, stream

WIDTHS = (16, 32, 64, 128, 256, 512)
GRIDS = {"line": (0.2, 80, 1), "independent": (0.5, 160, 2)}  # step, steps, record every
SEEDS = {"line": 40, "independent": 20}
PRESENT, PAST = 1.0, 0.5  # weights of the inputs at lags 0 and 2 in the second task
INPUT, READOUT, VARIANCE = 0.8, 0.5, 1.0  # its start


def functions() -> WeightFunctions:
    """Return the start on a line of labels: three smooth functions."""
    return WeightFunctions(
        lambda w: torch.stack([torch.cos(math.pi * w[..., 0]), w[..., 0] - 0.5], dim=-1),
        lambda w, v: torch.cos(math.pi * (w - v / 2))[..., 0] + v[..., 0] / 2,
        lambda w: torch.exp(-w[..., 0]) - 0.25,
    )


def wheel() -> Population:
    """Return windows of six inputs seen on a wheel, and the input one moment ago as target."""
    angle = torch.arange(12, dtype=torch.float64)[:, None] / 12
    seen = torch.cos(2 * math.pi * (angle + 2**0.5 * torch.arange(-5, 1)))
    x = torch.stack([seen, torch.ones_like(seen)], dim=-1)
    return Population(x, seen[:, -2], equal_weights(12))


def signs() -> Population:
    """Return all windows of three signs, and as target a sum of the last and the first."""
    x = torch.tensor(list(itertools.product((1.0, -1.0), repeat=3)), dtype=torch.float64)
    return Population(x[..., None], PRESENT * x[:, 2] + PAST * x[:, 0], equal_weights(8))


def labels(width: int, seed: int) -> Tensor:
    """Return independent labels on the line."""
    draw = stream(seed, "width experiments", "line", width)
    return torch.from_numpy(draw.random((width, 1)))


def independent(width: int, seed: int) -> ElmanNet:
    """Return a network of equal neurons but for independent centred recurrent weights."""
    draw = stream(seed, "width experiments", "independent", width)
    ones = torch.ones(width, dtype=torch.float64)
    b = normal(draw, (width, width), VARIANCE)
    return ElmanNet(INPUT * ones[:, None], b, READOUT * ones, equal_weights(width))


def run(start: str, width: int, seed: int) -> dict[str, Any]:
    """Return the risk at equidistant times."""
    step, steps, every = GRIDS[start]
    if start == "line":
        net, over = network(functions(), empirical(labels(width, seed))), wheel()
    else:
        net, over = independent(width, seed), signs()
    return {"risk": integrate(net, over, step, steps, every=every).risk}


EXPERIMENT = Experiment(
    name="width_experiments",
    configuration={
        "grids": {name: list(grid) for name, grid in GRIDS.items()},
        "target": [PRESENT, PAST],
        "start": [INPUT, READOUT, VARIANCE],
    },
    tasks=tuple(
        {"start": s, "width": n, "seed": k} for s in SEEDS for n in WIDTHS for k in range(SEEDS[s])
    ),
    run=run,
    digits=4,
)
