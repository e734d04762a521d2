"""Time the tangent kernels of linear recurrent networks against their peers, side by side.

Every case of a group runs once in every round, in an order that turns from round to round, so
that a slow spell of the machine falls on all of them. A ratio is taken within a round; its
spread is over rounds. Before any timing, every peer's kernel is compared with ours.

    PYTHONPATH=src python benchmarks/speed.py [--threads 2] [--rounds 5] [--quick]
"""

import os
import statistics
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # neural-tangents imports TensorFlow

import jax
import jax.numpy as jnp
import neural_tangents
import numpy as np
import torch
from measure import OURS, Call, Cases, conditions, group, main
from torch import Tensor
from torch.func import jacrev, jvp, vjp, vmap

from rnnlimits.kernel import limit, tangent
from rnnlimits.networks.convolution import delayed
from rnnlimits.networks.linear import LinearRNN, Variances, initialise
from rnnlimits.random import normal, stream

VARIANCES = Variances(recurrent=0.9, input=1.0, readout=1.0)


# The peers ---------------------------------------------------------------------------------------
#
# Each is given the recurrence as its own users would write it; parameters and data are ours.


def torch_outputs(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
    """Return the outputs at all times, axes [..., time, output], for torch.func."""
    W, F, C = parameters["W"], parameters["F"], parameters["C"]
    scale = len(W) ** -0.5
    h, y = x.new_zeros(*x.shape[:-2], len(W)), []
    for t in range(x.shape[-2]):
        h = scale * (h @ W.T) + x[..., t, :] @ F.T
        y.append(scale * (h @ C.T))
    return torch.stack(y, -2)


def torch_jacobian_contraction(rnn: LinearRNN, x: Tensor, chunk: int | None) -> Tensor:
    """Return the kernel as torch.func's tutorial has it: the Jacobian by sequence, contracted."""
    parameters = {"W": rnn.recurrent, "F": rnn.input, "C": rnn.readout}
    jacobian = vmap(jacrev(torch_outputs), (None, 0), chunk_size=chunk)(parameters, x)
    rows = [block.flatten(0, 2).flatten(1) for block in jacobian.values()]
    return sum((J @ J.T for J in rows), torch.zeros((), dtype=x.dtype))


def torch_vector_products(rnn: LinearRNN, x: Tensor, chunk: int | None) -> Tensor:
    """Return the kernel by products with unit vectors: pull one output back, push on all."""
    parameters = {"W": rnn.recurrent, "F": rnn.input, "C": rnn.readout}

    def column(unit: Tensor, sequence: Tensor) -> Tensor:
        _, pull = vjp(lambda p: torch_outputs(p, sequence), parameters)
        return jvp(lambda p: torch_outputs(p, x), (parameters,), pull(unit))[1]

    units = torch.eye(x.shape[1], dtype=x.dtype).repeat(len(x), 1)[..., None]
    return vmap(column, chunk_size=chunk)(units, x.repeat_interleave(x.shape[1], 0))


def jax_loop(parameters: dict[str, Any], x: Any) -> Any:
    """Return the outputs by an unrolled loop, for neural-tangents."""
    W, F, C = parameters["W"], parameters["F"], parameters["C"]
    scale = len(W) ** -0.5
    h, y = jnp.zeros((x.shape[0], len(W))), []
    for t in range(x.shape[1]):
        h = scale * (h @ W.T) + x[:, t] @ F.T
        y.append(scale * (h @ C.T))
    return jnp.stack(y, 1)


def jax_scan(parameters: dict[str, Any], x: Any) -> Any:
    """Return the same outputs by jax.lax.scan."""
    W, F, C = parameters["W"], parameters["F"], parameters["C"]
    scale = len(W) ** -0.5

    def step(h: Any, now: Any) -> tuple[Any, Any]:
        h = scale * (h @ W.T) + now @ F.T
        return h, scale * (h @ C.T)

    return jax.lax.scan(step, jnp.zeros((x.shape[0], len(W))), x.swapaxes(0, 1))[1].swapaxes(0, 1)


def jax_kernel(
    rnn: LinearRNN, x: Tensor, network: Callable[..., Any], implementation: int, by_sequence: bool
) -> Call:
    """Return a compiled call of neural-tangents' kernel, axes (sequence, time) twice."""
    kernel = jax.jit(neural_tangents.empirical_ntk_fn(
        network, trace_axes=(), vmap_axes=0 if by_sequence else None, implementation=implementation
    ))
    tensors = {"W": rnn.recurrent, "F": rnn.input, "C": rnn.readout}
    parameters = {name: jnp.asarray(tensor.numpy()) for name, tensor in tensors.items()}
    data = jnp.asarray(x.numpy())
    # its axes: sequence, sequence, time, time, output, output
    return lambda: kernel(data, None, parameters).block_until_ready().transpose(0, 2, 1, 3, 4, 5)


def peers(rnn: LinearRNN, x: Tensor, structured: bool = False) -> dict[str, Cases]:
    """Return for every method the settings it can be run with."""
    horizon = x.shape[1]
    methods: dict[str, Cases] = {
        "torch.func, Jacobian contraction": {
            f"{chunk or 'all'} sequences at once":
                partial(torch_jacobian_contraction, rnn, x, chunk)
            for chunk in (1, 2, None)
        },
        "torch.func, vector products": {
            f"{chunk} outputs at once": partial(torch_vector_products, rnn, x, chunk)
            for chunk in (horizon // 2, 2 * horizon, len(x) * horizon)
        },
    }
    names = {1: "Jacobian contraction", 2: "vector products", 3: "structured derivatives"}
    for number, name in names.items():
        if number < 3 or structured:
            methods[f"neural-tangents, {name}"] = {
                f"{network.__name__[4:]}, {'by sequence' if by_sequence else 'by batch'}":
                    jax_kernel(rnn, x, network, number, by_sequence)
                for network in (jax_scan, jax_loop) for by_sequence in (True, False)
            }
    return methods


def tune(sizes: tuple[int, int, int], rounds: int, structured: bool = False) -> dict[str, Any]:
    """Time every setting of every method, and name the fastest of each method."""
    rnn, x = problem(*sizes)
    report: dict[str, Any] = {"sizes": dict(zip(("n", "T", "N"), sizes, strict=True))}
    report["seconds"], report["best"] = {}, {}
    reference = tangent.tangent_kernel(rnn, x, x)
    for method, settings in peers(rnn, x, structured).items():
        timed = group(f"settings of {method}", settings, rounds, reference, list(settings))
        report["seconds"][method] = timed["seconds"]
        middle = {name: statistics.median(s) for name, s in timed["seconds"].items()}
        report["best"][method] = min(middle, key=middle.__getitem__)
    return report


def best_peers(rnn: LinearRNN, x: Tensor, best: dict[str, str]) -> Cases:
    """Return every method at the setting that was its fastest."""
    methods = peers(rnn, x)
    names = {method: list(settings) for method, settings in methods.items()}
    known = {m: best[m] if best[m] in names[m] else names[m][0] for m in methods}
    return {method: methods[method][setting] for method, setting in known.items()}


# The groups --------------------------------------------------------------------------------------


def problem(n: int, horizon: int, n_sequences: int) -> tuple[LinearRNN, Tensor]:
    """Return a network with one input and one output, and sequences of white noise."""
    rnn = initialise(n, 1, 1, VARIANCES, stream(0, "speed", n))
    return rnn, normal(stream(0, "sequences"), (n_sequences, horizon, 1))


def network_kernel(
    n: int, horizon: int, n_sequences: int, rounds: int, best: dict[str, str]
) -> dict[str, Any]:
    """Time our kernel of a network of finite width against every method at its best setting."""
    rnn, x = problem(n, horizon, n_sequences)
    cases: Cases = {OURS: partial(tangent.tangent_kernel, rnn, x, x)} | best_peers(rnn, x, best)
    reference = cases[OURS]()
    return group(f"network n={n} T={horizon} N={n_sequences}", cases, rounds, reference,
                 [name for name in cases if name != OURS], n=n, T=horizon, N=n_sequences)


def parts(n: int, horizon: int, n_sequences: int, rounds: int) -> dict[str, Any]:
    """Time the part of our kernel that sees the width, and the part that sees the data."""
    rnn, x = problem(n, horizon, n_sequences)
    theta = tangent.impulse_kernel(rnn, horizon).total
    cases: Cases = {
        "width": lambda: tangent.impulse_kernel(rnn, horizon).total,
        "data": partial(tangent.kernel_on_data, theta, x, x),
        "together": partial(tangent.tangent_kernel, rnn, x, x),
    }
    return group(f"parts n={n} T={horizon} N={n_sequences}", cases, rounds,
                 n=n, T=horizon, N=n_sequences)


def reads(n: int, horizon: int, rounds: int) -> dict[str, Any]:
    """Time our kernel against one read of W per lag, at the speed of W.sum()."""
    rnn, x = problem(n, horizon, 1)

    def read() -> None:
        for _ in range(horizon - 1):
            rnn.recurrent.sum()

    cases: Cases = {OURS: partial(tangent.tangent_kernel, rnn, x, x), "one read of W per lag": read}
    return group(f"reads n={n} T={horizon}", cases, rounds, n=n, T=horizon, N=1)


def einsum_by_lag(x: Tensor, rho: Tensor) -> Tensor:
    """Return the limit kernel by one einsum for every lag, added up."""
    n_sequences, horizon, _ = x.shape
    kernel = x.new_zeros(n_sequences, horizon, n_sequences, horizon)
    for j in range(horizon):
        past = x[:, : horizon - j]
        kernel[:, j:, :, j:] += rho[j] * torch.einsum("ati,bsi->atbs", past, past)
    return kernel


def numpy_einsum(x: Tensor, rho: Tensor) -> np.ndarray:
    """Return the limit kernel by one numpy.einsum over windows, lags weighted beforehand."""
    windows = delayed(x, x.shape[1]).numpy()
    weighted = windows * rho.numpy()[:, None]
    return np.einsum("atji,bsji->atbs", weighted, windows)


def width_limit(horizon: int, n_sequences: int, rounds: int, slow: bool) -> dict[str, Any]:
    """Time the limit kernel against sums over lags, and against filling an array of its size."""
    _, x = problem(1, horizon, n_sequences)
    rho = limit.lag_weights(horizon, VARIANCES)
    shape = (n_sequences, horizon) * 2
    cases: Cases = {
        "filling": partial(torch.full, shape, 1.5, dtype=x.dtype),
        OURS: partial(limit.limit_kernel, x, x, VARIANCES),
        "one matrix product": partial(limit.convolution_kernel, x, x, rho),
    }
    if slow:
        cases["torch.einsum, lag by lag"] = partial(einsum_by_lag, x, rho)
        cases["numpy.einsum over lags"] = partial(numpy_einsum, x, rho)
    compared = [name for name in cases if name not in ("filling", OURS)]
    return group(f"limit T={horizon} N={n_sequences}", cases, rounds, cases[OURS](), compared,
                 T=horizon, N=n_sequences)


# The run -----------------------------------------------------------------------------------------


def run(rounds: int, threads: int, quick: bool) -> dict[str, Any]:
    """Return all groups with what one needs to know to read them."""
    n, horizon, n_sequences = (100, 6, 4) if quick else (1000, 20, 10)
    tuned = tune((50 if quick else 200, horizon, n_sequences), 2)
    best = tuned["best"]
    network = partial(network_kernel, horizon=horizon, n_sequences=n_sequences, best=best)
    total = 25 if quick else 50  # the limit kernel over the horizon has this many sequences at 50
    return {
        **conditions(rounds, threads),
        "settings": tuned,
        "structured": tune((50, 4, 3) if quick else (200, 5, 10), 2, structured=True),
        "network": network(n, rounds=rounds),
        "over width": [network(m, rounds=rounds) for m in (n // 32, n // 8, n // 4, n // 2)],
        "over sequences": [parts(n, horizon, m, rounds) for m in (2, 10, 50, 250)],
        "over horizon": [parts(n, m, n_sequences, rounds) for m in (10, 20, 50, 100)],
        "reads": [reads(m, 100, min(rounds, 3)) for m in ((500,) if quick else (1000, 10_000))],
        "limit": width_limit(20 if quick else 100, total, min(rounds, 3), slow=True),
        "limit over horizon": [
            width_limit(m, max(1, 50 * total // m), rounds, slow=False)
            for m in ((25, 100) if quick else (25, 50, 100, 250, 500, 1250))
        ],
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the peers' own deprecations
    jax.config.update("jax_enable_x64", True)
    main(run, "speed", __doc__.splitlines()[0])
