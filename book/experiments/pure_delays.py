"""Steps to learn a single lag: trained network, network linearised at its start, limit."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnlimits.experiments import Experiment
from rnnlimits.kernel.learning_curves import solve_descent
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import SquaredLoss, white_loss
from rnnlimits.kernel.tangent import impulse_kernel
from rnnlimits.kernel.training import stability_limit, train
from rnnlimits.networks.linear import LinearRNN, Variances, impulse_response, initialise
from rnnlimits.random import stream

HORIZON, SHARE = 20, 0.25  # learning rate as a share of the limit's stability limit
VARIANCES = Variances(recurrent=0.3, input=1.0, readout=1.0)
WIDTHS, DELAYS, SEEDS = (64, 128, 256), (2, 4, 6, 8, 10, 12), 8
CHUNK, LONGEST = 1.03, 60000


def run(width: int, delay: int, seed: int) -> dict[str, Any]:
    """Return the first recorded step at which half of the error at the lag is gone.

    White inputs, target 1 at the lag ``delay`` and 0 at all others. Steps are recorded at
    intervals of three per cent; a network that needs more than LONGEST counts as that.
    """
    target = torch.zeros(HORIZON, 1, 1, dtype=torch.float64)
    target[delay] = 1.0
    loss, rho = white_loss(target), lag_weights(HORIZON, VARIANCES)
    rate = SHARE * stability_limit(rho, loss)
    rnn = initialise(width, 1, 1, VARIANCES, stream(seed, "pure delays", width))
    start, theta = impulse_response(rnn, HORIZON), impulse_kernel(rnn, HORIZON).total
    grid = sorted({int(step) for step in np.geomspace(1, 1e9, 701)})
    found: dict[str, Any] = {
        name: halved(solve_descent(start, kernel, loss, rate, [0, *grid]), delay, [0, *grid])
        for name, kernel in (("linearised", theta), ("limit", rho))
    }
    return {**found, "network": trained(rnn, loss, rate, delay)}


def halved(path: Tensor, delay: int, steps: list[int]) -> int:
    """Return the first of the steps at which half of the error at the start is gone."""
    error = (path[:, delay, 0, 0] - 1).abs()
    return steps[int((error <= error[0] / 2).nonzero()[0])]


def trained(rnn: LinearRNN, loss: SquaredLoss, rate: float, delay: int) -> int:
    """Return the same for gradient descent on the network itself."""
    start = float((impulse_response(rnn, HORIZON)[delay] - 1).abs())
    step = 0
    while step < LONGEST:
        more = max(1, int((CHUNK - 1) * step))
        after = train(rnn, loss, rate, [more])
        rnn, step = after.rnn, step + more
        if float((after.responses[0, delay] - 1).abs()) <= start / 2:
            break
    return step


EXPERIMENT = Experiment(
    name="pure_delays",
    configuration={
        "horizon": HORIZON,
        "variances": [VARIANCES.recurrent, VARIANCES.input, VARIANCES.readout],
        "share_of_stability_limit": SHARE,
        "longest": LONGEST,
    },
    tasks=tuple(
        {"width": n, "delay": d, "seed": s} for n in WIDTHS for d in DELAYS for s in range(SEEDS)
    ),
    run=run,
)
