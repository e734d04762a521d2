"""Recordings of macaques: what the files become, and which files are refused."""

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from matfiles import cell
from rnnlimits.data import macaque
from rnnlimits.data.macaque import (
    C_FILE,
    M_FILE,
    S1_PICKLE,
    S1_RAW,
    m1_chewie,
    m1_mihi,
    s1_from_pickle,
    s1_from_spikes,
)
from rnnlimits.data.recording import Recording, spans
from rnnlimits.data.simulated import simulated_s1, write_matlab, write_pickle
from rnnlimits.random import stream

Draws = np.random.Generator


# S1, as a pickle


def dumped(folder: Path, value: Any) -> Path:
    (folder / S1_PICKLE.file).write_bytes(pickle.dumps(value, 2))
    return folder


def s1_arrays(bins: int = 6) -> tuple[NDArray[Any], NDArray[Any]]:
    draw = stream(0)
    return draw.poisson(1, (bins, 52)).astype(float), draw.standard_normal((bins, 2))


@pytest.mark.parametrize("pair", [list, tuple])
def test_s1_of_a_pickle(pair: Callable[[Any], Any], tmp_path: Path) -> None:
    counts, velocities = s1_arrays()
    found = s1_from_pickle(dumped(tmp_path, pair((counts, velocities))))
    np.testing.assert_array_equal(found.counts.numpy(), counts)
    np.testing.assert_array_equal(found.velocities.numpy(), velocities)
    assert found.reach.tolist() == [0] * 6
    assert found.bin_unit == "50 ms"
    data = (tmp_path / S1_PICKLE.file).read_bytes()
    assert found.provenance.sha256 == hashlib.sha256(data).hexdigest()
    assert not found.provenance.verified


def test_s1_of_whole_numbers(tmp_path: Path) -> None:
    counts, velocities = s1_arrays()
    found = s1_from_pickle(dumped(tmp_path, [counts.astype(np.uint8), velocities]))
    np.testing.assert_array_equal(found.counts.numpy(), counts)


COUNTS, MOVES = s1_arrays()
TWO = "^example_data_s1.pickle must hold two arrays, counts and velocities"
WITH_NAN = COUNTS.copy()
WITH_NAN[2, 3] = np.nan
MOVES_NAN = MOVES.copy()
MOVES_NAN[1, 1] = np.nan


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([COUNTS], rf"{TWO}, got a list of 1 \(an array of shape \(6, 52\)\)"),
        (COUNTS, rf"{TWO}, got an array of shape \(6, 52\)"),
        ([], rf"{TWO}, got a list of 0 \(\)"),
        (
            (COUNTS, [MOVES]),
            rf"{TWO}, got a tuple of 2 \(an array of shape \(6, 52\), a list of 1 \(an array ",
        ),
        ([COUNTS, MOVES, MOVES], rf"{TWO}, got a list of 3 \(an array of shape \(6, 52\), an "),
        ([COUNTS[:, :51], MOVES], r"counts of S1 must have the shape \(bins, 52\), got \(6, 51\)"),
        ([COUNTS[0], MOVES], r"counts of S1 must have the shape \(bins, 52\), got \(52,\)"),
        ([MOVES, COUNTS], "counts of S1 must have the shape"),
        ([COUNTS, MOVES.T], r"velocities of S1 must have the shape \(bins, 2\), got \(2, 6\)"),
        ([COUNTS, MOVES[1:]], "counts has 6, velocities has 5"),
        ([-COUNTS, MOVES], "counts must be at least 0, got -"),
        ([COUNTS / 2, MOVES], "counts of S1 must be whole numbers, got a fraction or NaN"),
        ([WITH_NAN, MOVES], "counts of S1 must be whole numbers, got a fraction or NaN"),
        ([COUNTS, MOVES_NAN], "velocities must be finite"),
        ([COUNTS + np.inf, MOVES], "counts must be finite"),
        ([COUNTS, {"v": 1}], r"^example_data_s1.pickle must be a pickle of numpy arrays and noth"),
    ],
)
def test_other_pickles_are_refused(value: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        s1_from_pickle(dumped(tmp_path, value))
    assert [path.name for path in tmp_path.iterdir()] == [S1_PICKLE.file]


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=5))
def test_a_damaged_pickle_is_refused_or_a_recording(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    dumped(folder, [COUNTS, MOVES])
    data = bytearray((folder / S1_PICKLE.file).read_bytes())
    for where, byte in changes:
        # Half of the changes fall on instructions, which lie at the two ends.
        ends = (where // 2) % 400 - 200
        data[ends if where % 2 else where % len(data)] = byte
    (folder / S1_PICKLE.file).write_bytes(data)
    try:
        found = s1_from_pickle(folder)
    except ValueError:
        return
    assert isinstance(found, Recording)
    assert found.n_neurons == 52


def test_what_to_fetch_is_said(tmp_path: Path) -> None:
    for read, file in ((s1_from_pickle, S1_PICKLE), (s1_from_spikes, S1_RAW)):
        with pytest.raises(FileNotFoundError, match=r"Follow the link to the datasets") as raised:
            read(tmp_path)
        for words in (file.file, str(tmp_path), "github.com/KordingLab/Neural_Decoding"):
            assert words in str(raised.value)


# S1, raw


def test_s1_of_spike_times(tmp_path: Path) -> None:
    made = simulated_s1(stream(3), 80)
    write_matlab(made, tmp_path / S1_RAW.file)
    found = s1_from_spikes(tmp_path)
    assert torch.equal(found.counts, made.counts)
    wide = s1_from_spikes(tmp_path, width=0.1)
    assert wide.bin_unit == "100 ms"
    torch.testing.assert_close(
        wide.counts[:39], made.counts[:78].unflatten(0, (39, 2)).sum(dim=1), rtol=0, atol=0
    )
    assert found.provenance.file == S1_RAW.file


@pytest.mark.untyped
def test_spike_times_of_other_shape_are_refused(tmp_path: Path) -> None:
    made = simulated_s1(stream(3), 20)
    write_matlab(made, tmp_path / S1_RAW.file)
    good = scipy.io.loadmat(tmp_path / S1_RAW.file)
    good = {name: value for name, value in good.items() if not name.startswith("_")}
    nan = good["vels"].copy()
    nan[3, 1] = np.nan
    for change, words in (
        ({"spike_times": good["spike_times"][:51]}, r"shape \(bins, 52\), got \(20, 51\)"),
        ({"spike_times": np.ones(3)}, "must hold cells of numbers, got double"),
        ({"vels": np.ones((81, 3))}, r"velocities of S1 must have the shape \(bins, 2\)"),
        ({"vels": nan}, "vels in s1_data_raw.mat must be finite"),
        ({"vel_times": np.ones((9, 9))}, "vel_times must be a vector"),
        ({"vels": {"x": 1.0}}, "vels in s1_data_raw.mat must hold numbers, got struct"),
    ):
        scipy.io.savemat(tmp_path / S1_RAW.file, {**good, **change})
        with pytest.raises(ValueError, match=words):
            s1_from_spikes(tmp_path)
    data = (tmp_path / S1_RAW.file).read_bytes()
    (tmp_path / S1_RAW.file).write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"must be a MATLAB file|must hold the variables"):
        s1_from_spikes(tmp_path)


@pytest.mark.untyped
def test_spikes_in_another_unit_are_refused(tmp_path: Path) -> None:
    draw = stream(1)
    times = np.arange(0, 2, 0.01)
    held = {"vels": draw.standard_normal((200, 2)), "vel_times": times}

    def read(trains: list[NDArray[Any]]) -> Recording:
        scipy.io.savemat(tmp_path / S1_RAW.file, {**held, "spike_times": cell(*trains)})
        return s1_from_spikes(tmp_path)

    seconds = [draw.uniform(0.1, 1.9, 5) for _ in range(52)]
    assert read(seconds).counts.sum() == 5 * 52
    some = [seconds[0], *(train * 1000 for train in seconds[1:])]
    assert read(some).counts.sum() == 5  # the others are left out
    milliseconds = [np.array([2000.0 + k]) for k in range(52)]
    with pytest.raises(ValueError, match=r"spike_times in s1_data_raw.mat must hold") as raised:
        read(milliseconds)
    assert str(raised.value) == (
        "spike_times in s1_data_raw.mat must hold spikes in the bins, which lie within vel_times, "
        "0.0 to 1.99, and have the same unit as these, got 2000.0 to 2051.0"
    )
    with pytest.raises(ValueError, match=r"and have the same unit as these, got none$"):
        read([np.zeros((0, 1))] * 52)


def test_a_full_length_file_goes_through(tmp_path: Path) -> None:
    made = simulated_s1(stream(0))
    write_pickle(made, tmp_path / S1_PICKLE.file)
    found = s1_from_pickle(tmp_path)
    assert found.n_bins == 61_339
    assert torch.equal(found.counts, made.counts)


# M1


def c_half(draw: Draws, sizes: list[int], targets: list[int]) -> list[NDArray[Any]]:
    """Return counts, velocities and labels of reaches that start slow and end fast."""
    moves, label = [], []
    for size, target in zip(sizes, targets, strict=True):
        angle = target * np.pi / 2
        speed = np.linspace(18 * (1 - (size - 1) / 31), 18, size)
        moves.append(speed[:, None] * [np.cos(angle), np.sin(angle)])
        label += [target] * size
    counts = draw.poisson(1, (len(label), 4)).astype(float)
    return [counts, np.concatenate(moves), np.array(label, dtype=float)[:, None]]


def m_half(draw: Draws, sizes: list[int], targets: list[int]) -> list[NDArray[Any]]:
    """Return rates, velocities and labels of reaches that start fast and end at rest."""
    moves, label = [], []
    for size, target in zip(sizes, targets, strict=True):
        angle = target * np.pi / 4
        speed = np.maximum(0, 15 + 8 * np.sin(np.arange(size)) - 5 * np.arange(size))
        moves.append(speed[:, None] * [np.cos(angle), np.sin(angle)])
        label += [target] * size
    rates = 5 * draw.poisson(1, (len(label), 4)) + 1e-12
    return [rates, np.concatenate(moves), np.array(label, dtype=float)[:, None]]


Half = Callable[[Draws, list[int], list[int]], list[NDArray[Any]]]
MADE: dict[str, tuple[Any, Half, list[list[int]], list[list[int]]]] = {
    "C": (m1_chewie, c_half, [[31, 31, 31, 22], [20, 31, 31]], [[0, 1, 1, 2], [3, 3, 0]]),
    "M": (m1_mihi, m_half, [[7, 8, 11, 6, 9], [8, 8, 9]], [[3, 4, 4, 5, 5], [7, 7, 3]]),
}


@pytest.mark.parametrize("animal", MADE)
def test_m1_halves_and_reaches(
    animal: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, half, sizes, targets = MADE[animal]
    variables = {}
    for name, size, target in zip(("tr", "te"), sizes, targets, strict=True):
        parts = half(stream(0, name), size, target)
        variables |= {letter + name: part for letter, part in zip("YXT", parts, strict=True)}
    file = tmp_path / "made.mat"
    scipy.io.savemat(file, variables)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    key = f"{animal}_FILE"
    source = replace(getattr(macaque, key), sha256=digest)
    monkeypatch.setattr(macaque, key, source)

    def copies(url: str, output: str, _pooch: object) -> None:
        assert url == source.address
        Path(output).write_bytes(file.read_bytes())

    found = read(downloader=copies)
    assert [path.name for path in cache.iterdir()] == [source.file]
    for made, name, size in zip(found, ("tr", "te"), sizes, strict=True):
        lengths = [stop - start for start, stop in spans(made.reach).tolist()]
        assert lengths == size
        np.testing.assert_array_equal(made.counts.numpy(), variables["Y" + name])
        np.testing.assert_array_equal(made.velocities.numpy(), variables["X" + name])
        assert made.name == f"M1, animal {animal}, {name}"
        assert ("rate" in made.count_unit) == (animal == "M")
        assert made.provenance.verified


def test_addresses_name_the_commit() -> None:
    for source in (C_FILE, M_FILE):
        assert "/KordingLab/DAD/2f2059798cf599df5839a704682a18958811e13b/" in source.address
        assert source.address.endswith("/" + source.file)
        assert len(source.sha256 or "") == 64


def test_m1_of_the_wrong_checksum_is_refused(tmp_path: Path) -> None:
    (tmp_path / C_FILE.file).write_bytes(b"changed")
    with pytest.raises(ValueError, match="must have the sha256 checksum 170c7d"):
        m1_chewie(tmp_path)


def lengths_of(recording: Recording) -> list[int]:
    return [stop - start for start, stop in spans(recording.reach).tolist()]


def labels_of(folder: str, file: str) -> list[NDArray[Any]]:
    held = scipy.io.loadmat(Path(folder) / file)
    return [held["Ttr"].ravel(), held["Tte"].ravel()]


def test_the_real_recording_of_c(recordings: str) -> None:
    first, second = m1_chewie(recordings)
    assert (first.counts.shape, second.counts.shape) == ((1200, 71), (1818, 71))
    assert lengths_of(first) == [31] * 38 + [22]
    assert lengths_of(second) == [20] + [31] * 58
    for made, label in zip((first, second), labels_of(recordings, C_FILE.file), strict=True):
        assert made.provenance.verified
        assert made.count_unit == "spikes per bin"
        assert torch.equal(made.counts, made.counts.round())
        jumps = made.velocities.diff(dim=0).norm(dim=1)
        begins = made.reach.diff() != 0
        assert float(jumps[~begins].max()) < 3
        assert float(jumps[begins].min()) > 9
        for start, stop in spans(made.reach).tolist():
            assert len(set(label[start:stop])) == 1


def test_the_real_recording_of_m(recordings: str) -> None:
    first, second = m1_mihi(recordings)
    assert (first.counts.shape, second.counts.shape) == ((623, 174), (803, 187))
    for made, label, shortest, doubles in zip(
        (first, second), labels_of(recordings, M_FILE.file), (7, 6), (1, 7), strict=True
    ):
        assert made.provenance.verified
        steps = made.counts / 5
        assert float((steps - steps.round()).abs().max()) < 1e-10
        sizes = lengths_of(made)
        assert (min(sizes), max(sizes)) == (shortest, 11)
        changes = np.diff(label, prepend=np.nan, append=np.nan) != 0
        runs = np.diff(np.flatnonzero(changes))
        assert len(sizes) == len(runs) + doubles
        assert (runs > 11).sum() == (runs >= 14).sum() == doubles
        speed = made.velocities.norm(dim=1)
        for start, stop in spans(made.reach).tolist():
            assert len(set(label[start:stop])) == 1
            # A reach begins fast and ends slow, the cut ones too.
            assert float(speed[start]) > float(speed[stop - 1])
