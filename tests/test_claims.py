"""`check` and the ledger."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnlimits.claims import (
    Claim,
    Record,
    ReferenceMismatch,
    References,
    Tolerance,
    load_ledger,
    references,
)
from rnnlimits.estimate import Estimate

Pair = tuple[References, References]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """A `check` that writes and one that compares, on the same folder."""
    folder = tmp_path / "chapter"
    return References(folder, adopt=folder), References(folder)


VALUES = {
    "number": 0.25,
    "integer": 3,
    "truth": True,
    "numpy scalar": np.float32(0.5),
    "array": np.arange(6.0).reshape(2, 3) / 7,
    "tensor": torch.tensor([1.0, -2.0], requires_grad=True),
    "single precision": torch.tensor([[0.1]], dtype=torch.float32),
    "estimate": Estimate(1.5, 0.2, 40),
    "estimate of an array": Estimate(np.array([1.0, 2.0]), np.array([0.1, 0.2]), 10),
    "numbers": [1, 2.5, 3],
    "tensors": (torch.ones(2), torch.zeros(2)),
    "estimates": [Estimate(1.0, 0.1, 5), Estimate(2.0, 0.1, 6)],
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize("relative", [False, True])
def test_what_was_adopted_passes(pair: Pair, value: object, relative: bool) -> None:
    adopt, check = pair
    adopt("value", value, 1e-3, relative=relative)
    check("value", value, 1e-3, relative=relative)


def test_the_file_is_text_with_tolerance_shape_and_kind(pair: Pair) -> None:
    adopt, _ = pair
    adopt("value", np.array([[1 / 3, -1e-9], [2.0, 3.0]]), 1e-2)
    assert (adopt.folder / "value.txt").read_text() == (
        "tolerance: 0.01 absolute\nshape: 2 2\nkind: array\n0.333 0.000\n2.000 3.000\n"
    )


def test_an_estimate_is_stored_with_its_count(pair: Pair) -> None:
    adopt, check = pair
    adopt("value", Estimate(0.5, 0.1, 30), 0.1)
    assert "kind: estimate, n = 30\n0.50 0.10\n" in (adopt.folder / "value.txt").read_text()
    with pytest.raises(ReferenceMismatch, match=r"n = 30.*n = 31"):
        check("value", Estimate(0.5, 0.1, 31), 0.1)


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-9, 1e3),
    st.booleans(),
)
def test_rounding_moves_a_value_by_at_most_a_tenth_of_its_tolerance(
    value: float, size: float, relative: bool
) -> None:
    tolerance = Tolerance(size, relative)
    written = float(tolerance.write(value))
    allowed = float(tolerance.allowed(np.array(value)))
    assert abs(written - value) <= 0.1 * allowed + 4e-16 * abs(value)


@given(st.floats(-1e3, 1e3), st.sampled_from([1e-6, 0.003, 0.5, 20.0]), st.booleans())
def test_a_record_reads_what_it_wrote_and_writes_it_again(
    value: float, size: float, relative: bool
) -> None:
    text = Record("array", np.array([value]), Tolerance(size, relative)).text()
    assert Record.parse(text).text() == text


@pytest.mark.parametrize(("value", "passes"), [(1.0009, True), (0.9991, True), (1.0011, False)])
def test_the_tolerance_is_absolute(pair: Pair, value: float, passes: bool) -> None:
    adopt, check = pair
    adopt("value", 1.0, 1e-3)
    if passes:
        check("value", value, 1e-3)
        return
    with pytest.raises(ReferenceMismatch):
        check("value", value, 1e-3)


def test_or_relative(pair: Pair) -> None:
    adopt, check = pair
    adopt("value", [1e8, 1e-8], 1e-2, relative=True)
    check("value", [1.009e8, 0.991e-8], 1e-2, relative=True)
    with pytest.raises(ReferenceMismatch, match=r"index \(1,\)"):
        check("value", [1e8, 1.1e-8], 1e-2, relative=True)


def test_a_mismatch_names_chapter_value_deviation_tolerance_and_command(pair: Pair) -> None:
    adopt, check = pair
    adopt("slope", np.zeros((2, 2)), 1e-3)
    off = np.zeros((2, 2))
    off[1, 0] = -0.25
    with pytest.raises(ReferenceMismatch) as caught:
        check("slope", off, 1e-3)
    for part in (
        "chapter, slope: the value -0.25 at index (1, 0)",
        "by 0.25",
        "0.001 absolute",
        "make chapters NAME=chapter",
    ):
        assert part in str(caught.value)
    assert isinstance(caught.value, AssertionError)


def test_a_file_written_for_another_tolerance_does_not_pass(pair: Pair) -> None:
    adopt, check = pair
    adopt("value", 1.0, 1e-3)
    for size, relative in ((1e-2, False), (1e-3, True)):
        with pytest.raises(ReferenceMismatch, match=r"tolerance 0\.001 absolute"):
            check("value", 1.0, size, relative=relative)


def test_nor_does_another_shape(pair: Pair) -> None:
    adopt, check = pair
    adopt("value", np.zeros((2, 1)), 1e-3)
    with pytest.raises(ReferenceMismatch, match=r"shape \(2, 1\).*\(1, 2\)"):
        check("value", np.zeros((1, 2)), 1e-3)


def test_nor_a_missing_file(pair: Pair) -> None:
    with pytest.raises(ReferenceMismatch, match=r"no reference file value\.txt"):
        pair[1]("value", 1.0, 1e-3)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_nothing_that_is_not_finite_passes_or_is_adopted(pair: Pair, number: float) -> None:
    adopt, check = pair
    for act in (adopt, check):
        with pytest.raises(ReferenceMismatch, match="not finite"):
            act("value", [0.0, number], 1e-3)
    assert not adopt.folder.exists()


BROKEN = {
    "empty": "",
    "no header": "1.0\n2.0\n3.0\n",
    "cut": "tolerance: 0.001 absolute\nshape: 2\nkind: array\n1.0000\n",
    "not a number": "tolerance: 0.001 absolute\nshape: 1\nkind: array\nx\n",
    "not finite": "tolerance: 0.001 absolute\nshape: 1\nkind: array\nnan\n",
    "wrong mode": "tolerance: 0.001 about\nshape: 1\nkind: array\n1.0\n",
    "no mode": "tolerance: 0.001\nshape: 1\nkind: array\n1.0\n",
    "negative tolerance": "tolerance: -0.001 absolute\nshape: 1\nkind: array\n1.0\n",
    "conflict": "<<<<<<< ours\ntolerance: 0.001 absolute\nshape: 1\nkind: array\n1.0\n",
    "not text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_named_as_such(pair: Pair, content: str | bytes) -> None:
    _, check = pair
    check.folder.mkdir()
    path = check.folder / "value.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ReferenceMismatch, match="chapter, value: the reference file is broken"):
        check("value", [1.0], 1e-3)


@pytest.mark.parametrize("name", ["", "Upper", "with space", "../up", "a/b", "a.txt", "-a"])
def test_a_name_that_is_no_plain_file_name_is_refused(pair: Pair, name: str) -> None:
    with pytest.raises(ValueError, match="name must be"):
        pair[0](name, 1.0, 1e-3)


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan, math.inf])
def test_a_tolerance_must_be_positive_and_finite(pair: Pair, size: float) -> None:
    with pytest.raises(ValueError, match="tolerance must be"):
        pair[0]("value", 1.0, size)


@pytest.mark.parametrize("value", [1j, "1.0", ["1.0"], None, {"a": 1}])
def test_only_real_numbers_are_taken(pair: Pair, value: object) -> None:
    with pytest.raises(TypeError, match="real numbers"):
        pair[0]("value", value, 1e-3)


@pytest.mark.parametrize("value", [[], np.zeros(0), [np.zeros(2), np.zeros(3)]])
def test_nothing_empty_or_ragged_is_taken(pair: Pair, value: object) -> None:
    with pytest.raises(ValueError, match=r"empty|ragged"):
        pair[0]("value", value, 1e-3)


def test_the_environment_decides_whether_values_are_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RNNLIMITS_ADOPT", raising=False)
    assert references("reference/x").adopt is None
    monkeypatch.setenv("RNNLIMITS_ADOPT", str(tmp_path))
    references("reference/x")("value", 1.0, 1e-3)
    assert (tmp_path / "value.txt").exists()


ROW = """
[[claim]]
id = "LIN-1"
paper = "linear"
place = "eq. 1"
status = "read"
paraphrase = "A state."
verdict = "open"
"""
SETTLED = """
[[claim]]
id = "LIN-2"
paper = "linear"
place = "eq. 2"
status = "ours"
paraphrase = "A sum."
hypotheses = "None."
label = "prop-sum"
function = "rnnlimits.display.source"
test = "tests/test_display.py::test_decorators_are_shown"
evidence = ["chapter/value"]
breaks = [{module = "rnnlimits.display", old = "a", new = "b", why = "c"}]
verdict = "holds with a correction"
note = "A factor."
"""


def ledger(tmp_path: Path, text: str) -> tuple[Claim, ...]:
    path = tmp_path / "claims.toml"
    path.write_text(text, encoding="utf-8")
    return load_ledger(path)


def test_the_ledger_is_read_in_order(tmp_path: Path) -> None:
    first, second = ledger(tmp_path, ROW + SETTLED)
    assert (first.id, first.settled, first.evidence) == ("LIN-1", False, ())
    assert (second.id, second.settled, second.evidence) == ("LIN-2", True, ("chapter/value",))
    assert second.breaks[0].why == "c"


def test_an_empty_ledger_has_no_rows(tmp_path: Path) -> None:
    assert ledger(tmp_path, "") == ()


WRONG = {
    "not TOML": ("[[claim]", "not TOML"),
    "another table": ("[claims]\n", "unknown table 'claims'"),
    "rows that are no tables": ("claim = [1]", "row 1: expected a table"),
    "unknown key": (ROW + 'verdikt = "x"\n', "row LIN-1: unknown key 'verdikt'"),
    "missing key": (ROW.replace("place", "label"), "row LIN-1: missing key 'place'"),
    "missing id": (ROW.replace('id = "LIN-1"', ""), "row 1: missing key 'id'"),
    "twice": (ROW + ROW, "row LIN-1: the id is used 2 times"),
    "verdict": (ROW.replace("open", "true"), "row LIN-1: unknown verdict 'true'"),
    "paper": (ROW.replace('"linear"', '"x"'), "row LIN-1: unknown paper 'x'"),
    "status": (ROW.replace('"read"', '"x"'), "row LIN-1: unknown status 'x'"),
    "type": (ROW.replace('"A state."', "3"), "row LIN-1: paraphrase must be a str"),
    "evidence": (ROW + "evidence = [1]\n", "row LIN-1: evidence must be a list of strings"),
    "break": (ROW + 'breaks = [{modul = "x"}]\n', "row LIN-1, breaks: unknown key 'modul'"),
    "part of a break": (ROW + 'breaks = [{module = "x"}]\n', "row LIN-1, breaks: missing key"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_ledger_names_the_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        ledger(tmp_path, text)
    assert message in str(caught.value)
