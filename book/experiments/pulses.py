"""How long a linear network takes to learn to remember a pulse, along the family of scalings."""

import numpy as np
import torch

from rnnlimits.experiments import Experiment
from rnnlimits.networks import pulse
from rnnlimits.networks.linear import Variances, initialise
from rnnlimits.random import stream

GAMMAS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
VARIANCES = Variances(recurrent=0.3, input=1.0, readout=1.0)
WIDTHS, LAGS, SEEDS = (64, 128, 256, 512), (2, 4, 6, 8, 10, 12, 16), 8
CONFIGURATION = {"gammas": list(GAMMAS), "variances": [0.3, 1.0, 1.0]}


def run(width: int, lag: int, seed: int) -> dict[str, object]:
    """Return times to halve the residual, a bound on each, kernels at the start and at the end."""
    draw = stream(seed, "pulses", width)
    rnn = initialise(width, 1, 1, VARIANCES, draw)
    curve, nu = pulse.ascend(rnn, lag), VARIANCES.recurrent
    sizes = pulse.start_sizes(rnn, lag, nu)
    first, half = float(curve.f[0]), width**-0.5
    bounds = [
        pulse.least_time(sizes, lag, nu, width, g, 1 - width ** (1 - g) * first) for g in GAMMAS
    ]
    near = int((curve.f > half / 2).nonzero()[0])
    return {
        "times": np.array([pulse.time_to_halve(curve, g) for g in GAMMAS]),
        "bounds": np.array(bounds),
        "sizes": np.array([sizes.vectors, sizes.powers]),
        "start": torch.stack([curve.f[0], curve.kernel[0]]),
        "near": torch.stack([curve.f[near], curve.kernel[near]]),
        "end": torch.stack([curve.f[-1], curve.kernel[-1]]),
    }


TASKS = tuple(
    {"width": n, "lag": lag, "seed": s} for n in WIDTHS for lag in LAGS for s in range(SEEDS)
)
EXPERIMENT = Experiment("pulses", CONFIGURATION, TASKS, run, digits=6)
