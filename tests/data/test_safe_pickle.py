"""The reader of pickles: arrays of every protocol pass, and nothing else does anything."""

import codecs
import collections
import datetime
import os
import pickle
import struct
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from damage import Change, changes, damaged
from rnnlimits.data.safe_pickle import KINDS, read_arrays

# The run-time type check compiles its checks at the first call, and what runs is watched here.
pytestmark = pytest.mark.untyped

COUNTS = np.arange(12.0).reshape(4, 3)
MOVES = np.linspace(-1, 1, 8).reshape(4, 2)
WATCHED = ("exec", "compile", "import", "open", "os.", "subprocess.", "socket.", "ctypes.")
seen: list[str] | None = None


def _hook(event: str, _arguments: object) -> None:
    if seen is not None and event.startswith(WATCHED):
        seen.append(event)


sys.addaudithook(_hook)
# Python imports these of its own codecs at their first use.
for codec in ("latin1", "raw-unicode-escape"):
    codecs.lookup(codec)


@contextmanager
def nothing_runs() -> Iterator[None]:
    """Fail if anything is executed, imported or opened meanwhile."""
    global seen
    seen = []
    try:
        yield
    finally:
        events, seen = seen, None
    assert events == []


def python2(array: NDArray[Any], protocol: int) -> bytes:
    """Return one array as Python 2 wrote it, without the final stop."""
    raw = array.tobytes()
    head = b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\n"
    head += b"tp4\nRp5\n(I1\n(L%dL\nI%d\ntp6\ncnumpy\ndtype\np7\n(S'f8'\np8\nI0\nI1\ntp9\nRp10\n"
    head += b"(I3\nS'<'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\n"
    if protocol == 0:
        text = b"S" + repr(raw)[1:].encode() + b"\n"
    else:
        text = b"T" + struct.pack("<i", len(raw)) + raw
    return head % array.shape + text + b"p13\ntp14\nb"


def same(found: Any, wanted: Any) -> None:
    assert type(found) is type(wanted)
    if isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    else:
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [
        [COUNTS, MOVES],
        (COUNTS, MOVES),
        COUNTS,
        [COUNTS.T, (COUNTS[:, ::2], np.asfortranarray(COUNTS))],
        np.array(3.0),
        [COUNTS, COUNTS],
    ],
)
def test_arrays_come_back(value: Any, protocol: int) -> None:
    with nothing_runs():
        found = read_arrays(pickle.dumps(value, protocol))
    same(found, value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back(kind: str) -> None:
    array = np.array([0, 1, 1, 0]).astype(kind)
    same(read_arrays(pickle.dumps(array)), array)
    foreign = array.astype(np.dtype(kind).newbyteorder(">"))
    same(read_arrays(pickle.dumps(foreign)), array)


@pytest.mark.parametrize("protocol", [0, 2])
def test_pickles_of_python_2_come_back(protocol: int) -> None:
    data = b"(lp20\n" + python2(COUNTS, protocol) + b"a" + python2(MOVES, protocol) + b"a."
    same(read_arrays(data), [COUNTS, MOVES])


def test_names_of_the_older_numpy_are_admitted() -> None:
    data = pickle.dumps([COUNTS, COUNTS.T[::2]], 2)
    assert b"numpy._core" in data
    same(
        read_arrays(data.replace(b"numpy._core", b"numpy.core")),
        [COUNTS, COUNTS.T[::2]],
    )


class Reduced:
    """Pickles as a call."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


def reject_constant(*_arguments: object) -> None:
    """Stand for any function."""


HOSTILE = {
    "posix.system": Reduced(os.system, ("exit 3",)),
    "builtins.eval": Reduced(eval, ("1 + 1",)),
    "builtins.exec": Reduced(exec, ("x = 1",)),
    "builtins.getattr": Reduced(getattr, ("text", "format")),
    "numpy.load": Reduced(np.load, ("file.npy",)),
    "numpy.fromfile": Reduced(np.fromfile, ("file",)),
    "numpy.memmap": Reduced(np.memmap, ("file",)),
    "numpy.testing._private.utils.runstring": Reduced(np.testing.runstring, ("x = 1", {})),
    "builtins.set": Reduced(set, ((1,),)),
    "collections.OrderedDict": collections.OrderedDict(),
    "datetime.date": datetime.date(2000, 1, 1),
    "numpy.matrix": np.ndarray.__new__(np.matrix, (1, 1)),
    "numpy.ma.core._mareconstruct": np.ma.masked_array([1.0]),
    "an array of type 'O8'": np.array([reject_constant], dtype=object),
    "an array of type 'V8'": np.zeros(1, dtype=[("x", "f8")]),
    "an array of type 'U3'": np.array(["abc"]),
    "an array of type 'M8'": np.array(["2000-01-01"], dtype="datetime64[D]"),
    "an array of type 'c16'": np.array([1j]),
    "an array with more than two axes": np.zeros((2, 2, 2)),
    "numpy._core.multiarray.scalar": np.float64(1.0),
    "int": 3,
    "str": "text",
    "NoneType": None,
    "17 objects": [COUNTS] * 17,
    "list": [[[COUNTS]]],
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("words", HOSTILE)
def test_anything_else_is_refused(words: str, nested: bool, protocol: int) -> None:
    value = [COUNTS, HOSTILE[words]] if nested else HOSTILE[words]
    data = pickle.dumps(value, protocol)
    last = words.split(".")[-1]
    with nothing_runs(), pytest.raises(ValueError, match=f"nothing else, got .*{last}"):
        read_arrays(data)


def text(name: str) -> bytes:
    return b"X" + struct.pack("<i", len(name)) + name.encode()


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
EMPTY = RECONSTRUCT + b"(cnumpy\nndarray\n(I0\ntS'b'\ntR"
KIND = b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR"
DTYPE = KIND + b"(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "EOFError"),
        (b".", "IndexError"),
        (b"\x80\x09.", "damaged"),
        (EMPTY + b".", "an array that is never filled"),
        (EMPTY + b"(I1\n(I1\ntI5\nI00\nS'12345678'\ntb.", "an array without a type"),
        (EMPTY + b"(I1\n(I1\nttb.", "an array without shape and type"),
        (EMPTY + b"(I1\n(I2\nt" + DTYPE + b"I00\nS'12345678'\ntb.", "needs 16 bytes, with 8"),
        (EMPTY + b"(I1\n(I-1\nt" + DTYPE + b"I00\nS'12345678'\ntb.", r"of shape \(-1,\)"),
        (EMPTY + b"(I1\nI1\n" + DTYPE + b"I00\nS'12345678'\ntb.", "more than two axes"),
        (EMPTY + b"(I1\n(I1\nt" + DTYPE + b"I00\nI7\ntb.", "int in place of bytes"),
        (EMPTY + b"(I1\n(I1\nt" + DTYPE + b"I00\n]tb.", "list in place of bytes"),
        (KIND + b".", "_Kind"),
        (KIND + b"(I3\nS'<'\nS'a'\nNNI-1\nI-1\nI0\ntb.", "a type with fields"),
        (KIND + b"(I3\nS'!'\nNNNI-1\nI-1\nI0\ntb.", "the byte order '!'"),
        (KIND + b"(I3\nI7\nNNNI-1\nI-1\nI0\ntb.", "int in place of a name"),
        (b"cnumpy\ndtype\n(I8\ntR.", "int in place of a name"),
        (b"cnumpy\ndtype\n(C\x02f8tR.", "_Kind"),
        (RECONSTRUCT + b"(cnumpy\ndtype\n(I0\ntS'b'\ntR.", "no plain array"),
        (RECONSTRUCT + b"(I1\ntR.", "no plain array"),
        (RECONSTRUCT + b"I1\nR.", "a call with int"),
        (b"cnumpy\ndtype\nS'aaaa'\nR.", "a call with str"),
        (b"cnumpy\ndtype\n(S'" + b"a" * 17 + b"'\ntR.", "a name of 17 characters"),
        (EMPTY + b"(I1\n(Nt" + DTYPE + b"I00\nS''\ntb.", "that is not of integers"),
        (RECONSTRUCT + b"]b.", "a state for function"),
        (b"cnumpy\ndtype\n(N]tb.", "a state for type"),
        (b"I1\n(tR.", "a call of int"),
        (b"c_codecs\nencode\n(V1\nS'utf8'\ntR.", "encoding 'utf8'"),
        (b"c_codecs\nencode\n(V1\nS'latin1'\ntR.", "nothing else, got str"),
        (b"c_codecs\nencode\n(I1\nS'latin1'\ntR.", "int in place of text"),
        (b"\x80\x04" + text("os") + text("system") + b"\x93.", "os.system"),
        (b"\x80\x04" + text("numpy") + text("ndarray.tofile") + b"\x93.", "ndarray.tofile"),
        (b"(dS'a'\nI1\ns.", "damaged"),
        (b"(ios\nsystem\n.", "damaged"),
        (b"\x82\x01.", "damaged"),
        (b"Pid\n.", "damaged"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"x.", "damaged"),
        (b"\x80\x05\x8e" + struct.pack("<Q", 2**62) + b"x.", "damaged"),
        (b"r\xff\xff\xff\x7f.", "damaged"),
        (b"I1\nr\xff\xff\xff\x7f.", "int"),
        (b"c" + b"a" * 5000 + b"\nb\n.", "aaa$"),
    ],
)
def test_hostile_programs_are_refused(data: bytes, words: str) -> None:
    with nothing_runs(), pytest.raises(ValueError, match=words) as raised:
        read_arrays(data)
    assert len(str(raised.value)) < 400


def test_a_program_is_short() -> None:
    arrays = [[COUNTS + 16 * i + j for j in range(16)] for i in range(16)]
    for protocol in range(6):
        same(read_arrays(pickle.dumps(arrays, protocol)), arrays)
    for step in (b"(", b"N", b"]", b"N\x85", b"\x94"):
        with pytest.raises(ValueError, match="more than 32768 instructions"):
            read_arrays(b"]" + step * 2**15 + b".")


def test_copies_are_not_asked_for() -> None:
    # A tuple of a tuple twice, forty times over: nobody can write it out.
    doubled = b"(Ntp0\n" + b"".join(b"(g%d\ng%d\ntp%d\n" % (k, k, k + 1) for k in range(40))
    shaped = EMPTY + b"(I1\ng40\n" + DTYPE + b"I00\nS''\ntb."
    with pytest.raises(ValueError, match="a shape that is not of integers"):
        read_arrays(b"(" + doubled + b"l" + shaped)
    long = b"X" + struct.pack("<i", 2**22) + b"a" * 2**22
    calls = b"c_codecs\nencode\np0\n(" + long + b"S'latin1'\ntp1\n" + b"g0\ng1\nR" * 9000 + b"."
    tracemalloc.start()
    with pytest.raises(ValueError, match="nothing else, got str"):
        read_arrays(calls)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4 * len(calls)


def test_arrays_do_not_share_their_bytes() -> None:
    bytes_once = b"S'" + b"a" * 800 + b"'\np0\n"
    one = EMPTY + b"(I1\n(I100\nt" + DTYPE + b"I00\n%stb"
    data = b"(" + one % bytes_once + b"%st."
    assert len(read_arrays(data % b"")) == 1
    with pytest.raises(ValueError, match="arrays that share their bytes"):
        read_arrays(data % (one % b"g0\n" * 9))


def test_a_writeable_buffer_is_read() -> None:
    data = pickle.dumps(bytearray(b"12345678"), 5)
    with pytest.raises(ValueError, match="got bytes"):
        read_arrays(data)


def test_only_bytes_are_read() -> None:
    with pytest.raises(TypeError, match="data must be bytes, got str"):
        read_arrays("text")  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_cut_short_anywhere_is_refused(protocol: int) -> None:
    data = pickle.dumps([COUNTS, MOVES], protocol)
    for size in range(0, len(data)):
        with pytest.raises(ValueError, match="nothing else, got one that is cut short or damaged"):
            read_arrays(data[:size])


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_follows_the_end(protocol: int) -> None:
    data = pickle.dumps([COUNTS, MOVES], protocol)
    for rest in (b"x", b".", b"\x00", b"N.", data):
        with pytest.raises(ValueError, match="nothing else, got bytes after its end"):
            read_arrays(data + rest)


@pytest.mark.parametrize("protocol", [4, 5])
def test_nothing_follows_the_end_within_a_frame(protocol: int) -> None:
    data = pickle.dumps(MOVES, protocol)
    start = data.index(b"\x95") + 1
    (size,) = struct.unpack_from("<Q", data, start)
    assert start + 8 + size == len(data)
    longer = data[:start] + struct.pack("<Q", size + 1) + data[start + 8 :] + b"x"
    with pytest.raises(ValueError, match="got bytes after its end"):
        read_arrays(longer)


def test_the_file_is_named() -> None:
    with pytest.raises(ValueError, match=r"^made.pickle must be a pickle of numpy arrays and not"):
        read_arrays(b"", "made.pickle")


PAYLOADS = (
    b"cposix\nsystem\n(S'exit 3'\ntR",
    b"cbuiltins\neval\n(S'1'\ntR",
    b"\x8c\x02os\x8c\x06system\x93",
    b"cnumpy\nload\n",
    b"0",
    b"2",
    b"R",
    b"b",
)


@settings(max_examples=300)
@given(st.integers(0, 5), changes("payload"))
def test_damaged_pickles_run_nothing(protocol: int, made: list[Change]) -> None:
    whole = pickle.dumps([COUNTS, MOVES], protocol)
    data = damaged(whole, made, lambda byte: PAYLOADS[byte % len(PAYLOADS)])
    refused = False
    with nothing_runs():
        try:
            found = read_arrays(data)
        except ValueError:
            refused = True
            found = []
    if not refused:
        check_plain(found)


def check_plain(value: Any) -> None:
    if isinstance(value, list | tuple):
        for each in value:
            check_plain(each)
    else:
        assert type(value) is np.ndarray
        assert value.dtype.kind in "biuf"


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_run_nothing(data: bytes) -> None:
    with nothing_runs():
        try:
            found = read_arrays(data)
        except ValueError:
            found = []
    check_plain(found)
