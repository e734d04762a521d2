"""MATLAB files of version 5, taken apart: variables, their numbers and cells, and no other content.

A file is a header of 128 bytes, which says the order of bytes, and elements. An element is a tag of
8 bytes, its type and length, and so many bytes, filled up to a multiple of 8; one of up to 4 bytes
fits into the tag. A variable is an element made of elements: flags with its class, shape, name,
numbers; the cells of a cell array are variables again. Numbers may be stored in a smaller type than
their class. A compressed variable is a zlib stream of one such element.

No length is believed: each is compared with what holds it before anything is reserved. A variable
that is listed is read, and decompressed, down to its name and no further.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_AXES = 32
HEADER = 128
HEAD = 2**12
PIECE = 2**16
ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
VERSION_7_3 = (b"\x00\x02IM", b"\x02\x00MI")
# Types of elements, as numbered in a file.
INT8, INT32, UINT32, DOUBLE = 1, 5, 6, 9
MATRIX, COMPRESSED, UTF8 = 14, 15, 16
# fmt: off
STORED = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4",
    9: "f8", 12: "i8", 13: "u8",
}
# Classes of variables, as numbered in a file, from 1 on.
CLASSES = (
    "cell", "struct", "object", "char", "sparse", "double", "single",
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
    "uint64", "function", "opaque", "object",
)
NUMBERS = {
    "double": "f8", "single": "f4", "logical": "b1",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8",
}
# fmt: on
LOGICAL, COMPLEX = 0x200, 0x800
Element = tuple[int, memoryview]


class Damaged(Exception):
    """The bytes are not those of a MATLAB file of version 5."""


@dataclass(frozen=True)
class Variable:
    """What the head of a variable says, and the elements behind it, which are read once.

    Of a compressed one, ``packed`` is the stream, and ``size`` the length that its content has,
    or so it says.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    order: str
    parts: Iterator[Element]
    packed: memoryview | None = None
    size: int = 0


def variables(data: bytes) -> Iterator[Variable]:
    """Give the variables of a file, of which no more than the heads are read.

    Raises:
        Damaged: the file is of another format, or damaged.
        zlib.error: a compressed variable is damaged.

    Example:
        >>> import io, scipy.io
        >>> file = io.BytesIO()
        >>> scipy.io.savemat(file, {"x": np.array([1.0, 2.0]), "name": "text"})
        >>> [(each.name, each.kind, each.shape) for each in variables(file.getvalue())]
        [('x', 'double', (1, 2)), ('name', 'char', (1, 4))]
    """
    mark = data[HEADER - 4 : HEADER]
    if mark not in ORDERS:
        seven = mark in VERSION_7_3
        raise Damaged("version 7.3" if seven else "another header")
    order = ORDERS[mark]
    for code, content in _elements(memoryview(data)[HEADER:], order):
        if code == COMPRESSED:
            yield _packed(content, order)
        elif code == MATRIX:
            yield _variable(content, order)
        else:
            raise Damaged(f"type {code} in place of a variable")


def opened(variable: Variable) -> Variable:
    """Return a variable whose elements are at hand, decompressed if need be.

    Raises:
        Damaged: what is decompressed has not the length that it says, or something follows it.
        zlib.error: the stream is damaged.

    Example:
        >>> import io, scipy.io
        >>> file = io.BytesIO()
        >>> scipy.io.savemat(file, {"x": np.zeros((2, 9))}, do_compression=True)
        >>> [opened(each).shape for each in variables(file.getvalue())]
        [(2, 9)]
    """
    if variable.packed is None:
        return variable
    whole = _decompressed(variable.packed, 8 + variable.size)
    return _variable(whole[8:], variable.order)


def numbers(variable: Variable) -> NDArray[Any]:
    """Return the numbers of an opened variable, as an array of the type of its class.

    Raises:
        Damaged: there are not so many as the shape needs, or one is not of the class.

    Example:
        >>> import io, scipy.io
        >>> file = io.BytesIO()
        >>> scipy.io.savemat(file, {"x": np.array([1.0, 2.0])})
        >>> [numbers(each) for each in variables(file.getvalue())]
        [array([[1., 2.]])]
    """
    code, content = next(variable.parts, (0, memoryview(b"")))
    if code not in STORED:
        raise Damaged(f"type {code} in place of numbers")
    _nothing_follows(variable)
    kind = np.dtype(variable.order + STORED[code])
    needed = math.prod(variable.shape) * kind.itemsize
    if needed != len(content):
        raise Damaged(
            f"{len(content)} bytes of numbers where the shape "
            f"{variable.shape} needs {needed}"
        )
    stored = np.frombuffer(content, kind)
    return _converted(
        stored.reshape(variable.shape, order="F"), variable.kind
    )


def cells_of(variable: Variable) -> Iterator[Variable]:
    """Give the cells of an opened cell array, the first index running fastest.

    Raises:
        Damaged: there are not so many as the shape needs.

    Example:
        >>> import io, scipy.io
        >>> file = io.BytesIO()
        >>> scipy.io.savemat(file, {"x": np.array([[1.0, "text"]], dtype=object)})
        >>> [[cell.kind for cell in cells_of(each)] for each in variables(file.getvalue())]
        [['double', 'char']]
    """
    for _ in range(math.prod(variable.shape)):
        content = _next(variable.parts, (MATRIX,), "a cell")
        yield _variable(content, variable.order)
    _nothing_follows(variable)


def _nothing_follows(variable: Variable) -> None:
    """Raise Damaged if a variable holds a further element."""
    if next(variable.parts, None) is not None:
        raise Damaged("more in a variable than its shape needs")


def _converted(stored: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return a copy in the type of a class, which must hold every number.

    As numpy has it, a double holds an integer of 64 bits, rounded if it lies above 2^53.
    """
    with np.errstate(all="ignore"):
        kept = stored.astype(NUMBERS[kind])
    if not np.can_cast(stored.dtype, kept.dtype) and not (
        np.array_equal(kept, stored, equal_nan=True)
    ):
        raise Damaged(f"numbers that are no {kind}")
    return kept


def _elements(content: memoryview, order: str) -> Iterator[Element]:
    """Give the elements that fill a content."""
    at = 0
    while at < len(content):
        code, size = _tag(content, at, order)
        start, stop = at + 8, len(content)
        if code >> 16:  # a small one, within its tag
            code, size = code & 0xFFFF, code >> 16
            start, stop = at + 4, at + 8
        if size > stop - start:
            raise Damaged(f"{size} bytes in a place of {stop - start}")
        yield code, content[start : start + size]
        at = start + size
        if code != COMPRESSED:
            at += -at % 8


def _tag(content: memoryview, at: int, order: str) -> tuple[int, int]:
    """Return type and length of the element that begins at a place."""
    if len(content) < at + 8:
        raise Damaged(f"{len(content) - at} bytes in place of a tag")
    return struct.unpack_from(f"{order}II", content, at)


def _variable(content: memoryview, order: str) -> Variable:
    """Return a variable of its content, of which the head is read."""
    if not content:  # so MATLAB leaves some empty cells
        nothing = iter([(DOUBLE, content)])
        return Variable("", "double", (0, 0), order, nothing)
    parts = _elements(content, order)
    flags = _next(parts, (UINT32,), "flags")
    if len(flags) != 8:
        raise Damaged(f"flags of {len(flags)} bytes")
    kind = _kind(struct.unpack(f"{order}II", flags)[0])
    shape = () if kind == "opaque" else _shape(parts, order)
    name = bytes(_next(parts, (INT8, UTF8), "a name"))
    return Variable(name.decode("latin1"), kind, shape, order, parts)


def _next(
    parts: Iterator[Element], codes: tuple[int, ...], what: str
) -> memoryview:
    """Return the next element, if it is of a type admitted."""
    code, content = next(parts, (0, memoryview(b"")))
    if code not in codes:
        raise Damaged(f"type {code} in place of {what}")
    return content


def _kind(flags: int) -> str:
    """Return the class of a variable, with what its flags add."""
    number = flags & 0xFF
    if not 1 <= number <= len(CLASSES):
        raise Damaged(f"a variable of class {number}")
    kind = CLASSES[number - 1]
    if kind in NUMBERS and flags & COMPLEX:
        return f"complex {kind}"
    return "logical" if kind in NUMBERS and flags & LOGICAL else kind


def _shape(parts: Iterator[Element], order: str) -> tuple[int, ...]:
    """Return the shape, which follows the flags."""
    content = _next(parts, (INT32, UINT32), "a shape")
    axes = len(content) // 4
    if len(content) % 4 or not 2 <= axes <= MAX_AXES:
        raise Damaged(f"a shape of {len(content)} bytes")
    shape = struct.unpack(f"{order}{axes}i", content)
    if min(shape) < 0:
        raise Damaged(f"the shape {shape}")
    return shape


def _packed(content: memoryview, order: str) -> Variable:
    """Return a compressed variable, decompressed down to its name."""
    stream = zlib.decompressobj()
    head = memoryview(stream.decompress(content[: 2 * HEAD], HEAD))
    code, size = _tag(head, 0, order)
    if code != MATRIX:
        raise Damaged(f"type {code} in place of a variable")
    found = _variable(head[8 : 8 + size], order)
    return replace(found, packed=content, size=size)


def _decompressed(packed: memoryview, size: int) -> memoryview:
    """Return the bytes of a stream, if they are so many and nothing follows them."""
    stream, made, rest = zlib.decompressobj(), bytearray(), packed
    while rest and not stream.eof and len(made) <= size:
        room = size + 1 - len(made)
        made += stream.decompress(rest[:PIECE], room)
        rest = rest[PIECE:]
    if len(made) != size or not stream.eof:
        raise Damaged(f"a compressed variable of not {size} bytes")
    if rest or stream.unused_data:
        raise Damaged("bytes after the end of a compressed variable")
    return memoryview(made)
