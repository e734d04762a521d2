r"""Figures of the book: a result goes in, one transparent PNG comes out; or a figure with a slider.

Every ink has one meaning and keeps a contrast of at least 3:1 on the light and on the dark
page, so a single picture serves both. Form carries the status, colour the object: points and
bands are measured, dashed slate is theory. Nothing here computes a result, touches pyplot, or
leaves a matplotlib setting changed.

>>> limit = Series([1, 2, 3, 4], [1.0, 0.5, 0.25, 0.125], "theory", "limit")
>>> curves([limit], r"lag $\tau$", "weight", log_y=True)
<figure 504 x 317>
"""

from rnnlimits.figures.draw import curves, heat, histogram, panels, spectrum
from rnnlimits.figures.inks import INKS, SIZES, colour_map
from rnnlimits.figures.interactive import Interactive, Moving, View, slider
from rnnlimits.figures.parts import Panel, Picture, Series, Slope, sampled

__all__ = [
    "INKS",
    "SIZES",
    "Interactive",
    "Moving",
    "Panel",
    "Picture",
    "Series",
    "Slope",
    "View",
    "colour_map",
    "curves",
    "heat",
    "histogram",
    "panels",
    "sampled",
    "slider",
    "spectrum",
]
