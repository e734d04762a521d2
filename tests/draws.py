"""Small networks and sequences from a seed, and what property tests share."""

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

from rnnlimits.data.recording import Provenance, Recording
from rnnlimits.kernel.loss import SquaredLoss
from rnnlimits.networks.linear import LinearRNN, Variances, initialise
from rnnlimits.random import normal, stream

VARIANCES = Variances(recurrent=0.4, input=1.3, readout=0.7)

both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
untyped = pytest.mark.untyped
quick = settings(max_examples=15, deadline=None, derandomize=True)

seeds = st.integers(0, 10**6)
channels = st.integers(1, 3)
widths = st.integers(1, 7)
horizons = st.integers(1, 6)


def network(
    seed: int,
    width: int = 6,
    n_inputs: int = 2,
    n_outputs: int = 3,
    *,
    variances: Variances = VARIANCES,
    dtype: torch.dtype = torch.float64,
) -> LinearRNN:
    """Return a network drawn from the seed."""
    generator = stream(seed, "network")
    return initialise(width, n_inputs, n_outputs, variances, generator, dtype=dtype)


def sequences(
    seed: int,
    batch: int = 3,
    horizon: int = 5,
    n_inputs: int = 2,
    *,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Return a batch of sequences drawn from the seed."""
    return normal(stream(seed, "sequences"), (batch, horizon, n_inputs), dtype=dtype)


def response(seed: int, n_lags: int, n_outputs: int = 1, n_inputs: int = 1) -> Tensor:
    """Return an impulse response drawn from the seed."""
    return normal(stream(seed, "response"), (n_lags, n_outputs, n_inputs))


def distance(actual: Tensor, expected: Tensor) -> float:
    """Return the largest deviation, relative to the largest entry expected."""
    assert actual.shape == expected.shape
    return float((actual - expected).abs().max() / expected.abs().max())


def recorded(seed: int, n_reaches: int = 16, size: int = 12, n_neurons: int = 3) -> Recording:
    """Return reaches of one size whose velocities follow the counts of this bin and the last."""
    draw, bins = stream(seed, "recorded"), n_reaches * size
    counts = torch.from_numpy(draw.poisson(2, (bins, n_neurons)).astype(np.float64))
    now, before = normal(draw, (2, n_neurons, 2)).unbind()
    followed = counts @ now + counts.roll(1, 0) @ before
    return Recording(
        name="made up",
        counts=counts,
        velocities=followed + normal(draw, (bins, 2)),
        reach=torch.arange(bins) // size,
        count_unit="spikes per bin",
        velocity_unit="cm/s",
        bin_unit="50 ms",
        provenance=Provenance("", "", "", "made up"),
    )


def designed(
    seed: int, rank: int, n_lags: int = 4, n_outputs: int = 2, n_inputs: int = 2
) -> tuple[Tensor, Tensor, SquaredLoss]:
    """Return windows of a rank, with singular values from 0.5 to 2, targets, and their loss."""
    draw = stream(seed, "designed")
    left = torch.linalg.qr(normal(draw, (rank + 3, rank)))[0]
    right = torch.linalg.qr(normal(draw, (n_lags * n_inputs, rank)))[0]
    X = (left * torch.linspace(0.5, 2, rank).double()) @ right.T
    Y = normal(draw, (rank + 3, n_outputs))
    pairs = (n_lags, n_inputs)
    return (
        X,
        Y,
        SquaredLoss(
            gram=(X.T @ X).reshape(pairs * 2),
            cross=(Y.T @ X).unflatten(1, pairs).transpose(0, 1),
            energy=float((Y**2).sum()),
            scale=1.0,
            n_terms=Y.numel(),
        ),
    )
