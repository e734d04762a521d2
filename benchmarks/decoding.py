"""Time a gradient of a decoder on a short and on a full-length recording.

PYTHONPATH=src python benchmarks/decoding.py [--threads 2] [--rounds 5] [--quick]
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from measure import OURS, Call, Cases, conditions, group, main
from torch import Tensor

from rnnlimits.data.reaches import lagged_moments, standardisation, windows_of
from rnnlimits.data.simulated import simulated_s1
from rnnlimits.kernel.loss import SquaredLoss
from rnnlimits.kernel.training import gradient
from rnnlimits.networks.linear import LinearRNN, Variances, initialise
from rnnlimits.random import stream

LENGTH, WIDTH = 15, 1000
PEER = "torch, back-propagation through windows"


def flat(rnn: LinearRNN) -> Tensor:
    """Return all parts of a gradient in one vector."""
    return torch.cat([rnn.recurrent.flatten(), rnn.input.flatten(), rnn.readout.flatten()])


def through_windows(rnn: LinearRNN, windows: Tensor, targets: Tensor) -> Tensor:
    """Return the gradient by torch, through a state for every window."""
    blocks = (rnn.recurrent, rnn.input, rnn.readout)
    W, F, C = (block.clone().requires_grad_() for block in blocks)
    scale = rnn.width**-0.5
    h = torch.zeros(len(windows), rnn.width, dtype=windows.dtype)
    for t in range(windows.shape[1]):
        h = scale * h @ W.T + windows[:, t] @ F.T
    ((scale * h @ C.T - targets) ** 2).mean().backward()
    return torch.cat([W.grad.flatten(), F.grad.flatten(), C.grad.flatten()])


def network(width: int, n_inputs: int) -> LinearRNN:
    """Return the network that is trained."""
    return initialise(width, n_inputs, 2, Variances(0.3, 1.0, 1.0), stream(0, "network"))


def loss_of(bins: int) -> tuple[Call, SquaredLoss]:
    """Return a call that sums the moments of a recording of so many bins, and their loss."""
    made = simulated_s1(stream(0, "benchmark"), bins)
    inputs = standardisation(made.counts, made.reach).applied(made.counts)
    moments = partial(lagged_moments, inputs, made.velocities, LENGTH, made.reach, "mean")
    return lambda: moments().gram, SquaredLoss(**moments()._asdict())


def against_windows(bins: int, width: int, rounds: int) -> dict[str, Any]:
    """Time a gradient from moments and through windows."""
    made = simulated_s1(stream(0, "benchmark"), bins)
    windows, targets = windows_of(made, LENGTH)
    scaled = standardisation(made.counts, made.reach).applied(windows)
    rnn, loss = network(width, made.n_neurons), loss_of(bins)[1]
    cases: Cases = {
        OURS: lambda: flat(gradient(rnn, loss)),
        PEER: partial(through_windows, rnn, scaled, targets),
    }
    title = f"recording of {bins} bins"
    return group(title, cases, rounds, cases[OURS](), [PEER], bins=bins, n=width, T=LENGTH)


def side_by_side(lengths: Sequence[int], width: int, rounds: int) -> dict[str, Any]:
    """Time gradients on recordings of several lengths, and their moments, in turning order."""
    cases: Cases = {}
    for bins in lengths:
        moments, loss = loss_of(bins)
        rnn = network(width, loss.n_inputs)
        cases[f"a gradient, {bins} bins"] = partial(gradient, rnn, loss)
        cases[f"moments, {bins} bins"] = moments
    return group("side by side", cases, rounds, n=width, T=LENGTH)


def run(rounds: int, threads: int, quick: bool) -> dict[str, Any]:
    """Return all groups with what one needs to know to read them."""
    lengths = (300, 600, 900) if quick else (1200, 5400, 61339)
    width = 50 if quick else WIDTH
    return {
        **conditions(rounds, threads),
        "lengths": side_by_side(lengths, width, rounds),
        # On the longest the peer's states, seven gigabytes, are too many.
        "windows": [against_windows(bins, width, rounds) for bins in lengths[:-1]],
    }


if __name__ == "__main__":
    main(run, "decoding", __doc__.splitlines()[0])
