"""Replace a piece of the library by a wrong one, and run a test against it."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).resolve().parent
PACKAGE = "rnnlimits"


class _Wrong(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module and loads it from a changed source."""

    def __init__(self, module: str, source: str, file: str, is_package: bool) -> None:
        self.module, self.source, self.file, self.is_package = module, source, file, is_package

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.module:
            return None
        spec = importlib.util.spec_from_loader(name, self, is_package=self.is_package)
        if spec is not None and self.is_package:
            spec.submodule_search_locations = [str(Path(self.file).parent)]
        return spec

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self.file
        # Another file name than the true one: else coverage would count wrong lines as run.
        exec(compile(self.source, f"<broken {self.module}>", "exec"), module.__dict__)


@contextmanager
def broken(module: str, old: str, new: str) -> Iterator[None]:
    """Import the package anew with `old`, which occurs once in the module, replaced by `new`.

    Raises:
        ValueError: `old` does not occur exactly once, or the module has no source.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"{module} has no source")
    source = Path(spec.origin).read_text(encoding="utf-8")
    if source.count(old) != 1:
        raise ValueError(f"{module} holds {old!r} {source.count(old)} times, not once")
    is_package = spec.submodule_search_locations is not None
    finder = _Wrong(module, source.replace(old, new), spec.origin, is_package)
    saved = {name: sys.modules.pop(name) for name in _affected()}
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in _affected():
            del sys.modules[name]
        sys.modules.update(saved)


def _affected() -> list[str]:
    """Return the modules that hold functions of the package: itself and the tests' own."""
    return [
        name
        for name, module in sys.modules.items()
        if name.split(".")[0] == PACKAGE
        or TESTS in Path(getattr(module, "__file__", None) or "/").parents
    ]


def run_test(root: Path, node: str) -> None:
    """Run the plain test function `tests/file.py::name` with the package as imported now."""
    file, _, name = node.partition("::")
    path = root / file
    spec = importlib.util.spec_from_file_location(f"ledger_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    getattr(module, name)()
