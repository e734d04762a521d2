"""Links to and from the ledger's rows, made once every page has been read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

from bookext_ledger import MARKS, PAGE, anchor, claims_of, row_link, settled_by, tag, verdict
from rnnlimits.claims import Break, Claim

MENTION = re.compile(r"\b((?:LIN|MF|OWN)-\d+)\b")
UNLINKED = (
    nodes.title,
    nodes.literal,
    nodes.literal_block,
    nodes.reference,
    nodes.math,
    nodes.math_block,
    nodes.raw,
    nodes.comment,
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a label stands, and the role that refers to it."""

    docname: str
    domain: str
    role: str


def place_of(env: BuildEnvironment, label: str) -> Place | None:
    """Find the statement, equation, figure or section that has the label."""
    proofs: dict[str, Any] = getattr(env, "proof_list", {})
    equations: dict[str, Any] = env.get_domain("math").equations  # type: ignore[attr-defined]
    labels: dict[str, Any] = env.get_domain("std").anonlabels  # type: ignore[attr-defined]
    if label in proofs:
        return Place(proofs[label]["docname"], "prf", "ref")
    if label in equations:
        return Place(equations[label][0], "math", "eq")
    if label in labels:
        docname, node_id = labels[label][:2]
        numbers = env.toc_fignumbers.get(docname, {}).values()
        numbered = any(node_id in ids for ids in numbers)
        return Place(docname, "std", "numref" if numbered else "ref")
    return None


def function_reference(claim: Claim, docname: str) -> nodes.Node:
    """Return a cross-reference to the library function that is the claim's formula."""
    short = claim.function.removeprefix("rnnlimits.")
    return addnodes.pending_xref(
        "",
        nodes.literal("", short),
        refdomain="py",
        reftype="obj",
        reftarget=claim.function,
        refexplicit=True,
        refwarn=True,
        refdoc=docname,
    )


def _count(breaks: tuple[Break, ...]) -> str:
    return f"{len(breaks)} wrong formula{'' if len(breaks) == 1 else 's'}"


class LinkRows(SphinxPostTransform):
    """Fill in every link to and from the ledger, now that all labels are known."""

    default_priority = 5  # before Sphinx resolves the cross-references made here

    def run(self, **kwargs: Any) -> None:
        """Link rows to their places, and places to their rows."""
        claims = claims_of(self.env)
        for node in list(self.document.findall(settled_by)):
            node.replace_self(self._settled(claims[node["id"]]))
        for claim in claims.values():
            if claim.label:
                self._mark_statement(claim)
        if self.env.docname != PAGE:
            self._link_mentions(claims)
        for link in list(self.document.findall(row_link)):
            link.replace_self(self._reference(claims[link["id"]], link["style"]))

    def _link_mentions(self, claims: dict[str, Claim]) -> None:
        """Link every row that the text names; a row that does not exist is a warning."""
        for text in list(self.document.findall(nodes.Text)):
            if not MENTION.search(text) or _inside(text, UNLINKED):
                continue
            parts: list[nodes.Node] = []
            for index, piece in enumerate(MENTION.split(text)):
                if index % 2 and piece not in claims:
                    logger.warning("the ledger has no row %r", piece, location=text.parent)
                known = index % 2 and piece in claims
                parts.append(row_link(id=piece, style="name") if known else nodes.Text(piece))
            text.parent.replace(text, [part for part in parts if part != nodes.Text("")])

    def _settled(self, claim: Claim) -> nodes.paragraph:
        line = nodes.paragraph(classes=["ledger-small"])
        if claim.label:
            line += [nodes.emphasis("", "Settled in:"), nodes.Text(" ")]
            line += [*self._statement(claim), nodes.Text(". ")]
        if claim.function:
            line += [nodes.emphasis("", "Function:"), nodes.Text(" ")]
            line += [function_reference(claim, self.env.docname), nodes.Text(". ")]
        if claim.test:
            broken = f", which refuses {_count(claim.breaks)}" if claim.breaks else ""
            line += [nodes.emphasis("", "Test:"), nodes.Text(" ")]
            line += [nodes.literal("", claim.test.rpartition("::")[2]), nodes.Text(f"{broken}. ")]
        if claim.evidence:
            line += [nodes.emphasis("", "Values:"), nodes.Text(" "), *self._values(claim)]
        return line

    def _statement(self, claim: Claim) -> Iterator[nodes.Node]:
        place = place_of(self.env, claim.label)
        if place is None:
            logger.warning("%s: no statement has the label %r", claim.id, claim.label)
            return
        if place.domain == "math":
            yield nodes.Text("equation ")
        yield addnodes.pending_xref(
            "",
            nodes.literal("", claim.label),
            refdomain=place.domain,
            reftype=place.role,
            reftarget=claim.label,
            refexplicit=False,
            refwarn=True,
            refdoc=self.env.docname,
        )
        title = self.env.titles[place.docname].astext()
        yield nodes.Text(" of ")
        yield self._link(place.docname, "", nodes.emphasis("", title))

    def _values(self, claim: Claim) -> Iterator[nodes.Node]:
        for index, name in enumerate(claim.evidence):
            stem, _, value = name.partition("/")
            end = "." if index == len(claim.evidence) - 1 else ", "
            yield self._link(f"book/{stem}", "", nodes.literal("", value))
            yield nodes.Text(end)

    def _link(self, docname: str, target: str, child: nodes.Node) -> nodes.reference:
        if docname not in self.env.found_docs:
            logger.warning("the ledger names the chapter %r, which is not in the book", docname)
        uri = self.app.builder.get_relative_uri(self.env.docname, docname)
        return nodes.reference("", "", child, internal=True, refuri=uri + target)

    def _reference(self, claim: Claim, style: str) -> nodes.Node:
        link = self._link(PAGE, f"#{anchor(claim)}", nodes.Text(""))
        if style == "mark":
            label = f"{claim.id}, {claim.place}: {claim.verdict}"
            return tag(
                "a", class_=MARKS[claim.verdict], href=link["refuri"], aria_label=label, title=label
            )
        link.children.clear()
        link += nodes.Text(claim.id) if style == "name" else verdict(claim.verdict)
        return link

    def _mark_statement(self, claim: Claim) -> None:
        for node in self._labelled(claim.label):
            line = nodes.paragraph(classes=["ledger-line"])
            line += [nodes.Text("Ledger: "), row_link(id=claim.id, style="name"), nodes.Text(" ")]
            line += verdict(claim.verdict)
            _place(line, node)

    def _labelled(self, label: str) -> list[nodes.Element]:
        """Return the node of this page that carries the label, in a list of at most one."""
        std = self.env.get_domain("std").anonlabels  # type: ignore[attr-defined]
        docname, node_id = std.get(label, ("", label))[:2]
        found = [
            node
            for node in self.document.findall(nodes.Element)
            if node.get("label") == label
            or (docname == self.env.docname and node_id in node.get("ids", []))
        ]
        visible = [n for n in found if not isinstance(n, nodes.target | addnodes.pending_xref)]
        return visible[:1]


def _inside(node: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> bool:
    parent = node.parent
    while parent is not None and not isinstance(parent, kinds):
        parent = parent.parent
    return parent is not None


def _place(line: nodes.paragraph, node: nodes.Element) -> None:
    """Put the ledger's line inside a statement, under a heading, or after anything else."""
    if "proof" in node.get("classes", []):
        node += line
    elif isinstance(node, nodes.section):
        node.insert(1, line)
    elif node.parent is not None:
        siblings = node.parent.children
        last = node.parent.index(node) + 1
        while last < len(siblings) and _is_line(siblings[last]):
            last += 1
        node.parent.insert(last, line)


def _is_line(node: nodes.Node) -> bool:
    return isinstance(node, nodes.paragraph) and "ledger-line" in node["classes"]


def setup(app: Sphinx) -> None:
    """Register the transform."""
    app.add_post_transform(LinkRows)
