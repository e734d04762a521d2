r"""A simulated stand-in for the S1 recording, and files of it in the two published formats.

Published of S1, and kept: 52 neurons, 51 minutes in bins of 50 ms (61 339 bins), mean and median
rates of 9.3 and 6.3 spikes a second. Everything else is a choice, named here: a hand that reaches
from target to target along paths of least jerk, and counts that are Poisson given the hand's
velocities, with log-linear tuning to a direction over three neighbouring lags.
"""

import math
import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import scipy.io
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.optimize import root_scalar
from scipy.stats import norm

from rnnlimits._checks import (
    finite_numbers,
    integer_at_least,
    numpy_generator,
    same_size,
)
from rnnlimits.data.recording import Provenance, Recording

PUBLISHED_BINS = 61_339
PUBLISHED_NEURONS = 52
MEAN_RATE = 9.3
MEDIAN_RATE = 6.3
BIN = 0.05
# Choices. Targets lie in a square of this side (cm); a reach takes so
# long, a rest so long (s); tuning spans lags (bins, negative: the
# spikes come first) and depths (log rate at one standard deviation).
SIDE = 20.0
REACH_TIMES = (0.6, 1.2)
REST_TIMES = (0.1, 0.4)
LAGS = (-4, 2)
LAG_WEIGHTS = (0.25, 0.5, 0.25)
DEPTHS = (0.1, 0.6)
SAMPLES = 4
MOST_COUNTS = 1e15  # in a bin: whole numbers that floats hold
SIMULATED = Provenance(
    file="",
    sha256="",
    address="",
    citation="simulated; no animal was recorded",
)


@dataclass(frozen=True)
class Tuning:
    """How simulated neurons follow the hand: the ground truth of a simulated recording.

    ``rates`` in spikes a second, ``directions`` in radians, ``depths`` of log rate, and the middle
    ``lags`` in bins: neuron i's log rate at bin t follows the velocity at bins around t minus lag.

    Raises:
        TypeError: the lags are no integers.
        ValueError: a field has not one axis or holds no neuron, lengths differ, an entry is not
            finite, or a rate is negative.

    Example:
        >>> one = np.ones(1)
        >>> Tuning(one, one, one, np.array([-2])).lags.tolist()
        [-2]
    """

    rates: Float[np.ndarray, " neurons"]
    directions: Float[np.ndarray, " neurons"]
    depths: Float[np.ndarray, " neurons"]
    lags: Int[np.ndarray, " neurons"]

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            finite_numbers(name, value)
            if value.ndim != 1 or len(value) == 0:
                raise ValueError(
                    f"{name} must have one axis (neurons) and not be "
                    f"empty, got shape {value.shape}"
                )
        if self.lags.dtype.kind not in "iu":
            raise TypeError(
                f"lags must be integers, got {self.lags.dtype}"
            )
        same_size(
            "numbers of neurons",
            **{name: len(value) for name, value in vars(self).items()},
        )
        if self.rates.min() < 0:
            raise ValueError(
                f"rates must be at least 0, got {self.rates.min()}"
            )


def published_rates(
    n_neurons: int = PUBLISHED_NEURONS,
) -> Float[np.ndarray, " neurons"]:
    r"""Return rates with exactly the published mean 9.3 and median 6.3 spikes a second.

    A log-normal law has median :math:`e^\mu` and mean :math:`e^{\mu + \sigma^2/2}`, hence
    :math:`\sigma^2 = 2 \log(9.3/6.3) \approx 0.78`. The rates are its quantiles at
    :math:`(i + \tfrac12)/n`, divided by their own median, with the :math:`\sigma` at which the
    mean of the finitely many is 9.3 (it grows with :math:`\sigma`, and is unique).

    Raises:
        TypeError: ``n_neurons`` is no integer.
        ValueError: it is below 3: of fewer, mean and median agree.

    Example:
        >>> rates = published_rates()
        >>> round(float(rates.mean()), 9), round(float(np.median(rates)), 9)
        (9.3, 6.3)
    """
    integer_at_least("n_neurons", n_neurons, 3)
    z = norm.ppf((np.arange(n_neurons) + 0.5) / n_neurons)

    def rates(sigma: float) -> NDArray[np.float64]:
        shape = np.exp(sigma * z)
        return MEDIAN_RATE * shape / np.median(shape)

    limit = math.sqrt(2 * math.log(MEAN_RATE / MEDIAN_RATE))
    found = root_scalar(
        lambda sigma: rates(sigma).mean() - MEAN_RATE,
        bracket=(0, 4 * limit),
        xtol=1e-14,
    )
    return rates(float(found.root))


def draw_tuning(
    generator: np.random.Generator, n_neurons: int = PUBLISHED_NEURONS
) -> Tuning:
    """Draw the tuning of so many neurons: the published rates in random order, uniform directions,
    depths and lags.

    Raises:
        TypeError: ``generator`` is no numpy generator, or ``n_neurons`` no integer.
        ValueError: ``n_neurons`` is below 3.

    Example:
        >>> from rnnlimits.random import stream
        >>> round(float(draw_tuning(stream(0)).rates.mean()), 9)
        9.3
    """
    numpy_generator("generator", generator)
    rates = published_rates(n_neurons)
    return Tuning(
        rates=generator.permutation(rates),
        directions=generator.uniform(0, 2 * np.pi, n_neurons),
        depths=generator.uniform(*DEPTHS, n_neurons),
        lags=generator.integers(LAGS[0], LAGS[1] + 1, n_neurons),
    )


def reach_velocities(
    generator: np.random.Generator, bins: int
) -> Float[np.ndarray, "bins 2"]:
    r"""Return the velocities, averaged over bins, of a hand that reaches from target to target.

    Targets are uniform in a square. A reach of duration :math:`d` from :math:`a` to :math:`b` is
    the path of least jerk, :math:`a + (b - a)(10 s^3 - 15 s^4 + 6 s^5)` with :math:`s = t/d`; the
    hand rests after it. The average over a bin is the difference of positions, and so exact.

    Raises:
        TypeError: ``generator`` is no numpy generator, or ``bins`` no integer.
        ValueError: ``bins`` is below 1.

    Example:
        >>> from rnnlimits.random import stream
        >>> reach_velocities(stream(0), 30).shape
        (30, 2)
    """
    numpy_generator("generator", generator)
    integer_at_least("bins", bins, 1)
    shortest = REACH_TIMES[0] + REST_TIMES[0]
    n_reaches = math.ceil(bins * BIN / shortest) + 1
    targets = generator.uniform(-SIDE / 2, SIDE / 2, (n_reaches + 1, 2))
    moving = generator.uniform(*REACH_TIMES, n_reaches)
    resting = generator.uniform(*REST_TIMES, n_reaches)
    starts = np.cumsum(moving + resting) - (moving + resting)
    times = BIN * np.arange(bins + 1)
    k = np.searchsorted(starts, times, side="right") - 1
    s = np.minimum((times - starts[k]) / moving[k], 1)[:, None]
    rise = s**3 * (10 - 15 * s + 6 * s**2)
    positions = targets[k] + (targets[k + 1] - targets[k]) * rise
    return np.diff(positions, axis=0) / BIN


def expected_counts(
    tuning: Tuning, velocities: Float[np.ndarray, "bins 2"]
) -> Float[np.ndarray, "bins neurons"]:
    r"""Return the mean counts given the velocities,

    .. math::

        \lambda_{it} = r_i w\, \frac{e^{g_{it}}}{\langle e^{g_i} \rangle}, \qquad
        g_{it} = d_i \sum_{k=-1}^{1} c_k\, u_i \cdot v_{t - \ell_i - k} / \sigma_v,

    with bins of width :math:`w`, unit vectors :math:`u_i`, weights :math:`c = (¼, ½, ¼)`,
    :math:`\sigma_v` the root mean square of one component, and the average over all bins; so a
    neuron's mean over the recording is :math:`r_i w` exactly. Beyond its ends the hand rests.

    Raises:
        TypeError: ``tuning`` is no `Tuning`.
        ValueError: velocities have not two columns or no bin, one is not finite or too large to be
            squared, the hand never moves, or a mean count is above 10^15 or overflows.

    Example:
        >>> one = Tuning(np.array([8.0]), np.zeros(1), np.ones(1), np.array([0]))
        >>> counts = expected_counts(one, np.array([[1.0, 0.0], [2.0, 0.0], [-3.0, 0.0]]))
        >>> round(float(counts.mean() / BIN), 9), int(counts.argmax())
        (8.0, 0)
    """
    if not isinstance(tuning, Tuning):
        raise TypeError(
            f"tuning must be a Tuning, got {type(tuning).__name__}"
        )
    size = _speed(velocities)
    n_bins = len(velocities)
    most = n_bins + 1  # a longer lag meets nothing but rest as well
    lags = [max(-most, min(int(lag), most)) for lag in tuning.lags]
    pad = max(abs(lag) for lag in lags) + 1
    padded = np.pad(velocities / size, ((pad, pad), (0, 0)))
    mean = np.empty((n_bins, len(lags)))
    for i, lag in enumerate(lags):
        angle = tuning.directions[i]
        along = padded @ [math.cos(angle), math.sin(angle)]
        drive = sum(
            weight * along[first : first + n_bins]
            for weight, first in zip(
                LAG_WEIGHTS,
                (pad - lag + 1, pad - lag, pad - lag - 1),
                strict=True,
            )
        )
        rate, depth = float(tuning.rates[i]), float(tuning.depths[i])
        mean[:, i] = _modulated(rate, depth, np.asarray(drive))
    return mean


def _speed(velocities: Float[np.ndarray, "bins 2"]) -> float:
    """Return the root mean square of one component, or raise unless there is one."""
    finite_numbers("velocities", velocities)
    if velocities.shape[1:] != (2,) or len(velocities) == 0:
        raise ValueError(
            "velocities must have the axes (bins, 2) and not be empty, "
            f"got shape {velocities.shape}"
        )
    with np.errstate(over="ignore"):
        square = float((velocities**2).mean())
    if not 0 < square < math.inf:
        raise ValueError(
            "velocities must move, with squares that are finite, got "
            f"a mean square of {square}"
        )
    return math.sqrt(square)


def _modulated(
    rate: float, depth: float, drive: Float[np.ndarray, " bins"]
) -> Float[np.ndarray, " bins"]:
    """Return the mean counts of one neuron that follows the drive."""
    with np.errstate(all="ignore"):
        shape = np.exp(depth * drive)
        average = shape.mean()
        counts = rate * BIN * shape / average
    if not (average < math.inf and counts.max() <= MOST_COUNTS):
        raise ValueError(
            "rates and depths must leave expected counts finite and "
            f"at most {MOST_COUNTS:.0e}, got rate {rate}, depth {depth}"
        )
    return counts


def simulated_s1(
    generator: np.random.Generator,
    bins: int = PUBLISHED_BINS,
    tuning: Tuning | None = None,
) -> Recording:
    """Simulate a recording with the published statistics of S1; its name says that it is simulated.

    Without ``tuning`` one is drawn first. All bins make one reach, as in S1.

    Raises:
        TypeError: ``generator`` is no numpy generator, ``bins`` no integer, or ``tuning`` no
            `Tuning`.
        ValueError: ``bins`` is below 1, or a mean count is above 10^15 or overflows.

    Example:
        >>> from rnnlimits.random import stream
        >>> simulated_s1(stream(0), bins=100).name
        'simulated S1'
    """
    numpy_generator("generator", generator)
    drawn = draw_tuning(generator) if tuning is None else tuning
    velocities = reach_velocities(generator, bins)
    counts = generator.poisson(expected_counts(drawn, velocities))
    return Recording(
        name="simulated S1",
        counts=torch.from_numpy(counts.astype(np.float64)),
        velocities=torch.from_numpy(velocities),
        reach=torch.zeros(bins, dtype=torch.int64),
        count_unit="spikes per bin",
        velocity_unit="cm/s",
        bin_unit="50 ms",
        provenance=SIMULATED,
    )


def write_pickle(
    recording: Recording, path: str | Path, protocol: int = 2
) -> None:
    """Write counts and velocities as S1 is published in bins: a pickle of a list of two arrays.

    The file takes its name only when it is complete. The published format has no room for a label:
    what is read back is called S1, so a simulated file belongs into a folder of its own.

    Raises:
        ValueError: there is no such protocol.

    Example:
        >>> from rnnlimits.random import stream
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_pickle(simulated_s1(stream(0), 5), f"{folder}/made.pickle")
        ...     os.listdir(folder)
        ['made.pickle']
    """
    arrays = [recording.counts.numpy(), recording.velocities.numpy()]
    _write(path, lambda file: pickle.dump(arrays, file, protocol))


def write_matlab(recording: Recording, path: str | Path) -> None:
    """Write a recording in 50 ms bins as S1 is published raw: ``spike_times``, ``vels``,
    ``vel_times``.

    Spikes are spread evenly within their bin, and every bin holds four equal velocities, the first
    of all at time 0 and one more after the last bin: so that binning gives the recording back.

    Raises:
        ValueError: a count is not a whole number.

    Example:
        >>> from rnnlimits.random import stream
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_matlab(simulated_s1(stream(0), 5), f"{folder}/made.mat")
        ...     sorted(name for name, _, _ in scipy.io.whosmat(f"{folder}/made.mat"))
        ['spike_times', 'vel_times', 'vels']
    """
    counts = recording.counts.numpy()
    if not np.array_equal(counts, np.round(counts)):
        raise ValueError("counts must be whole numbers, got a fraction")
    n_bins = len(counts)
    offsets = np.arange(1, SAMPLES + 1) / (SAMPLES + 1)
    times = (np.arange(n_bins)[:, None] + offsets).ravel()
    times[0] = 0
    vels = recording.velocities.numpy().repeat(SAMPLES, axis=0)
    trains = np.empty((counts.shape[1], 1), dtype=object)
    for i, column in enumerate(counts.T.astype(np.int64)):
        trains[i, 0] = BIN * _spread(column)[:, None]
    variables: dict[str, Any] = {
        "spike_times": trains,
        "vels": np.concatenate([vels, vels[-1:]]),
        "vel_times": BIN
        * np.append(times, n_bins + offsets[0])[:, None],
    }
    _write(path, lambda file: scipy.io.savemat(file, variables))


def _spread(column: Int[np.ndarray, " bins"]) -> NDArray[np.float64]:
    """Return spike times in bins: the k-th of m spikes at (k + 1) / (m + 1)."""
    bins = np.repeat(np.arange(len(column)), column)
    first = np.repeat(np.cumsum(column) - column, column)
    rank = np.arange(len(bins)) - first
    return bins + (rank + 1) / (column[bins] + 1)


def _write(
    path: str | Path, writer: Callable[[BinaryIO], object]
) -> None:
    """Write under another name, and rename when all is written."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            writer(file)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
