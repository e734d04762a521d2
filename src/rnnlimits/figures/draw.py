"""The figures themselves: curves, panels, a spectrum, a heat map, a histogram."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from rnnlimits.figures.inks import FORMS, INKS, SLATE, colour_map
from rnnlimits.figures.parts import (
    Panel,
    Picture,
    Series,
    Slope,
    require,
    require_known,
    to_array,
)
from rnnlimits.figures.sheet import (
    GAP,
    POINT,
    arrange,
    note,
    number,
    render,
    set_ticks,
    sheet,
    stride,
)

_BAND = 0.18
_DIRECT_LABELS = 5  # above this many, a legend


def curves(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
    slopes: Sequence[Slope] = (),
    size: str = "panel",
) -> Picture:
    """Draw series against x, each labelled at its end; above five labels, a legend takes them.

    >>> widths = [64, 128, 256]
    >>> error = Series(widths, [0.2, 0.14, 0.1], "kernel", "measured", [0.1] * 3, [0.3] * 3)
    >>> curves([error], "width", "error", True, True, slopes=[Slope(64, 128, 0.1, -0.5)])
    <figure 504 x 317>

    Raises:
        ValueError: no series, an unknown size, a value that is not positive on a logarithmic
            axis, or slopes where not both axes are logarithmic.
    """
    return panels([Panel(series, slopes=slopes)], x_label, y_label, log_x, log_y, size)


def panels(
    content: Sequence[Panel],
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
    size: str = "pair",
) -> Picture:
    """Draw panels side by side on shared axes; label each line once, in the panel with room.

    >>> two, three = (Series([1, 2], [1, k], "measured", f"k = {k}") for k in (2, 3))
    >>> panels([Panel([two], "left"), Panel([three], "right")], "x", "y")
    <figure 624 x 298>

    Raises:
        ValueError: as for `curves`, or no panel.
    """
    if not content or not all(len(panel.series) for panel in content):
        raise ValueError("a figure must have at least one panel, and each at least one series")
    if any(panel.slopes for panel in content) and not (log_x and log_y):
        raise ValueError("slopes need two logarithmic axes: give log_x=True and log_y=True")
    xs = _values_along(content, ("x",), log_x)
    ys = _values_along(content, ("y", "low", "high"), log_y)
    with sheet(size) as figure:
        row = figure.subplots(1, len(content), sharex=True, sharey=True, squeeze=False)[0]
        row[0].set(ylabel=y_label, yscale="log" if log_y else "linear")
        row[0].set(xscale="log" if log_x else "linear")
        labels = [_panel(axes, panel, x_label) for axes, panel in zip(row, content, strict=True)]
        figure.draw_without_rendering()
        set_ticks(row[0].xaxis, xs, log_x, room=row[0].bbox.width / (30 * POINT))
        set_ticks(row[0].yaxis, ys, log_y, room=row[0].bbox.height / (22 * POINT))
        for _ in range(4):  # the labels' new places move the axes, ever less
            figure.draw_without_rendering()
            moved = [
                arrange(ends, _ink_positions(axes, panel.series), _gap(panel), axes.bbox.y0)
                for axes, panel, ends in zip(row, content, labels, strict=True)
            ]
            if not any(moved):
                break
        return render(figure)


def spectrum(
    eigenvalues: ArrayLike,
    radius: int | float,
    label: str = "",
    circle_label: str = "",
    kind: str = "measured",
    size: str = "panel",
) -> Picture:
    """Draw eigenvalues in the complex plane, and dashed the circle that theory predicts.

    >>> spectrum([0.5 + 0.5j, 0.5 - 0.5j, -0.9], 1.0, "eigenvalues", "circular law")
    <figure 504 x 317>

    Raises:
        ValueError: no eigenvalue, one that is not finite, a radius that is not positive, or an
            unknown kind or size.
    """
    values: NDArray[np.complex128] = to_array("eigenvalues", eigenvalues, complex_too=True)
    require_known("kind", kind, INKS)
    if not 0 < radius < math.inf:
        raise ValueError(f"radius must be positive and finite, got {radius}")
    angle = np.linspace(0, 2 * np.pi, 361)
    with sheet(size) as figure:
        axes = figure.subplots()
        form = {"marker": "o", **FORMS[kind], "linestyle": "none", "markersize": 3.5}
        axes.plot(values.real, values.imag, color=INKS[kind], **form)
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color=SLATE, **FORMS["theory"])
        axes.set(aspect="equal", xlabel="real part", ylabel="imaginary part")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        diagonal = radius / math.sqrt(2)
        note(axes, circle_label, (diagonal, diagonal), SLATE, (1.5 * GAP, 2 * GAP))
        corner = values[np.argmax(values.real - values.imag)]
        note(axes, label, (corner.real, corner.imag), INKS[kind], (6 * GAP, -4 * GAP), leader=True)
        return render(figure)


def heat(
    matrix: ArrayLike,
    x_label: str,
    y_label: str,
    colour_label: str,
    diverging: bool = False,
    log: bool = False,
    columns: ArrayLike | None = None,
    rows: ArrayLike | None = None,
    size: str = "panel",
) -> Picture:
    """Draw a matrix as colours, its rows downwards; the diverging map is symmetric about zero.

    `columns` and `rows` are the values named by the ticks; without them ticks count from 0.

    >>> heat([[1.0, 0.1], [0.1, 1.0]], "time", "time", "kernel", log=True)
    <figure 504 x 317>

    Raises:
        ValueError: not a matrix, a value that is not finite, one that is not positive with
            log=True, log and diverging together, or ticks that do not fit the matrix.
    """
    values = to_array("matrix", matrix, ndim=2)
    norm = _colour_scale(values, diverging, log)
    ticks = [
        _tick_values("columns", columns, values.shape[1]),
        _tick_values("rows", rows, values.shape[0]),
    ]
    with sheet(size) as figure:
        figure.set_layout_engine("compressed")  # keeps the colour bar beside a square matrix
        axes = figure.subplots()
        aspect = "equal" if values.shape[0] == values.shape[1] else "auto"
        image = axes.imshow(values, cmap=colour_map(diverging), norm=norm, aspect=aspect)
        axes.spines[:].set_visible(True)
        axes.set(xlabel=x_label, ylabel=y_label)
        for axis, names in zip((axes.xaxis, axes.yaxis), ticks, strict=True):
            shown = range(0, names.size, stride(names.size, 8))
            axis.set_ticks(list(shown), labels=[number(names[i]) for i in shown])
        bar = figure.colorbar(image, ax=axes, label=colour_label)
        set_ticks(bar.ax.yaxis, values, log, room=6)
        figure.draw_without_rendering()
        return render(figure)


def histogram(
    samples: ArrayLike,
    density_x: ArrayLike,
    density_y: ArrayLike,
    x_label: str,
    label: str,
    theory_label: str,
    kind: str = "measured",
    bins: int = 30,
    size: str = "panel",
) -> Picture:
    """Draw the histogram of samples, with unit area, under the density that theory predicts.

    >>> histogram([-1, 0, 0, 1], [-2, 0, 2], [0, 0.5, 0], "value", "four samples", "triangle")
    <figure 504 x 317>

    Raises:
        ValueError: values that are not finite, lengths that differ, no bin, or an unknown kind
            or size.
    """
    require_known("kind", kind, INKS)
    density = Series(density_x, density_y, "theory", theory_label).arrays()
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    heights, edges = np.histogram(to_array("samples", samples), bins=bins, density=True)
    with sheet(size) as figure:
        axes = figure.subplots()
        axes.stairs(heights, edges, fill=True, color=INKS[kind], alpha=_BAND, linewidth=0)
        axes.stairs(heights, edges, color=INKS[kind], linewidth=1.0)
        axes.plot(density["x"], density["y"], color=SLATE, **FORMS["theory"])
        axes.set(xlabel=x_label, ylabel="density", ylim=(0, None))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        for share, text, ink, xs, ys in (
            (0.8, theory_label, SLATE, density["x"], density["y"]),
            (0.45, label, INKS[kind], edges[1:], heights),
        ):
            flank = np.flatnonzero(ys >= share * ys.max())[-1]  # right end at this height
            point = (float(xs[flank]), float(share * ys.max()))
            note(axes, text, point, ink, (6 * GAP, 0.0), leader=True)
        return render(figure)


def _values_along(content: Sequence[Panel], names: Sequence[str], log: bool) -> NDArray[np.float64]:
    found = []
    for series in (series for panel in content for series in panel.series):
        for name, values in series.arrays().items():
            if name in names:
                if log:
                    which = f"{name} of {series.label or series.kind!r} on a logarithmic axis"
                    require(which, values, values > 0, "positive")
                found.append(values)
    return np.concatenate(found)


def _panel(axes: Axes, panel: Panel, x_label: str) -> list[Annotation]:
    axes.set(xlabel=x_label, title=panel.title)
    for series in panel.series:
        _line(axes, series)
    for slope in panel.slopes:
        _triangle(axes, slope)
    named = [series for series in panel.series if series.label]
    if len(named) > _DIRECT_LABELS:
        _legend(axes)
        return []
    return [_end_label(axes, series, _gap(panel)) for series in named]


def _gap(panel: Panel) -> float:
    marked = any(series.marked for series in panel.series)
    return 2 * GAP if marked else GAP  # from the mark's edge, not from its centre


def _line(axes: Axes, series: Series) -> None:
    values, ink = series.arrays(), INKS[series.kind]
    if "low" in values:
        edges = (values["low"], values["high"])
        axes.fill_between(values["x"], *edges, color=ink, alpha=_BAND, linewidth=0)
        for edge in edges:
            axes.plot(values["x"], edge, color=ink, linewidth=0.6)
    form = dict(FORMS[series.kind])
    if not series.marked:
        form["marker"] = ""
    if not series.line:
        form["linestyle"] = "none"
    axes.plot(values["x"], values["y"], color=ink, label=series.label or "_", **form)


def _triangle(axes: Axes, slope: Slope) -> None:
    corners = slope.corners
    axes.fill(*corners.T, fill=False, edgecolor=SLATE, linewidth=0.9, joinstyle="round")
    x = corners[2, 0]
    y = math.sqrt(corners[0, 1] * corners[1, 1])
    side = -1 if x == slope.x0 else 1
    axes.annotate(
        slope.label,
        (x, y),
        xytext=(side * GAP, 0),
        textcoords="offset points",
        ha="right" if side < 0 else "left",
        va="center",
        fontsize=12,
    )


def _end_label(axes: Axes, series: Series, gap: float) -> Annotation:
    values = series.arrays()
    last = int(np.argmax(values["x"]))
    point = (float(values["x"][last]), float(values["y"][last]))
    return note(axes, series.label, point, INKS[series.kind], (gap, 0.0))


def _legend(axes: Axes) -> None:
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")


def _ink_positions(axes: Axes, content: Sequence[Series]) -> NDArray[np.float64]:
    """Points every few pixels along all lines and band edges, in pixels of the canvas."""
    paths = []
    for values in (series.arrays() for series in content):
        for name in values.keys() - {"x"}:
            points = axes.transData.transform(np.column_stack([values["x"], values[name]]))
            travelled = np.cumsum(np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T))
            stops = np.linspace(0, travelled[-1], int(travelled[-1] // 4) + 2)
            paths += [np.column_stack([np.interp(stops, travelled, p) for p in points.T]), points]
    return np.concatenate(paths)


def _colour_scale(values: NDArray[np.float64], diverging: bool, log: bool) -> Normalize:
    if log and diverging:
        raise ValueError("log and diverging exclude each other: a logarithm has no zero")
    if log:
        require("matrix on a logarithmic scale", values, values > 0, "positive")
        return LogNorm(values.min(), values.max())
    if diverging:
        limit = float(np.abs(values).max()) or 1.0
        return Normalize(-limit, limit)
    return Normalize(values.min(), values.max())


def _tick_values(name: str, given: ArrayLike | None, count: int) -> NDArray[np.float64]:
    values = to_array(name, np.arange(count) if given is None else given)
    if values.size != count:
        raise ValueError(f"{name} must have {count} values to fit the matrix, got {values.size}")
    return values
