"""Reading numbers, and only numbers, from MATLAB files."""

import io
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io.matlab import MatlabFunction, MatlabObject, MatlabOpaque

from rnnlimits.data import matlab
from rnnlimits.data.matlab import cells, read_matlab, vector


def written(compressed: bool = False, **variables: Any) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=compressed)
    return file.getvalue()


def cell(*entries: Any) -> Any:
    made = np.empty((len(entries), 1), dtype=object)
    for i, entry in enumerate(entries):
        made[i, 0] = entry
    return made


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_come_back(compressed: bool) -> None:
    trains = cell(np.array([1.0, 2.0]), np.zeros((0, 0)), 3.0)
    whole = np.arange(6, dtype=np.uint8).reshape(2, 3)
    data = written(compressed, x=whole, t=trains, unread={"a": 1})
    found = read_matlab(data, ["x", "t"], "f.mat", cell="t")
    assert list(found) == ["x", "t"]
    np.testing.assert_array_equal(found["x"], whole)
    assert [vector("t", each).tolist() for _, each in cells(found["t"])] == [[1, 2], [], [3]]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("text", "x in f.mat must hold numbers, got char"),
        ({"a": 1.0}, "x in f.mat must hold numbers, got struct"),
        (cell(1.0), "x in f.mat must hold numbers, got cell"),
        (np.array([1.0, np.nan]), "x in f.mat must be finite"),
        (np.array([1.0, np.inf]), "x in f.mat must be finite"),
        (np.array([1j]), "x in f.mat must hold numbers, got complex"),
        (
            MatlabObject(np.array([[(1,)]], dtype=[("a", object)]), "kind"),
            "x in f.mat must hold numbers, got object",
        ),
    ],
)
def test_anything_else_is_refused(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_matlab(written(x=value), ["x"], "f.mat")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.ones(3), "t in f.mat must hold cells of numbers, got double"),
        (cell(1.0, "text"), "t in f.mat must hold numbers, got <U4"),
        (cell({"a": 1.0}), "t in f.mat must hold numbers, got "),
        (cell(cell(1.0)), "t in f.mat must hold numbers, got object"),
        (cell(np.array([np.nan])), "t in f.mat must be finite"),
    ],
)
def test_cells_hold_numbers(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_matlab(written(t=value), ["t"], "f.mat", cell="t")


@pytest.mark.parametrize("made", [MatlabFunction, MatlabOpaque])
def test_functions_and_opaque_content_are_refused(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = np.zeros((1, 1), dtype=[("a", object)]).view(made)
    found = {"t": cell(hidden)}
    monkeypatch.setattr(scipy.io, "loadmat", lambda _file, **_options: found)
    with pytest.raises(ValueError, match=r"t in f.mat must hold numbers"):
        read_matlab(written(t=cell(1.0)), ["t"], "f.mat", cell="t")


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(ValueError, match="must hold the variables x, y, got x, z"):
        read_matlab(written(x=1.0, z=2.0), ["x", "y"], "f.mat")
    with pytest.raises(ValueError, match="must hold the variables x, got none"):
        read_matlab(written(), ["x"], "f.mat")


def test_two_variables_of_one_name_are_refused() -> None:
    # What is listed last would be read first: the kind of one, the content of the other.
    both = written(x="text") + written(x=1.0)[128:]
    with pytest.raises(ValueError, match=r"f.mat must hold every variable once, got x, x"):
        read_matlab(both, ["x"], "f.mat")


def test_a_huge_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "MAX_ENTRIES", 5)
    with pytest.raises(ValueError, match=r"x in f.mat must have at most 5 entries, got shape"):
        read_matlab(written(x=np.ones((2, 3))), ["x"], "f.mat")


@pytest.mark.parametrize(
    "data", [b"", b"text", b"MATLAB 7.3 MAT-file" + bytes(105) + b"\x00\x02IM" + bytes(512)]
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"f.mat must be a MATLAB file of version 5, got one that"):
        read_matlab(data, ["x"], "f.mat")


@pytest.mark.parametrize("compressed", [False, True])
@settings(max_examples=60)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_short_is_refused(compressed: bool, share: float) -> None:
    data = written(compressed, x=np.arange(64.0).reshape(8, 8) ** 0.5)
    with pytest.raises(ValueError, match=r"f.mat"):
        read_matlab(data[: int(share * (len(data) - 8))], ["x"], "f.mat")


def test_a_matrix_is_no_vector() -> None:
    with pytest.raises(ValueError, match=r"x must be a vector, got shape \(2, 2\)"):
        vector("x", np.ones((2, 2)))
