"""The gate on figures with a slider: they hold a picture and its states, and nothing that acts."""

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup, Tag

MOST_BYTES = 200_000
MOST_STATES = 50
OPENING = '<div class="interactive">'
SHARED = {"class", "id", "style", "aria-label", "aria-describedby", "aria-live", "hidden", "role"}
STATES = {"data-states", "data-attribute"}
PAINT = {"fill", "stroke-width", "stroke-dasharray"}
FONT = {"font-family", "font-size", "font-style", "text-anchor"}
BOX = {"x", "y", "width", "height", "viewbox"}
ALLOWED = {
    **{name: set() for name in ("div", "p", "i", "sub", "defs", "label")},
    "input": {"type", "min", "max", "step", "value", "autocomplete", "aria-valuetext", *STATES},
    "output": STATES,
    "span": STATES,
    "svg": {*BOX, *FONT},
    "path": {"d", "marker-start", "marker-mid", "marker-end", *PAINT, *STATES},
    "marker": {"viewbox", "markerwidth", "markerheight", "markerunits"},
    "text": {*BOX, *FONT},
    "tspan": {"dy", *FONT},
}
# Only these attributes may a state replace.
REPLACED = {"d", "aria-valuetext"}
ADDRESS = re.compile(r"url\((?!#)|//|javascript:", re.IGNORECASE)
FINE = re.compile(r"\d\.\d\d")


def is_interactive(html: str) -> bool:
    """Whether an output is a figure with a slider, as `rnnlimits.figures.slider` writes it."""
    return html.startswith(OPENING)


def faults(html: str) -> list[str]:
    """Return what keeps such a figure from being published."""
    problems = []
    if len(html.encode()) > MOST_BYTES:
        problems.append(f"the figure has more than {MOST_BYTES} bytes")
    soup = BeautifulSoup(html, "html.parser")
    if len([child for child in soup.contents if isinstance(child, Tag)]) != 1:
        problems.append("the figure is not the only thing in its output")
    for tag in soup.find_all(True):
        problems += _faults_of(tag)
    problems += _of_slider(soup)
    for picture in soup.select(".interactive-views > svg"):
        if picture.get("role") != "img" or not str(picture.get("aria-label") or "").strip():
            problems.append("a view of the figure lacks its words")
    return problems


def _faults_of(tag: Tag) -> Iterator[str]:
    if tag.name not in ALLOWED:
        yield f"the figure holds <{tag.name}>"
        return
    for name, value in tag.attrs.items():
        if name not in ALLOWED[tag.name] | SHARED:
            yield f"the figure holds <{tag.name} {name}>"
        if ADDRESS.search(str(value)):
            yield f"the figure holds an address in <{tag.name} {name}>"
    if tag.get("data-attribute", "d") not in REPLACED:
        yield f"a state of the figure replaces {tag.get('data-attribute')}"
    if tag.name == "path" and FINE.search(f"{tag.get('d')} {tag.get('data-states')}"):
        yield "a place in the figure is finer than a tenth of a pixel"


def _of_slider(soup: BeautifulSoup) -> Iterator[str]:
    sliders = soup.find_all("input")
    if len(sliders) != 1 or sliders[0].get("type") != "range" or sliders[0].parent is None:
        yield "the figure does not have one slider"
        return
    if sliders[0].parent.name != "label" or not sliders[0].parent.has_attr("hidden"):
        yield "the slider has no label, or is not hidden where there is no script"
    count = int(str(sliders[0].get("max"))) + 1
    if count > MOST_STATES:
        yield f"the slider has {count} values, more than {MOST_STATES}"
    for tag in soup.select("[data-states]"):
        if len(str(tag["data-states"]).split("|")) != count:
            yield f"<{tag.name}> does not have a state for each value of the slider"
