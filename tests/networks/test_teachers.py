"""Labels of a linear teacher: delay, noise at the ratio that was asked for."""

import math
from typing import Any

import pytest
import torch

from draws import both_dtypes, network, sequences, untyped
from rnnlimits.networks.linear import forward
from rnnlimits.networks.teachers import label
from rnnlimits.random import stream


def test_without_noise_labels_are_the_delayed_outputs() -> None:
    teacher, x = network(0), sequences(1, 4, 6)
    y = forward(teacher, x)
    for delay in range(6):
        labels = label(teacher, x, stream(0), delay=delay)
        assert labels.noise_variance == 0
        assert torch.equal(labels.targets, labels.clean)
        assert not labels.clean[:, :delay].any()
        assert torch.equal(labels.clean[:, delay:], y[:, : 6 - delay])


def test_noise_has_the_ratio_asked_for_whatever_the_delay(seed: int) -> None:
    teacher, x = network(seed), sequences(seed, 500, 8)
    power = float((forward(teacher, x) ** 2).mean())
    for delay in (0, 5):
        labels = label(teacher, x, stream(seed, "noise"), snr_db=20.0, delay=delay)
        assert labels.noise_variance == pytest.approx(power / 100)
        noise = (labels.targets - labels.clean) / labels.noise_variance**0.5
        assert abs(noise.mean()) * noise.numel() ** 0.5 < 4.5
        score = ((noise**2).mean() - 1) / (2 / noise.numel()) ** 0.5
        assert abs(score) < 4.5


@both_dtypes
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    labels = label(network(0, dtype=dtype), sequences(0, dtype=dtype), stream(0), snr_db=10.0)
    assert labels.targets.dtype == labels.clean.dtype == dtype


@untyped
def test_what_does_not_fit() -> None:
    teacher, x, run = network(0), sequences(1, 2, 4), label
    bad: Any = run
    with pytest.raises(ValueError, match="delay must be below the horizon of x, 4, got 4"):
        bad(teacher, x, stream(0), delay=4)
    with pytest.raises(ValueError, match="delay must be at least 0, got -1"):
        bad(teacher, x, stream(0), delay=-1)
    for ratio in (math.nan, -math.inf):
        with pytest.raises(ValueError, match="snr_db must be a number above minus infinity"):
            bad(teacher, x, stream(0), snr_db=ratio)
    with pytest.raises(ValueError, match="input channels must agree"):
        bad(teacher, x[..., :1], stream(0))
