"""The elements of MATLAB files: what is read of them, and that no length is believed."""

import io
import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

from matfiles import cell, element, file, head, packed, small, variable, written, zeros
from rnnlimits.data import mat5
from rnnlimits.data.mat5 import CLASSES, NUMBERS, STORED, Damaged, cells_of, numbers, opened
from rnnlimits.data.mat5 import variables as variables_of

DOUBLE = CLASSES.index("double") + 1
THREE = np.array([[1.0], [2.0], [3.0]])
RAW = element(9, THREE.tobytes())
X = variable(b"x", DOUBLE, (3, 1), RAW)


def read(*elements: bytes) -> NDArray[Any]:
    (found,) = variables_of(file(*elements))
    return numbers(opened(found))


def by_scipy(data: bytes) -> Any:
    return scipy.io.loadmat(io.BytesIO(data), mat_dtype=True)


def test_a_file_by_hand() -> None:
    assert file(X)[128:] == written(x=THREE)[128:]
    np.testing.assert_array_equal(read(X), THREE)
    np.testing.assert_array_equal(read(packed(X)), THREE)


@pytest.mark.parametrize("code", STORED)
@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_take_the_type_of_their_class(kind: str, code: int) -> None:
    values = np.array([0, 1, 1, 0, 1], dtype=STORED[code])
    number = CLASSES.index("uint8" if kind == "logical" else kind) + 1
    flags = 0x200 if kind == "logical" else 0
    made = variable(b"x", number, (1, 5), element(code, values.tobytes()), flags)
    found = read(made)
    wanted = by_scipy(file(made))["x"]
    assert found.dtype == wanted.dtype == np.dtype(NUMBERS[kind])
    np.testing.assert_array_equal(found, wanted)
    assert found.flags.writeable


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int8", np.array([200], dtype="u1")),
        ("uint16", np.array([-1], dtype="i1")),
        ("single", np.array([0.1])),
        ("single", np.array([1e300])),
        ("int32", np.array([np.nan])),
        ("uint8", np.array([1e300])),
        ("uint64", np.array([-1])),
    ],
)
def test_numbers_that_a_class_cannot_hold(kind: str, values: NDArray[Any]) -> None:
    (code,) = (c for c, stored in STORED.items() if np.dtype(stored) == values.dtype)
    raw = element(code, values.tobytes())
    with pytest.raises(Damaged, match=f"numbers that are no {kind}"):
        read(variable(b"x", CLASSES.index(kind) + 1, (1, 1), raw))


def test_small_elements() -> None:
    flags = element(6, struct.pack("<II", DOUBLE, 0))
    shape = element(5, struct.pack("<2i", 1, 2))
    made = element(14, flags + shape + small(1, b"xyz") + small(4, struct.pack("<2H", 7, 9)))
    (found,) = variables_of(file(made))
    assert found.name == "xyz"
    assert numbers(found).tolist() == [[7, 9]]
    np.testing.assert_array_equal(by_scipy(file(made))["xyz"], [[7, 9]])


def test_what_closes_a_variable_need_not_be_filled_up() -> None:
    whole = head(b"x", DOUBLE, (1, 3)) + element(2, b"\x01\x02\x03", pad=False)
    assert read(element(14, whole)).tolist() == [[1, 2, 3]]
    assert read(packed(element(14, whole, pad=False))).tolist() == [[1, 2, 3]]


def test_heads_of_every_class() -> None:
    every = [variable(b"x", k, (2, 3), b"") for k in range(1, 19) if CLASSES[k - 1] != "opaque"]
    found = list(variables_of(file(*every)))
    assert [each.kind for each in found] == [kind for kind in CLASSES if kind != "opaque"]
    assert {each.shape for each in found} == {(2, 3)}
    flagged = [variable(b"x", DOUBLE, (2, 3), b"", flags) for flags in (0x200, 0x800, 0xA00, 0x400)]
    kinds = ["logical", "complex double", "complex double", "double"]
    assert [each.kind for each in variables_of(file(*flagged))] == kinds


def test_an_opaque_variable_has_no_shape() -> None:
    flags = element(6, struct.pack("<II", CLASSES.index("opaque") + 1, 0))
    made = element(14, flags + element(1, b"when") + element(1, b"MCOS") + element(1, b"datetime"))
    for each in (made, packed(made)):
        (found,) = variables_of(file(each))
        assert (found.name, found.kind, found.shape) == ("when", "opaque", ())


def test_cells_come_one_by_one() -> None:
    (found,) = variables_of(written(x=cell(1.0, "text", np.zeros((0, 2)))))
    assert [(each.kind, each.shape) for each in cells_of(found)] == [
        ("double", (1, 1)),
        ("char", (1, 4)),
        ("double", (0, 2)),
    ]


def test_a_cell_without_a_head_is_empty() -> None:
    data = file(variable(b"x", 1, (1, 2), element(14, b"") + X))
    (found,) = variables_of(data)
    first, second = (numbers(each) for each in cells_of(found))
    wanted = by_scipy(data)["x"]
    assert first.shape == (0, 0)
    assert wanted[0, 0].size == 0
    np.testing.assert_array_equal(second, wanted[0, 1])


FLAGS = element(6, struct.pack("<II", DOUBLE, 0))
SHAPE = element(5, struct.pack("<2i", 3, 1))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (element(9, b""), "type 9 in place of a variable"),
        (packed(RAW), "type 9 in place of a variable"),
        (X[:-1], "72 bytes in a place of 71"),
        (X + b"\x00" * 7, "7 bytes in place of a tag"),
        (X + b"\x00" * 8, "type 0 in place of a variable"),
        (struct.pack("<IB", 1, 1), "5 bytes in place of a tag"),
        (small(14, b"1234"), "4 bytes in place of a tag"),
        (struct.pack("<II", 5 << 16 | 14, 0), "5 bytes in a place of 4"),
        (element(14, b"1234"), "4 bytes in place of a tag"),
        (element(14, element(5, bytes(8))), "type 5 in place of flags"),
        (element(14, element(6, bytes(4))), "flags of 4 bytes"),
        (element(14, element(6, bytes(8))), "a variable of class 0"),
        (element(14, element(6, struct.pack("<II", 19, 0))), "a variable of class 19"),
        (element(14, FLAGS), "type 0 in place of a shape"),
        (element(14, FLAGS + element(5, bytes(4))), "a shape of 4 bytes"),
        (element(14, FLAGS + element(5, bytes(10))), "a shape of 10 bytes"),
        (element(14, FLAGS + element(5, bytes(4 * 33))), "a shape of 132 bytes"),
        (element(14, FLAGS + element(5, struct.pack("<2i", 3, -1))), r"the shape \(3, -1\)"),
        (element(14, FLAGS + SHAPE), "type 0 in place of a name"),
        (element(14, FLAGS + SHAPE + element(9, b"x")), "type 9 in place of a name"),
        (element(14, FLAGS + SHAPE + struct.pack("<II", 1, 2**31)), "2147483648 bytes in a"),
        (variable(b"x", DOUBLE, (3, 1), b""), "type 0 in place of numbers"),
        (variable(b"x", DOUBLE, (3, 1), element(8, THREE.tobytes())), "type 8 in place of num"),
        (variable(b"x", DOUBLE, (3, 1), X), "type 14 in place of numbers"),
        (variable(b"x", DOUBLE, (3, 1), RAW + RAW), "more in a variable than its shape needs"),
        (variable(b"x", DOUBLE, (2, 1), RAW), r"24 bytes .* shape \(2, 1\) needs 16"),
        (variable(b"x", DOUBLE, (2**30, 2**30), RAW), "24 bytes of numbers where"),
        (variable(b"x", DOUBLE, (3, 1), element(9, bytes(23))), "23 bytes of numbers where"),
        (variable(b"x", DOUBLE, (0, 1), RAW), "24 bytes of numbers where"),
        (packed(X + bytes(1)), "a compressed variable of not"),
        (packed(X[:-1]), "a compressed variable of not"),
        (packed(X[:-8]), "a compressed variable of not"),
        (packed(X[:4]), "4 bytes in place of a tag"),
        (element(15, zlib.compress(X)[:-1], pad=False), "a compressed variable of not"),
        (element(15, zlib.compress(X) + b"\x00", pad=False), "bytes after the end of a comp"),
        (element(15, zlib.compress(X) + bytes(2**17), pad=False), "bytes after the end of a"),
        (element(15, b""), "0 bytes in place of a tag"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_files(content: bytes, words: str) -> None:
    with pytest.raises(Damaged, match=words):
        read(content)


@pytest.mark.parametrize("content", [b"not a stream", zlib.compress(X)[:-1] + b"\x00"])
def test_damaged_streams(content: bytes) -> None:
    with pytest.raises(zlib.error):
        read(element(15, content, pad=False))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (X, "type 0 in place of a cell"),
        (X + X + X, "more in a variable than its shape needs"),
        (X + element(14, element(6, bytes(8))), "a variable of class 0"),
        (X + RAW, "type 9 in place of a cell"),
        (X + X[:-8], "72 bytes in a place of 64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_cells(content: bytes, words: str) -> None:
    whole = variable(b"x", 1, (2, 1), content)
    (found,) = variables_of(file(packed(whole)))
    with pytest.raises(Damaged, match=words):
        list(cells_of(opened(found)))


@pytest.mark.parametrize(
    ("mark", "words"),
    [(b"\x00\x02IM", "version 7.3"), (b"\x00\x01MI", "another header"), (b"", "another header")],
)
def test_other_headers(mark: bytes, words: str) -> None:
    with pytest.raises(Damaged, match=words):
        list(variables_of(bytes(124) + mark))


def test_a_file_may_be_empty() -> None:
    assert list(variables_of(file())) == []


def peak(data: bytes, open_it: bool) -> int:
    """Return the bytes that are held at most while the only variable of a file is read."""
    tracemalloc.start()
    try:
        (found,) = variables_of(data)
        if open_it:
            with pytest.raises(Damaged, match="a compressed variable of not"):
                opened(found)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bomb(declared: int, n_blocks: int) -> bytes:
    """Return a file of one variable: how long it says it is, how many mebibytes follow."""
    start = head(b"x", CLASSES.index("uint8") + 1, (declared, 1))
    size = len(start) + 8 + declared
    inner = struct.pack("<II", 14, size) + start + struct.pack("<II", 2, declared)
    return file(element(15, zeros(inner, n_blocks), pad=False))


def test_memory_keeps_to_what_is_there_and_to_what_is_said() -> None:
    # The stream is longer than it says, shorter than it says, or not opened at all. A piece of a
    # stream may make a thousand times its size, up to what is said and one byte.
    assert peak(bomb(2**16, 256), open_it=True) < 2**18
    assert peak(bomb(2**30, 1), open_it=True) < 2**23
    assert peak(bomb(2**28, 256), open_it=False) < 2**17
    assert mat5.PIECE < 2**17
