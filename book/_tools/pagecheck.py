"""Open a page in a browser and say what is wrong with it.

A finding is a line of words, but for accessibility: there it is a rule and a selector, so that
findings of the theme can be listed.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
WIDTHS = (1440, 375)
SCHEMES = ("light", "dark")
GRAVE = ("serious", "critical")
# Milliseconds that a page has for what it must do. A large one takes one or two thousand to turn
# dark on a quiet machine, and a busy machine is no fault of a page.
PATIENCE = 60_000

TYPESET = "() => window.MathJax?.startup?.promise?.then(() => true)"
UNRENDERED = """() => [...document.querySelectorAll('.math')]
  .filter(e => !e.querySelector('mjx-container') && !e.closest('mjx-container'))
  .map(e => e.textContent.trim().slice(0, 60))"""
# MathJax marks bad syntax as an error, and shows a command that it does not know in red.
FAILED = """() => [...document.querySelectorAll(
    'mjx-merror, [data-mml-node=merror], [data-mjx-error], [data-mml-node=mtext][fill=red]')]
  .map(e => e.getAttribute('data-mjx-error') || e.textContent.trim().slice(0, 60))"""
CUT = """() => [...document.querySelectorAll('.math, .math *')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'hidden'
    && !e.closest('mjx-assistive-mml'))
  .map(e => e.textContent.trim().slice(0, 60) || e.outerHTML.slice(0, 60))"""
OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth, room = document.documentElement.clientWidth;
  if (wide <= room) return '';
  const held = e => e && e !== document.body &&
    (getComputedStyle(e).overflowX !== 'visible' || held(e.parentElement));
  const late = [...document.querySelectorAll('main *')]
    .filter(e => e.getBoundingClientRect().right > room + 1 && !held(e.parentElement)
      && !e.closest('.bd-sidebar-secondary')).slice(-1)[0];
  return `${wide} px in ${room} px` + (late ? `, at <${late.tagName.toLowerCase()}> ` +
    late.textContent.trim().slice(0, 40) : '');
}"""
# The theme hears of another scheme a moment later; a page without a theme has none to turn.
TURNED = "scheme => [undefined, scheme].includes(document.documentElement.dataset.theme)"
# The theme lets a key reach what scrolls, a moment after the page has changed its width.
REACHABLE = """() => [...document.querySelectorAll('pre')]
  .every(e => e.scrollWidth <= e.clientWidth || e.tabIndex >= 0)"""
# Glyphs and coloured words say nothing to axe, and are most of a page: boxes stand in for the
# first, and once contrast is done the words lose their spans.
BOXES = """() => {
  const drawn = [...document.querySelectorAll('mjx-container > svg')];
  const boxes = drawn.map(svg => svg.getBoundingClientRect());  // all read before any is replaced
  drawn.forEach((svg, k) => {
    const plain = document.createElement('span');
    plain.style.cssText =
      `display:inline-block;width:${boxes[k].width}px;height:${boxes[k].height}px`;
    svg.replaceWith(plain);
  });
}"""
PLAIN = """() => {
  for (const pre of document.querySelectorAll('pre'))
    if (!pre.querySelector('a, button')) pre.textContent = pre.textContent;
}"""
# Preloading would fetch the style sheets again, which a browser refuses for files. Contrast is
# looked at apart, and once per combination of ink, ground, size and weight: code has thousands of
# words in a dozen inks. What has no word to be looked at is out of the way meanwhile.
STRUCTURE = """async () => (await axe.run(document, {resultTypes: ['violations'], preload: false,
    rules: {'color-contrast': {enabled: false}}}))
  .violations.flatMap(v => v.nodes.map(n => [v.id, v.impact, n.target.join(' ')]))"""
CONTRAST = """async () => {
  const kinds = new Map(), known = new Map();
  const under = element => {   // the ground that an element stands on, and what veils it
    if (!element) return ['', 1];
    if (!known.has(element)) {
      const style = getComputedStyle(element), [ground, veil] = under(element.parentElement);
      const clear = style.backgroundColor === 'rgba(0, 0, 0, 0)';
      known.set(element, [clear ? ground : style.backgroundColor, veil * style.opacity]);
    }
    return known.get(element);
  };
  for (const element of document.querySelectorAll('body *')) {
    const words = [...element.childNodes].some(c => c.nodeType === 3 && c.textContent.trim());
    if (!words || element.closest('mjx-container')) continue;
    const style = getComputedStyle(element);
    const kind = [style.color, style.fontSize, style.fontWeight, style.visibility, under(element)];
    if (!kinds.has(kind.join()) && element.checkVisibility()) kinds.set(kind.join(), element);
  }
  const shown = [...kinds.values()], hidden = [];
  const hide = parent => {
    for (const child of parent.children) {
      if (shown.some(e => child.contains(e))) hide(child);
      else hidden.push([child, child.style.display]), child.style.display = 'none';
    }
  };
  document.querySelectorAll('main').forEach(hide);
  const options = {resultTypes: ['violations'], preload: false, runOnly: ['color-contrast']};
  const found = (await axe.run({include: shown}, options))
    .violations.flatMap(v => v.nodes.map(n => [v.id, v.impact, n.target.join(' ')]));
  for (const [element, display] of hidden) element.style.display = display;
  return found;
}"""


@dataclass(frozen=True)
class Barrier:
    """A grave finding of axe: the rule and the element that breaks it."""

    rule: str
    selector: str


@dataclass
class Findings:
    """What is wrong with one page."""

    faults: list[str] = field(default_factory=list)
    barriers: set[Barrier] = field(default_factory=set)


def axe_script() -> str:
    """Return axe's source, which comes with the package and not from a network."""
    import axe_playwright_python

    return Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")


def examine(
    context: "BrowserContext",
    address: str,
    axe: str,
    *,
    widths: Sequence[int] = WIDTHS,
    schemes: Sequence[str] = SCHEMES,
    audit: bool = True,
) -> Findings:
    """Open the address in a fresh page and look at it in every scheme and at every width.

    The page is set once and then changes its scheme, as it does for a reader whose machine turns
    dark. `audit` asks for axe: contrast in every scheme; structure, which knows no colour, in one.
    """
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    findings = Findings()
    _listen(page, findings.faults)
    page.goto(address)
    page.evaluate(TYPESET)
    findings.faults += [f"not rendered: {text}" for text in page.evaluate(UNRENDERED)]
    findings.faults += [f"bad mathematics: {text}" for text in page.evaluate(FAILED)]
    page.evaluate(axe)
    for scheme in schemes:
        _turn(page, scheme, findings.faults)
        for width in _widths(page, widths):
            overflow = page.evaluate(OVERFLOW)
            if overflow:
                findings.faults.append(f"overflow at {width} px, {scheme}: {overflow}")
            cut = page.evaluate(CUT)
            findings.faults += [f"cut off at {width} px, {scheme}: {text}" for text in cut]
    if audit:
        findings.barriers = _audit(page, widths, schemes, findings.faults)
    page.close()
    return findings


def _turn(page: "Page", scheme: str, faults: list[str]) -> None:
    """Ask for a colour scheme; a page of the theme that does not follow is a fault."""
    from playwright.sync_api import TimeoutError as TooLate

    page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    try:
        page.wait_for_function(TURNED, arg=scheme, timeout=PATIENCE)
    except TooLate:
        faults.append(f"does not turn {scheme}")


def _widths(page: "Page", widths: Sequence[int]) -> Iterator[int]:
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        yield width


def _audit(
    page: "Page", widths: Sequence[int], schemes: Sequence[str], faults: list[str]
) -> set[Barrier]:
    page.evaluate(BOXES)
    found: list[Any] = []
    for scheme in schemes:
        _turn(page, scheme, faults)
        found += [page.evaluate(CONTRAST) for _ in _widths(page, widths)]
    page.evaluate(PLAIN)
    for _ in _widths(page, widths):
        _settle(page)
        found.append(page.evaluate(STRUCTURE))
    return set().union(*map(_barriers, found))


def _settle(page: "Page") -> None:
    from playwright.sync_api import TimeoutError as TooLate

    with contextlib.suppress(TooLate):  # axe then reports what stayed out of reach
        page.wait_for_function(REACHABLE, timeout=PATIENCE)


def _listen(page: "Page", faults: list[str]) -> None:
    def requested(request: Any) -> None:
        if request.url.partition(":")[0] not in ("file", "data", "blob", "about"):
            faults.append(f"asks for {request.url}")

    def said(message: Any) -> None:
        if message.type == "error":
            faults.append(f"console error: {message.text}")

    page.on("request", requested)
    page.on("console", said)
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    page.on("requestfailed", lambda request: faults.append(f"could not load {request.url}"))


def _barriers(violations: Iterable[Sequence[str]]) -> set[Barrier]:
    return {Barrier(rule, where) for rule, impact, where in violations if impact in GRAVE}


def read_known(path: Path) -> set[Barrier]:
    """Read the listed findings: on each line a rule, a space, and a selector."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    listed = (line.partition(" ") for line in lines if line and not line.startswith("#"))
    return {Barrier(rule, selector.strip()) for rule, _, selector in listed}


def compare(seen: set[Barrier], known: set[Barrier]) -> list[str]:
    """Return what is found and not listed, and what is listed and found no more."""
    new = [f"not listed: {b.rule} {b.selector}" for b in seen - known]
    gone = [f"found no more, strike it: {b.rule} {b.selector}" for b in known - seen]
    return sorted(new) + sorted(gone)
