"""The gate on figures with a slider: what the library writes passes, and each breach is refused."""

from typing import Any

import pytest
from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_notebook, new_output

import gate_interactive
import gate_notebooks
import notebooks
from rnnlimits.figures import Moving, View, slider

LINE = Moving([0, 1], [[1.0, 0.5], [1.0, 0.25]], "kernel", "weights")
VIEW = View([LINE], "lag τ", "weight", "They fall.")
HTML = slider([VIEW], [0.25, 0.5], "variance", "ν_W", notes=["Halved.", "Quartered."]).html


def cell(html: str, **settings: Any) -> NotebookNode:
    output = new_output("execute_result", {"text/html": html, "text/plain": "<>"})
    made = new_code_cell("figure", outputs=[output], execution_count=1)
    made.metadata = from_dict({"mystnb": settings}) if settings else from_dict({})
    return notebooks.clean(new_notebook(cells=[made]))


CAPTIONED = {"figure": {"name": "fig-weights", "caption": "They fall."}}


def test_a_figure_of_the_library_passes_with_name_and_caption() -> None:
    assert gate_interactive.faults(HTML) == []
    notebook = cell(HTML, **CAPTIONED)
    assert gate_notebooks.has_only_pngs(notebook) == []
    assert gate_notebooks.has_described_figures(notebook) == []


def test_without_name_and_caption_it_is_refused() -> None:
    assert gate_notebooks.has_described_figures(cell(HTML)) == [
        "cell 1: the figure lacks a caption",
        "cell 1: the figure lacks a name that starts with fig-",
    ]


def test_what_only_begins_like_one_is_refused() -> None:
    imitation = '<div class="interactive"><svg></svg></div>'
    assert gate_notebooks.has_only_pngs(cell(imitation)) == [
        "cell 1: the figure does not have one slider"
    ]
    inside = f"<p>{HTML}</p>"
    assert gate_notebooks.has_only_pngs(cell(inside)) == ["cell 1 draws in HTML"]


BROKEN = {
    "script": ("<defs>", "<script>alert(1)</script><defs>", "holds <script>"),
    "image": ("<defs>", "<image href='a.png'/><defs>", "holds <image>"),
    "link": ("<defs>", "<a href='x'>y</a><defs>", "holds <a>"),
    "foreign": ("<defs>", "<foreignObject/><defs>", "holds <foreignobject>"),
    "handler": ("<output ", '<output onclick="f()" ', "holds <output onclick>"),
    "source": ("<input ", '<input src="x" ', "holds <input src>"),
    "address": ('style="fill:', 'style="background:url(x);fill:', "an address in <"),
    "other host": ('style="fill:', 'style="fill:url( //a.b/c);x:', "an address in <"),
    "replaced": ('data-attribute="d"', 'data-attribute="style"', "replaces style"),
    "finer": ('d="M', 'd="M0.123 4M', "finer than a tenth"),
    "a state less": ('data-states="0.25|0.50"', 'data-states="0.25"', "<output> does not have a"),
    "two sliders": ("<input ", "<input type='range'><input ", "does not have one slider"),
    "no slider": ('type="range"', 'type="text"', "does not have one slider"),
    "shown without script": ("hidden>", ">", "not hidden where there is no script"),
    "no label": ("<label", "<span", "the slider has no label"),
    "no words": (
        'aria-label="They fall."',
        'aria-label=""',
        "a view of the figure lacks its words",
    ),
    "no picture": ('role="img"', "", "a view of the figure lacks its words"),
    "too many": ('max="1"', 'max="50"', "the slider has 51 values"),
    "something after": ("</div>\n</div>", "</div>\n</div><p>x</p>", "not the only thing"),
    "too large": ("Halved.", "x" * 200_000, "more than 200000 bytes"),
}


@pytest.mark.parametrize(("old", "new", "message"), BROKEN.values(), ids=BROKEN)
def test_each_breach_is_refused(old: str, new: str, message: str) -> None:
    assert old in HTML
    problems = gate_interactive.faults(HTML.replace(old, new))
    assert any(message in problem for problem in problems), problems
