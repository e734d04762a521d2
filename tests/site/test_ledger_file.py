"""The ledger's file: nothing numbered is left out, and no settled row names what is not there."""

import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

from rnnlimits.claims import Claim, load_ledger

ROOT = Path(__file__).resolve().parents[2]
LEDGER = load_ledger(ROOT / "book/claims.toml")
SETTLED = [claim for claim in LEDGER if claim.settled]

# What carries a number in the linear-network paper; its equations run from (1) to (102).
NUMBERED = [
    "Proposition 2.1(a)", "Proposition 2.1(b)", "Proposition 3.1", "Theorem 3.2",
    "Theorem 3.3(a)", "Theorem 3.3(b)", "Theorem 4.1", "Lemma B.1", "Lemma C.1",
    "Figure 1", "Figure 2", "Figure 3", "Figure 4", "Table 1", "Appendix A",
]  # fmt: skip
EQUATIONS = set(range(1, 103))
# What our text of the mean-field paper numbers or announces.
MEAN_FIELD = [
    "Assumption 1", "Assumption 2", "Example 2.1", "Example 2.2", "Example 2.3", "Abstract",
    "Contribution (1)", "Contribution (2)", "Contribution (3)", "weak dependence",
    "neuronal embedding", "coupling procedure", "training dynamics", "numerical experiments",
]  # fmt: skip


def places(paper: str) -> str:
    """Return the places of a paper's rows, one to a line; `Figures 1 and 2` is written out."""
    text = "\n".join(claim.place for claim in LEDGER if claim.paper == paper)
    return re.sub(r"Figures (\d) and (\d)", r"Figure \1, Figure \2", text)


def equations(place: str) -> set[int]:
    """Return the equation numbers that a place names, ranges written out."""
    listed = re.search(r"eqs?\. (.*)", place)
    ranges = re.findall(r"\((\d+)\)(?:–\((\d+)\))?", listed[1]) if listed else []
    return {n for first, last in ranges for n in range(int(first), int(last or first) + 1)}


def test_ranges_of_equations_are_read() -> None:
    assert equations("Lemma, eqs. (1)–(3), (7)") == {1, 2, 3, 7}
    assert equations("Section 2, Stability, eq. (4)") == {4}
    assert equations("Contribution (1)") == set()


@pytest.mark.parametrize("statement", NUMBERED)
def test_every_numbered_statement_of_the_linear_paper_has_a_row(statement: str) -> None:
    assert statement in places("linear")


def test_every_equation_of_the_linear_paper_has_one_row() -> None:
    numbers = Counter(n for c in LEDGER if c.paper == "linear" for n in equations(c.place))
    assert set(numbers) == EQUATIONS
    assert [n for n, rows in numbers.items() if rows > 1] == []


@pytest.mark.parametrize("statement", MEAN_FIELD)
def test_everything_the_mean_field_text_announces_has_a_row(statement: str) -> None:
    assert statement in places("mean-field")


@pytest.mark.parametrize(("prefix", "at_least"), [("LIN", 20), ("MF", 16), ("OWN", 6)])
def test_ids_run_without_a_gap(prefix: str, at_least: int) -> None:
    ids = [claim.id for claim in LEDGER if claim.id.startswith(f"{prefix}-")]
    assert ids == [f"{prefix}-{number}" for number in range(1, len(ids) + 1)]
    assert len(ids) >= at_least


@pytest.mark.parametrize("claim", LEDGER, ids=lambda claim: claim.id)
def test_a_row_says_something(claim: Claim) -> None:
    paper = {"LIN": "linear", "MF": "mean-field", "OWN": "book"}[claim.id.partition("-")[0]]
    assert claim.paper == paper
    assert (claim.status == "ours") == (paper == "book")
    assert len(claim.paraphrase.split()) > 8
    assert claim.paraphrase.endswith((".", ".$"))
    assert claim.paraphrase.count("$") % 2 == claim.note.count("$") % 2 == 0
    assert claim.verdict != "holds with a correction" or claim.note


@pytest.mark.parametrize("claim", SETTLED, ids=lambda claim: claim.id)
def test_a_settled_row_names_what_is_there(claim: Claim) -> None:
    module, _, function = claim.function.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))
    file, _, test = claim.test.partition("::")
    assert f"def {test}(" in (ROOT / file).read_text("utf-8")
    assert claim.breaks
    assert claim.evidence
    assert [e for e in claim.evidence if not (ROOT / f"book/reference/{e}.txt").is_file()] == []


def test_the_bibliography_has_no_entry_twice_and_none_that_nobody_cites() -> None:
    keys = re.findall(r"^@\w+\{([^,]+),", (ROOT / "book/references.bib").read_text("utf-8"), re.M)
    sources = [*(ROOT / "book").glob("*.md"), *(ROOT / "book/text").glob("*.md")]
    text = "\n".join(source.read_text("utf-8") for source in sources)
    cited = {key.strip() for group in re.findall(r"\{cite[^}]*\}`([^`]+)`", text)
             for key in group.split(",")}  # fmt: skip
    assert [key for key, count in Counter(keys).items() if count > 1] == []
    assert set(keys) == cited
