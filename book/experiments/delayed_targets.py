"""A teacher's outputs, delayed: network, linearised network, scaled and plain convolution."""

from typing import Any

import torch
from torch import Tensor

from rnnlimits.experiments import Experiment
from rnnlimits.kernel.learning_curves import solve_descent
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import SquaredLoss, loss_value, squared_loss
from rnnlimits.kernel.tangent import impulse_kernel
from rnnlimits.kernel.training import train
from rnnlimits.networks.linear import Variances, impulse_response, initialise
from rnnlimits.networks.teachers import label
from rnnlimits.random import normal, stream

WIDTH, TEACHER_WIDTH, HORIZON, SEQUENCES = 1000, 4, 20, 50
VARIANCES = Variances(recurrent=0.3, input=1.0, readout=1.0)
SNR_DB, LEARNING_RATE = 20.0, 1e-4
STEPS = (0, 10, 30, 100, 300, 1000)
DELAYS, SEEDS = (0, 2, 4, 6, 8, 10), 20


def run(delay: int, seed: int, last: int = STEPS[-1]) -> dict[str, Any]:
    """Train all four from one start, up to step ``last``; errors and distances on test sequences.

    Both are mean squares divided by that of the clean targets. Teacher, inputs, noise and student
    depend on the seed alone, so that delays are compared on the same draws.
    """
    steps = [step for step in STEPS if step <= last]
    train_loss, test_loss, power = data(delay, seed)
    student = initialise(WIDTH, 1, 1, VARIANCES, stream(seed, "student"))
    start = impulse_response(student, HORIZON)
    kernels = {
        "linearised": impulse_kernel(student, HORIZON).total,
        "scaled": lag_weights(HORIZON, VARIANCES),
        "plain": torch.ones(HORIZON, dtype=start.dtype),
    }
    responses = {
        name: solve_descent(start, kernel, train_loss, LEARNING_RATE, steps)
        for name, kernel in kernels.items()
    }
    responses["network"] = train(student, train_loss, LEARNING_RATE, steps).responses
    found = {name: loss_value(L, test_loss) / power for name, L in responses.items()}
    pairs = {"features": ("network", "linearised"), "fluctuation": ("linearised", "scaled")}
    for name, (a, b) in {**pairs, "both": ("network", "scaled")}.items():
        apart = (responses[a] - responses[b])[1:]  # they start together
        found[name] = mean_square(apart, test_loss) / power
    return found


def data(delay: int, seed: int) -> tuple[SquaredLoss, SquaredLoss, float]:
    """Return training loss (half sum), test loss (mean), and the power of clean test targets."""
    teacher = initialise(TEACHER_WIDTH, 1, 1, VARIANCES, stream(seed, "teacher"))
    losses, power = [], 0.0
    for part, normalisation in (("train", "half sum"), ("test", "mean")):
        draw = stream(seed, part)
        x = normal(draw, (SEQUENCES, HORIZON, 1))
        labels = label(teacher, x, draw, snr_db=SNR_DB, delay=delay)
        losses.append(squared_loss(x, labels.targets, normalisation))
        power = float((labels.clean**2).mean())
    return losses[0], losses[1], power


def mean_square(response: Tensor, loss: SquaredLoss) -> Tensor:
    """Return the mean square output of impulse responses on the inputs of a mean loss."""
    return torch.einsum("skoi,kiaj,saoj->s", response, loss.gram, response) / 2


EXPERIMENT = Experiment(
    name="delayed_targets",
    configuration={
        "width": WIDTH,
        "teacher_width": TEACHER_WIDTH,
        "horizon": HORIZON,
        "sequences": SEQUENCES,
        "variances": [VARIANCES.recurrent, VARIANCES.input, VARIANCES.readout],
        "snr_db": SNR_DB,
        "learning_rate": LEARNING_RATE,
        "normalisation": "half sum",
        "steps": list(STEPS),
    },
    tasks=tuple({"delay": d, "seed": s} for d in DELAYS for s in range(SEEDS)),
    run=run,
)
