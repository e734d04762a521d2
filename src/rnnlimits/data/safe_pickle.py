"""A reader of pickles that admits numpy arrays, and tuples and lists of them, and nothing else.

A pickle is a program for a stack machine. This machine knows only the instructions that arrays
need, and seven names; behind each name stands a function of this module, not the one that is named.
An array is described, never built, while the program runs: its bytes, shape and type are compared
afterwards, and numpy sees them only if they fit. Time and memory stay in proportion to the file: a
program has so many instructions, none of them copies what is there already, and the arrays hold
together no more bytes than the pickle.

The machine is Python's own in Python, `pickle._Unpickler`, whose table of instructions is private.
What is used of it reads the same in 3.11, 3.12 and 3.13. An instruction that a later Python drops
is a KeyError at import; one that it changes is for the tests, which watch for anything run.
"""

import io
import math
import pickle
import struct
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

Arrays = NDArray[Any] | list["Arrays"] | tuple["Arrays", ...]

KINDS = (
    "b1",
    "i1",
    "i2",
    "i4",
    "i8",
    "u1",
    "u2",
    "u4",
    "u8",
    "f4",
    "f8",
)
MAX_DEPTH = 2
MAX_LENGTH = 16
MAX_STEPS = 2**15
MAX_NAME = 16
MAX_WORDS = 200
# fmt: off
INSTRUCTIONS = (
    "PROTO", "FRAME", "STOP", "MARK", "GLOBAL", "STACK_GLOBAL",
    "REDUCE", "BUILD", "GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT",
    "LONG_BINPUT", "MEMOIZE", "NONE", "NEWTRUE", "NEWFALSE", "INT",
    "BININT", "BININT1", "BININT2", "LONG", "LONG1", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BYTEARRAY8", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "EMPTY_LIST", "LIST", "APPEND", "APPENDS",
)
# fmt: on


class _Refused(Exception):
    """A pickle asks for something that arrays do not need."""


class _Kind:
    """What a pickle says of the type of an array's entries."""

    def __init__(self, code: object, *_flags: object) -> None:
        text = _text(code)
        if text not in KINDS:
            raise _Refused(f"an array of type {text!r}")
        self.code = text
        self.order: Literal["<", ">", "|", "="] = "="

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), order, None, None, None, -1, -1, 0):
                named = _text(order)
            case _:
                raise _Refused("a type with fields or metadata")
        match named:
            case "<" | ">" | "|" | "=":
                self.order = named
            case _:
                raise _Refused(f"the byte order {named!r}")

    def dtype(self) -> np.dtype[Any]:
        """Return the numpy type."""
        return np.dtype(self.code).newbyteorder(self.order)


class _Array:
    """What a pickle says of an array."""

    def __init__(self) -> None:
        self.state: tuple[object, ...] | None = None
        self.built: NDArray[Any] | None = None

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), shape, kind, fortran, data):
                self.state = shape, kind, fortran, data
            case _:
                raise _Refused("an array without shape and type")

    def size(self) -> int:
        """Return the number of bytes, or 0 if none are there."""
        data = self.state[-1] if self.state else b""
        return len(data) if isinstance(data, bytes | str) else 0

    def array(self) -> NDArray[Any]:
        """Return the array, which is built once."""
        if self.built is None:
            self.built = self._build()
        return self.built

    def _build(self) -> NDArray[Any]:
        """Return the array, if its bytes fill its shape exactly."""
        if self.state is None:
            raise _Refused("an array that is never filled")
        shape, kind, fortran, data = self.state
        if not isinstance(kind, _Kind):
            raise _Refused("an array without a type")
        raw = _raw(data)
        dtype = kind.dtype()
        sizes = _shape(shape)
        needed = math.prod(sizes) * dtype.itemsize
        if needed != len(raw):
            raise _Refused(
                f"an array of shape {sizes}, which needs {needed} "
                f"bytes, with {len(raw)}"
            )
        flat = np.frombuffer(raw, dtype=dtype)
        order = "F" if fortran else "C"
        native = dtype.newbyteorder("=")
        return flat.reshape(sizes, order=order).astype(native)


def _text(value: object) -> str:
    """Return a name, which old pickles hold as bytes."""
    if not isinstance(value, bytes | str):
        raise _Refused(f"{type(value).__name__} in place of a name")
    if len(value) > MAX_NAME:
        raise _Refused(f"a name of {len(value)} characters")
    return value if isinstance(value, str) else value.decode("latin1")


def _raw(value: object) -> bytes:
    """Return the bytes of an array, which old pickles hold as text."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("latin1")
    raise _Refused(f"{type(value).__name__} in place of bytes")


def _shape(value: object) -> tuple[int, ...]:
    """Return the shape of an array: at most two axes."""
    if not isinstance(value, tuple) or len(value) > 2:
        raise _Refused("an array with more than two axes")
    if not all(type(size) is int for size in value):
        raise _Refused("an array of a shape that is not of integers")
    if min(value, default=0) < 0:
        raise _Refused(f"an array of shape {value!r}")
    return value


def _reconstruct(kind: object, *_empty: object) -> _Array:
    """Stand in for numpy's maker of empty arrays."""
    if kind is not _Array:
        raise _Refused("an object that is no plain array")
    return _Array()


def _from_buffer(
    data: object, kind: object, shape: object, order: object
) -> _Array:
    """Stand in for numpy's maker of arrays from bytes."""
    made = _Array()
    made.__setstate__((1, shape, kind, _text(order) == "F", data))
    return made


def _encode(text: object, encoding: object) -> str:
    """Stand in for the way in which old protocols write bytes; they stay text until used."""
    if _text(encoding) != "latin1":
        raise _Refused(f"bytes in the encoding {encoding!r}")
    if not isinstance(text, str):
        raise _Refused(f"{type(text).__name__} in place of text")
    return text


_NAMES: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _encode,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
}


class _Counted(dict[int, Callable[..., None]]):
    """Instructions, of which a program has so many."""

    left = MAX_STEPS

    def __getitem__(self, code: int) -> Callable[..., None]:
        """Return the next instruction, if there may be one."""
        self.left -= 1
        if self.left < 0:
            raise _Refused(f"more than {MAX_STEPS} instructions")
        return super().__getitem__(code)


class _Lines(io.BytesIO):
    """Bytes of which every line that is read must be whole."""

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line, if it ends."""
        line = super().readline(size)
        if not line.endswith(b"\n"):
            raise EOFError
        return line


class _Machine(pickle._Unpickler):
    """The stack machine, with the instructions and names that arrays need."""

    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[..., None]]] = {
        code: pickle._Unpickler.dispatch[code]
        for code in (getattr(pickle, name)[0] for name in INSTRUCTIONS)
    }

    def __init__(self, data: bytes) -> None:
        super().__init__(_Lines(data), encoding="latin1")
        self.dispatch = _Counted(self.dispatch)  # type: ignore

    def load_all(self) -> object:
        """Run the program, which must be all that there is."""
        loaded = self.load()
        if self.read(1):  # type: ignore
            raise _Refused("bytes after its end")
        return loaded

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of an admitted name."""
        try:
            return _NAMES[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None

    def load_reduce(self) -> None:
        """Call an admitted name, and nothing else."""
        arguments = self.stack.pop()
        called = self.stack[-1]
        if not isinstance(arguments, tuple):
            raise _Refused(f"a call with {type(arguments).__name__}")
        if not any(called is each for each in _NAMES.values()):
            raise _Refused(f"a call of {type(called).__name__}")
        self.stack[-1] = called(*arguments)

    def load_build(self) -> None:
        """Complete a described array or type, and nothing else."""
        state = self.stack.pop()
        described = self.stack[-1]
        if type(described) not in (_Array, _Kind):
            raise _Refused(f"a state for {type(described).__name__}")
        described.__setstate__(state)

    def load_bytes_to_change(self) -> None:
        """Take bytes without reserving room before they are read."""
        (size,) = struct.unpack("<Q", self.read(8))  # type: ignore
        self.stack.append(bytes(self.read(size)))  # type: ignore

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BYTEARRAY8[0]] = load_bytes_to_change


def read_arrays(data: bytes, file: str = "data") -> Arrays:
    """Return the array of a pickle, or its arrays in tuples and lists, without running any of it.

    ``file`` is what messages call it.

    Reads protocols 0 to 5, and the pickles of Python 2. Arrays hold booleans, integers or floats
    along at most two axes; one without entries is read from protocol 3 on.

    Raises:
        TypeError: ``data`` is not bytes.
        ValueError: the pickle is cut short or damaged, is followed by anything, or asks for
            anything beyond arrays; the message says for what.

    Example:
        >>> read_arrays(pickle.dumps((np.arange(3), [np.ones(2)])))
        (array([0, 1, 2]), [array([1., 1.])])
        >>> read_arrays(pickle.dumps(print))
        Traceback (most recent call last):
        ...
        ValueError: data must be a pickle of numpy arrays and nothing else, got builtins.print
    """
    if not isinstance(data, bytes):
        raise TypeError(
            f"data must be bytes, got {type(data).__name__}"
        )
    try:
        loaded = _Machine(data).load_all()
        described = set(_described(loaded, MAX_DEPTH))
        if sum(each.size() for each in described) > len(data):
            raise _Refused("arrays that share their bytes")
        return _arrays(loaded)
    except _Refused as refusal:
        found = str(refusal)
    except Exception as error:
        found = (
            f"one that is cut short or damaged ({type(error).__name__})"
        )
    raise ValueError(
        f"{file} must be a pickle of numpy arrays and nothing else, "
        f"got {found[:MAX_WORDS]}"
    )


def _described(value: object, depth: int) -> Iterator[_Array]:
    """Give every described array, if there is nothing else."""
    if isinstance(value, _Array):
        yield value
        return
    if not isinstance(value, list | tuple) or depth == 0:
        raise _Refused(type(value).__name__)
    if len(value) > MAX_LENGTH:
        raise _Refused(f"{len(value)} objects in one list")
    for each in value:
        yield from _described(each, depth - 1)


def _arrays(value: Any) -> Arrays:
    """Return the described arrays as arrays."""
    if isinstance(value, _Array):
        return value.array()
    inner = [_arrays(each) for each in value]
    return tuple(inner) if isinstance(value, tuple) else inner
