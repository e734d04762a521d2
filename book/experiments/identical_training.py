"""Networks, their linearisations and the scaled convolution, trained on one task from one start.

Each seed has a teacher, data and noise of its own; each width a student of its own. Losses are mean
squared errors, whatever the normalisation of the loss that was descended.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnlimits.experiments import Experiment
from rnnlimits.kernel.learning_curves import expected_losses, solve_descent
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import SquaredLoss, loss_value, squared_loss
from rnnlimits.kernel.tangent import impulse_kernel
from rnnlimits.kernel.training import train
from rnnlimits.networks.linear import Variances, initialise
from rnnlimits.networks.teachers import label
from rnnlimits.random import normal, stream

WIDTHS, N_SEEDS = (64, 250, 1000), 24
HORIZON, N_SEQUENCES, TEACHER_WIDTH, SNR_DB = 10, 50, 4, 20.0
LEARNING_RATE = 1e-4  # of the half sum of squares
NU_W, NU_F, NU_C = 0.3, 1.0, 1.0
STEPS = (0, 1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 820, 1000)
VARIANCES = Variances(recurrent=NU_W, input=NU_F, readout=NU_C)


def task_data(seed: int) -> tuple[SquaredLoss, SquaredLoss]:
    """Return the losses on training and on test sequences of one teacher."""
    draw = stream(seed, "identical training: teacher and data")
    teacher = initialise(TEACHER_WIDTH, 1, 1, VARIANCES, draw)
    x = normal(draw, (2 * N_SEQUENCES, HORIZON, 1))
    y = label(teacher, x, draw, snr_db=SNR_DB).targets
    halves = zip(x.split(N_SEQUENCES), y.split(N_SEQUENCES), strict=True)
    train_loss, test_loss = (squared_loss(*half) for half in halves)
    return train_loss, test_loss


def mean_squares(responses: Tensor, losses: Sequence[SquaredLoss]) -> Tensor:
    """Return the mean squared errors: rows training and test, columns the recorded steps."""
    return torch.stack([2 * loss_value(responses, each) / each.n_terms for each in losses])


def run(width: int, seed: int, n_recorded: int = len(STEPS)) -> dict[str, Tensor]:
    """Train one student by all three models, up to one of the recorded steps."""
    steps = STEPS[:n_recorded]
    losses = task_data(seed)
    rho = lag_weights(HORIZON, VARIANCES)
    start = initialise(width, 1, 1, VARIANCES, stream(seed, "identical training: student", width))
    found = train(start, losses[0], LEARNING_RATE, steps).responses
    theta = impulse_kernel(start, HORIZON).total
    linear, limit = (
        solve_descent(found[0], kernel, losses[0], LEARNING_RATE, steps) for kernel in (theta, rho)
    )
    spread = NU_C * NU_F * NU_W ** torch.arange(HORIZON, dtype=torch.float64)
    expected = expected_losses(*losses, rho, spread, LEARNING_RATE, steps)
    expected = torch.stack([expected.train, expected.test]) * 2 / losses[0].n_terms
    gaps = [(found - linear), (linear - limit), (found - limit)]
    return {
        "network": mean_squares(found, losses),
        "linearised": mean_squares(linear, losses),
        "convolution": mean_squares(limit, losses),
        "expected": expected,
        "distances": torch.stack([gap.flatten(1).norm(dim=1) for gap in gaps]),
        "path": (limit - limit[0]).flatten(1).norm(dim=1),
        "target_power": torch.tensor([each.energy / each.n_terms for each in losses]),
    }


EXPERIMENT = Experiment(
    name="identical_training",
    configuration={
        "horizon": HORIZON,
        "learning_rate": LEARNING_RATE,
        "n_sequences": N_SEQUENCES,
        "nu_C": NU_C,
        "nu_F": NU_F,
        "nu_W": NU_W,
        "snr_db": SNR_DB,
        "steps": list(STEPS),
        "teacher_width": TEACHER_WIDTH,
    },
    tasks=tuple({"width": width, "seed": seed} for width in WIDTHS for seed in range(N_SEEDS)),
    run=run,
)
