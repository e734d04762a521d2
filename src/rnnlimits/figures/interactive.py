"""Figures with a slider: it chooses among pictures that Python has computed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnlimits.figures import svg
from rnnlimits.figures.inks import FORMS, INKS
from rnnlimits.figures.parts import require, require_known, to_array
from rnnlimits.figures.svg import Number

MOST_VALUES = 50
MOST_BYTES = 200_000
_WIDTHS = {1: 370, 2: 306}  # of a view, by how many there are: 624 px side by side
_PLOT, _ROW, _FOOT = 180, 18, 42
_NAME = "interactive-figure"


@dataclass(frozen=True, eq=False)
class Moving:
    """A line that moves with the slider: points x, and y for each of its values.

    ``y`` has axes (value, point); with the axis (point) alone the line stays where it is. Where y
    is infinite nothing is drawn. `kind` is a key of `INKS`; a theory line has no marks.

    >>> Moving([0, 1], [[1.0, 0.5], [1.0, 0.6]], "kernel", "weights").kind
    'kernel'

    Raises:
        ValueError: unknown kind, lengths that differ, an x that is not finite, or a y that is no
            number or -inf.
    """

    x: ArrayLike
    y: ArrayLike
    kind: str
    label: str = ""
    line: bool = True
    marks: bool = True

    def __post_init__(self) -> None:
        require_known("kind", self.kind, INKS)
        x, y = to_array("x", self.x), self.states()
        if y.shape[-1] != x.size:
            raise ValueError(f"y must have {x.size} points as x has, got shape {y.shape}")
        if not self.line and (not self.marks or "marker" not in FORMS[self.kind]):
            raise ValueError(f"line=False must leave marks, but this {self.kind} line has none")

    def states(self) -> NDArray[np.float64]:
        """Return y in double precision, with axes (value, point), one value where it stays."""
        detach = getattr(self.y, "detach", None)
        array = np.asarray(self.y if detach is None else detach().cpu())
        rows = array[None] if array.ndim == 1 else array
        infinite = rows == np.inf
        checked = to_array("y", np.where(infinite, 0, rows) if infinite.any() else rows, ndim=2)
        return np.where(infinite, np.inf, checked)


@dataclass(frozen=True, eq=False)
class View:
    """A panel: its lines, the words at its axes, and in words what it shows.

    The axes stay as they are while the lines move. ``y_limits`` cuts off what lies beyond them;
    without it all states fit. Words may hold symbols: ν_W is set with W as an index.
    """

    lines: Sequence[Moving]
    x_label: str
    y_label: str
    alt: str
    log_x: bool = False
    log_y: bool = False
    y_limits: tuple[Number, Number] | None = None
    x_ticks: Sequence[Number] | None = None
    y_ticks: Sequence[Number] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Interactive:
    """One or two views, and a slider that chooses their state.

    A page with the book's script shows the slider; elsewhere, and in print, the picture stands
    still in the state in which it is. ``values`` holds what is drawn, one array for each view, to
    be passed through `check`.
    """

    label: str
    n_states: int
    values: tuple[NDArray[np.float64], ...]
    html: str

    def __repr__(self) -> str:
        return f"<interactive figure: {self.label}, {self.n_states} values>"

    def _repr_html_(self) -> str:
        return self.html


def slider(
    views: Sequence[View],
    values: ArrayLike,
    label: str,
    symbol: str,
    notes: Sequence[str],
    start: int = 0,
    spec: str = ".2f",
) -> Interactive:
    """Return a figure whose slider goes through ``values``, one state of all lines for each.

    >>> lags, grid = np.arange(4), np.array([0.5, 1.0])
    >>> weights = Moving(lags, grid[:, None] ** lags, "kernel", "weight")
    >>> view = View([weights], "lag τ", "weight ρ_τ", alt="Weights fall with the lag.")
    >>> slider([view], grid, "recurrent variance", "ν_W", notes=["They halve.", "They stay."])
    <interactive figure: ν_W, 2 values>

    Args:
        views: one, or two that stand side by side where there is room.
        values: what the slider chooses, increasing.
        label: what the values are, in words.
        symbol: the short name that stands before the value, as in "ν_W = 0.50".
        notes: for each value one sentence that says what the views show.
        start: the place of the value that is shown first, and where there is no script.
        spec: how the values are written.

    Raises:
        ValueError: not one or two views, values that do not increase or are more than 50, lines
            or notes of another number, a start beyond them, a view without lines or words, a
            number that is not positive on a logarithmic axis, or more than 200 kB in all.
    """
    grid = to_array("values", values)
    _check(views, grid, symbol, notes, start)
    shown = [format(v, spec).replace("-", "\N{MINUS SIGN}") for v in grid]
    rows = max(_legend_rows(view, _WIDTHS[len(views)]) for view in views)
    panels = [_picture(view, start, _WIDTHS[len(views)], rows) for view in views]
    spoken = [f"{symbol.replace('_', ' ')} = {value}" for value in shown]
    control = (
        '<label class="interactive-control" hidden>'
        f"<span>{svg.html(label)} {svg.html(symbol)}</span>"
        f'<input type="range" min="0" max="{grid.size - 1}" step="1" value="{start}" '
        f'autocomplete="off" aria-valuetext="{escape(spoken[start])}" '
        f'data-attribute="aria-valuetext" data-states="{_states(spoken)}"></label>'
    )
    state = (
        f'<p class="interactive-state" id="{_NAME}">{svg.html(symbol)} = '
        f'<output aria-live="off" data-states="{_states(shown)}">{shown[start]}</output>. '
        f'<span aria-live="polite" data-states="{_states(notes)}">{escape(notes[start])}</span></p>'
    )
    inside = [control, state, '<div class="interactive-views">', *panels, "</div>"]
    html = "\n".join(['<div class="interactive">', *inside, "</div>"])
    html = html.replace(_NAME, f"interactive-{hashlib.sha256(html.encode()).hexdigest()[:8]}")
    if len(html.encode()) > MOST_BYTES:
        raise ValueError(
            f"the figure must have at most {MOST_BYTES} bytes, got {len(html.encode())}"
        )
    return Interactive(symbol, grid.size, tuple(map(_finite, views)), html)


def _check(
    views: Sequence[View], grid: NDArray[Any], symbol: str, notes: Sequence[str], start: int
) -> None:
    if len(views) not in _WIDTHS:
        raise ValueError(f"views must be one or two, got {len(views)}")
    if grid.size > MOST_VALUES or np.any(np.diff(grid) <= 0):
        raise ValueError(f"values must increase and be at most {MOST_VALUES}, got {grid.size}")
    if "|" in symbol:
        raise ValueError(f"symbol must hold no bar, got {symbol!r}")
    if len(notes) != grid.size or not all(note.strip() and "|" not in note for note in notes):
        raise ValueError(f"notes must be {grid.size} sentences, one for each value, without a bar")
    if not 0 <= start < grid.size:
        raise ValueError(f"start must be in 0 to {grid.size - 1}, got {start}")
    for view in views:
        if not view.lines or not view.alt.strip():
            raise ValueError("a view must have lines, and words that say what it shows")
        for line in view.lines:
            if (found := line.states().shape[0]) not in (1, grid.size):
                raise ValueError(f"y must have {grid.size} states, got {found} of {line.label!r}")
        for axis, log, held in (
            ("x", view.log_x, _along(view)),
            ("y", view.log_y, _finite(view)),
        ):
            if not held.size:
                raise ValueError("a view must have a point that is not infinite")
            if log:
                require(f"{axis} on a logarithmic axis", held, held > 0, "positive")


def _picture(view: View, start: int, width: int, legend_rows: int) -> str:
    """Return one view as SVG, in the state that is shown first."""
    top = _ROW * (1 + legend_rows) + 6
    y_ends = svg.limits(_finite(view), view.log_y, 0.05, view.y_limits)
    y_ticks = _ticks(view.y_ticks, y_ends, view.log_y, 6)
    up = svg.Scale(*y_ends, top + _PLOT, top, view.log_y, y_ticks)
    x_ends = svg.limits(_along(view), view.log_x, 0.03, None)
    x_ticks = _ticks(view.x_ticks, x_ends, view.log_x, 6)
    left = svg.margin(up.names())
    across = svg.Scale(*x_ends, left, width - 8, view.log_x, x_ticks)
    lines = [_line(line, start, across, up) for line in view.lines]
    marks = {line.kind: svg.mark(line.kind, _NAME) for line in view.lines if line.marks}
    content = [
        f'<svg role="img" aria-label="{escape(view.alt)}" aria-describedby="{_NAME}" '
        f'width="{width}" height="{top + _PLOT + _FOOT}" '
        f'viewBox="0 0 {width} {top + _PLOT + _FOOT}" font-family="serif">',
        f"<defs>{''.join(marks.values())}</defs>",
        svg.text(view.y_label, 0, 13, svg.TEXT),
        *_legend(view, width),
        *svg.axes(across, up, view.x_label),
        *svg.window(across, up, lines),
        "</svg>",
    ]
    return "\n".join(content)


def _line(line: Moving, start: int, across: svg.Scale, up: svg.Scale) -> str:
    x = to_array("x", line.x).tolist()
    states = [svg.path(x, y, across, up) for y in line.states().tolist()]
    form = svg.line(line.kind, _NAME, line.line, ("start", "mid", "end") if line.marks else ())
    moving = f' data-attribute="d" data-states="{_states(states)}"' if len(states) > 1 else ""
    return f'<path d="{states[start if moving else 0]}" {form}{moving}/>'


def _legend(view: View, width: int) -> list[str]:
    """Return a sample and a name for every line that has one, in rows under the view's title."""
    found = []
    for line, x, row in _legend_places(view, width):
        y = _ROW * (1 + row) + 9
        form = svg.line(line.kind, _NAME, line.line, ("mid",) if line.marks else ())
        found.append(f'<path d="M{x:g} {y}h11h11" {form}/>')
        found.append(svg.text(line.label, x + 28, y + 4, svg.SMALL))
    return found


def _legend_places(view: View, width: int) -> list[tuple[Moving, Number, int]]:
    found, x, row = [], 4.0, 0
    for line in view.lines:
        if line.label:
            room = 28 + svg.width(line.label)
            if x > 4 and x + room > width:
                x, row = 4.0, row + 1
            found.append((line, x, row))
            x += room + 12
    return found


def _legend_rows(view: View, width: int) -> int:
    return max((row + 1 for _, _, row in _legend_places(view, width)), default=0)


def _ticks(
    given: Sequence[Number] | None, ends: tuple[Number, Number], log: bool, room: int
) -> list[Number]:
    return list(given) if given is not None else svg.tick_values(*ends, log, room)


def _states(texts: Sequence[str]) -> str:
    return escape("|".join(texts))


def _along(view: View) -> NDArray[np.float64]:
    return np.concatenate([to_array("x", line.x) for line in view.lines])


def _finite(view: View) -> NDArray[np.float64]:
    values = np.concatenate([line.states().ravel() for line in view.lines])
    return values[np.isfinite(values)]
