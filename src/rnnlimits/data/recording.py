r"""Recordings of neurons and of a hand: what one holds, and what is asked of it.

Bins run down the rows. ``reach`` numbers the movements: every bin of a reach carries its number,
and a bin that belongs to none carries -1. A recording without marked movements is one long reach.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    same_kind,
    same_size,
)

NO_REACH = -1


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from: the file, its checksum, its address, whom to cite.

    ``verified`` says whether the checksum was compared with a known one. For simulated recordings
    the file, the checksum and the address are empty.
    """

    file: str
    sha256: str
    address: str
    citation: str
    verified: bool = False


@dataclass(frozen=True)
class Recording:
    """Spike counts (or rates) of neurons and the velocity of a hand, bin by bin.

    Raises:
        TypeError: counts or velocities are no float64 tensors, reach no int64 tensor, or devices
            differ.
        ValueError: a shape is wrong, lengths differ, an entry is NaN or infinite, a count is
            negative, a reach number is below -1, or a reach is in two pieces.

    Example:
        >>> nobody = Provenance("", "", "", "made up")
        >>> one = torch.ones(4, 1, dtype=torch.float64)
        >>> still = torch.zeros(4, 2, dtype=torch.float64)
        >>> tiny = Recording("tiny", one, still, torch.tensor([0, 0, 3, 3]), "spikes", "cm/s",
        ...                  "50 ms", nobody)
        >>> tiny.reaches.tolist()
        [0, 3]
    """

    name: str
    counts: Float[Tensor, "bins neurons"]
    velocities: Float[Tensor, "bins 2"]
    reach: Int[Tensor, " bins"]
    count_unit: str
    velocity_unit: str
    bin_unit: str
    provenance: Provenance

    def __post_init__(self) -> None:
        _check_counts("counts", self.counts)
        finite_tensor("velocities", self.velocities, ("bins", "2"))
        if self.velocities.shape[1] != 2:
            raise ValueError(
                "velocities must have 2 columns, got "
                f"{self.velocities.shape[1]}"
            )
        _float64("counts", self.counts)
        spans(self.reach)
        same_kind(
            counts=self.counts,
            velocities=self.velocities,
            reach=self.reach.double(),
        )
        same_size(
            "numbers of bins",
            counts=len(self.counts),
            velocities=len(self.velocities),
            reach=len(self.reach),
        )

    @property
    def n_bins(self) -> int:
        """The number of bins."""
        return len(self.counts)

    @property
    def n_neurons(self) -> int:
        """The number of neurons."""
        return self.counts.shape[1]

    @property
    def within(self) -> Bool[Tensor, " bins"]:
        """Whether a bin belongs to a reach."""
        return self.reach != NO_REACH

    @property
    def reaches(self) -> Int[Tensor, " reaches"]:
        """The numbers of the reaches, in the order of time."""
        return self.reach[spans(self.reach)[:, 0]]


def _check_counts(name: str, counts: Tensor) -> None:
    """Raise unless counts are finite, at or above zero, with the axes (bins, neurons)."""
    finite_tensor(name, counts, ("bins", "neurons"))
    if bool((counts < 0).any()):
        raise ValueError(
            f"{name} must be at least 0, got {float(counts.min())}"
        )


def _float64(name: str, value: Tensor) -> None:
    """Raise unless a tensor has the dtype float64."""
    if value.dtype != torch.float64:
        raise TypeError(
            f"{name} must have the dtype torch.float64, got "
            f"{value.dtype}"
        )


def spans(reach: Int[Tensor, " bins"]) -> Int[Tensor, "reaches 2"]:
    """Return the first bin of every reach and the bin after its last, in the order of time.

    Raises:
        TypeError: ``reach`` is no int64 tensor.
        ValueError: it has not one axis, is empty, holds a number below -1, or a reach is in two
            pieces.

    Example:
        >>> spans(torch.tensor([0, 0, -1, 5, 5, 5, 7])).tolist()
        [[0, 2], [3, 6], [6, 7]]
    """
    if not isinstance(reach, Tensor) or reach.dtype != torch.int64:
        given = getattr(reach, "dtype", type(reach).__name__)
        raise TypeError(f"reach must be an int64 tensor, got {given}")
    if reach.ndim != 1 or len(reach) == 0:
        raise ValueError(
            "reach must have one axis (bins) and not be empty, got "
            f"shape {tuple(reach.shape)}"
        )
    if int(reach.min()) < NO_REACH:
        raise ValueError(
            f"reach must be at least {NO_REACH}, got {int(reach.min())}"
        )
    starts, stops = _runs(reach)
    labels = reach[starts]
    seen = labels != NO_REACH
    if len(labels[seen].unique()) != int(seen.sum()):
        raise ValueError(
            "reach must number every reach by one run of bins, got a "
            "number that comes back after another one"
        )
    return torch.stack([starts[seen], stops[seen]], dim=1)


def _runs(
    labels: Int[Tensor, " bins"],
) -> tuple[Int[Tensor, " runs"], Int[Tensor, " runs"]]:
    """Return where runs of one label begin, and where they are over."""
    first = torch.zeros(1, dtype=torch.int64, device=labels.device)
    changes = 1 + labels.diff().nonzero().flatten()
    starts = torch.cat([first, changes])
    return starts, torch.cat([changes, first + len(labels)])


def in_pieces(recording: Recording, n_pieces: int) -> Recording:
    """Return the recording with its bins cut into so many consecutive pieces, as if reaches.

    Meant for a recording without marked movements, which splits then by whole pieces. Lengths
    differ by at most one bin.

    Raises:
        TypeError: ``n_pieces`` is no integer.
        ValueError: it is below 1 or above the number of bins, or the recording is not one reach
            from end to end, so that pieces would join what is apart.

    Example:
        >>> nobody = Provenance("", "", "", "made up")
        >>> whole = Recording("tiny", torch.ones(5, 1).double(), torch.ones(5, 2).double(),
        ...                   torch.zeros(5, dtype=torch.int64), "spikes", "cm/s", "50 ms", nobody)
        >>> in_pieces(whole, 2).reach.tolist()
        [0, 0, 0, 1, 1]
    """
    n_bins = recording.n_bins
    if integer_at_least("n_pieces", n_pieces, 1) > n_bins:
        raise ValueError(
            f"n_pieces must be at most the number of bins, {n_bins}, "
            f"got {n_pieces}"
        )
    if spans(recording.reach).tolist() != [[0, n_bins]]:
        raise ValueError(
            "recording must be one reach from end to end, got "
            f"{len(recording.reaches)} reaches"
        )
    bins = torch.arange(n_bins, device=recording.reach.device)
    return replace(recording, reach=bins * n_pieces // n_bins)
