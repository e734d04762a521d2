"""Variables of MATLAB files that hold numbers, and nothing but numbers."""

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnlimits._checks import finite_numbers
from rnnlimits.data.mat5 import (
    NUMBERS,
    Damaged,
    Variable,
    cells_of,
    numbers,
    opened,
    variables,
)

MAX_ENTRIES = 2**26
MAX_DECOMPRESSED = 2**29
MAX_CELLS = 2**16
MAX_VARIABLES = 2**14
MAX_WORDS = 200


def read_matlab(
    data: bytes, names: Sequence[str], file: str, cell: str = ""
) -> dict[str, NDArray[Any]]:
    """Return the named variables of a MATLAB file; ``cell`` names the one that is cells of numbers.

    Reads files of version 5 (those of MATLAB 5 to 7.2, and later by choice), compressed or not, in
    both orders of bytes. No other variable is read, see `rnnlimits.data.mat5`. Structures, objects,
    functions, text, sparse or complex numbers, and cells of cells are refused.

    Raises:
        ValueError: the file is cut short or damaged, of another format, lacks a variable or holds
            two of one name, or a variable holds anything but finite numbers; the file has above
            2^14 variables, one that is read has above 2^16 cells, or all that are read have above
            2^26 entries (an axis of length 0 counted as if of 1) or fill, decompressed, above 2^29
            bytes.

    Example:
        >>> import io, scipy.io
        >>> file = io.BytesIO()
        >>> scipy.io.savemat(file, {"x": np.array([1.0, 2.0]), "name": "unread"})
        >>> read_matlab(file.getvalue(), ["x"], "two.mat")
        {'x': array([[1., 2.]])}
    """
    try:
        listed = _listed(data, names, file)
        reader = _Reader(file)
        return {
            name: reader.read(listed[name], name == cell)
            for name in names
        }
    except (Damaged, zlib.error) as reason:
        raise ValueError(
            f"{file} must be a MATLAB file of version 5, got one that "
            f"is cut short, damaged or of another format ({reason})"
        ) from reason


def _listed(
    data: bytes, names: Sequence[str], file: str
) -> dict[str, Variable]:
    """Return the variables by name, if the named ones are there and each is there once."""
    found: list[Variable] = []
    for each in variables(data):
        if len(found) == MAX_VARIABLES:
            raise Damaged(f"more than {MAX_VARIABLES} variables")
        found.append(each)
    # What has no name belongs to functions and objects.
    every = [each.name for each in found if each.name]
    listed = {each.name: each for each in found if each.name}
    held = (", ".join(every) or "none")[:MAX_WORDS]
    if len(listed) < len(every):
        raise ValueError(
            f"{file} must hold every variable once, got {held}"
        )
    if not set(names) <= set(listed):
        raise ValueError(
            f"{file} must hold the variables {', '.join(names)}, "
            f"got {held}"
        )
    return listed


class _Reader:
    """Reads variables of a file, as long as they are not too large together."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.entries = MAX_ENTRIES
        self.bytes = MAX_DECOMPRESSED

    def read(self, variable: Variable, of_cells: bool) -> NDArray[Any]:
        """Return a variable as an array, of numbers or of arrays."""
        where = f"{variable.name} in {self.file}"
        self.admit(where, variable, of_cells)
        if variable.size > self.bytes:
            raise ValueError(
                f"{where} must have at most {self.bytes} bytes, got "
                f"{variable.size}; all that is decompressed may have "
                f"{MAX_DECOMPRESSED}"
            )
        self.bytes -= variable.size
        return (self.cells if of_cells else _finite)(
            where, opened(variable)
        )

    def admit(
        self, where: str, variable: Variable, of_cells: bool
    ) -> None:
        """Refuse a variable of another kind, or of more entries than are left."""
        kind, shape = variable.kind, variable.shape
        if kind not in (("cell",) if of_cells else NUMBERS):
            raise ValueError(
                f"{where} must hold {'cells of ' if of_cells else ''}"
                f"numbers, got {kind}"
            )
        if of_cells and math.prod(shape) > MAX_CELLS:
            raise ValueError(
                f"{where} must have at most {MAX_CELLS} cells, got "
                f"shape {shape}"
            )
        # No axis is long beside one of length 0.
        needed = math.prod(max(size, 1) for size in shape)
        if needed > self.entries:
            raise ValueError(
                f"{where} must have at most {self.entries} entries, "
                f"got shape {shape}; all that is read may have "
                f"{MAX_ENTRIES}"
            )
        self.entries -= needed

    def cells(self, where: str, variable: Variable) -> NDArray[Any]:
        """Return an array of arrays of finite numbers."""
        made = np.empty(math.prod(variable.shape), dtype=object)
        for k, cell in enumerate(cells_of(variable)):
            self.admit(where, cell, of_cells=False)
            made[k] = _finite(where, cell)
        return made.reshape(variable.shape, order="F")


def _finite(where: str, variable: Variable) -> NDArray[Any]:
    """Return an array of finite numbers."""
    array = numbers(variable)
    finite_numbers(where, array)
    return array


def cells(array: Any) -> list[tuple[int, Any]]:
    """Number the entries of a cell array; an array of numbers is one entry.

    Example:
        >>> cells(np.array([3, 4]))
        [(0, array([3, 4]))]
    """
    if isinstance(array, np.ndarray) and array.dtype == object:
        return list(enumerate(array.ravel()))
    return [(0, array)]


def vector(name: str, array: Any) -> NDArray[np.float64]:
    """Return an array with at most one long axis as a vector.

    Raises:
        ValueError: two axes are longer than 1.

    Example:
        >>> vector("x", np.array([[1], [2]]))
        array([1., 2.])
    """
    if array.size != max(array.shape, default=1) and array.size > 0:
        raise ValueError(
            f"{name} must be a vector, got shape {array.shape}"
        )
    return array.astype(np.float64).ravel()
