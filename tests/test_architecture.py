"""The direction of imports: the ground, the networks, the limits; never back, never in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"
FILES = sorted((SRC / "rnnlimits").rglob("*.py"))
GROUND = {"random", "estimate", "sweep", "wasserstein"}
# What a room may use beside itself. The private checks lie below all, the package's name too.
MAY_USE = {
    "_checks": set(),
    **{room: set() for room in GROUND},
    "data": GROUND,
    "networks": GROUND,
    "meanfield": GROUND | {"networks"},
    "kernel": GROUND | {"networks"},
    "decoding": GROUND | {"data", "networks", "kernel"},
    "claims": {"estimate"},
    "figures": {"estimate"},
    "display": {"estimate"},
    "experiments": set(),
}


def module_name(file: Path) -> str:
    """Return the dotted name of a source file."""
    parts = file.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file: Path) -> set[str]:
    """Return the modules of the package that a file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            assert node.module is not None
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (below & MODULES) or {node.module}
    return {name for name in names if name.split(".")[0] == "rnnlimits"}


def room(module: str) -> str:
    """Return the top-level room that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


MODULES = {module_name(file) for file in FILES}
by_module = pytest.mark.parametrize("file", FILES, ids=module_name)


@by_module
def test_imports_go_down(file: Path) -> None:
    own = room(module_name(file))
    if not own:
        assert not imported(file), "the package itself imports nothing of it"
        return
    assert own in MAY_USE, f"{own} is a new room: say here what it may use"
    used = {room(name) for name in imported(file)}
    assert used - {own, "_checks", ""} <= MAY_USE[own]


@by_module
def test_what_is_imported_exists(file: Path) -> None:
    assert imported(file) <= MODULES


def test_no_circle() -> None:
    graph = {module_name(file): imported(file) - {module_name(file)} for file in FILES}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError on a circle
    assert set(order) == MODULES


@by_module
def test_theory_is_functions_and_frozen_records(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert "Module" not in names
    assert not any(isinstance(node, ast.Global) for node in ast.walk(tree))


@by_module
def test_nothing_prints_and_nothing_happens_at_import(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert "print" not in {call.id for call in calls if isinstance(call, ast.Name)}
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for statement in tree.body:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        checking = isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test)
        assert isinstance(statement, allowed) or docstring or checking


@by_module
def test_rooms_stay_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 60, f"{node.name} is too long"


def test_only_random_makes_generators() -> None:
    makers = ("default_rng", "manual_seed", "RandomState", "torch.randn", "torch.rand(")
    for file in FILES:
        if module_name(file) != "rnnlimits.random":
            text = file.read_text(encoding="utf-8")
            assert not [maker for maker in makers if maker in text], file
