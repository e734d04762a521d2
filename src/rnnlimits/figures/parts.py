"""What goes into a figure and what comes out: series, slope triangles, panels, the picture."""

import base64
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnlimits.estimate import Estimate
from rnnlimits.figures.inks import FORMS, INKS


@dataclass(frozen=True)
class Picture:
    """A finished figure: PNG bytes at twice the size, and its size on the page in CSS pixels.

    >>> from rnnlimits.figures import curves
    >>> curves([Series([0, 1], [1, 2], "peer", "")], "x", "y", size="half")
    <figure 307 x 240>
    """

    png: bytes
    width: int
    height: int

    def __repr__(self) -> str:
        return f"<figure {self.width} x {self.height}>"

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
        data = {"image/png": base64.b64encode(self.png).decode("ascii"), "text/plain": repr(self)}
        return data, {"image/png": {"width": self.width}}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the PNG in one step: an interruption leaves no half file under the final name.

        Raises:
            ValueError: the path does not end in .png.
        """
        target = Path(path)
        if target.suffix != ".png":
            raise ValueError(f"path must end in .png, got {target.name!r}")
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            part.write_bytes(self.png)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a figure: points (x, y), the ink that says what they are, and a direct label.

    `kind` is a key of `INKS`; `low` and `high` bound a band. A theory series has no marks.

    >>> Series([64, 128], [0.2, 0.1], "kernel", "recurrent", low=[0.1, 0.1], high=[0.3, 0.2]).kind
    'kernel'

    Raises:
        ValueError: unknown kind, lengths that differ, values that are not finite, one bound of
            the band without the other or the wrong way round, or nothing to draw.
    """

    x: ArrayLike
    y: ArrayLike
    kind: str
    label: str
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    line: bool = True
    marks: bool = True

    def __post_init__(self) -> None:
        require_known("kind", self.kind, INKS)
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high bound a band together: give both or neither")
        values = self.arrays()
        lengths = {name: array.size for name, array in values.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{', '.join(lengths)} must have the same length, got {lengths}")
        if "low" in values and np.any(values["low"] > values["high"]):
            worst = int(np.argmax(values["low"] - values["high"]))
            raise ValueError(
                f"low must not exceed high, got {values['low'][worst]} and "
                f"{values['high'][worst]} at index {worst}"
            )
        if not self.line and not self.marked:
            raise ValueError(f"line=False must leave marks, but this {self.kind} series has none")

    @property
    def marked(self) -> bool:
        """Whether the points carry marks: asked for, and not a theory series."""
        return self.marks and "marker" in FORMS[self.kind]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return x, y and, where there is a band, low and high as numpy arrays."""
        given = {"x": self.x, "y": self.y, "low": self.low, "high": self.high}
        return {name: to_array(name, v) for name, v in given.items() if v is not None}


def sampled(x: ArrayLike, found: Estimate, kind: str, label: str, line: bool = True) -> Series:
    """Return estimates as a series: their means, and a band of two standard errors either side.

    >>> found = Estimate(np.array([0.2, 0.1]), np.array([0.01, 0.01]), 30)
    >>> sampled([64, 128], found, "kernel", "C").label
    'C'

    Raises:
        ValueError: as for `Series`.
    """
    mean, two = np.asarray(found.mean), 2 * np.asarray(found.standard_error)
    return Series(x, mean, kind, label, low=mean - two, high=mean + two, line=line)


@dataclass(frozen=True)
class Slope:
    """A triangle that shows a power law on two logarithmic axes.

    Its hypotenuse starts at (x0, y0) and follows y = y0 (x / x0)^exponent up to x1; its legs lie
    below that line, or above it with `above`. The label is the exponent as a fraction.

    >>> Slope(128, 512, 0.1, -0.5).label
    '−1/2'

    Raises:
        ValueError: x0, x1 or y0 not positive, x1 not beyond x0, or an exponent of zero.
    """

    x0: int | float
    x1: int | float
    y0: int | float
    exponent: int | float
    above: bool = False

    def __post_init__(self) -> None:
        for name in ("x0", "x1", "y0"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)}")
        if self.x1 <= self.x0:
            raise ValueError(f"x1 must exceed x0 = {self.x0}, got {self.x1}")
        if not math.isfinite(self.exponent) or self.exponent == 0:
            raise ValueError(f"exponent must be finite and not zero, got {self.exponent}")

    @property
    def label(self) -> str:
        """The exponent as text, with a true minus sign."""
        return str(Fraction(self.exponent).limit_denominator(12)).replace("-", "\N{MINUS SIGN}")

    @property
    def corners(self) -> NDArray[Any]:
        """The triangle: start and end of the hypotenuse, then the right angle."""
        y1 = self.y0 * (self.x1 / self.x0) ** self.exponent
        left = (self.exponent < 0) != self.above
        corner = (self.x0, y1) if left else (self.x1, self.y0)
        return np.array([(self.x0, self.y0), (self.x1, y1), corner])


@dataclass(frozen=True, eq=False)
class Panel:
    """One of several panels side by side: its series, a title, and slope triangles."""

    series: Sequence[Series]
    title: str = ""
    slopes: Sequence[Slope] = ()


def require_known(name: str, value: str, known: Iterable[str]) -> None:
    """Raise ValueError unless the value is one of the known words."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def to_array(name: str, value: ArrayLike, ndim: int = 1, complex_too: bool = False) -> NDArray[Any]:
    """Return finite numbers in double precision: from an array, a list, or any tensor."""
    detach = getattr(value, "detach", None)
    array = np.asarray(value if detach is None else detach().cpu())
    if array.ndim != ndim or array.size == 0:
        raise ValueError(
            f"{name} must have {ndim} dimension(s) and a value, got shape {array.shape}"
        )
    if array.dtype.kind not in ("iufc" if complex_too else "iuf"):
        allowed = "real or complex" if complex_too else "real"
        raise ValueError(f"{name} must hold {allowed} numbers, got dtype {array.dtype}")
    require(name, array, np.isfinite(array), "finite")
    return array.astype(np.complex128 if complex_too else np.float64)


def require(name: str, array: NDArray[Any], good: NDArray[Any], need: str) -> None:
    """Raise ValueError with the first value that is not good."""
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        place = index[0] if len(index) == 1 else index
        raise ValueError(f"{name} must be {need}, got {array[index]} at index {place}")
