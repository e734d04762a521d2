"""MATLAB files of version 5 for tests: by scipy, by hand, in either order of bytes, too large."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.io

WIDTHS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1}
NAMES = {"<": b"\x00\x01IM", ">": b"\x01\x00MI"}


def written(compressed: bool = False, **variables: Any) -> bytes:
    """Return a file as scipy writes it."""
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=compressed)
    return file.getvalue()


def cell(*entries: Any) -> Any:
    """Return a column of cells."""
    made = np.empty((len(entries), 1), dtype=object)
    for i, entry in enumerate(entries):
        made[i, 0] = entry
    return made


def element(code: int, content: bytes, order: str = "<", pad: bool = True) -> bytes:
    """Return an element: its tag, its content, zeros up to a multiple of eight."""
    padding = bytes(-len(content) % 8) if pad else b""
    return struct.pack(f"{order}II", code, len(content)) + content + padding


def small(code: int, content: bytes, order: str = "<") -> bytes:
    """Return an element of up to four bytes, written into its tag."""
    return struct.pack(f"{order}I", code | len(content) << 16) + content.ljust(4, b"\x00")


def head(name: bytes, kind: int, shape: tuple[int, ...], flags: int = 0) -> bytes:
    """Return flags, shape and name of a variable."""
    flag = element(6, struct.pack("<II", kind | flags, 0))
    sizes = element(5, struct.pack(f"<{len(shape)}i", *shape))
    return flag + sizes + (small if 0 < len(name) <= 4 else element)(1, name)


def variable(
    name: bytes, kind: int, shape: tuple[int, ...], content: bytes, flags: int = 0
) -> bytes:
    """Return a variable."""
    return element(14, head(name, kind, shape, flags) + content)


def packed(content: bytes, order: str = "<") -> bytes:
    """Return a compressed element, which is not filled up."""
    return element(15, zlib.compress(content), order, pad=False)


def file(*elements: bytes, order: str = "<") -> bytes:
    """Return a file of elements."""
    return b"MATLAB 5.0".ljust(124) + NAMES[order] + b"".join(elements)


def swapped(data: bytes, compressed: bool = False) -> bytes:
    """Return an uncompressed file of scipy's in the other order of bytes, compressed if asked for.

    A walk through the elements of its own, which trusts the file.
    """
    elements = list(_swapped(data[128:]))
    return file(*((packed(e, ">") for e in elements) if compressed else elements), order=">")


def _swapped(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        code, size = struct.unpack_from("<II", content, at)
        if code >> 16:
            code, size = code & 0xFFFF, code >> 16
            yield small(code, _turned(code, content[at + 4 : at + 4 + size]), ">")
            at += 8
            continue
        inner = content[at + 8 : at + 8 + size]
        turned = b"".join(_swapped(inner)) if code == 14 else _turned(code, inner)
        yield element(code, turned, ">")
        at += 8 + size + -size % 8


def _turned(code: int, content: bytes) -> bytes:
    return np.frombuffer(content, f"u{WIDTHS[code]}").byteswap().tobytes()


def zeros(start: bytes, n_blocks: int) -> bytes:
    """Return a zlib stream of a start and so many times 2^20 zeros, without its checksum.

    After a full flush the same zeros are the same bytes: none needs to be compressed again.
    """
    stream = zlib.compressobj(9)
    begun = stream.compress(start) + stream.flush(zlib.Z_FULL_FLUSH)
    block = stream.compress(bytes(2**20)) + stream.flush(zlib.Z_FULL_FLUSH)
    return begun + block * n_blocks
