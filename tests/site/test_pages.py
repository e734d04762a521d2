"""Every page of the built site, in a browser: both schemes, on a desk and on a phone.

The guards are tried on pages that are wrong on purpose.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bs4 import BeautifulSoup

import bookext_api
import pagecheck
from gate_repository import toc_files
from pagecheck import Barrier, Findings, axe_script, compare, examine, read_known
from sitecheck import check_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
KNOWN = read_known(Path(__file__).with_name("axe-known.txt"))


def toc_pages() -> list[str]:
    """Return the pages that the table of contents names, without their suffix."""
    listed = toc_files((ROOT / "_toc.yml").read_text("utf-8"))
    return [str(Path(name).with_suffix("")) for name in listed]


# The pages of source code come from one template; one of them stands for all under axe.
PAGES = [*toc_pages(), "search", "_modules/rnnlimits/random"]


@pytest.fixture(scope="session")
def looked_at(browser: "Browser", site: Path) -> dict[str, Findings]:
    """What is wrong with each page."""
    axe, context = axe_script(), browser.new_context()
    addresses = {page: (site / f"{page}.html").as_uri() for page in PAGES}
    found = {page: examine(context, address, axe) for page, address in addresses.items()}
    context.close()
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_page_asks_nobody_renders_and_fits(looked_at: dict[str, Findings], page: str) -> None:
    assert looked_at[page].faults == []


def test_grave_findings_of_axe_are_the_listed_ones(looked_at: dict[str, Findings]) -> None:
    seen = set().union(*(findings.barriers for findings in looked_at.values()))
    assert compare(seen, KNOWN) == []


def test_source_pages_ask_nobody_and_fit(browser: "Browser", site: Path) -> None:
    context = browser.new_context()
    modules = sorted((site / "_modules").rglob("*.html"))
    found = {p.stem: examine(context, p.as_uri(), "null", audit=False) for p in modules}
    context.close()
    assert {name: f.faults for name, f in found.items() if f.faults} == {}


def test_the_built_files_load_nothing_from_elsewhere_and_every_link_leads_somewhere(
    site: Path,
) -> None:
    assert check_site(site) == []


def test_a_local_build_names_no_address(site: Path) -> None:
    pages = {p: p.read_text("utf-8") for p in (site / "book").glob("*.html")}
    words = ("og:url", "canonical", "mybinder", "colab.research", "github.com/executablebooks")
    assert [(p.name, word) for p, text in pages.items() for word in words if word in text] == []


def test_every_public_function_is_on_its_api_page(site: Path) -> None:
    pages = {p.stem: p.read_text("utf-8") for p in (site / "book/api").glob("*.html")}
    modules = bookext_api.modules()
    missing = [
        f"{module.__name__}.{name}"
        for module in modules
        for name in bookext_api.public(module)
        if f'id="{module.__name__}.{name}"' not in pages[bookext_api.page_of(module)]
    ]
    assert len(modules) > 5
    assert missing == []


def test_the_api_overview_leads_to_every_module(site: Path) -> None:
    page = BeautifulSoup((site / "book/api.html").read_text("utf-8"), "html.parser")
    leads = {str(link["href"]) for link in page.select("dl a.reference.internal")}
    modules = bookext_api.modules()
    assert leads == {f"api/{bookext_api.page_of(m)}.html#module-{m.__name__}" for m in modules}
    assert len(page.select("dl dd")) == len(modules)


def test_signatures_name_the_axes_of_tensors(site: Path) -> None:
    page = BeautifulSoup((site / "book/api/networks.html").read_text("utf-8"), "html.parser")
    signature = page.find(id="rnnlimits.networks.linear.forward")
    assert signature is not None
    assert "x: Float[Tensor, 'batch time i']" in signature.get_text()
    assert page.select("dt.sig dl") == []


def test_equations_and_statements_are_counted(browser: "Browser", site: Path) -> None:
    page = browser.new_page()
    page.goto((site / "book/ledger.html").as_uri())
    page.evaluate("() => window.MathJax.startup.promise.then(() => true)")
    marked = page.locator(".math").count()
    assert marked == page.locator("mjx-container").count() > 0
    page.close()


WRONG = {
    "image": ("<img src='http://example.invalid/a.png' alt='a'>", "asks for http://example"),
    "script": ("<script>throw new Error('broken on purpose')</script>", "script error"),
    "console": ("<script>console.error('on purpose')</script>", "console error: on purpose"),
    "wide": ("<div style='width: 600px'>wide</div>", "overflow at 375 px"),
    "cut": (
        r"<p><span class='math' style='display: inline-block; width: 20px; overflow: hidden'>"
        r"\(a + b + c + d\)</span></p>",
        "cut off at 375 px",
    ),
    "tex": (r"<div class='math'>\(\frac{1}\)</div>", "bad mathematics"),
    "macro": (r"<div class='math'>\(\nosuchmacro\)</div>", "bad mathematics"),
    "scheme": (
        "<script>document.documentElement.dataset.theme = 'light'</script>",
        "does not turn dark",
    ),
    "plain": ("<div class='math'>never typeset</div>", "not rendered: never typeset"),
}
PAGE = (
    "<!doctype html><html lang='en'><head><title>Demo</title>"
    "<meta name='viewport' content='width=device-width'>{head}</head>"
    "<body><main><h1>Demo</h1>{body}</main></body></html>"
)


def demo(site: Path, folder: Path, body: str) -> str:
    """Write a page that loads the site's MathJax and return its address."""
    mathjax = (site / "_static/mathjax/tex-svg.js").as_uri()
    settings = "MathJax = {options: {ignoreHtmlClass: '.*', processHtmlClass: 'math'}}"
    head = f"<script>{settings}</script><script defer src='{mathjax}'></script>"
    file = folder / "demo.html"
    file.write_text(PAGE.format(head=head, body=body), encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize(("body", "expected"), WRONG.values(), ids=WRONG)
def test_a_page_that_is_wrong_on_purpose_is_noticed(
    browser: "Browser",
    site: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    expected: str,
) -> None:
    monkeypatch.setattr(pagecheck, "PATIENCE", 2000)  # one of them waits for its end
    context = browser.new_context()
    faults = examine(context, demo(site, tmp_path, body), axe_script(), audit=False).faults
    context.close()
    assert any(line.startswith(expected) for line in faults), faults


def test_a_page_that_is_right_has_no_fault(browser: "Browser", site: Path, tmp_path: Path) -> None:
    context = browser.new_context()
    body = r"<p>Right.</p><div class='math'>\(a^2\)</div><div class='math'>\[b\]</div>"
    findings = examine(context, demo(site, tmp_path, body), axe_script())
    context.close()
    assert findings == Findings()


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>", "image-alt"),
        ("<p style='color: #aaa; background: #fff'>pale</p>", "color-contrast"),
        ("<button></button>", "button-name"),
    ],
)
def test_a_barrier_is_noticed(
    browser: "Browser", site: Path, tmp_path: Path, body: str, rule: str
) -> None:
    context = browser.new_context()
    barriers = examine(context, demo(site, tmp_path, body), axe_script()).barriers
    context.close()
    assert {barrier.rule for barrier in barriers} == {rule}


def test_the_list_of_known_findings_may_only_shrink(tmp_path: Path) -> None:
    file = tmp_path / "known.txt"
    file.write_text("# a comment\n\nregion .bd-main > div\n", encoding="utf-8")
    known = read_known(file)
    other = Barrier("image-alt", "img")
    assert known == {Barrier("region", ".bd-main > div")}
    assert compare(known, known) == []
    assert compare({other, *known}, known) == ["not listed: image-alt img"]
    assert compare(set(), known) == ["found no more, strike it: region .bd-main > div"]
