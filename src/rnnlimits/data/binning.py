"""Spike times and velocities, counted and averaged in bins of one width."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from rnnlimits._checks import finite_numbers, positive, same_size

MAX_BINS = 2**24


def binned(
    spike_times: Sequence[NDArray[Any]],
    velocities: NDArray[Any],
    times: NDArray[Any],
    width: float,
) -> tuple[
    Float[np.ndarray, "bins neurons"], Float[np.ndarray, "bins outputs"]
]:
    r"""Count the spikes and average the velocities in bins of one width.

    Edges stand at :math:`t_1, t_1 + w, \dots`, as far as they lie before the last time of a
    velocity: these are the published edges. What lies on an edge belongs to the bin that it opens;
    on the last, a spike still counts. The published code leaves out velocities on edges. Spikes
    outside the edges are left out, and velocities after the last edge.

    Raises:
        TypeError: the width is no number.
        ValueError: the times do not increase, an entry is not a finite number, a neuron's spikes or
            the times have not one axis or the velocities not two, lengths differ, the width is not
            positive, there is no neuron, no column of velocities or no whole bin, or a bin holds
            no velocity.

    Example:
        >>> moving = np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 2.0], [9.0, 9.0]])
        >>> counts, v = binned([np.array([0.1, 1.5, 1.7, 7.0])], moving,
        ...                    np.array([0.0, 0.5, 1.5, 2.5]), 1.0)
        >>> counts.tolist(), v.tolist()
        ([[1.0], [2.0]], [[2.0, 0.0], [5.0, 2.0]])
    """
    width = positive("width", width)
    moves = _real("velocities", velocities, 2)
    line = _real("times", times, 1)
    if not moves.shape[1]:
        raise ValueError("velocities must have a column, got none")
    same_size("lengths", velocities=len(moves), times=len(line))
    if not len(spike_times):
        raise ValueError("spike_times must hold a neuron, got none")
    trains = [
        _real(f"spike_times[{k}]", train, 1)
        for k, train in enumerate(spike_times)
    ]
    edges = _edges(line, width)
    counts = [np.histogram(train, edges)[0] for train in trains]
    return (
        np.stack(counts, axis=1).astype(np.float64),
        _averaged(moves, line, edges),
    )


def _real(name: str, array: Any, axes: int) -> NDArray[np.float64]:
    """Return an array as one of float64, if it holds finite numbers along so many axes."""
    finite_numbers(name, array)
    if array.dtype == bool:
        raise ValueError(f"{name} must hold numbers, got booleans")
    if array.ndim != axes:
        raise ValueError(
            f"{name} must have {axes} {'axis' if axes == 1 else 'axes'}, "
            f"got shape {array.shape}"
        )
    return array.astype(np.float64)


def _edges(
    times: NDArray[np.float64], width: float
) -> NDArray[np.float64]:
    """Return the edges of the bins, as the published code sets them."""
    if len(times) < 2 or np.any(times[1:] <= times[:-1]):
        raise ValueError("times must increase, got one that does not")
    if (float(times[-1]) - float(times[0])) / width > MAX_BINS:
        raise ValueError(
            f"width must leave at most {MAX_BINS} bins, got {width}"
        )
    edges = np.arange(times[0], times[-1], width)
    if len(edges) < 2:
        raise ValueError(
            f"width must leave a whole bin before time {times[-1]}, "
            f"got {width}"
        )
    return edges


def _averaged(
    velocities: NDArray[np.float64],
    times: NDArray[np.float64],
    edges: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the mean velocity of every bin."""
    n_bins = len(edges) - 1
    inside = np.searchsorted(edges, times, side="right") - 1
    kept = inside < n_bins
    inside = inside[kept]
    held = np.bincount(inside, minlength=n_bins)
    if held.min() == 0:
        raise ValueError(
            "times must fall into every bin, got none in bin "
            f"{int(held.argmin())}"
        )
    sums = [
        np.bincount(inside, weights=column[kept], minlength=n_bins)
        for column in velocities.T
    ]
    return np.stack(sums, axis=1) / held[:, None]
