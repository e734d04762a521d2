"""The source of a function, as a chapter shows it."""

from dataclasses import dataclass

import pytest

from rnnlimits.display import Source, source


def documented(x: int) -> int:
    """Say something.

    And more.
    """  # noqa: D202

    return x + 1  # kept


# fmt: off
def one_line() -> int: """Words on the line of the code."""; return 1  # noqa: E702
# fmt: on


def only_words() -> None:
    """Nothing else."""


def outer() -> int:
    """Outer words."""

    def inner() -> int:
        """Inner words."""
        return 2

    return inner()


@dataclass
class Thing:
    """A thing."""

    size: int

    def double(self) -> int:
        """Twice the size."""
        return 2 * self.size


def test_the_docstring_and_the_blank_line_after_it_are_left_out() -> None:
    assert source(documented).text == "def documented(x: int) -> int:\n    return x + 1  # kept"


def test_a_function_on_one_line_stays_whole() -> None:
    assert "return 1" in source(one_line).text


def test_a_function_of_words_only_stays_whole() -> None:
    assert source(only_words).text.endswith('"""Nothing else."""')


@pytest.mark.parametrize("object_", [outer, Thing])
def test_nested_docstrings_are_left_out(object_: type) -> None:
    text = source(object_).text
    assert '"""' not in text
    assert "return 2" in text


def test_decorators_are_shown() -> None:
    assert source(Thing).text.startswith("@dataclass\nclass Thing:")


def test_a_method_is_shown_without_its_indentation() -> None:
    assert source(Thing.double).text == "def double(self) -> int:\n    return 2 * self.size"


def test_a_notebook_gets_a_python_block_and_a_terminal_the_same_text() -> None:
    shown = Source("x = 1")
    assert shown._repr_markdown_() == "```python\nx = 1\n```"
    assert repr(shown) == "x = 1"


def test_a_built_in_has_no_source() -> None:
    with pytest.raises(TypeError, match="expected"):
        source(len)
