"""Show a function of the library in a notebook, from its source."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Source:
    """The text of a function; a notebook shows it highlighted, a terminal as it is."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}\n```"


def source(function: Callable[..., object]) -> Source:
    """Return the source of a function or class, without its docstrings.

    >>> source(textwrap.fill)  # doctest: +ELLIPSIS
    def fill(text, width=70, **kwargs):
        w = TextWrapper(width=width, **kwargs)
        return w.fill(text)

    Raises:
        TypeError: the object has no Python source (it is built in, or not a function or class).

    """
    lines = textwrap.dedent(inspect.getsource(inspect.unwrap(function))).splitlines()
    for start, end in sorted(_docstrings("\n".join(lines)), reverse=True):
        blank = end < len(lines) and not lines[end].strip()
        del lines[start : end + blank]
    return Source("\n".join(lines).rstrip())


def _docstrings(text: str) -> list[tuple[int, int]]:
    """Return the line ranges of docstrings that stand on lines of their own."""
    ranges = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if ast.get_docstring(node) is None or len(node.body) == 1:
            continue
        doc, following = node.body[:2]
        end = doc.end_lineno or doc.lineno
        if doc.lineno > node.lineno and following.lineno > end:
            ranges.append((doc.lineno - 1, end))
    return ranges
