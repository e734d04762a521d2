r"""Sequences labelled by a linear network: with noise at a given ratio, with delay.

.. math::

    y_t = y^*_{t-d} + \varepsilon_t, \qquad
    \varepsilon_t \sim N\big(0,\; 10^{-\mathrm{SNR}/10} \cdot \text{mean of } (y^*)^2 \big).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import finite_tensor, integer_at_least
from rnnlimits.networks.linear import LinearRNN, forward
from rnnlimits.random import normal


@dataclass(frozen=True)
class Labels:
    """Targets with noise, the same without, and the variance of the noise."""

    targets: Float[Tensor, "batch time o"]
    clean: Float[Tensor, "batch time o"]
    noise_variance: float


def label(
    teacher: LinearRNN,
    x: Float[Tensor, "batch time i"],
    generator: np.random.Generator,
    *,
    snr_db: float = math.inf,
    delay: int = 0,
) -> Labels:
    r"""Return the teacher's outputs on ``x``, ``delay`` steps late, with white Gaussian noise.

    The first ``delay`` targets are noise alone. The noise has the power of the undelayed outputs,
    averaged over sequences, times and channels, divided by :math:`10^{\mathrm{SNR}/10}`: so it does
    not depend on the delay. With ``snr_db`` infinite there is none.

    Raises:
        TypeError: dtypes or devices differ, or ``delay`` is no integer.
        ValueError: channels differ, ``snr_db`` is not a number, or ``delay`` does not lie in
            0..horizon-1.

    Example:
        >>> from rnnlimits.random import stream
        >>> one = LinearRNN(torch.zeros(1, 1), torch.ones(1, 1), torch.ones(1, 1))
        >>> label(one, torch.ones(1, 3, 1), stream(0), delay=1).targets.flatten()
        tensor([0., 1., 1.])
    """
    finite_tensor("x", x, ("batch", "time", "inputs"))
    horizon = x.shape[1]
    if integer_at_least("delay", delay, 0) >= horizon:
        raise ValueError(
            f"delay must be below the horizon of x, {horizon}, got {delay}"
        )
    if math.isnan(snr_db) or snr_db == -math.inf:
        raise ValueError(
            f"snr_db must be a number above minus infinity, got {snr_db}"
        )
    outputs = forward(teacher, x)
    clean = torch.zeros_like(outputs)
    clean[:, delay:] = outputs[:, : horizon - delay]
    variance = float((outputs**2).mean()) * 10 ** (-snr_db / 10)
    noise = normal(
        generator,
        tuple(clean.shape),
        variance,
        dtype=x.dtype,
        device=x.device,
    )
    return Labels(clean + noise, clean, variance)
