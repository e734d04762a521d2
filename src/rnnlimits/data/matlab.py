"""Variables of MATLAB files that hold numbers, and nothing but numbers."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

# fmt: off
NUMBERS = (
    "double", "single", "logical", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64",
)
# fmt: on
MAX_ENTRIES = 2**28


def read_matlab(
    data: bytes, names: Sequence[str], file: str, cell: str = ""
) -> dict[str, NDArray[Any]]:
    """Return the named variables of a MATLAB file; ``cell`` names the one that is cells of numbers.

    No other variable is read. Structures, objects and functions are refused.

    Raises:
        ValueError: the file is cut short or damaged, of another format, lacks a variable or holds
            two of one name, or a variable holds anything but finite numbers or has above 2^28
            entries (of cells: the cells are counted, not what they hold).

    Example:
        >>> file = io.BytesIO()
        >>> scipy.io.savemat(file, {"x": np.array([1.0, 2.0]), "name": "unread"})
        >>> read_matlab(file.getvalue(), ["x"], "two.mat")
        {'x': array([[1., 2.]])}
    """
    variables = _matlab(scipy.io.whosmat, data, file)
    listed = {name: (shape, kind) for name, shape, kind in variables}
    if len(listed) < len(variables):
        raise ValueError(
            f"{file} must hold every variable once, got "
            f"{', '.join(sorted(name for name, _, _ in variables))}"
        )
    for name in names:
        if name not in listed:
            raise ValueError(
                f"{file} must hold the variables {', '.join(names)}, "
                f"got {', '.join(listed) or 'none'}"
            )
        shape, kind = listed[name]
        admitted = ("cell",) if name == cell else NUMBERS
        if kind not in admitted:
            raise ValueError(
                f"{name} in {file} must hold "
                f"{'cells of ' if name == cell else ''}numbers, "
                f"got {kind}"
            )
        if np.prod([float(size) for size in shape]) > MAX_ENTRIES:
            raise ValueError(
                f"{name} in {file} must have at most {MAX_ENTRIES} "
                f"entries, got shape {shape}"
            )
    found = _matlab(
        scipy.io.loadmat, data, file, variable_names=list(names)
    )
    arrays = {name: found[name] for name in names}
    for name, array in arrays.items():
        for _, entry in cells(array):
            finite_numbers(f"{name} in {file}", entry)
    return arrays


def _matlab(reader: Any, data: bytes, file: str, **options: Any) -> Any:
    """Call a reader of scipy; whatever it raises, the file is at fault."""
    try:
        return reader(io.BytesIO(data), **options)
    except Exception as error:
        raise ValueError(
            f"{file} must be a MATLAB file of version 5, got one that "
            "is cut short, damaged or of another format "
            f"({type(error).__name__})"
        ) from error


def cells(array: Any) -> list[tuple[int, Any]]:
    """Number the entries of a cell array; an array of numbers is one entry.

    Example:
        >>> cells(np.array([3, 4]))
        [(0, array([3, 4]))]
    """
    if isinstance(array, np.ndarray) and array.dtype == object:
        return list(enumerate(array.ravel()))
    return [(0, array)]


def finite_numbers(name: str, array: Any) -> None:
    """Raise a ValueError unless an array holds numbers, all finite.

    Example:
        >>> finite_numbers("x", np.array(["a"]))
        Traceback (most recent call last):
        ...
        ValueError: x must hold numbers, got <U1
    """
    if (
        not isinstance(array, np.ndarray)
        or array.dtype.kind not in "biuf"
    ):
        kind = getattr(array, "dtype", type(array).__name__)
        raise ValueError(f"{name} must hold numbers, got {kind}")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite, got an infinite or NaN entry"
        )


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
