"""Gates on one chapter's notebook: executed as a whole, clean, comparable, and fit to be read.

Every gate takes a notebook and returns what is wrong with it, in words; nothing means passed.
"""

import ast
import base64
import re
import statistics
from collections.abc import Iterator

from nbformat import NotebookNode

from gate_interactive import faults, is_interactive
from notebooks import CELL_METADATA, KERNEL, difference

LONGEST_CELL = 25
WIDEST_LINE = 72  # a wider one scrolls in the page's column
MEDIAN_CELL = 8
SHOWN_LINES = 20
HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
PLOTTING = {"matplotlib", "pylab", "seaborn", "plotly", "bokeh", "altair"}
# What turns nbval's comparison off, in a cell's tags or in its comments.
NBVAL_OFF = re.compile(r"nbval[-_]|raises-exception|pytest_validate", re.IGNORECASE)
# What differs between two runs or two machines.
UNSTABLE = re.compile(r"\bat 0x[0-9a-f]+|ipykernel_\d+|/(?:tmp|var|home|root|Users)/\w+")
PICTURES_IN_HTML = re.compile(r"<(svg|img|canvas|script|iframe)\b", re.IGNORECASE)
PRINTED = ("text/plain", "text/markdown", "text/latex", "text/html", "image/png")
PNG_TEXT = {b"tEXt", b"zTXt", b"iTXt", b"tIME"}


def code_cells(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    """Return the code cells with their number among all cells, from 1."""
    return [(k, c) for k, c in enumerate(notebook.cells, 1) if c.cell_type == "code"]


def is_executed(notebook: NotebookNode) -> list[str]:
    """Every code cell ran, in order, once: nbval passes a cell without a count unseen."""
    problems = []
    for count, (number, cell) in enumerate(code_cells(notebook), 1):
        if not cell.source.strip():
            problems.append(f"cell {number} is empty")
        if cell.execution_count != count:
            problems.append(
                f"cell {number} has execution count {cell.execution_count}, not {count}"
            )
    return problems


def has_clean_outputs(notebook: NotebookNode) -> list[str]:
    """No stderr, no exception, nothing that differs between two runs."""
    problems = []
    for number, cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                problems.append(f"cell {number} holds an exception, {output.ename}")
            if output.output_type == "stream" and output.name == "stderr":
                problems.append(f"cell {number} wrote to stderr")
            found = UNSTABLE.search(_printed(output))
            if found:
                problems.append(f"cell {number} printed what changes: {found.group()}")
    return problems


def _printed(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return output.text
    data = output.get("data", {})
    return "\n".join(str(value) for kind, value in data.items() if not kind.startswith("image/"))


def is_compared_by_nbval(notebook: NotebookNode) -> list[str]:
    """No tag or comment takes a cell out of nbval's comparison."""
    problems = []
    for number, cell in code_cells(notebook):
        comments = [line for line in cell.source.splitlines() if line.lstrip().startswith("#")]
        for mark in [*cell.metadata.get("tags", []), *comments]:
            if NBVAL_OFF.search(mark):
                problems.append(f"cell {number} is kept from comparison by {mark.strip()!r}")
    return problems


def has_only_pngs(notebook: NotebookNode) -> list[str]:
    """Figures are PNG without a date; nbval compares SVG and HTML byte by byte.

    The one exception is a figure with a slider, whose text is the same on every machine.
    """
    problems = []
    for number, cell in code_cells(notebook):
        for output in cell.outputs:
            for kind, content in output.get("data", {}).items():
                if kind not in PRINTED:
                    problems.append(f"cell {number} has an output of type {kind}")
                if kind == "text/html" and is_interactive(content):
                    problems += [f"cell {number}: {fault}" for fault in faults(content)]
                elif kind == "text/html" and PICTURES_IN_HTML.search(content):
                    problems.append(f"cell {number} draws in HTML")
                if kind == "image/png" and PNG_TEXT & set(_chunks(content)):
                    problems.append(f"cell {number}: the PNG holds a date or other text")
    return problems


def _chunks(png: str) -> Iterator[bytes]:
    """Yield the types of a PNG's chunks."""
    content = base64.b64decode(png)
    start = 8
    while start + 8 <= len(content):
        yield content[start + 4 : start + 8]
        start += 12 + int.from_bytes(content[start : start + 4])


def has_described_figures(notebook: NotebookNode) -> list[str]:
    """A figure has name, caption, alt text and the class that keeps the theme's box away."""
    problems = []
    for number, cell in code_cells(notebook):
        shown = [output.get("data", {}) for output in cell.outputs]
        drawn = any("image/png" in data for data in shown)
        if not drawn and not any(is_interactive(data.get("text/html", "")) for data in shown):
            continue
        settings = cell.metadata.get("mystnb", {})
        figure, image = settings.get("figure", {}), settings.get("image", {})
        if drawn and "dark-light" not in str(image.get("classes", "")).split():
            problems.append(f"cell {number}: the figure lacks the class dark-light")
        if drawn and not str(image.get("alt", "")).strip():
            problems.append(f"cell {number}: the figure lacks alt text")
        # A captioned figure inside a folded solution breaks print.
        if number in _in_solutions(notebook):
            continue
        if not str(figure.get("caption", "")).strip():
            problems.append(f"cell {number}: the figure lacks a caption")
        if not str(figure.get("name", "")).startswith("fig-"):
            problems.append(f"cell {number}: the figure lacks a name that starts with fig-")
    return problems


def solutions(notebook: NotebookNode) -> dict[str, list[tuple[int, NotebookNode]]]:
    """Return the code cells between start and end of each solution, by the exercise's label."""
    found: dict[str, list[tuple[int, NotebookNode]]] = {}
    label = None
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code":
            if label is not None:
                found[label].append((number, cell))
            continue
        for mark in re.finditer(r"\{solution-(start|end)\}[ \t]*(\S*)", cell.source):
            label = mark.group(2) if mark.group(1) == "start" else None
            if label is not None:
                found[label] = []
    return found


def _in_solutions(notebook: NotebookNode) -> set[int]:
    return {number for cells in solutions(notebook).values() for number, _ in cells}


def has_tested_exercises(notebook: NotebookNode) -> list[str]:
    """Each exercise has a folded solution that ends in an assertion and holds no caption."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = solutions(notebook)
    problems = []
    for block in re.finditer(r"\{exercise(?:-start)?\}.*\n((?:[ \t]*:.*\n)*)", text):
        label = re.search(r":label:\s*(\S+)", block.group(1))
        if label is None:
            problems.append("an exercise has no label")
        elif label.group(1) not in found:
            problems.append(f"exercise {label.group(1)} has no solution")
    for block in re.finditer(r"\{solution-start\}[ \t]*(\S+).*\n((?:[ \t]*:.*\n)*)", text):
        if "dropdown" not in block.group(2):
            problems.append(f"the solution of {block.group(1)} is not folded (:class: dropdown)")
    for label, cells in found.items():
        if not cells or not _ends_in_assertion(cells[-1][1].source):
            problems.append(f"the solution of {label} does not end in an assertion")
        for number, cell in cells:
            if "figure" in cell.metadata.get("mystnb", {}):
                problems.append(f"cell {number}: a captioned figure inside a solution")
    return problems


def _ends_in_assertion(source: str) -> bool:
    body = ast.parse(source).body
    last = body[-1] if body else None
    while isinstance(last, ast.For | ast.With):
        last = last.body[-1]
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        name = ast.unparse(last.value.func).rpartition(".")[2]
        return name == "check" or name.startswith("assert")
    return isinstance(last, ast.Assert)


def is_clean(notebook: NotebookNode) -> list[str]:
    """Metadata holds no time, no widget state, and nothing of the kernel that ran."""
    expected = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    problems = []
    if notebook.metadata != expected:
        extra = sorted(set(notebook.metadata) - set(expected)) or sorted(expected)
        problems.append(f"the notebook's metadata differ in {', '.join(extra)}")
    for number, cell in enumerate(notebook.cells, 1):
        extra = sorted(set(cell.metadata) - set(CELL_METADATA))
        if extra:
            problems.append(f"cell {number} has metadata {', '.join(extra)}")
    return problems


def equals_its_text(notebook: NotebookNode, text: NotebookNode) -> list[str]:
    """Sources and settings of all cells are those of the text."""
    changed = difference(notebook, text, outputs=False).splitlines()
    rest = (
        [f"... and {len(changed) - SHOWN_LINES} lines more"] if len(changed) > SHOWN_LINES else []
    )
    shown = "\n".join(changed[:SHOWN_LINES] + rest)
    return [f"text and notebook differ:\n{shown}"] if changed else []


def has_readable_code(notebook: NotebookNode) -> list[str]:
    """Cells are short, plain Python, show no plotting code and silence nothing."""
    problems = []
    in_view = []
    for number, cell in code_cells(notebook):
        length = len(cell.source.splitlines())
        if not HIDDEN & set(cell.metadata.get("tags", [])):
            in_view.append(length)
        if length > LONGEST_CELL:
            problems.append(f"cell {number} has {length} lines, more than {LONGEST_CELL}")
        widest = max((len(line) for line in cell.source.splitlines()), default=0)
        if widest > WIDEST_LINE:
            problems.append(f"cell {number} has a line of {widest} characters, above {WIDEST_LINE}")
        try:
            tree = ast.parse(cell.source)
        except SyntaxError:
            problems.append(f"cell {number} is not plain Python")
            continue
        imported = _imported(tree)
        for module in sorted(imported & PLOTTING):
            problems.append(f"cell {number} imports {module}: plotting code belongs in the library")
        if "warnings" in imported:
            problems.append(f"cell {number} handles warnings, which must not occur")
        if _ends_in_semicolon(cell.source):
            problems.append(f"cell {number} has a trailing ; which hides nothing from nbval")
    if in_view and statistics.median(in_view) > MEDIAN_CELL:
        problems.append(f"the median cell has more than {MEDIAN_CELL} lines")
    return problems


def _imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def _ends_in_semicolon(source: str) -> bool:
    """Whether a statement of the cell is followed by a semicolon and nothing else."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            rest = lines[(node.end_lineno or 1) - 1].encode()[node.end_col_offset :].decode()
            if re.fullmatch(r"\s*;\s*(#.*)?", rest):
                return True
    return False


GATES = (
    is_executed,
    has_clean_outputs,
    is_compared_by_nbval,
    has_only_pngs,
    has_described_figures,
    has_tested_exercises,
    is_clean,
    has_readable_code,
)
