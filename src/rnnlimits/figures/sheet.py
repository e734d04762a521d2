"""The ground under a figure: style, rendering, ticks, and labels that keep clear of each other."""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from rnnlimits.figures.inks import SIZES, SLATE
from rnnlimits.figures.parts import Picture, require_known

CSS_DPI, DPI = 96, 192
POINT = DPI / 72  # pixels of the canvas in a point
GAP = 4.5  # 6 CSS px, in points
_LEADER = 3 * POINT  # a label moved further than this is tied to its point
_STYLE = Path(__file__).parent.with_suffix(".mplstyle")


@contextmanager
def sheet(size: str) -> Iterator[Figure]:
    """Open an empty figure in the book's style; the user's own settings neither count nor change.

    Raises:
        ValueError: an unknown size.
    """
    require_known("size", size, SIZES)
    with style.context(["default", _STYLE]):
        # drawn at its final resolution from the start, so that measured text is the text drawn
        figure = Figure(figsize=SIZES[size], dpi=DPI)
        FigureCanvasAgg(figure)
        yield figure


def render(figure: Figure) -> Picture:
    """Return the figure as a picture whose bytes depend on nothing but what is drawn."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, transparent=True, metadata={"Software": None})
    width, height = figure.get_size_inches() * CSS_DPI
    return Picture(buffer.getvalue(), round(width), round(height))


def number(value: int | float, plain: bool = True) -> str:
    r"""Return a tick label: as it stands up to five digits, else as a power of ten.

    >>> number(0.001), number(1e-5), number(-2), number(0.001, plain=False)
    ('0.001', '$10^{-5}$', '−2', '$10^{-3}$')
    """
    if value in (0, 1) or (plain and readable(value)):
        return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    factor = f"{value / 10**exponent:.3g}"
    factor = {"1": "", "-1": "-"}.get(factor, rf"{factor} \times ")
    return rf"${factor}10^{{{exponent}}}$"


def readable(value: int | float) -> bool:
    """Whether a number is easier to read as it stands than as a power of ten."""
    return bool(1e-3 <= abs(value) < 1e5)


def stride(count: int, most: int | float) -> int:
    """Return the smallest step of 1, 2, 5, 10, 20, … that leaves at most `most` of `count`."""
    step = 1
    while math.ceil(count / step) > most:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return step


def log_ticks(
    low: int | float, high: int | float, values: NDArray[Any], room: int | float
) -> tuple[list[float], list[float]]:
    """Return major and minor ticks between the limits of a logarithmic axis.

    Powers of two where the data are powers of two, else decades, else 1-3 or 1-2-5 steps.
    """
    base = 2 if _powers_of_two(values) else 10
    span = (math.log(low, base) - 1e-9, math.log(high, base) + 1e-9)
    exponents = range(math.ceil(span[0]), math.floor(span[1]) + 1)
    if base == 2 or len(exponents) >= 3:
        step = stride(len(exponents), max(room, 2))
        minor = [float(base) ** k for k in exponents] if step <= 5 else []
        return [float(base) ** k for k in exponents if k % step == 0], minor
    decades = range(math.floor(span[0]), math.ceil(span[1]) + 1)
    ticks: list[float] = []
    for digits in ((1, 3), (1, 2, 5), (1, 2, 3, 4, 6, 8)):
        ticks = [d * 10.0**k for k in decades for d in digits if low <= d * 10.0**k <= high]
        if len(ticks) >= 3:
            break
    return ticks, []


def set_ticks(axis: Axis, values: NDArray[Any], log: bool, room: int | float) -> None:
    """Give an axis at most about `room` readable ticks; `values` are the data along it."""
    low, high = sorted(axis.get_view_interval())
    ticks, minor = log_ticks(low, high, values, room) if log else ([], [])
    if len(ticks) < 2:  # a linear axis, or a logarithmic one over less than a factor of two
        whole = bool(np.all(values == np.round(values)))
        locator = MaxNLocator(max(int(room), 2), steps=[1, 2, 5, 10], integer=whole)
        ticks, minor = [t for t in locator.tick_values(low, high) if low <= t <= high], []
        if not log:
            axis.set_major_locator(locator)
            return
    axis.set_major_locator(FixedLocator(ticks))
    plain = all(readable(t) for t in ticks)
    names = [number(t, plain) for t in ticks]
    if log and not plain and _powers_of_two(values):
        names = [f"$2^{{{round(math.log2(t))}}}$" for t in ticks]
    axis.set_major_formatter(FixedFormatter(names))
    axis.set_minor_locator(FixedLocator(minor))
    axis.set_minor_formatter(FixedFormatter([""] * len(minor)))


def note(
    axes: Axes,
    text: str,
    point: tuple[float, float],
    ink: str,
    offset: tuple[float, float],
    leader: bool = False,
) -> Annotation:
    """Write a slate label beside a point, `offset` in points, with a thin leader in its ink."""
    arrow = {"arrowstyle": "-", "color": ink, "lw": 0.8, "relpos": (0, 0.5), "shrinkA": 2}
    arrow |= {"shrinkB": 0, "ls": "--" if ink == SLATE else "-"}
    label = axes.annotate(
        text,
        point,
        xytext=offset,
        textcoords="offset points",
        annotation_clip=False,
        va="center",
        arrowprops=arrow,
        color=SLATE,
    )
    _show_leader(label, leader and bool(text))
    return label


def arrange(
    labels: Sequence[Annotation], ink: NDArray[Any], gap: int | float, floor: int | float
) -> bool:
    """Move end labels up or down until they clear each other and the ink, by as little as can be.

    Labels right of all ink only have to clear each other; one that sits inside the axes, at the
    end of a shorter line, looks for the nearest free place above the floor. A moved label gets a
    leader; so do its neighbours that touch it, and all stand off far enough for leaders to show.
    Returns whether any label now stands elsewhere, by a pixel or more, than before the call.
    """
    before = [label.xyann for label in labels]
    for label in labels:
        _move(label, gap, 0.0, leader=False)
    boxes = [_box(label) for label in labels]
    outer = [i for i, box in enumerate(boxes) if box[0] > ink[:, 0].max()]
    centres = np.array([(boxes[i][1] + boxes[i][3]) / 2 for i in outer])
    heights = np.array([boxes[i][3] - boxes[i][1] + POINT for i in outer])
    moved, cluster = spread(centres, heights)
    far = cluster[np.abs(moved - centres) > _LEADER]
    for i, shift, crowded in zip(outer, moved - centres, np.isin(cluster, far), strict=True):
        _move(labels[i], gap + 3 * GAP * crowded, shift, leader=bool(crowded))
    taken = [_box(labels[i]) for i in outer]
    for i in sorted(set(range(len(labels))) - set(outer)):
        shift = _free_shift(boxes[i], ink, taken, floor)
        _move(labels[i], gap, shift, leader=abs(shift) > _LEADER)
        taken.append(_box(labels[i]))
    now = [label.xyann for label in labels]
    return bool(np.any(np.abs(np.subtract(now, before)) * POINT >= 1))


def spread(
    centres: NDArray[Any], heights: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return centres that no longer overlap, moved least in squares, and who touches whom.

    The order is kept. Subtracting the stacked heights turns "no overlap" into "non-decreasing",
    which the pooling of adjacent violators solves exactly; a pool is a cluster that touches.

    >>> moved, cluster = spread(np.array([0.0, 1.0, 9.0]), np.array([3.0, 3.0, 3.0]))
    >>> moved.tolist(), cluster.tolist()
    ([-1.0, 2.0, 9.0], [0, 0, 1])
    """
    order = np.argsort(centres, kind="stable")
    stack = np.cumsum(heights[order]) - heights[order] / 2
    fit = isotonic_regression(centres[order] - stack)
    moved, cluster = np.empty(centres.size), np.empty(centres.size, dtype=np.int64)
    moved[order] = fit.x + stack
    cluster[order] = np.repeat(np.arange(fit.blocks.size - 1), np.diff(fit.blocks))
    return moved, cluster


def _powers_of_two(values: NDArray[Any]) -> bool:
    exponents = np.log2(values)
    whole = bool(np.all(values >= 1) and np.all(exponents == np.round(exponents)))
    return whole and np.unique(values).size >= 3


def _box(label: Annotation) -> NDArray[Any]:
    label.get_window_extent()  # brings the text to its current offset
    return np.array(Text.get_window_extent(label).extents)  # the text alone, without its leader


def _move(label: Annotation, gap: int | float, shift: int | float, leader: bool) -> None:
    label.xyann = (float(gap), float(shift / POINT))
    _show_leader(label, leader)


def _show_leader(label: Annotation, visible: bool) -> None:
    assert label.arrow_patch is not None  # every note is made with an arrow
    label.arrow_patch.set_visible(visible)


def _free_shift(
    box: NDArray[Any], ink: NDArray[Any], taken: Sequence[NDArray[Any]], floor: int | float
) -> float:
    """Return the least shift to a place above the floor that neither ink nor a label takes."""
    left, bottom, right, top = box + np.array([-1, -1, 1, 1]) * POINT
    ceiling = max([ink[:, 1].max(), *(other[3] for other in taken)])

    def free(shift: float) -> bool:
        low, high = bottom + shift, top + shift
        covered = (ink > (left, low)).all(axis=1) & (ink < (right, high)).all(axis=1)
        clash = any(left < x1 and x0 < right and low < y1 and y0 < high for x0, y0, x1, y1 in taken)
        return bool(low >= floor and not covered.any() and not clash)

    count = math.ceil((max(ceiling, floor) - bottom) / POINT) + 1  # the last lies above it all
    return next(k * POINT for step in range(count + 1) for k in (step, -step) if free(k * POINT))
