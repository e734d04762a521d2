"""What keeps a network of width 1000 from its limit on M1 of animal M: its kernel, mended in parts.

Descent with the kernel that the network has at its start, of which some Gram matrices are set to
their limit; the same draws, splits and distances as in `decoding_widths`. Not blind: a look at
four such runs came first.
"""

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
from rnnlimits.decoding.paths import step_grid
from rnnlimits.decoding.problem import predicted
from rnnlimits.experiments import Experiment
from rnnlimits.kernel.loss import SquaredLoss, loss_gradient
from rnnlimits.kernel.tangent import kernel_of_grams, krylov_grams

SPLITS = 6
WINDOW = WINDOWS["M"][-1]
MENDED = ("nothing", "columns of F", "all inputs", "readouts")


def grams_in_the_limit(
    gram: Float[Tensor, "lags k lags k"],
    variance: float,
    recurrent: float,
) -> Float[Tensor, "lags k lags k"]:
    """Return what a Gram matrix of Krylov columns tends to: blocks variance recurrent^lag I."""
    lags, size = gram.shape[:2]
    falls = variance * recurrent ** torch.arange(
        lags,
        dtype=gram.dtype,
    )
    eye = torch.eye(size, dtype=gram.dtype)
    return torch.einsum("ab,ij->aibj", falls.diag(), eye)


def descended(
    kernel: Float[Tensor, "lags o i lags o i"],
    loss: SquaredLoss,
    rate: float,
    steps: int,
) -> Float[Tensor, "lags o i"]:
    """Return the response that descent with one kernel reaches from zero."""
    matrix = kernel.flatten(3).flatten(0, 2)
    response = torch.zeros_like(loss.cross)
    for _ in range(steps):
        slope = loss_gradient(response, loss).flatten()
        response = response - rate * (matrix @ slope).view_as(response)
    return response


def run(recording: str, mended: str) -> dict[str, Any]:
    """Return, for every split, the mean square distance of predictions from the limit's."""
    data, variances, apart = half(recording), PROTOCOL.variances, []
    for seed in range(SPLITS):
        problem = split_problem(data, WINDOW, REACHES[recording][-1], seed)
        rnn = initial_network(problem, PROTOCOL, PROTOCOL.width + seed)
        U, V = krylov_grams(rnn, WINDOW)
        limit_of_U = grams_in_the_limit(U, variances.input, variances.recurrent)
        if mended == "all inputs":
            U = limit_of_U
        elif mended == "columns of F":
            U[0, :, 0] = limit_of_U[0, :, 0]
        elif mended == "readouts":
            V = grams_in_the_limit(V, variances.readout, variances.recurrent)
        rate, steps = learning_rate(problem, PROTOCOL), step_grid(PROTOCOL.clock)
        kernel = kernel_of_grams(U, V).total
        found = descended(kernel, problem.loss, rate, steps[-1])
        zero = torch.zeros_like(found)
        limit = convolution_paths(problem, PROTOCOL, zero)[0, len(steps) - 1]
        apart.append(predicted(found - limit, problem.test).square().mean())
    return {"apart": torch.stack(apart)}


EXPERIMENT = Experiment(
    name="decoding_kernels",
    configuration={
        **described(PROTOCOL),
        "window": WINDOW,
        "splits": SPLITS,
        "recordings": CHECKSUMS,
    },
    tasks=tuple(
        {"recording": recording, "mended": mended}
        for mended in MENDED
        for recording in ("M1", "M2")
    ),
    run=run,
    digits=4,
)
