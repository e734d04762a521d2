"""Pieces of inline SVG: axes, lines as path strings, marks, and words with their symbols.

Coordinates are CSS pixels rounded to a tenth, from data rounded to ten digits and logarithms
rounded to nine decimals, so that two machines that agree to that many write the same text.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from rnnlimits.figures.inks import FORMS, INKS, SLATE
from rnnlimits.figures.sheet import log_ticks, number, readable

Number = int | float
INK = f"var(--ink-theory, {SLATE})"
TEXT, SMALL = 13, 12
_LETTER = 6.3  # a generous width of a letter at the size of ticks
_REACH = 6  # how far marks may stand out of the frame
_FAR = 9999.0
_SHAPES = {
    "o": "M-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z",
    "s": "M-3-3h6v6h-6z",
    "D": "M0-3.7 3.7 0 0 3.7-3.7 0z",
    "^": "M0-3.7 3.5 3H-3.5z",
    "X": "M-3.2-3.2 3.2 3.2M3.2-3.2-3.2 3.2",
    "P": "M-3.6 0h7.2M0-3.6v7.2",
}
_DASHES = {"--": "5 3", "-.": "8 3 2 3"}
_SYMBOL = re.compile(r"([A-Za-zα-ωΑ-Ω])_([A-Za-z0-9α-ω])|([α-ω])")
_POWER = re.compile(r"\$(?:(\S+) \\times )?(\d+)\^\{(-?\d+)\}\$")


@dataclass(frozen=True)
class Scale:
    """An axis: where its numbers fall, in pixels, and which of them carry ticks."""

    low: Number
    high: Number
    start: Number
    end: Number
    log: bool
    ticks: Sequence[Number]

    def place(self, value: Number) -> float:
        """Return the pixel of a number; what lies far outside of the frame is put less far."""
        low, high = _steady(self.low, self.log), _steady(self.high, self.log)
        share = (_steady(value, self.log) - low) / (high - low)
        return min(max(self.start + share * (self.end - self.start), -_FAR), _FAR)

    def names(self) -> list[str]:
        """Return the ticks' labels."""
        plain = not self.log or all(map(readable, self.ticks))
        return [number(tick, plain) for tick in self.ticks]


def limits(
    values: NDArray[Any], log: bool, room: Number, given: tuple[Number, Number] | None
) -> tuple[Number, Number]:
    """Return the ends of an axis that holds all values, with a little room on both sides."""
    if given is not None:
        return given
    low, high = (_steady(float(v), log) for v in (values.min(), values.max()))
    pad = room * (high - low) or 0.5
    return (10 ** (low - pad), 10 ** (high + pad)) if log else (low - pad, high + pad)


def tick_values(low: Number, high: Number, log: bool, room: int) -> list[float]:
    """Return at most about `room` readable numbers between the ends of an axis."""
    ticks = log_ticks(low, high, np.array([low, high]), room)[0] if log else []
    if len(ticks) < 2:
        ticks = list(MaxNLocator(room, steps=[1, 2, 5, 10]).tick_values(low, high))
    return [float(f"{tick:.9g}") for tick in ticks if low <= tick <= high]


def path(x: Sequence[Number], y: Sequence[Number], across: Scale, up: Scale) -> str:
    """Return a line as the text of a path, interrupted where y is infinite."""
    pieces, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if math.isinf(b):
            pen = "M"
            continue
        pieces.append(f"{pen}{_pixel(across.place(a))} {_pixel(up.place(b))}")
        pen = " "
    return "".join(pieces)


def line(kind: str, name: str, drawn: bool, marked: Sequence[str]) -> str:
    """Return the attributes of a path in the ink and form of its kind, with marks where named."""
    form = FORMS[kind]
    stroke = f"stroke:var(--ink-{kind}, {INKS[kind]})" if drawn else "stroke:none"
    found = [f'fill="none" style="{stroke}" stroke-width="{form.get("linewidth", 1.8)}"']
    if dash := _DASHES.get(form.get("linestyle", "-")):
        found.append(f'stroke-dasharray="{dash}"')
    if "marker" in form:
        found += [f'marker-{place}="url(#{name}-{kind})"' for place in marked]
    return " ".join(found)


def mark(kind: str, name: str) -> str:
    """Return the definition of a kind's mark, or nothing where it has none."""
    letter = FORMS[kind].get("marker")
    if letter is None:
        return ""
    ink = f"var(--ink-{kind}, {INKS[kind]})"
    paint = f"fill:none;stroke:{ink};stroke-width:1.8" if letter in "XP" else f"fill:{ink}"
    return (
        f'<marker id="{name}-{kind}" viewBox="-5 -5 10 10" markerWidth="10" markerHeight="10" '
        f'markerUnits="userSpaceOnUse"><path d="{_SHAPES[letter]}" style="{paint}"/></marker>'
    )


def axes(across: Scale, up: Scale, x_label: str) -> Iterator[str]:
    """Yield frame, ticks and their labels, and the words under the axis."""
    left, right, bottom, top = across.start, across.end, up.start, up.end
    lines = [f"M{left} {top}V{bottom}H{right}"]
    for tick, name in zip(across.ticks, across.names(), strict=True):
        at = across.place(tick)
        lines.append(f"M{_pixel(at)} {bottom}v4")
        yield text(name, at, bottom + 17, SMALL, "middle")
    for tick, name in zip(up.ticks, up.names(), strict=True):
        at = up.place(tick)
        lines.append(f"M{left} {_pixel(at)}h-4")
        yield text(name, left - 7, at + 4, SMALL, "end")
    yield f'<path d="{"".join(lines)}" fill="none" style="stroke:{INK}" stroke-width="0.8"/>'
    yield text(x_label, (left + right) / 2, bottom + 36, TEXT, "middle")


def window(across: Scale, up: Scale, content: Sequence[str]) -> list[str]:
    """Return what is drawn inside the frame, cut off a little outside of it."""
    left, top = across.start - _REACH, up.end - _REACH
    size = (across.end - across.start + 2 * _REACH, up.start - up.end + 2 * _REACH)
    box = " ".join(f"{v:g}" for v in (left, top, *size))
    place = f'x="{left:g}" y="{top:g}" width="{size[0]:g}" height="{size[1]:g}"'
    return [f'<svg {place} viewBox="{box}">', *content, "</svg>"]


def margin(names: Sequence[str]) -> int:
    """Return the room that the longest of some tick labels takes."""
    return math.ceil(max(width(name) for name in names)) + 9


def width(words: str) -> Number:
    """Return about how wide words are at the size of ticks."""
    return _LETTER * len(re.sub(r"[_$^{}]|\\times", "", words))


def text(words: str, x: Number, y: Number, size: int, anchor: str = "start") -> str:
    """Return words in slate, their symbols slanted, indices lowered and exponents raised."""
    where = f'x="{_pixel(x)}" y="{_pixel(y)}" font-size="{size}" text-anchor="{anchor}"'
    found, back = [], 0
    for piece, slanted, shift in _pieces(words):
        attributes = [f' dy="{back + shift:g}"'] if back + shift else []
        attributes += [' font-style="italic"'] if slanted else []
        attributes += [f' font-size="{0.8 * size:g}"'] if shift else []
        inside = escape(piece)
        found.append(f"<tspan{''.join(attributes)}>{inside}</tspan>" if attributes else inside)
        back = -shift
    return f'<text {where} style="fill:{INK}">{"".join(found)}</text>'


def html(words: str) -> str:
    """Return the same words for HTML."""
    found = []
    for piece, slanted, shift in _pieces(words):
        inside = f"<i>{escape(piece)}</i>" if slanted else escape(piece)
        found.append(f"<sub>{inside}</sub>" if shift else inside)
    return "".join(found)


def _pieces(words: str) -> Iterator[tuple[str, bool, int]]:
    """Yield text, whether it is slanted, and how far it is shifted down."""
    power = _POWER.fullmatch(words)
    if power:
        factor, base, exponent = power.groups()
        yield (f"{factor}×{base}" if factor else base), False, 0
        yield exponent.replace("-", "\N{MINUS SIGN}"), False, -5
        return
    end = 0
    for symbol in _SYMBOL.finditer(words):
        if symbol.start() > end:
            yield words[end : symbol.start()], False, 0
        yield symbol[1] or symbol[3], True, 0
        if symbol[2]:
            yield symbol[2], symbol[2].isalpha(), 3
        end = symbol.end()
    if words[end:]:
        yield words[end:], False, 0


def _steady(value: Number, log: bool) -> float:
    return round(math.log10(value), 9) if log else float(f"{value:.9e}")


def _pixel(value: Number) -> str:
    return f"{round(value, 1) + 0.0:g}"
