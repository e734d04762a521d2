"""Figures with a slider in a browser: by keyboard, on a phone, in print, without scripts."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pagecheck import Findings, axe_script, examine
from rnnlimits.figures import Moving, View, slider

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

STATIC = Path(__file__).resolve().parents[2] / "book" / "_static"
GRID = np.array([0.25, 0.5, 1.0])
LAGS = np.arange(5)
WEIGHTS = GRID[:, None] ** LAGS
VIEWS = [
    View([Moving(LAGS, WEIGHTS, "kernel", "weights")], "lag τ", "weight ρ_τ", "They fall."),
    View([Moving(LAGS, 1 / WEIGHTS, "peer")], "lag τ", "time", "They rise.", log_y=True),
]
FIGURE = slider(VIEWS, GRID, "recurrent variance", "ν_W", ["Steep.", "Halved.", "Flat."], start=1)
PAGE = """<!doctype html><html lang="en" data-theme="{scheme}"><head><meta charset="utf-8">
<title>Demo</title><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="{static}/book.css"><script src="{static}/interactive.js"></script>
<style>body {{ background: var(--pst-color-background); color: var(--pst-color-text-base) }}</style>
</head><body class="bd-content"><main class="bd-article"><h1>Demo</h1>
<div class="cell_output"><div class="output text_html">{figure}</div></div>
</main></body></html>"""
INKS = """() => [...document.querySelectorAll('.interactive path[data-states], .interactive text')]
  .map(e => [getComputedStyle(e)[e.matches('text') ? 'fill' : 'stroke'], e.matches('text')])"""
TEXT = """() => Math.min(...[...document.querySelectorAll('.interactive svg text')].map(e =>
  parseFloat(e.getAttribute('font-size')) * e.ownerSVGElement.getScreenCTM().a))"""


@pytest.fixture
def addresses(tmp_path: Path) -> dict[str, str]:
    """The addresses of a page with one figure, by colour scheme."""
    found = {}
    for scheme in ("light", "dark"):
        text = PAGE.format(scheme=scheme, static=STATIC.as_uri(), figure=FIGURE.html)
        (tmp_path / f"{scheme}.html").write_text(text, encoding="utf-8")
        found[scheme] = (tmp_path / f"{scheme}.html").as_uri()
    return found


@pytest.fixture
def context(browser: "Browser") -> "Iterator[BrowserContext]":
    opened = browser.new_context()
    yield opened
    opened.close()


def shown(page: "Page") -> list[str]:
    """Return what a reader sees and hears: lines, value, note, and the slider's words."""
    lines = page.locator(".interactive path[data-states]")
    words = page.locator(".interactive :is(output, p > span)")
    spoken = page.locator(".interactive input").get_attribute("aria-valuetext")
    paths = [lines.nth(k).get_attribute("d") or "" for k in range(lines.count())]
    return [*paths, *words.all_text_contents(), spoken or ""]


def states(page: "Page", place: int) -> list[str]:
    """Return the same as the figure's states say it."""
    return page.evaluate(
        """place => [...document.querySelectorAll('.interactive path, output, p > span, input')]
          .filter(e => e.dataset.states)
          .sort((a, b) => a.matches('path') ? (b.matches('path') ? 0 : -1) : b.matches('path'))
          .map(e => e.dataset.states.split('|')[place])""",
        place,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_asks_nobody_fits_and_raises_no_barrier(
    context: "BrowserContext", addresses: dict[str, str], scheme: str
) -> None:
    found = examine(context, addresses[scheme], axe_script(), schemes=[scheme])
    assert found == Findings()


def test_keys_move_the_lines_the_value_and_the_words(
    context: "BrowserContext", addresses: dict[str, str]
) -> None:
    page = context.new_page()
    page.goto(addresses["light"])
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.type") == "range"
    outline = "() => getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    for key, place in (
        ("ArrowRight", 2),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("Home", 0),
        ("End", 2),
    ):
        page.keyboard.press(key)
        now = shown(page)
        assert sorted(now) == sorted(states(page, place))
        assert f"{GRID[place]:.2f}" in now
        assert f"ν W = {GRID[place]:.2f}" in now


def test_every_state_stays_inside_its_frame(
    context: "BrowserContext", addresses: dict[str, str]
) -> None:
    page = context.new_page()
    page.goto(addresses["light"])
    drawn = set()
    for place in range(GRID.size):
        page.locator("input").fill(str(place))
        drawn.add(page.locator("path[data-states]").first.get_attribute("d"))
        outside = page.evaluate(
            """() => [...document.querySelectorAll('svg > svg')].filter(frame => {
              const box = frame.getBoundingClientRect();
              return [...frame.querySelectorAll('path')].map(p => p.getBoundingClientRect())
                .some(p => p.left < box.left || p.right > box.right || p.top < box.top
                  || p.bottom > box.bottom);
            }).length"""
        )
        assert outside == 0
    assert len(drawn) == GRID.size


def test_in_print_the_picture_stands_and_the_slider_is_gone(
    context: "BrowserContext", addresses: dict[str, str]
) -> None:
    page = context.new_page()
    page.goto(addresses["light"])
    page.locator("input").fill("2")
    page.emulate_media(media="print")
    assert not page.locator("input").is_visible()
    assert page.locator(".interactive-views > svg").first.is_visible()
    assert page.locator("p.interactive-state").inner_text() == "νW = 1.00. Flat."


def test_without_scripts_the_first_state_stands_and_there_is_no_slider(
    browser: "Browser", addresses: dict[str, str]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(addresses["light"])
    assert not page.locator("input").is_visible()
    assert page.locator(".interactive-views > svg").first.is_visible()
    assert page.locator("p.interactive-state").inner_text() == "νW = 0.50. Halved."
    context.close()


@pytest.mark.parametrize(("width", "aside"), [(1000, True), (375, False)])
def test_views_stand_side_by_side_or_under_each_other_and_can_be_read(
    context: "BrowserContext", addresses: dict[str, str], width: int, aside: bool
) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(addresses["light"])
    left, right = (page.locator(".interactive-views > svg").nth(k).bounding_box() for k in (0, 1))
    assert left is not None
    assert right is not None
    assert (left["y"] == right["y"]) == aside
    assert page.evaluate(TEXT) >= 11


@pytest.mark.parametrize(
    ("scheme", "ground"), [("light", (0xFD, 0xFC, 0xF9)), ("dark", (0x12, 0x14, 0x17))]
)
def test_inks_keep_their_contrast(
    context: "BrowserContext",
    addresses: dict[str, str],
    scheme: str,
    ground: tuple[int, int, int],
) -> None:
    page = context.new_page()
    page.goto(addresses[scheme])
    found = page.evaluate(INKS)
    assert len(found) > 10
    for colour, is_text in found:
        ink = tuple(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))
        dark, light = sorted((luminance(ink), luminance(ground)))
        assert (light + 0.05) / (dark + 0.05) >= (4.5 if is_text else 3)


def luminance(colour: tuple[int, ...]) -> float:
    """Relative luminance, WCAG 2."""
    channels = np.array(colour) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_every_figure_of_the_book_moves_and_lies_on_the_page_s_own_ground(
    browser: "Browser", site: Path
) -> None:
    pages = [p for p in (site / "book").glob("*.html") if 'class="interactive"' in p.read_text()]
    context = browser.new_context(color_scheme="dark")
    for file in pages:
        page = context.new_page()
        page.goto(file.as_uri())
        for figure in page.locator("div.interactive").all():
            box = figure.locator("xpath=ancestor::div[contains(@class, 'output')][1]")
            ground = box.evaluate("e => getComputedStyle(e).backgroundColor")
            assert ground == "rgba(0, 0, 0, 0)"
            before = figure.locator("output").text_content()
            paths = figure.locator("path[data-states]").first
            drawn = paths.get_attribute("d")
            figure.locator("input").focus()
            at_the_end = figure.locator("input").evaluate("e => e.value === e.max")
            page.keyboard.press("Home" if at_the_end else "End")
            assert figure.locator("output").text_content() != before
            assert paths.get_attribute("d") != drawn
        page.close()
    context.close()
