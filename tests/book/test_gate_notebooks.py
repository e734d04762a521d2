"""Each gate on a notebook passes the demo and refuses it broken."""

import base64
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import gate_notebooks as gates
import notebooks
from notebooks import Layout

Gate = Callable[[NotebookNode], list[str]]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content))


def png(*extra: bytes) -> str:
    """A picture of one pixel, as text, with extra chunks."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    chunks = [header, *extra, chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND", b"")]
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()


def figure_cell(**changes: Any) -> NotebookNode:
    """A cell that shows a figure as it must be shown; None in `changes` removes an entry."""
    settings = {
        "figure": {"name": "fig-demo", "caption": "It falls."},
        "image": {"alt": "A falling line.", "classes": "dark-light"},
    }
    for key, value in changes.items():
        part = settings["figure"] if key in settings["figure"] else settings["image"]
        part[key] = value or ""
    output = new_output("display_data", {"image/png": png(), "text/plain": "<figure>"})
    cell = new_code_cell("draw()", outputs=[output], execution_count=1)
    cell.metadata = from_dict({"mystnb": settings})
    return cell


def code(source: str, *outputs: NotebookNode, count: int | None = 1) -> NotebookNode:
    return new_code_cell(source, outputs=list(outputs), execution_count=count)


def book(*cells: NotebookNode) -> NotebookNode:
    return notebooks.clean(new_notebook(cells=list(cells)))


@pytest.mark.parametrize("gate", gates.GATES, ids=lambda gate: gate.__name__)
def test_the_demo_passes(notebook: NotebookNode, gate: Gate) -> None:
    assert gate(notebook) == []


def stream(name: str, text: str) -> NotebookNode:
    return new_output("stream", name=name, text=text)


def shown(kind: str, content: str) -> NotebookNode:
    return new_output("display_data", {kind: content})


ERROR = new_output("error", ename="ValueError", evalue="no", traceback=[])
SHORT = [code("x = 1"), code("x = 2")]
BROKEN = {
    "unexecuted": (gates.is_executed, book(code("x = 1", count=None)), "execution count None"),
    "out of order": (gates.is_executed, book(code("x = 1", count=2)), "count 2, not 1"),
    "empty": (gates.is_executed, book(code("")), "is empty"),
    "stderr": (gates.has_clean_outputs, book(code("f()", stream("stderr", "x"))), "stderr"),
    "exception": (gates.has_clean_outputs, book(code("f()", ERROR)), "exception, ValueError"),
    "address": (
        gates.has_clean_outputs,
        book(code("f", shown("text/plain", "<f at 0x7f00>"))),
        "at 0x7f00",
    ),
    "folder": (
        gates.has_clean_outputs,
        book(code("f()", stream("stdout", "/".join(["", "tmp", "x"])))),
        "what changes",
    ),
    "ignored by tag": (
        gates.is_compared_by_nbval,
        book(new_code_cell("x", metadata={"tags": ["nbval-ignore-output"]})),
        "'nbval-ignore-output'",
    ),
    "allowed to raise": (
        gates.is_compared_by_nbval,
        book(new_code_cell("x", metadata={"tags": ["raises-exception"]})),
        "'raises-exception'",
    ),
    "ignored by comment": (
        gates.is_compared_by_nbval,
        book(code("# NBVAL_IGNORE_OUTPUT\nx")),
        "NBVAL_IGNORE_OUTPUT",
    ),
    "SVG": (gates.has_only_pngs, book(code("f()", shown("image/svg+xml", "<svg/>"))), "svg"),
    "drawn in HTML": (
        gates.has_only_pngs,
        book(code("f()", shown("text/html", "<p><svg ></p>"))),
        "draws in HTML",
    ),
    "widget": (
        gates.has_only_pngs,
        book(code("f()", shown("application/vnd.jupyter.widget-view+json", "{}"))),
        "widget-view",
    ),
    "dated PNG": (
        gates.has_only_pngs,
        book(code("f()", shown("image/png", png(chunk(b"tEXt", b"Software\0x"))))),
        "date or other text",
    ),
    "no alt text": (gates.has_described_figures, book(figure_cell(alt=None)), "alt text"),
    "no class": (gates.has_described_figures, book(figure_cell(classes=None)), "dark-light"),
    "no caption": (gates.has_described_figures, book(figure_cell(caption=None)), "caption"),
    "no name": (gates.has_described_figures, book(figure_cell(name="demo")), "name"),
    "kernel's metadata": (
        gates.is_clean,
        new_notebook(metadata={"kernelspec": notebooks.KERNEL, "widgets": {}}),
        "differ in widgets",
    ),
    "no metadata": (gates.is_clean, new_notebook(), "kernelspec, language_info"),
    "time stamp": (
        gates.is_clean,
        NotebookNode(
            book(), cells=[new_code_cell("x", metadata={"execution": {"iopub.status.busy": "1"}})]
        ),
        "metadata execution",
    ),
    "long cell": (gates.has_readable_code, book(code("x = 1\n" * 26), *SHORT), "26 lines"),
    "wide line": (gates.has_readable_code, book(code("x = " + "1" * 80)), "84 characters"),
    "long median": (gates.has_readable_code, book(code("x = 1\n" * 9)), "median"),
    "magic": (gates.has_readable_code, book(code("%matplotlib inline")), "not plain Python"),
    "plotting": (
        gates.has_readable_code,
        book(code("import matplotlib.pyplot as plt")),
        "imports matplotlib",
    ),
    "plotting, from": (gates.has_readable_code, book(code("from pylab import x")), "pylab"),
    "silenced": (gates.has_readable_code, book(code("import warnings")), "handles warnings"),
    "semicolon": (gates.has_readable_code, book(code("plot();")), "trailing ;"),
    "semicolon, comment": (gates.has_readable_code, book(code("plot();  # x")), "trailing ;"),
    "semicolon, inside": (gates.has_readable_code, book(code("if x:\n    f();\ny")), "trailing"),
}


@pytest.mark.parametrize(("gate", "broken", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_notebook_is_refused(gate: Gate, broken: NotebookNode, message: str) -> None:
    problems = gate(broken)
    assert len(problems) == 1, problems
    assert message in problems[0]


FINE = {
    "a figure": figure_cell(),
    "a table": code("f()", shown("text/html", "<table><tr><td>1</td></tr></table>")),
    "a semicolon in a string": code("print('a;')"),
    "a semicolon between": code("a = 1; b = 2"),
    "a hexadecimal number": code("f()", stream("stdout", "640x480 and 0x10")),
    "long where it is folded": new_code_cell(
        "x = 1\n" * 20, execution_count=1, metadata={"tags": ["hide-input"]}
    ),
    "no last line": code("# only words"),
}


@pytest.mark.parametrize("cell", FINE.values(), ids=FINE.keys())
def test_what_is_fine_passes(cell: NotebookNode) -> None:
    assert [problem for gate in gates.GATES for problem in gate(book(cell))] == []


EXERCISE = ":::{exercise}\n:label: ex-demo\nShow it.\n:::"
START = ":::{solution-start} ex-demo\n:class: dropdown\n:::"
END = ":::{solution-end}\n:::"


def exercise(*cells: NotebookNode, statement: str = EXERCISE, start: str = START) -> NotebookNode:
    middle = [new_markdown_cell(statement), new_markdown_cell(start), *cells]
    return book(*middle, new_markdown_cell(END), code("print()"))


LOOP = "for y in (1, 2):\n    assert y"


@pytest.mark.parametrize(
    "last", ["assert True", "check('x', 1, 1e-3)", "np.testing.assert_x(1)", LOOP]
)
def test_a_solution_that_ends_in_an_assertion_passes(last: str) -> None:
    assert gates.has_tested_exercises(exercise(code(f"x = 1\n{last}"))) == []


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (exercise(), "the solution of ex-demo does not end in an assertion"),
        (exercise(code("assert True"), code("print()")), "does not end in an assertion"),
        (exercise(code("# words")), "does not end in an assertion"),
        (exercise(code("assert True"), statement=EXERCISE.replace("demo", "x")), "no solution"),
        (exercise(code("assert True"), statement=":::{exercise}\n:::"), "has no label"),
        (
            exercise(code("assert True"), start=START.replace(":class: dropdown\n", "")),
            "not folded",
        ),
        (exercise(figure_cell(), code("assert True")), "a captioned figure inside a solution"),
    ],
)
def test_an_untested_exercise_is_refused(broken: NotebookNode, message: str) -> None:
    problems = gates.has_tested_exercises(broken)
    assert len(problems) == 1, problems
    assert message in problems[0]


def test_a_figure_in_a_solution_needs_no_caption() -> None:
    cell = figure_cell()
    del cell.metadata.mystnb["figure"]
    assert gates.has_described_figures(exercise(cell)) == []
    assert len(gates.has_described_figures(book(cell))) == 2


def test_an_edited_text_is_refused(demo: Layout, notebook: NotebookNode) -> None:
    text = notebooks.from_text(demo.text("demo"))
    assert gates.equals_its_text(notebook, text) == []
    text.cells[0].source += "\nMore."
    assert "+More." in gates.equals_its_text(notebook, text)[0]
    text.cells[0].source += "\nMore." * 30
    assert "lines more" in gates.equals_its_text(notebook, text)[0]
