"""The palette: seven inks with one meaning each, their marks and lines, two colour maps."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from matplotlib.colors import Colormap, LinearSegmentedColormap

INKS: Mapping[str, str] = MappingProxyType(
    {
        "meanfield": "#3566ca",  # the mean-field regime
        "kernel": "#cd7e2a",  # the kernel regime
        "theory": "#707279",  # a limit, bound or formula; also all text and axes
        "measured": "#599e84",  # a measurement that belongs to no regime
        "peer": "#aa81b5",  # a reference, baseline, other library, or the convolution
        "fail": "#c70a5b",  # a counterexample or an uncorrected formula
        "ours": "#736602",  # a correction or construction of this book
    }
)
"""The ink of each kind of series."""

SLATE = INKS["theory"]

FORMS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "meanfield": {"marker": "o"},
        "kernel": {"marker": "s"},
        "theory": {"linestyle": "--", "linewidth": 1.2, "zorder": 3},
        "measured": {"marker": "D", "markersize": 5},
        "peer": {"marker": "^", "linestyle": "-."},
        "fail": {"marker": "X", "linewidth": 1.0},
        "ours": {"marker": "P", "markersize": 6.5},
    }
)
"""The mark and line of each kind, in matplotlib's words."""

SIZES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"panel": (5.25, 3.3), "pair": (6.5, 3.1), "half": (3.2, 2.5)}
)
"""Width and height of each size of figure, in inches of 96 CSS pixels."""

SEQUENTIAL = ("#08336c", "#055a8c", "#3f838e", "#8ea77b", "#d4ba72")
DIVERGING = ("#004690", "#3b71b2", "#829dc2", "#c9c6c1", "#bf9362", "#a0611f", "#6f380a")


def colour_map(diverging: bool) -> Colormap:
    """Return the sequential map (high is bright) or the diverging one (zero is pale).

    The map is an object of its own: matplotlib's registry stays as it was.

    >>> colour_map(diverging=False).name
    'sequential'
    """
    name, inks = ("diverging", DIVERGING) if diverging else ("sequential", SEQUENTIAL)
    return LinearSegmentedColormap.from_list(name, inks)
