"""The ledger in the book: its table, the front page's strip, and the roles that name a row."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from rnnlimits.claims import PAPERS, VERDICTS, Claim, load_ledger

LEDGER = "book/claims.toml"
PAGE = "book/ledger"
MARKS = dict(zip(VERDICTS, ("holds", "corrected", "fails", "untestable", "open"), strict=True))
PARTS = dict(zip(PAPERS, ("Linear networks", "Mean field", "This book"), strict=True))
CAPTIONS = {
    "linear": "Statements of the linear-network paper",
    "mean-field": "Statements of the mean-field paper",
    "book": "Statements of this book",
}
logger = logging.getLogger(__name__)


class element(nodes.General, nodes.Element):
    """An HTML element that docutils has no node for; carries `tag` and `attributes_`."""


class row_link(nodes.General, nodes.Inline, nodes.TextElement):
    """A link to a ledger row, from any page; becomes a reference once pages are known."""


def tag(name: str, *children: nodes.Node, **attributes: str) -> element:
    """Return an HTML element; `class_` stands for class, `aria_x` for aria-x."""
    ids = [attributes.pop("id")] if "id" in attributes else []
    html = {key.rstrip("_").replace("_", "-"): text for key, text in attributes.items() if text}
    return element("", *children, tag=name, html=html, ids=ids)


def visit_element(self: Any, node: element) -> None:
    """Open the element."""
    self.body.append(self.starttag(node, node["tag"], "", **node["html"]))


def depart_element(self: Any, node: element) -> None:
    """Close the element."""
    self.body.append(f"</{node['tag']}>")


def claims_of(env: BuildEnvironment) -> dict[str, Claim]:
    """Return the ledger by id."""
    if not hasattr(env, "book_claims"):
        claims = load_ledger(Path(env.srcdir) / LEDGER)
        env.book_claims = {claim.id: claim for claim in claims}  # type: ignore[attr-defined]
    return env.book_claims  # type: ignore[attr-defined]


def anchor(claim: Claim) -> str:
    """Return the id of the claim's row on the ledger page."""
    return claim.id.lower()


def verdict(word: str) -> nodes.inline:
    """Return the verdict's word, which the style gives its mark."""
    return nodes.inline("", word, classes=["verdict", MARKS[word]])


class Ledger(SphinxDirective):
    """The table of one paper's statements."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table; its links are filled in once every page has been read."""
        paper = directives.choice(self.arguments[0], PAPERS)
        self.env.note_dependency(str(Path(self.env.srcdir) / LEDGER))
        rows = [self._row(c) for c in claims_of(self.env).values() if c.paper == paper]
        heads = [("Statement", ""), ("In our words", ""), ("Verdict", ""), ("Checks", "num")]
        head = tag(
            "tr",
            *(
                tag("th", nodes.Text(text), role="columnheader", class_=style)
                for text, style in heads
            ),
            role="row",
        )
        return [
            tag(
                "table",
                tag("caption", nodes.Text(CAPTIONS[paper])),
                tag("thead", head, role="rowgroup"),
                tag("tbody", *rows, role="rowgroup"),
                class_="table ledger",
                role="table",
            )
        ]

    def _row(self, claim: Claim) -> element:
        origin = f"{claim.place}; {claim.status}" if claim.paper != "book" else claim.place
        place = nodes.inline("", origin, classes=["ledger-place"])
        name = nodes.strong("", claim.id)
        cells = [
            tag("td", name, nodes.Text(" "), place, role="cell"),
            tag("td", *self._words(claim), role="cell"),
            tag("td", verdict(claim.verdict), role="cell"),
            tag("td", nodes.Text(str(_checks(claim))), role="cell", class_="num"),
        ]
        return tag("tr", *cells, role="row", id=anchor(claim))

    def _words(self, claim: Claim) -> Iterator[nodes.Node]:
        yield self._paragraph(claim.paraphrase)
        if claim.note:
            yield self._paragraph(claim.note, f"ledger-note {MARKS[claim.verdict]}")
        if claim.hypotheses:
            yield self._paragraph(f"*Under:* {claim.hypotheses}", "ledger-small")
        if claim.label or claim.evidence:
            yield settled_by(id=claim.id)

    def _paragraph(self, text: str, style: str = "") -> nodes.paragraph:
        children, messages = self.state.inline_text(text, self.lineno)
        return nodes.paragraph("", "", *children, *messages, classes=style.split())


def _checks(claim: Claim) -> int:
    """Count what guards the verdict: the test intact, its breaks, the values in chapters."""
    return bool(claim.test) + len(claim.breaks) + len(claim.evidence)


class settled_by(nodes.General, nodes.Element):
    """The place of a row's links: where it is settled, by which function, test and values."""


class Strip(SphinxDirective):
    """The ledger at a glance: one mark per statement, one line per paper, and the key."""

    def run(self) -> list[nodes.Node]:
        """Return the table of marks and the key."""
        self.env.note_dependency(str(Path(self.env.srcdir) / LEDGER))
        claims = list(claims_of(self.env).values())
        rows = [_strip_row(p, [c for c in claims if c.paper == p]) for p in PAPERS]
        head = tag(
            "tr",
            *(
                tag("th", nodes.Text(text), scope="col", class_=style)
                for text, style in [
                    ("Part", ""),
                    ("Each mark is one statement", ""),
                    ("settled", "num"),
                ]
            ),
        )
        table = tag("table", tag("thead", head), tag("tbody", *rows), class_="table ledger-strip")
        key = nodes.paragraph("", "", *map(verdict, VERDICTS), classes=["verdict-key"])
        return [table, key]


def _strip_row(paper: str, claims: list[Claim]) -> element:
    marks = [tag("li", row_link(id=claim.id, style="mark")) for claim in claims]
    settled = f"{sum(claim.settled for claim in claims)} of {len(claims)}"
    return tag(
        "tr",
        tag("th", nodes.Text(PARTS[paper]), scope="row"),
        tag("td", tag("ul", *marks, class_="strip")),
        tag("td", nodes.Text(settled), class_="num"),
    )


class ClaimRole(SphinxRole):
    """A link to a ledger row: its number, or its verdict."""

    style: ClassVar[str] = "name"

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the link, or report a row that does not exist."""
        if self.text not in claims_of(self.env):
            logger.warning("the ledger has no row %r", self.text, location=self.get_location())
            return [nodes.Text(self.text)], []
        return [row_link(id=self.text, style=self.style)], []


class VerdictRole(ClaimRole):
    """The verdict of a ledger row, linked to it."""

    style = "verdict"


def settles(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Name, under a function on the API page, the rows whose formula it is."""
    rows = [c.id for c in claims_of(app.env).values() if c.function == name]
    if rows:
        links = ", ".join(f":claim:`{row}` (:verdict:`{row}`)" for row in rows)
        lines += ["", f"*In the ledger:* {links}.", ""]


def forget(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Read the ledger anew in every build."""
    vars(env).pop("book_claims", None)


def setup(app: Sphinx) -> None:
    """Register directives, roles and nodes."""
    app.add_node(element, html=(visit_element, depart_element))
    app.add_node(row_link)
    app.add_node(settled_by)
    app.add_directive("ledger", Ledger)
    app.add_directive("ledger-strip", Strip)
    app.add_role("claim", ClaimRole())
    app.add_role("verdict", VerdictRole())
    app.connect("autodoc-process-docstring", settles)
    app.connect("env-before-read-docs", forget)
