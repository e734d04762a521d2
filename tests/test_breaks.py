"""The breaking of the library: the wrong piece is seen inside, and nothing of it stays."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

import rnnlimits.display
from breaks import broken, run_test

FENCE = "```python"


def write_test(folder: Path) -> str:
    (folder / "check_it.py").write_text(
        "from rnnlimits.display import Source\n\n\n"
        "def test_fence():\n"
        "    assert '```python' in Source('x')._repr_markdown_()\n",
        encoding="utf-8",
    )
    return "check_it.py::test_fence"


def test_a_test_passes_with_the_library_as_it_is(tmp_path: Path) -> None:
    run_test(tmp_path, write_test(tmp_path))


def test_and_fails_by_assertion_with_a_wrong_piece(tmp_path: Path) -> None:
    node = write_test(tmp_path)
    with broken("rnnlimits.display", FENCE, "```julia"), pytest.raises(AssertionError):
        run_test(tmp_path, node)


def test_a_wrong_piece_is_seen_through_a_package_that_imports_it() -> None:
    with broken("rnnlimits.estimate", "class Estimate:", "class Estimate(tuple):"):
        from rnnlimits import claims

        assert issubclass(vars(claims)["Estimate"], tuple)


def test_a_package_can_be_broken_too() -> None:
    with broken("rnnlimits", "__version__ =", "__version__ = wrong ="):
        import rnnlimits.random as inside

        assert sys.modules["rnnlimits"].wrong
        assert inside.__name__ == "rnnlimits.random"
    assert not hasattr(rnnlimits, "wrong")


def fail_inside(before: dict[str, ModuleType]) -> None:
    import rnnlimits.display as inside

    assert inside is not before["rnnlimits.display"]
    raise ZeroDivisionError


def test_nothing_of_it_stays_even_after_an_error() -> None:
    before = {name: module for name, module in sys.modules.items() if "rnnlimits" in name}
    finders = list(sys.meta_path)
    with pytest.raises(ZeroDivisionError), broken("rnnlimits.display", FENCE, "```julia"):
        fail_inside(before)
    assert {n: m for n, m in sys.modules.items() if "rnnlimits" in n} == before
    assert sys.meta_path == finders


@pytest.mark.parametrize("old", ["not in the module", "def "])
def test_the_piece_must_occur_once(old: str) -> None:
    with pytest.raises(ValueError, match="not once"), broken("rnnlimits.display", old, ""):
        pass


def test_the_module_must_have_a_source() -> None:
    with pytest.raises(ValueError, match="has no source"), broken("rnnlimits.no", "a", "b"):
        pass
