"""Heavy runs in resumable pieces, and the small text files that they leave for a chapter."""

import ast
import hashlib
import inspect
import json
import os
import platform
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from numpy.typing import NDArray

from rnnlimits import __version__
from rnnlimits._checks import integer_at_least

Progress = Callable[[Iterable[Any], int, int], Iterable[Any]]
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LIBRARIES = ("numpy", "scipy", "torch")
_FIELDS = ("name", "configuration", "digits", "provenance", "tasks", "values", "checksum")


class ExperimentError(Exception):
    """Tasks of an experiment failed, or do not fit together; finished ones are kept."""


@dataclass(frozen=True)
class Experiment:
    """A heavy run, cut into tasks that need nothing of each other.

    ``run(**task)`` returns numbers and arrays by name, of the same shapes for every task. It lives
    in a module of its own, uses nothing but the task and that module's constants, and draws its
    random numbers from streams named after the task. ``configuration`` records those constants.

    Args:
        name: the stem of the script and of the results file.
        configuration: what all tasks share, as JSON holds it.
        tasks: the keyword arguments of each call, as JSON holds them; seeds are among them.
        run: computes one task.
        digits: the significant digits that the results keep.
        data: files that the run reads, by the name under which their checksum is recorded.

    Raises:
        TypeError: the configuration or a task is no JSON, or ``digits`` is no integer.
        ValueError: the name is not made of lower-case words joined by ``_``, there is no task,
            two tasks are equal, or ``digits`` is not in 1 to 17.

    Example:
        >>> tasks = ({"k": 1}, {"k": 2})
        >>> squares = Experiment("squares", {"power": 2}, tasks, lambda k: {"y": k**2})
        >>> squares.run(**squares.tasks[1])
        {'y': 4}
    """

    name: str
    configuration: dict[str, Any]
    tasks: tuple[dict[str, Any], ...]
    run: Callable[..., Mapping[str, Any]]
    digits: int = 6
    data: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name must be lower-case words joined by _, got {self.name!r}")
        if integer_at_least("digits", self.digits, 1) > 17:
            raise ValueError(f"digits must be at most 17, got {self.digits}")
        written = [_canonical(task) for task in self.described()["tasks"]]
        if not written:
            raise ValueError("tasks must hold at least one task, got none")
        for task in written:
            if written.count(task) > 1:
                raise ValueError(f"tasks must differ, got {task} more than once")

    def described(self) -> dict[str, Any]:
        """Return what the experiment is, as the results file says it."""
        plain = {n: getattr(self, n) for n in ("name", "configuration", "digits", "tasks")}
        return json.loads(_canonical(plain))

    def checksum(self, library: bool = False) -> str:
        """Return the checksum of the script, blind to comments, layout and docstrings.

        Modules beside the script that it imports count too; so do, with ``library``, those of
        this package.
        """
        script = Path(inspect.getfile(self.run)).resolve()
        files = [f for f in _sources(script) if library or f.parent == script.parent]
        return _sha(sorted(_sha(_skeleton(ast.parse(f.read_text("utf-8")))) for f in files))


@dataclass(frozen=True, eq=False)
class Results:
    """What an experiment found: arrays by name, whose first axis runs along the tasks."""

    name: str
    configuration: dict[str, Any]
    digits: int
    provenance: dict[str, Any]
    tasks: tuple[dict[str, Any], ...]
    values: dict[str, NDArray[Any]]

    def where(self, **wanted: object) -> list[int]:
        """Return the places of the tasks that hold all the wanted entries.

        Raises:
            ValueError: there is none.
        """
        items = wanted.items()
        found = [k for k, task in enumerate(self.tasks) if items <= task.items()]
        if not found:
            raise ValueError(f"{self.name} has no task with {wanted}")
        return found


def run_experiment(
    experiment: Experiment,
    folder: Path,
    scratch: Path,
    n_jobs: int | None = 2,
    progress: Progress = lambda done, total, before: done,
) -> Path:
    """Compute the tasks that are still missing, write ``folder/<name>.json``, return its path.

    A finished task is stored in ``scratch`` at once and whole, under a key made of task,
    configuration, code, data and versions, so that another run takes up where this one stopped and
    never uses what belongs to something else. ``n_jobs`` tasks run side by side, by joblib.

    Args:
        experiment: what to run.
        folder: where the results file is put, whole or not at all.
        scratch: where finished tasks are kept.
        n_jobs: as in joblib; None leaves it to a ``joblib.parallel_config`` around the call.
        progress: takes the iterable of finished tasks, the number of all tasks and the number
            finished before; returns an iterable of the same.

    Raises:
        ExperimentError: a task raised, or a process died; the other tasks were finished first
            where that was possible. Or the tasks' values have different names or shapes.
    """
    versions = {"python": platform.python_version(), "rnnlimits": __version__}
    versions |= {library: version(library) for library in _LIBRARIES}
    data = {name: _file_sha(path) for name, path in experiment.data.items()}
    described = experiment.described()
    tasks = described.pop("tasks")
    common = [described, experiment.checksum(library=True), versions, data]
    keys = (_sha([*common, task])[:32] for task in tasks)
    store = scratch / experiment.name
    parts = {store / f"{key}.json": task for key, task in zip(keys, tasks, strict=True)}
    missing = [path for path in parts if _read_part(path) is None]
    jobs = (delayed(_attempt)(experiment, parts[path], path) for path in missing)
    pool = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    try:
        outcomes = progress(pool(jobs), len(parts), len(parts) - len(missing))
        failed = [outcome for outcome in outcomes if outcome]
    except TerminatedWorkerError as error:
        reason = "a process died, as it does when memory runs out; finished tasks are kept"
        raise ExperimentError(f"{experiment.name}: {reason}") from error
    if failed:
        count = f"{len(failed)} of {len(parts)} tasks failed, the finished ones are kept"
        raise ExperimentError("\n".join([f"{experiment.name}: {count}", *failed]))
    table = _assembled(experiment, [_read_part(path) for path in parts])
    table["provenance"] |= {"versions": versions, **({"data": data} if data else {})}
    target = folder / f"{experiment.name}.json"
    _write(target, _layout({**table, "checksum": _sha(table)}))
    return target


def load_results(path: str | Path) -> Results:
    """Read a results file, and make sure that it is what the experiment wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is broken, was edited by hand, or holds arrays that do not fit its
            tasks. The message names the file and the command that writes it anew.
    """
    path = Path(path)
    again = f"write it with: make experiments NAME={path.stem}"
    if not path.is_file():
        raise FileNotFoundError(f"there is no results file {path.name}; {again}")
    try:
        table = json.loads(path.read_text("utf-8"))
        if not isinstance(table, dict) or sorted(table) != sorted(_FIELDS):
            raise ValueError(f"its fields must be {', '.join(_FIELDS)}")
        if table.pop("checksum") != _sha(table):
            raise ValueError("it was changed after it was written: its checksum does not fit")
        if table["name"] != path.stem:
            raise ValueError(f"it holds the experiment {table['name']}")
        values = {n: _stored(n, v, len(table["tasks"])) for n, v in table["values"].items()}
    except ValueError as error:
        raise ValueError(f"{path.name} is no results file: {error}; {again}") from error
    return Results(**{**table, "tasks": tuple(table["tasks"]), "values": values})


def _attempt(experiment: Experiment, task: dict[str, Any], path: Path) -> str:
    """Compute one task and store it; return what went wrong, or nothing."""
    try:
        found = experiment.run(**task)
        values = {name: _rounded(name, v, experiment.digits) for name, v in found.items()}
        _write(path, json.dumps({"threads": torch.get_num_threads(), "values": values}))
    except Exception:
        return f"task {_canonical(task)}:\n{traceback.format_exc()}"
    return ""


def _rounded(name: str, value: Any, digits: int) -> Any:
    """Return numbers as nested lists, floats rounded to so many significant digits."""
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.dtype.kind not in "biuf" or not array.size or not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite real numbers, got {value!r}")
    if array.dtype.kind != "f":
        return array.astype(int).tolist()
    rounded = [float(f"{number:.{digits - 1}e}") + 0.0 for number in array.ravel()]
    return np.reshape(rounded, array.shape).tolist()


def _read_part(path: Path) -> Any:
    """Return a finished task, or None where it is missing or was cut off."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _assembled(experiment: Experiment, parts: list[Any]) -> dict[str, Any]:
    """Return the results file's fields, without versions and checksum."""
    described = experiment.described()
    shapes = [{n: np.shape(v) for n, v in sorted(part["values"].items())} for part in parts]
    for task, shape in zip(described["tasks"], shapes, strict=True):
        if shape != shapes[0]:
            first = f"where the first task gives {shapes[0]}"
            raise ExperimentError(f"{experiment.name}: task {task} gives {shape} {first}")
    threads = sorted({part["threads"] for part in parts})
    values = {name: [part["values"][name] for part in parts] for name in shapes[0]}
    provenance = {"script": experiment.checksum(), "threads": threads}
    return {**described, "provenance": provenance, "values": values}


def _stored(name: str, rows: Any, n_tasks: int) -> NDArray[Any]:
    """Return one value of all tasks as an array that cannot be written to."""
    try:
        array = np.asarray(rows)
    except ValueError:
        array = np.asarray("ragged")
    if array.dtype.kind not in "if" or not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers in rows of equal length")
    if array.shape[:1] != (n_tasks,):
        raise ValueError(f"{name} has shape {array.shape}, which does not fit {n_tasks} tasks")
    array.setflags(write=False)
    return array


def _sources(script: Path) -> Iterator[Path]:
    """Yield the script, and the files beside it and of this package that it imports."""
    packages = {"rnnlimits": Path(__file__).resolve().parent, script.parent.name: script.parent}
    seen: set[Path] = set()
    waiting = [script]
    while waiting:
        if (file := waiting.pop()) in seen:
            continue
        seen.add(file)
        yield file
        for module in _imported(ast.parse(file.read_text("utf-8"))):
            head, *rest = module.split(".")
            if head in packages:
                base = packages[head].joinpath(*rest)
                found = (base.with_suffix(".py"), base / "__init__.py")
                waiting += [candidate for candidate in found if candidate.is_file()]


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def _skeleton(node: Any) -> Any:
    """Return a syntax tree as JSON, the same under every version of Python, without docstrings."""
    if isinstance(node, list):
        return [_skeleton(item) for item in node if not _is_words(item)]
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = {name: part for name, part in ast.iter_fields(node) if part not in (None, [])}
    return [type(node).__name__, {name: _skeleton(part) for name, part in parts.items()}]


def _is_words(node: object) -> bool:
    """Whether a statement is a constant by itself, as a docstring is."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _layout(table: dict[str, Any]) -> str:
    """Return JSON with one line for each task, and one for each task's part of a value."""
    lines = [
        f'"{key}": {json.dumps(v)}' for key, v in table.items() if key not in ("tasks", "values")
    ]
    rows = {"tasks": table["tasks"]} | {name: rows for name, rows in table["values"].items()}
    blocks = [f'"{name}": [\n' + ",\n".join(map(json.dumps, r)) + "\n]" for name, r in rows.items()]
    values = '"values": {\n' + ",\n".join(blocks[1:]) + "\n}"
    return "{\n" + ",\n".join([*lines, blocks[0], values]) + "\n}\n"


def _canonical(thing: object) -> str:
    return json.dumps(thing, sort_keys=True, allow_nan=False)


def _sha(thing: object) -> str:
    return hashlib.sha256(_canonical(thing).encode()).hexdigest()


def _file_sha(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
