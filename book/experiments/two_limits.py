"""How far features and kernels move, between the kernel's scaling and the mean-field one."""

from dataclasses import asdict
from itertools import product

import torch

from rnnlimits.experiments import Experiment
from rnnlimits.meanfield.flow import integrate
from rnnlimits.networks.elman import MEAN_FIELD, NTK, ElmanNet, Scaling, equal_weights
from rnnlimits.networks.elman_risk import Population
from rnnlimits.networks.runge_kutta import MIDPOINT
from rnnlimits.networks.scaling_family import alignment, between, movement, tangent_kernel
from rnnlimits.random import normal, stream

CONFIGURATION = {
    "gammas": [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0],
    "window": 4,
    "lag_of_the_family": 3,
    "lag_of_the_ends": 1,
    "time": 8.0,
    "n_steps": 80,
}


def population(lag: int, window: int = 4) -> Population:
    """Return the words of +1 and -1 that end in +1, equally likely, and an input of the past.

    A network without bias is odd, and so is the target: the other half of the words adds nothing.
    """
    words = torch.tensor(list(product([-1.0, 1.0], repeat=window - 1))).double()
    words = torch.cat([words, torch.ones(len(words), 1).double()], dim=1)
    return Population(words[..., None], words[:, -1 - lag], equal_weights(len(words)))


def start(width: int, seed: int, scaling: Scaling) -> ElmanNet:
    """Return a network with standard normal weights; the draw does not depend on the scaling."""
    draw = stream(seed, "two limits", width)
    a, b, c = (normal(draw, shape) for shape in ((width, 1), (width, width), (width,)))
    return ElmanNet(a, b, c, equal_weights(width), scaling=scaling)


def measured(width: int, seed: int, scaling: Scaling, lag: int) -> list[float]:
    """Return output, features, currents, kernel moved; alignments; risks."""
    net, over = start(width, seed, scaling), population(lag)
    steps = CONFIGURATION["n_steps"]
    path = integrate(net, over, CONFIGURATION["time"] / steps, steps, MIDPOINT, every=steps)
    end = path.at(-1)
    moved = asdict(movement(net, end, over))
    aligned = [alignment(tangent_kernel(each, over.x), over) for each in (net, end)]
    return [*moved.values(), *aligned, *path.risk.tolist()]


def run(width: int, seed: int) -> dict[str, object]:
    """Return the family, in the order of its exponents, and the two scalings at its ends."""
    family = [
        measured(width, seed, between(gamma), CONFIGURATION["lag_of_the_family"])
        for gamma in CONFIGURATION["gammas"]
    ]
    ends = [
        measured(width, seed, scaling, CONFIGURATION["lag_of_the_ends"])
        for scaling in (NTK, MEAN_FIELD)
    ]
    return {"family": torch.tensor(family), "ends": torch.tensor(ends)}


TASKS = tuple({"width": n, "seed": s} for n in (32, 64, 128, 256, 512) for s in range(12))
EXPERIMENT = Experiment("two_limits", CONFIGURATION, TASKS, run, digits=6)
