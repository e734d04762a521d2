"""Small networks and sequences from a seed, and what property tests share."""

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

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
