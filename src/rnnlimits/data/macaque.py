r"""Recordings from macaque cortex: files as they are published, read into `Recording`.

*S1*: somatosensory cortex, 52 neurons, one long random-target session, offered beside Glaser et
al., as a pickle of counts and velocities in bins of 50 ms, and as a MATLAB file of spike times.
*M1*: motor cortex of two animals, C and M, two halves each in one MATLAB file, offered beside
Dyer et al. as reaches laid end to end.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from rnnlimits.data.binning import binned
from rnnlimits.data.fetch import Downloader, Source, fetch
from rnnlimits.data.matlab import cells, read_matlab, vector
from rnnlimits.data.recording import Provenance, Recording
from rnnlimits.data.safe_pickle import Arrays, read_arrays

S1_NEURONS = 52
S1_BIN = 0.05
GLASER = (
    "Glaser, Benjamin, Chowdhury, Perich, Miller, Kording, "
    "Machine learning for neural decoding, arXiv:1708.00909"
)
DYER = (
    "Dyer, Azar, Perich, Fernandes, Naufel, Miller, Körding, "
    "A cryptography-based approach for movement decoding, "
    "Nature Biomedical Engineering 1:967-976 (2017), "
    "doi:10.1038/s41551-017-0169-7"
)
NEURAL_DECODING = "https://github.com/KordingLab/Neural_Decoding"
BY_HAND = (
    "Follow the link to the datasets in the README of "
    "KordingLab/Neural_Decoding, and fetch the somatosensory (S1) file "
    "of that name."
)
DAD = (
    "https://raw.githubusercontent.com/KordingLab/DAD/"
    "2f2059798cf599df5839a704682a18958811e13b/data/demo/"
)
S1_PICKLE = Source(
    "example_data_s1.pickle", NEURAL_DECODING, None, GLASER, BY_HAND
)
S1_RAW = Source(
    "s1_data_raw.mat", NEURAL_DECODING, None, GLASER, BY_HAND
)
C_FILE = Source(
    "chewie_demo.mat",
    DAD + "chewie_demo.mat",
    "170c7db01cfa790de9e8700dfbdf3050b23c5f907131fdcfa3ae99e1c3ed3d32",
    DYER,
)
M_FILE = Source(
    "mihi_demo.mat",
    DAD + "mihi_demo.mat",
    "907bc78863d9488ef352eaad8af8296bc28484d5a49591309b1c8576c6009f8c",
    DYER,
)
# Within a reach of C the velocity moves by less than 3 from bin to
# bin, and between reaches by more than 9.
C_JUMP = 6.0
# One reach of M has at most 11 bins, two to one target at least 14.
M_LONGEST = 11


def s1_from_pickle(folder: str | Path | None = None) -> Recording:
    """Read S1 as published in bins: a pickle of counts (bins × 52) and velocities (bins × 2).

    The pickle is read by `read_arrays`, which runs nothing. Its checksum is not published: it is
    computed and recorded. All bins make one reach. The file states no unit of velocity.

    Raises:
        FileNotFoundError: the file is not there; the message says how it is had.
        ValueError: the file is damaged, holds anything but the two arrays, a count is negative or
            not whole, an entry is NaN, or a shape is wrong.

    Example:
        >>> import tempfile
        >>> from rnnlimits.data.simulated import simulated_s1, write_pickle
        >>> from rnnlimits.random import stream
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_pickle(simulated_s1(stream(0), 20), f"{folder}/{S1_PICKLE.file}")
        ...     s1_from_pickle(folder).counts.shape
        torch.Size([20, 52])
    """
    found = fetch(S1_PICKLE, folder)
    match read_arrays(found.data, S1_PICKLE.file):
        case [np.ndarray() as counts, np.ndarray() as velocities]:
            return _s1(counts, velocities, found.provenance)
        case other:
            raise ValueError(
                f"{S1_PICKLE.file} must hold two arrays, counts and "
                f"velocities, got {_described(other)}"
            )


def _described(value: Arrays) -> str:
    """Say of what shapes the arrays of a pickle are."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    inner = ", ".join(_described(each) for each in value)
    return f"a {type(value).__name__} of {len(value)} ({inner})"


def s1_from_spikes(
    folder: str | Path | None = None, width: float = S1_BIN
) -> Recording:
    """Read S1 as published raw, and bin it: ``spike_times`` of 52 neurons, ``vels``, ``vel_times``.

    Bins run from the first time of a velocity to the last, see `binned`, and spikes before and
    after them are left out; only these three variables are read. The checksum is computed and
    recorded. All bins make one reach.

    Raises:
        FileNotFoundError: the file is not there; the message says how it is had.
        TypeError: ``width`` is no number.
        ValueError: the file is damaged, a variable is missing or not made of numbers, a bin holds
            no velocity, none holds a spike, a shape is wrong, or ``width`` is not positive.

    Example:
        >>> import tempfile
        >>> from rnnlimits.data.simulated import simulated_s1, write_matlab
        >>> from rnnlimits.random import stream
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_matlab(simulated_s1(stream(0), 20), f"{folder}/{S1_RAW.file}")
        ...     s1_from_spikes(folder, width=0.1).bin_unit
        '100 ms'
    """
    found = fetch(S1_RAW, folder)
    spikes, vels, times = read_matlab(
        found.data,
        ("spike_times", "vels", "vel_times"),
        S1_RAW.file,
        cell="spike_times",
    ).values()
    trains = [vector(f"spike_times[{k}]", v) for k, v in cells(spikes)]
    line = vector("vel_times", times)
    moves = vels.astype(np.float64)
    counts, velocities = binned(trains, moves, line, width)
    if not counts.any():
        _refuse_spikes(np.concatenate(trains), line)
    return _s1(counts, velocities, found.provenance, width)


def _refuse_spikes(
    spikes: NDArray[np.float64], line: NDArray[np.float64]
) -> NoReturn:
    """Raise a ValueError: no spike lies in a bin."""
    held = (
        f"{spikes.min()} to {spikes.max()}" if spikes.size else "none"
    )
    raise ValueError(
        f"spike_times in {S1_RAW.file} must hold spikes in the bins, "
        f"which lie within vel_times, {line[0]} to {line[-1]}, and "
        f"have the same unit as these, got {held}"
    )


def _s1(
    counts: NDArray[Any],
    velocities: NDArray[Any],
    provenance: Provenance,
    width: float = S1_BIN,
) -> Recording:
    """Return the S1 recording of two arrays, after looking at them."""
    for name, array, columns in (
        ("counts", counts, S1_NEURONS),
        ("velocities", velocities, 2),
    ):
        if array.ndim != 2 or array.shape[1] != columns:
            raise ValueError(
                f"{name} of S1 must have the shape (bins, {columns}), "
                f"got {array.shape}"
            )
    if not np.array_equal(counts, np.round(counts)):
        raise ValueError(
            "counts of S1 must be whole numbers, got a fraction or NaN"
        )
    return Recording(
        name="S1",
        counts=_tensor(counts),
        velocities=_tensor(velocities),
        reach=torch.zeros(len(counts), dtype=torch.int64),
        count_unit="spikes per bin",
        velocity_unit="velocity as in the file",
        bin_unit=f"{1000 * width:g} ms",
        provenance=provenance,
    )


def m1_chewie(
    folder: str | Path | None = None,
    downloader: Downloader | None = None,
) -> tuple[Recording, Recording]:
    """Read the two halves of the M1 recording of animal C, 71 neurons: first ``tr``, then ``te``.

    Read from the file: whole-numbered counts, velocities, the label of the target. Inferred: where
    reaches begin, namely where the label changes or the velocity jumps by more than 6 (within
    reaches it moves by less than 3, between them by more than 9). This finds reaches of 31 bins,
    but for the last of the first half, cut off after 22, and the first of the second, 20 long.
    Not in the file: units, and the width of a bin.

    Raises:
        FileNotFoundError: the file is not in the given ``folder``, or without one it is nowhere
            and the download fails.
        ValueError: the checksum is wrong.

    Example:
        >>> m1_chewie("/nowhere")
        Traceback (most recent call last):
        FileNotFoundError: chewie_demo.mat is not in /nowhere. It is offered at https://...
    """
    return _m1("M1, animal C", C_FILE, _c_reaches, folder, downloader)


def m1_mihi(
    folder: str | Path | None = None,
    downloader: Downloader | None = None,
) -> tuple[Recording, Recording]:
    """Read the two halves of the M1 recording of animal M: ``tr`` 174 neurons, ``te`` 187 others.

    Read from the file: rates in steps of 5 (up to round-off), velocities, the label of the target.
    Inferred: where reaches begin, namely where the label changes; runs of one label have up to 11
    bins or at least 14, and the long ones are two reaches to one target: they are cut where the
    speed rises most from bin to bin, since a reach begins fast and ends slow. This finds reaches
    of 6 to 11 bins. Eight boundaries, one of them in the first half, rest on speed alone and may
    be a bin off. Not in the file: units, and the width of a bin; steps of 5 would be one spike in
    200 ms.

    Raises:
        FileNotFoundError: the file is not in the given ``folder``, or without one it is nowhere
            and the download fails.
        ValueError: the checksum is wrong.

    Example:
        >>> m1_mihi("/nowhere")
        Traceback (most recent call last):
        FileNotFoundError: mihi_demo.mat is not in /nowhere. It is offered at https://...
    """
    return _m1("M1, animal M", M_FILE, _m_reaches, folder, downloader)


def _m1(
    name: str,
    source: Source,
    reaches: Callable[[Tensor, Tensor], Tensor],
    folder: str | Path | None,
    downloader: Downloader | None,
) -> tuple[Recording, Recording]:
    """Return both halves of an M1 file."""
    found = fetch(source, folder, downloader)
    wanted = [
        letter + half for half in ("tr", "te") for letter in "YXT"
    ]
    arrays = read_matlab(found.data, wanted, source.file)
    first, second = (
        _half(
            f"{name}, {half}", half, arrays, reaches, found.provenance
        )
        for half in ("tr", "te")
    )
    return first, second


def _half(
    name: str,
    half: str,
    arrays: dict[str, Any],
    reaches: Callable[[Tensor, Tensor], Tensor],
    provenance: Provenance,
) -> Recording:
    """Return one half of an M1 file."""
    counts, velocities, label = (
        _tensor(arrays[letter + half]) for letter in "YXT"
    )
    whole = bool((counts == counts.round()).all())
    return Recording(
        name=name,
        counts=counts,
        velocities=velocities,
        reach=reaches(label.flatten(), velocities),
        count_unit=(
            "spikes per bin" if whole else "rate, in steps of 5"
        ),
        velocity_unit="velocity as in the file",
        bin_unit="bins (width not in the file)",
        provenance=provenance,
    )


def _c_reaches(
    label: Float[Tensor, " bins"], velocities: Float[Tensor, "bins 2"]
) -> Int[Tensor, " bins"]:
    """Number the reaches: the label changes or the velocity jumps."""
    jump = velocities.diff(dim=0).norm(dim=1) > C_JUMP
    return _numbered(jump | (label.diff() != 0))


def _m_reaches(
    label: Float[Tensor, " bins"], velocities: Float[Tensor, "bins 2"]
) -> Int[Tensor, " bins"]:
    """Number the reaches: the label changes, or the speed rises most within a run too long."""
    begins = label.diff() != 0
    rises = velocities.norm(dim=1).diff()
    cuts = [0, *(1 + begins.nonzero().flatten()).tolist(), len(label)]
    for start, stop in pairwise(cuts):
        if stop - start > M_LONGEST:
            begins[start + int(rises[start : stop - 1].argmax())] = True
    return _numbered(begins)


def _numbered(begins: Tensor) -> Int[Tensor, " bins"]:
    """Number the bins by the reaches that have begun; the first bin begins the first."""
    return torch.nn.functional.pad(begins.cumsum(0), (1, 0))


def _tensor(array: NDArray[Any]) -> Tensor:
    """Return an array as a float64 tensor that owns its entries."""
    return torch.from_numpy(np.array(array, dtype=np.float64))
