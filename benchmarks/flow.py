"""Time a step of the mean-field flow against its matrix products and against autodiff.

PYTHONPATH=src python benchmarks/flow.py [--threads 2] [--rounds 5] [--quick]
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

from rnnlimits.meanfield.coupling import with_shares
from rnnlimits.meanfield.flow import integrate
from rnnlimits.networks.elman import ElmanNet, at_labels, equal_weights, unroll
from rnnlimits.networks.elman_risk import Population, moved, velocity
from rnnlimits.networks.runge_kutta import EULER
from rnnlimits.random import normal, stream

PRODUCTS = "the matrix products it needs"
STEP = 1.0
PEERS = ["torch, back-propagation", "jax, compiled back-propagation"]


def problem(n: int, window: int, n_windows: int) -> tuple[ElmanNet, Population]:
    """Return a network with independent weights, and windows of white noise."""
    draw = stream(0, "flow", n)
    net = ElmanNet(normal(draw, (n, 2)), normal(draw, (n, n)), normal(draw, (n,)), equal_weights(n))
    data = stream(0, "windows", n_windows)
    masses = equal_weights(n_windows)
    return net, Population(normal(data, (n_windows, window, 2)), normal(data, (n_windows,)), masses)


def flat(net: ElmanNet) -> Tensor:
    """Return all weights in one vector."""
    return torch.cat([net.recurrent.flatten(), net.input.flatten(), net.readout])


def products(net: ElmanNet, window: int, n_windows: int) -> Call:
    """Return a call of the products alone: forward, back, and the outer sums over time."""
    n = net.width
    state = normal(stream(0, "state"), (n_windows, n))
    history = normal(stream(0, "history"), ((window - 1) * n_windows, n))

    def call() -> None:
        for _ in range(window - 1):
            state @ net.recurrent.T
            state @ net.recurrent
        history.T @ history

    return call


def torch_step(net: ElmanNet, population: Population) -> Tensor:
    """Return the weights after a step, the gradient by torch's back-propagation."""
    n, p = net.width, net.weights
    blocks = (net.input, net.recurrent, net.readout)
    a, b, c = (block.clone().requires_grad_() for block in blocks)
    residual = unroll(a, b, c, p, population.x).output - population.targets
    (residual.square() @ population.probabilities / 2).backward()
    with torch.no_grad():
        return torch.cat(
            [
                (b - STEP * n**2 * b.grad).flatten(),
                (a - STEP * n * a.grad).flatten(),
                c - STEP * n * c.grad,
            ]
        )


def jax_step(net: ElmanNet, population: Population) -> Call:
    """Return a compiled call of the same step, through jax.lax.scan."""
    n = net.width

    def risk(a: Any, b: Any, c: Any, x: Any, y: Any, w: Any) -> Any:
        def move(h: Any, now: Any) -> tuple[Any, None]:
            return jnp.tanh(now @ a.T + h @ b.T / n), None

        h = jax.lax.scan(move, jnp.zeros((x.shape[0], n)), x.swapaxes(0, 1))[0]
        return w @ (h @ c / n - y) ** 2 / 2

    def step(a: Any, b: Any, c: Any, *data: Any) -> Any:
        g_a, g_b, g_c = jax.grad(risk, argnums=(0, 1, 2))(a, b, c, *data)
        return b - STEP * n**2 * g_b, a - STEP * n * g_a, c - STEP * n * g_c

    compiled = jax.jit(step)
    tensors = (net.input, net.recurrent, net.readout)
    data = (population.x, population.targets, population.probabilities)
    arrays = [jnp.asarray(tensor.numpy()) for tensor in (*tensors, *data)]

    def call() -> np.ndarray:
        return np.concatenate([np.asarray(block).ravel() for block in compiled(*arrays)])

    return call


def steps(n: int, window: int, n_windows: int, rounds: int) -> dict[str, Any]:
    """Time one step: ours, its products, and the peers'."""
    net, population = problem(n, window, n_windows)
    cases: Cases = {
        OURS: lambda: flat(moved(net, velocity(net, population), STEP)),
        PRODUCTS: products(net, window, n_windows),
        PEERS[0]: partial(torch_step, net, population),
        PEERS[1]: jax_step(net, population),
    }
    return group(f"step n={n}", cases, rounds, cases[OURS](), PEERS, n=n, L=window, N=n_windows)


def shared(n: int, atoms: int, rounds: int) -> dict[str, Any]:
    """Time a step of n neurons that share a few labels, through the shares and as a matrix."""
    small, population = problem(atoms, 6, 64)
    labels = torch.from_numpy(stream(0, "labels").integers(atoms, size=n))
    counts = torch.bincount(labels, minlength=atoms)
    cases: Cases = {
        OURS: lambda: integrate(with_shares(small, counts), population, STEP, 1, EULER).risk,
        "neuron by neuron": lambda: (
            integrate(at_labels(small, labels), population, STEP, 1, EULER).risk
        ),
    }
    return group(
        f"shares n={n}", cases, rounds, cases[OURS](), ["neuron by neuron"], n=n, atoms=atoms
    )


def run(rounds: int, threads: int, quick: bool) -> dict[str, Any]:
    """Return all groups with what one needs to know to read them."""
    widths = (32, 64) if quick else (128, 256, 512, 1024, 2048)
    return {
        **conditions(rounds, threads),
        "steps": [steps(n, 6, 64, rounds) for n in widths],
        "shares": [shared(n, 8, rounds) for n in widths],
    }


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(run, "flow", __doc__.splitlines()[0])
