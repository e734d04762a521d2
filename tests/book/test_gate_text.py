"""Each gate on a chapter's words passes the demo and refuses it broken."""

import pytest
from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import gate_text as gates
from rnnlimits.claims import Claim


def words(*sources: str) -> NotebookNode:
    return new_notebook(cells=[new_markdown_cell(source) for source in sources])


def code(*sources: str) -> NotebookNode:
    return new_notebook(cells=[new_code_cell(source) for source in sources])


CAPTION = {"mystnb": {"figure": {"name": "fig-x", "caption": "A slope of 0.51."}}}
ALT = {"mystnb": {"image": {"alt": "A line that ends at 2.5."}}}


@pytest.mark.parametrize(
    "source",
    [
        "the error is 0.31 there",
        "> quoted, about 1.5 times",
        ":::{prf:theorem} Title\n:label: thm\nAt most 0.5.\n:::",
        "```{admonition} At 0.5\nWords.\n```",
        "$a$ and 0.5 and $b$",
        "| a | 0.5 |",
    ],
)
def test_a_decimal_in_prose_is_refused(source: str) -> None:
    assert len(gates.has_no_decimals_in_prose(words(source))) == 1


@pytest.mark.parametrize("metadata", [CAPTION, ALT])
def test_a_decimal_in_a_caption_is_refused(metadata: dict[str, object]) -> None:
    cell = new_code_cell("draw()", metadata=from_dict(metadata))
    assert len(gates.has_no_decimals_in_prose(new_notebook(cells=[cell]))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "with $\\nu = 0.5$ and $$x = 0.5$$",
        "$$\nx = 0.5\n$$ (eq-x)",
        "\\begin{align}\nx &= 0.5\n\\end{align}",
        "```{math}\n:label: eq-x\nx = 0.5\n```",
        "```python\nx = 0.5\n```",
        "~~~\n```\n0.5\n~~~",
        "`0.5` and ``a ` 0.5``",
        "{eq}`eq-0.5`",
        "[the text](https://example.org/a-0.5)",
        "<https://example.org/0.5>",
        ":::{figure} x.png\n:width: 0.5\nWords.\n:::",
        "Section 3.1 and Proposition 2.1(a), Figures 1.2 and 3.4",
        "Python 3.11, version 1.0.4",
        "ten, 20 and 1000; at 3. Then",
    ],
)
def test_a_number_that_is_no_measured_decimal_passes(source: str) -> None:
    assert gates.has_no_decimals_in_prose(words(source)) == []


def test_prose_goes_on_after_a_nested_directive() -> None:
    source = "::::{admonition} A\n:::{math}\nx = 0.5\n:::\nafter 0.7\n::::\nand 0.9"
    assert len(gates.has_no_decimals_in_prose(words(source))) == 2


OPENING = "# Title\n\n> **In this chapter.** A. *Needs:* b. *Reads in c.*\n> *Settles:* DEMO-1."


def test_an_opening_that_says_it_all_passes() -> None:
    assert gates.opens_with_its_claim(words(OPENING)) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("No title.", "title"),
        (OPENING.replace("**In this chapter.**", "Here:"), "In this chapter"),
        (OPENING.replace("*Needs:*", ""), "Needs"),
        (OPENING.replace("*Reads in", "*"), "Reads in"),
        (OPENING.replace("*Settles:*", "\n" * 12 + "*Settles:*"), "Settles"),
    ],
)
def test_an_opening_that_lacks_a_part_is_refused(source: str, message: str) -> None:
    problems = gates.opens_with_its_claim(words(source))
    assert len(problems) == 1
    assert message in problems[0]


CLAIMS = (Claim("DEMO-1", "book", "", "ours", "", "holds with a correction"),)


@pytest.mark.parametrize(
    "verdict",
    [
        "**Verdict.** DEMO-1 *holds with a correction*: so.",
        "> **Verdict.** DEMO-1 *holds with\n> a correction*: so.",
        "**Verdict.** {claim}`DEMO-1` {verdict}`DEMO-1`: so.",
        "**Verdict.** {claim}`DEMO-1` *holds with a correction*.",
    ],
)
def test_a_verdict_that_is_the_ledgers_passes(verdict: str) -> None:
    assert gates.agrees_with_ledger(words(OPENING, verdict), CLAIMS) == []


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        ("**Verdict.** DEMO-1 *holds*: so.", "the text says 'holds'"),
        ("**Verdict.** DEMO-1 *is true*: so.", "'is true' is not a verdict"),
        ("**Verdict.** DEMO-1 {verdict}`DEMO-2`.", "the verdict shown is that of DEMO-2"),
        ("No verdict.", "DEMO-1 is announced and gets no verdict"),
    ],
)
def test_a_verdict_that_is_not_is_refused(verdict: str, message: str) -> None:
    problems = gates.agrees_with_ledger(words(OPENING, verdict), CLAIMS)
    assert len(problems) == 1, problems
    assert message in problems[0]


def test_a_verdict_on_an_unknown_or_unannounced_row_is_refused() -> None:
    problems = gates.agrees_with_ledger(words("# T", "**Verdict.** DEMO-9 *holds*."), CLAIMS)
    assert problems == ["DEMO-9 is not in the ledger", "DEMO-9 gets a verdict, unannounced"]


CHECK = 'check = references("reference/demo")\ncheck("half", 0.5, tolerance=1e-3)'


def test_checks_with_their_files_pass() -> None:
    assert gates.has_its_references(code(CHECK), "demo", ["half"]) == []
    assert gates.has_its_references(code("x = 1"), "demo", []) == []
    direct = code('references("reference/demo")("half", 0.5, tolerance=1e-3)')
    assert gates.has_its_references(direct, "demo", ["half"]) == []


@pytest.mark.parametrize(
    ("source", "files", "message"),
    [
        (CHECK, [], "there is no reference file for half"),
        (CHECK, ["half", "third"], "no cell checks the reference file third"),
        ("x = 1", ["half"], "no cell checks the reference file half"),
        (CHECK + '\ncheck("half", 1, tolerance=1)', ["half"], "half is checked twice"),
        (CHECK.replace('"half"', 'name + ""'), [], "is not a literal string"),
        (CHECK.replace('check("half", ', "check("), [], "is not a literal string"),
        (CHECK.replace("reference/demo", "reference/other"), ["half"], "must come once from"),
        (CHECK.replace('"reference/demo"', "folder"), ["half"], "must come once from"),
    ],
)
def test_checks_that_do_not_fit_their_files_are_refused(
    source: str, files: list[str], message: str
) -> None:
    problems = gates.has_its_references(code(source), "demo", files)
    assert any(message in problem for problem in problems), problems


def test_a_cell_that_is_not_python_is_left_to_its_own_gate() -> None:
    assert gates.checks(code("%magic")) == ([], [])


def test_labels_are_found_in_all_their_forms() -> None:
    notebook = words(
        "(sec-a)=\n# A", ":::{prf:theorem}\n:label: thm-b\n:::", "$$\nx\n$$ (eq-c)", "$$x$$ (eq-d)"
    )
    notebook.cells.append(new_code_cell("draw()", metadata=from_dict(CAPTION)))
    notebook.cells.append(new_markdown_cell("\\begin{equation}\\label{eq-e}\\end{equation}"))
    assert gates.labels(notebook) == {"sec-a", "thm-b", "eq-c", "eq-d", "fig-x", "eq-e"}
