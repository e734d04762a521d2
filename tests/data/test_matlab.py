"""Reading numbers, and only numbers, from MATLAB files."""

import io
import struct
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from numpy.typing import NDArray
from scipy.io.matlab import MatlabObject

from damage import Change, changes, damaged
from matfiles import cell, element, file, head, packed, swapped, variable, written, zeros
from rnnlimits.data import matlab
from rnnlimits.data.mat5 import CLASSES
from rnnlimits.data.matlab import cells, read_matlab, vector

DTYPES = ("f8", "f4", "b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_come_back(compressed: bool) -> None:
    trains = cell(np.array([1.0, 2.0]), np.zeros((0, 0)), 3.0)
    whole = np.arange(6, dtype=np.uint8).reshape(2, 3)
    data = written(compressed, x=whole, t=trains, unread={"a": 1})
    found = read_matlab(data, ["x", "t"], "f.mat", cell="t")
    assert list(found) == ["x", "t"]
    np.testing.assert_array_equal(found["x"], whole)
    assert [vector("t", each).tolist() for _, each in cells(found["t"])] == [[1, 2], [], [3]]


# What scipy reads, in whichever way the file is written


def same(found: NDArray[Any], wanted: NDArray[Any]) -> None:
    assert found.shape == wanted.shape
    assert found.flags.writeable
    assert found.flags.f_contiguous
    assert found.dtype == wanted.dtype.newbyteorder("=")
    if found.dtype != object:
        np.testing.assert_array_equal(found, wanted)
        return
    for one, other in zip(found.ravel(), wanted.ravel(), strict=True):
        same(one, other)


def same_as_scipy(data: bytes, names: list[str], cell: str = "") -> None:
    found = read_matlab(data, names, "f.mat", cell=cell)
    wanted = scipy.io.loadmat(io.BytesIO(data), mat_dtype=True)
    assert list(found) == names
    for name, array in found.items():
        same(array, wanted[name])


numbers = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays_of.arrays(
        dtype,
        arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False} if "f" in dtype else None,
    )
)
ways = st.tuples(st.booleans(), st.booleans())


def file_of(way: tuple[bool, bool], **variables: Any) -> bytes:
    """Return a file, compressed or not, in the one order of bytes or the other."""
    compressed, other = way
    return swapped(written(**variables), compressed) if other else written(compressed, **variables)


@settings(max_examples=150, deadline=None)
@given(numbers, numbers, ways)
def test_arrays_are_those_of_scipy(x: NDArray[Any], y: NDArray[Any], way: Any) -> None:
    data = file_of(way, x=x, name_of_many_letters=y)
    same_as_scipy(data, ["name_of_many_letters", "x"])
    back = read_matlab(data, ["x"], "f.mat")["x"]
    assert back.dtype == x.dtype
    np.testing.assert_array_equal(back.ravel(), x.ravel())


@settings(max_examples=100, deadline=None)
@given(st.data(), st.tuples(st.integers(0, 3), st.integers(0, 3)), ways)
def test_cells_are_those_of_scipy(draw: Any, shape: tuple[int, int], way: Any) -> None:
    made = np.empty(shape, dtype=object)
    for place in np.ndindex(shape):
        made[place] = draw.draw(numbers)
    same_as_scipy(file_of(way, x=1.0, t=made), ["t", "x"], cell="t")


# What is refused


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("text", "x in f.mat must hold numbers, got char"),
        ({"a": 1.0}, "x in f.mat must hold numbers, got struct"),
        (cell(1.0), "x in f.mat must hold numbers, got cell"),
        (np.array([1.0, np.nan]), "x in f.mat must be finite"),
        (np.array([1.0, np.inf]), "x in f.mat must be finite"),
        (np.array([1j]), "x in f.mat must hold numbers, got complex"),
        (scipy.sparse.eye_array(3).tocsc(), "x in f.mat must hold numbers, got sparse"),
        (
            MatlabObject(np.array([[(1,)]], dtype=[("a", object)]), "kind"),
            "x in f.mat must hold numbers, got object",
        ),
    ],
)
def test_anything_else_is_refused(value: Any, words: str, compressed: bool) -> None:
    data = written(compressed, x=value, y=2.0)
    with pytest.raises(ValueError, match=words):
        read_matlab(data, ["x"], "f.mat")
    assert read_matlab(data, ["y"], "f.mat")["y"] == 2.0


def hidden(kind: str, name: bytes = b"x") -> bytes:
    """Return a function, or an object as MATLAB has stored its own since 2008."""
    number = CLASSES.index(kind) + 1
    if kind == "function":
        return variable(name, number, (1, 1), variable(b"", 2, (1, 1), bytes(8)))
    flags = element(6, struct.pack("<II", number, 0))
    words = b"".join(element(1, word) for word in (name, b"MCOS", b"datetime"))
    return element(14, flags + words + variable(b"", 13, (6, 1), element(6, bytes(24))))


@pytest.mark.parametrize("wrap", [packed, bytes])
@pytest.mark.parametrize("kind", ["function", "opaque"])
def test_functions_and_opaque_content_are_refused(kind: str, wrap: Any) -> None:
    # The last one, without a name, is where MATLAB keeps what functions and objects hold.
    two = variable(b"y", 6, (1, 1), element(9, struct.pack("<d", 2)))
    rest = variable(b"", 9, (1, 8), element(2, bytes(8)))
    data = file(wrap(hidden(kind)), wrap(two), wrap(rest), wrap(rest))
    assert read_matlab(data, ["y"], "f.mat")["y"] == 2.0
    with pytest.raises(ValueError, match=f"x in f.mat must hold numbers, got {kind}"):
        read_matlab(data, ["x"], "f.mat")
    within = file(wrap(variable(b"t", 1, (1, 1), hidden(kind, b""))))
    with pytest.raises(ValueError, match=f"t in f.mat must hold numbers, got {kind}"):
        read_matlab(within, ["t"], "f.mat", cell="t")
    with pytest.raises(ValueError, match=r"must hold the variables , got x, y$"):
        read_matlab(data, [""], "f.mat")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.ones(3), "t in f.mat must hold cells of numbers, got double"),
        (cell(1.0, "text"), "t in f.mat must hold numbers, got char"),
        (cell({"a": 1.0}), "t in f.mat must hold numbers, got struct"),
        (cell(cell(1.0)), "t in f.mat must hold numbers, got cell"),
        (cell(np.array([np.nan])), "t in f.mat must be finite"),
        (cell(1.0, 1j), "t in f.mat must hold numbers, got complex double"),
    ],
)
def test_cells_hold_numbers(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_matlab(written(t=value), ["t"], "f.mat", cell="t")


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(ValueError, match="must hold the variables x, y, got x, z"):
        read_matlab(written(x=1.0, z=2.0), ["x", "y"], "f.mat")
    with pytest.raises(ValueError, match="must hold the variables x, got none"):
        read_matlab(written(), ["x"], "f.mat")
    many: dict[str, Any] = {f"v{i}": 1.0 for i in range(200)}
    with pytest.raises(ValueError, match="got v0, v1, ") as raised:
        read_matlab(written(**many), ["x"], "f.mat")
    assert len(str(raised.value)) < 300


def test_two_variables_of_one_name_are_refused() -> None:
    both = written(x="text") + written(x=1.0)[128:]
    with pytest.raises(ValueError, match=r"f.mat must hold every variable once, got x, x"):
        read_matlab(both, ["x"], "f.mat")


@pytest.mark.parametrize(
    "data", [b"", b"text", b"MATLAB 7.3 MAT-file" + bytes(105) + b"\x00\x02IM" + bytes(512)]
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"f.mat must be a MATLAB file of version 5, got one that"):
        read_matlab(data, ["x"], "f.mat")


def test_a_file_of_version_4_is_refused() -> None:
    held = io.BytesIO()
    scipy.io.savemat(held, {"x": np.ones((9, 9))}, format="4")
    with pytest.raises(ValueError, match=r"damaged or of another format \(another header\)"):
        read_matlab(held.getvalue(), ["x"], "f.mat")


# What is too large


def test_a_huge_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "MAX_ENTRIES", 6)
    six = np.ones((2, 3))
    assert read_matlab(written(x=six), ["x"], "f.mat")["x"].size == 6
    with pytest.raises(ValueError, match=r"x in f.mat must have at most 6 entries, got shape"):
        read_matlab(written(x=np.ones((7, 1))), ["x"], "f.mat")
    with pytest.raises(ValueError, match=r"y in .* at most 0 entries, .*; all .* may have 6"):
        read_matlab(written(x=six, y=1.0), ["x", "y"], "f.mat")
    # A cell counts as an entry, and so does what it holds.
    within = cell(np.ones(2), np.ones(2))
    assert len(read_matlab(written(t=within), ["t"], "f.mat", cell="t")["t"]) == 2
    with pytest.raises(ValueError, match=r"t in .* at most 1 entries, got shape \(1, 2\)"):
        read_matlab(written(t=cell(np.ones(3), np.ones(2))), ["t"], "f.mat", cell="t")


@pytest.mark.parametrize("kind", ["double", "cell"])
def test_an_empty_axis_is_no_room_for_long_ones(kind: str) -> None:
    # 0 times 2^31 - 1, five times over: no entries, and more than numpy can count.
    shape = (0,) + (2**31 - 1,) * 5
    number = CLASSES.index(kind) + 1
    data = file(variable(b"x", number, shape, element(9, b"") if kind == "double" else b""))
    with pytest.raises(ValueError, match=r"x in f.mat must have at most \d+ entries"):
        read_matlab(data, ["x"], "f.mat", cell="x" if kind == "cell" else "")


def test_cells_and_variables_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(x=1.0, t=cell(1.0, 2.0, 3.0))
    monkeypatch.setattr(matlab, "MAX_CELLS", 3)
    monkeypatch.setattr(matlab, "MAX_VARIABLES", 2)
    read_matlab(data, ["x", "t"], "f.mat", cell="t")
    monkeypatch.setattr(matlab, "MAX_CELLS", 2)
    with pytest.raises(ValueError, match=r"t in f.mat must have at most 2 cells, got .*\(3, 1\)"):
        read_matlab(data, ["x", "t"], "f.mat", cell="t")
    monkeypatch.setattr(matlab, "MAX_VARIABLES", 1)
    with pytest.raises(ValueError, match=r"f.mat must be .*\(more than 1 variables\)"):
        read_matlab(data, ["x"], "f.mat")


def test_what_is_decompressed_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    # 40 bytes of head, 8 of tag, and the numbers: 72 of z, 848 of x and of y.
    monkeypatch.setattr(matlab, "MAX_DECOMPRESSED", 1700)
    held = {"z": np.ones(3), "x": np.ones(100), "y": np.zeros(100)}
    assert set(read_matlab(written(True, **held), ["x", "y"], "f.mat")) == {"x", "y"}
    with pytest.raises(ValueError, match=r"y in .* at most 780 bytes, got 848; all .* 1700"):
        read_matlab(written(True, **held), list(held), "f.mat")
    assert len(read_matlab(written(False, **held), list(held), "f.mat")) == 3


def bomb(of_cells: bool, n_bytes: int) -> bytes:
    """Return a compressed x of zeros, in a cell or not, so many bytes long."""
    name = b"" if of_cells else b"x"
    start = head(name, CLASSES.index("double") + 1, (n_bytes // 2, 2))
    size = len(start) + 8 + n_bytes
    start = struct.pack("<II", 14, size) + start + struct.pack("<II", 2, n_bytes)
    if of_cells:
        outer = head(b"x", 1, (1, 1))
        start = struct.pack("<II", 14, len(outer) + 8 + size) + outer + start
    return element(15, zeros(start, n_bytes // 2**20), pad=False)


@pytest.mark.parametrize("of_cells", [False, True])
def test_half_a_megabyte_does_not_become_gigabytes(of_cells: bool) -> None:
    made = written(True, y=np.ones(3)) + bomb(of_cells, 2**29)
    assert len(made) < 2**20
    tracemalloc.start()
    begun = time.perf_counter()
    assert len(read_matlab(made, ["y"], "f.mat")["y"].ravel()) == 3
    with pytest.raises(ValueError, match=r"x in f.mat must have at most"):
        read_matlab(made, ["y", "x"], "f.mat", cell="x" if of_cells else "")
    took = time.perf_counter() - begun
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**20
    assert took < 5


# Damaged files: numbers or a ValueError that names the file, and never anything else

X = np.array([[1.5], [-2.0]])
T = cell(np.array([0.25, 3.0]), np.zeros((0, 0)), np.array([7], dtype=np.uint8))
PLAIN = written(x=X, t=T, unread="text")
FILES = {
    "plain": PLAIN,
    "compressed": written(True, x=X, t=T, unread="text"),
    "swapped": swapped(PLAIN),
    "swapped and compressed": swapped(PLAIN, compressed=True),
}
every_file = pytest.mark.parametrize("way", FILES)


def numbers_or_refused(data: bytes) -> bool:
    """Return whether a file is read; what is wrong with it must be said of it by name."""
    words, found = "", {}
    try:
        found = read_matlab(data, ["x", "t"], "f.mat", cell="t")
    except ValueError as error:
        words = str(error)
    if not found:
        assert "f.mat" in words
        assert len(words) < 1000
        return False
    assert found["t"].dtype == object
    for array in (found["x"], *found["t"].ravel()):
        assert array.dtype.kind in "biuf"
        assert np.isfinite(array).all()
    return True


@pytest.mark.parametrize("way", ["plain", "compressed"])
def test_one_byte_changed(way: str) -> None:
    data = FILES[way]
    assert numbers_or_refused(data)
    read = 0
    for at in range(124, len(data)):
        for byte in {0, 9, 14, 0x7F, 0xFF, data[at] ^ 1} - {data[at]}:
            read += numbers_or_refused(data[:at] + bytes([byte]) + data[at + 1 :])
    assert read > 0  # a changed number, or text


@every_file
def test_a_file_cut_anywhere_is_refused(way: str) -> None:
    data = FILES[way]
    whole = 0
    for size in range(len(data)):
        # A file may end before a variable that is not asked for.
        whole += numbers_or_refused(data[:size])
    assert whole == 1


@every_file
@settings(max_examples=150, deadline=None)
@given(changes("long"))
def test_damaged_files_are_read_or_refused(way: str, made: list[Change]) -> None:
    numbers_or_refused(damaged(FILES[way], made, lambda byte: bytes([byte]) * 4, start=120))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6))
def test_damage_within_a_whole_stream(changes: list[tuple[int, int]]) -> None:
    # The checksum of a stream hides what changes inside; here it fits the changed content.
    inside = bytearray(PLAIN[128:])
    for where, byte in changes:
        inside[where % len(inside)] = byte
    numbers_or_refused(file(packed(bytes(inside))))
    parts = [PLAIN[128 + start : 128 + stop] for start, stop in ends(PLAIN[128:])]
    for where, byte in changes:
        part = bytearray(parts[where % len(parts)])
        part[where // 4 % len(part)] = byte
        parts[where % len(parts)] = bytes(part)
    numbers_or_refused(file(*map(packed, parts)))


def ends(content: bytes) -> list[tuple[int, int]]:
    """Return where the variables of a plain file begin and end."""
    found, at = [], 0
    while at < len(content):
        stop = at + 8 + struct.unpack_from("<I", content, at + 4)[0]
        found.append((at, stop))
        at = stop
    return found


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["<", ">"]))
def test_any_bytes_are_refused(content: bytes, order: str) -> None:
    assert not numbers_or_refused(file(content, order=order))


@every_file
def test_time_keeps_to_the_file(way: str) -> None:
    many = {f"v{i}": 1.0 for i in range(300)} | {"x": X, "t": cell(*range(300))}
    data = file_of(("compressed" in way, "swapped" in way), **many)
    begun = time.perf_counter()
    read_matlab(data, ["x", "t"], "f.mat", cell="t")
    assert time.perf_counter() - begun < 5


def test_a_recording_of_full_length_is_read_in_seconds() -> None:
    trains = cell(*(np.linspace(0, 3067, 28_000)[:, None] for _ in range(52)))
    held = {"vels": np.ones((61_339, 2)), "vel_times": np.linspace(0, 3067, 61_339)[:, None]}
    data = written(True, spike_times=trains, **held)
    begun = time.perf_counter()
    found = read_matlab(data, ["spike_times", *held], "f.mat", cell="spike_times")
    assert time.perf_counter() - begun < 5
    assert sum(len(train) for _, train in cells(found["spike_times"])) == 52 * 28_000


def test_a_matrix_is_one_entry() -> None:
    assert [(k, each.shape) for k, each in cells(np.ones((2, 2)))] == [(0, (2, 2))]


def test_a_matrix_is_no_vector() -> None:
    with pytest.raises(ValueError, match=r"x must be a vector, got shape \(2, 2\)"):
        vector("x", np.ones((2, 2)))
