"""Time gradient steps and learning curves against the plain ways to get them, side by side.

PYTHONPATH=src python benchmarks/training.py [--threads 2] [--rounds 5] [--quick]
"""

import os
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import jax.numpy as jnp
import numpy as np
import torch
from measure import OURS, Call, Cases, conditions, group, main
from torch import Tensor

from rnnlimits.kernel.learning_curves import expected_losses, solve_descent
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import loss_value, squared_loss, white_loss
from rnnlimits.kernel.training import (
    _descend_in_place,
    _pull_back,
    descend,
    gradient,
    stability_limit,
)
from rnnlimits.networks.linear import LinearRNN, Variances, initialise, unroll
from rnnlimits.random import normal, stream

VARIANCES = Variances(recurrent=0.3, input=1.0, readout=1.0)
READS = "the reads and the write of W it needs"
RATE = 1e-6


def problem(n: int, horizon: int, n_sequences: int) -> tuple[LinearRNN, Tensor, Tensor]:
    """Return a network with one input and one output, and sequences of white noise."""
    rnn = initialise(n, 1, 1, VARIANCES, stream(0, "speed", n))
    draw = stream(0, "sequences", n_sequences)
    shape = (n_sequences, horizon, 1)
    return rnn, normal(draw, shape), normal(draw, shape)


def flat(rnn: LinearRNN) -> Tensor:
    """Return all entries in one vector."""
    return torch.cat([rnn.recurrent.flatten(), rnn.input.flatten(), rnn.readout.flatten()])


def torch_backward(rnn: LinearRNN, x: Tensor, y: Tensor) -> Tensor:
    """Return the gradient by back-propagation through time, as torch's users write it."""
    matrices = [p.clone().requires_grad_() for p in (rnn.recurrent, rnn.input, rnn.readout)]
    loss = ((unroll(*matrices, x) - y) ** 2).sum() / 2
    loss.backward()
    return torch.cat([p.grad.flatten() for p in matrices if p.grad is not None])


def jax_backward(rnn: LinearRNN, x: Tensor, y: Tensor) -> Call:
    """Return a compiled call of the same gradient, through jax.lax.scan."""

    def loss(W: Any, F: Any, C: Any, x: Any, y: Any) -> Any:
        scale = len(W) ** -0.5

        def step(h: Any, now: Any) -> tuple[Any, Any]:
            h = scale * (h @ W.T) + now @ F.T
            return h, scale * (h @ C.T)

        outputs = jax.lax.scan(step, jnp.zeros((x.shape[0], len(W))), x.swapaxes(0, 1))[1]
        return ((outputs.swapaxes(0, 1) - y) ** 2).sum() / 2

    compiled = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))
    tensors = (rnn.recurrent, rnn.input, rnn.readout, x, y)
    arrays = [jnp.asarray(tensor.numpy()) for tensor in tensors]

    def call() -> np.ndarray:
        return np.concatenate([np.asarray(block).ravel() for block in compiled(*arrays)])

    return call


def gradients(
    n: int, horizon: int, n_sequences: int, rounds: int, peers: bool = True
) -> dict[str, Any]:
    """Time one full-batch gradient: ours from the statistics of the data, the peers' from it."""
    rnn, x, y = problem(n, horizon, n_sequences)
    loss = squared_loss(x, y)
    cases: Cases = {OURS: lambda: flat(gradient(rnn, loss))}
    if peers:
        cases["torch, back-propagation"] = partial(torch_backward, rnn, x, y)
        cases["jax, compiled back-propagation"] = jax_backward(rnn, x, y)
    cases["statistics, once for all steps"] = partial(squared_loss, x, y)
    return group(f"gradient n={n} T={horizon} N={n_sequences}", cases, rounds, cases[OURS](),
                 [name for name in cases if "back-propagation" in name],
                 n=n, T=horizon, N=n_sequences)


def torch_step(rnn: LinearRNN, x: Tensor, y: Tensor) -> Call:
    """Return a step of plain gradient descent by torch's own optimiser."""
    matrices = [p.clone().requires_grad_() for p in (rnn.recurrent, rnn.input, rnn.readout)]
    optimiser = torch.optim.SGD(matrices, lr=RATE)

    def call() -> None:
        optimiser.zero_grad()
        (((unroll(*matrices, x) - y) ** 2).sum() / 2).backward()
        optimiser.step()

    return call


def our_step(rnn: LinearRNN, x: Tensor, y: Tensor) -> Call:
    """Return a step of training as `train` takes it, on a network of its own."""
    loss = squared_loss(x, y)
    mine = LinearRNN(rnn.recurrent.clone(), rnn.input.clone(), rnn.readout.clone())
    return lambda: _descend_in_place(mine, _pull_back(mine, loss), RATE)


def steps(n: int, horizon: int, rounds: int, peers: bool = True) -> dict[str, Any]:
    """Time a step of training against the peer's, and against the traffic of W that it needs."""
    rnn, x, y = problem(n, horizon, 50)
    W = rnn.recurrent.clone()

    def traffic() -> None:
        for _ in range(2 * (horizon - 1)):
            W.sum()
        W.mul_(1.0)

    cases: Cases = {OURS: our_step(rnn, x, y), READS: traffic}
    if peers:
        cases["torch, back-propagation"] = torch_step(rnn, x, y)
    return group(f"step n={n} T={horizon}", cases, rounds, n=n, T=horizon, N=50)


def curves(horizon: int, n_steps: int, rounds: int) -> dict[str, Any]:
    """Time the curve of the limit in closed form against taking its steps."""
    x = normal(stream(0, "curve"), (2 * horizon, horizon, 1))
    truth = normal(stream(0, "truth"), (horizon, 1, 1))
    y = normal(stream(0, "targets"), (2 * horizon, horizon, 1))
    train_loss, test_loss = squared_loss(x, y), white_loss(truth)
    rho = lag_weights(horizon, VARIANCES)
    starts = VARIANCES.recurrent ** torch.arange(horizon, dtype=torch.float64)
    rate = 0.5 * stability_limit(rho, train_loss)
    at = sorted({round(10 ** (k / 40)) for k in range(41 * 40)} & set(range(n_steps + 1)))
    start = torch.zeros_like(truth)
    problem = rho, train_loss, rate, at
    cases: Cases = {
        OURS: lambda: loss_value(solve_descent(start, *problem), test_loss),
        "ours, expected over starts": lambda: expected_losses(
            train_loss, test_loss, rho, starts, rate, at
        ).test,
        "taking the steps": lambda: loss_value(descend(start, *problem), test_loss),
    }
    return group(f"curve T={horizon} steps={n_steps}", cases, rounds, cases[OURS](),
                 ["taking the steps"], T=horizon, steps=n_steps, points=len(at))


def run(rounds: int, threads: int, quick: bool) -> dict[str, Any]:
    """Return all groups with what one needs to know to read them."""
    n, horizon = (100, 5) if quick else (1000, 10)
    few = min(rounds, 3)
    return {
        **conditions(rounds, threads),
        "gradient": gradients(n, horizon, 50, rounds),
        "gradient over width": [gradients(m, horizon, 50, few) for m in (n // 16, n // 4, 4 * n)],
        "gradient over sequences": [
            gradients(n, horizon, m, few) for m in ((2, 10) if quick else (2, 10, 50, 250, 1000))
        ],
        "a recording": gradients(n, horizon, 500 if quick else 61_339, few, peers=False),
        "steps": [steps(n, horizon, rounds), steps(10 * n, horizon, few, peers=False)],
        "curves": [curves(20 if quick else 100, m, rounds)
                   for m in ((100, 200) if quick else (100, 1000, 10_000, 100_000))],
    }


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(run, "training", __doc__.splitlines()[0])
