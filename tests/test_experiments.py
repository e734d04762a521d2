"""Experiments: what a results file holds, what a stopped run keeps, what is refused."""

import importlib
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch

from rnnlimits import experiments
from rnnlimits.experiments import Experiment, ExperimentError, load_results, run_experiment

TASKS = tuple({"seed": seed} for seed in range(4))


def made(run: Callable[..., Any], tasks: Any = TASKS, **more: Any) -> Experiment:
    return Experiment("demo", more.pop("configuration", {"scale": 0.5}), tasks, run, **more)


def counted(log: Path, stop: Callable[[int], None] = lambda seed: None) -> Experiment:
    """An experiment that writes down which tasks it computes."""

    def run(seed: int) -> dict[str, Any]:
        stop(seed)
        with log.open("a") as file:
            file.write(f"{seed}\n")
        return {"square": seed**2, "third": torch.tensor([seed / 3, 1.0], dtype=torch.float64)}

    return made(run)


def computed(log: Path) -> list[int]:
    """Return the tasks computed since the last look."""
    seeds = sorted(map(int, log.read_text().split())) if log.exists() else []
    log.unlink(missing_ok=True)
    return seeds


def run_in(folder: Path, experiment: Experiment, n_jobs: int | None = 1) -> Path:
    return run_experiment(experiment, folder / "results", folder / "scratch", n_jobs)


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "scratch" / "demo").iterdir())


def test_a_results_file_holds_rounded_values_and_where_they_come_from(tmp_path: Path) -> None:
    path = run_in(tmp_path, counted(tmp_path / "log"))
    assert path == tmp_path / "results" / "demo.json"
    results = load_results(path)
    assert (results.name, results.digits, results.tasks) == ("demo", 6, TASKS)
    assert results.configuration == {"scale": 0.5}
    assert results.values["square"].tolist() == [0, 1, 4, 9]
    assert results.values["square"].dtype.kind == "i"
    assert results.values["third"][:, 0].tolist() == [0, 0.333333, 0.666667, 1]
    assert results.values["third"].dtype == np.float64
    assert set(results.provenance) == {"script", "threads", "versions"}
    libraries = ["numpy", "python", "rnnlimits", "scipy", "torch"]
    assert sorted(results.provenance["versions"]) == libraries
    with pytest.raises(ValueError, match="read-only"):
        results.values["square"][0] = 1


def test_the_file_is_made_to_be_read_and_names_no_time_and_no_machine(tmp_path: Path) -> None:
    text = run_in(tmp_path, counted(tmp_path / "log")).read_text()
    assert '\n"third": [\n[0.0, 1.0],\n[0.333333, 1.0],\n' in text
    assert '"tasks": [\n{"seed": 0},\n{"seed": 1},\n' in text
    assert str(tmp_path) not in text
    assert os.uname().nodename not in text
    assert not re.search(r"20\d\d-\d\d|\d\d:\d\d", text)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_every_backend_gives_the_same_results(tmp_path: Path, backend: str) -> None:
    def run(seed: int) -> dict[str, Any]:
        return {"y": np.sqrt(seed) * np.ones((2, 3))}

    alone = load_results(run_in(tmp_path / "alone", made(run)))
    with joblib.parallel_config(backend=backend, n_jobs=2):
        beside = load_results(run_in(tmp_path / backend, made(run), n_jobs=None))
    assert np.array_equal(alone.values["y"], beside.values["y"])
    assert alone.values["y"].shape == (4, 2, 3)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def interrupt(seed: int) -> None:
        if seed == 2 and not (tmp_path / "again").exists():
            raise KeyboardInterrupt

    experiment = counted(log := tmp_path / "log", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_in(tmp_path, experiment)
    assert computed(log) == [0, 1]
    assert not (tmp_path / "results").exists()
    (tmp_path / "again").touch()
    once = run_in(tmp_path, experiment).read_bytes()
    assert computed(log) == [2, 3]
    assert run_in(tmp_path, experiment).read_bytes() == once
    assert computed(log) == []
    whole = run_experiment(experiment, tmp_path / "other", tmp_path / "empty", 1)
    assert whole.read_bytes() == once


def test_a_task_that_raises_is_named_and_the_others_finish(tmp_path: Path) -> None:
    def fail(seed: int) -> None:
        if seed == 1 and not (tmp_path / "again").exists():
            raise ZeroDivisionError("on purpose")

    experiment = counted(log := tmp_path / "log", fail)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "demo.json").write_text("older")
    with pytest.raises(ExperimentError, match="1 of 4 tasks failed") as caught:
        run_in(tmp_path, experiment)
    assert 'task {"seed": 1}:' in str(caught.value)
    assert "ZeroDivisionError: on purpose" in str(caught.value)
    assert computed(log) == [0, 2, 3]
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["demo.json"]
    assert (tmp_path / "results" / "demo.json").read_text() == "older"
    (tmp_path / "again").touch()
    run_in(tmp_path, experiment)
    assert computed(log) == [1]


def test_a_process_that_dies_loses_nothing_that_was_finished(tmp_path: Path) -> None:
    def die(seed: int) -> None:
        if seed == 3 and not (tmp_path / "again").exists():
            os._exit(1)

    experiment = counted(log := tmp_path / "log", die)
    with pytest.raises(ExperimentError, match="a process died"):
        run_in(tmp_path, experiment, n_jobs=2)
    finished = computed(log)
    assert 3 not in finished
    (tmp_path / "again").touch()
    run_in(tmp_path, experiment, n_jobs=2)
    assert set(finished) | set(computed(log)) == {0, 1, 2, 3}


def test_progress_hears_of_all_tasks_and_of_those_done_before(tmp_path: Path) -> None:
    heard = []

    def progress(done: Any, total: int, before: int) -> Any:
        heard.append((total, before, sum(1 for _ in done)))
        return ()

    experiment = counted(tmp_path / "log")
    for _ in range(2):
        run_experiment(experiment, tmp_path / "results", tmp_path / "scratch", 1, progress)
    assert heard == [(4, 0, 4), (4, 4, 0)]


def test_finished_tasks_serve_only_what_they_were_computed_for(tmp_path: Path) -> None:
    experiment = counted(log := tmp_path / "log")
    run_in(tmp_path, experiment)
    computed(log)
    for change in ({"configuration": {"scale": 0.25}}, {"digits": 3}):
        run_in(tmp_path, made(experiment.run, **change))
        assert computed(log) == [0, 1, 2, 3]
    more = made(experiment.run, (*TASKS, {"seed": 9}))
    assert load_results(run_in(tmp_path, more)).values["square"].tolist() == [0, 1, 4, 9, 81]
    assert computed(log) == [9]


def test_other_data_is_computed_anew_and_recorded(tmp_path: Path) -> None:
    base = counted(log := tmp_path / "log")
    experiment = made(base.run, data={"recording": tmp_path / "recording.bin"})
    with pytest.raises(FileNotFoundError, match=r"recording\.bin"):
        run_in(tmp_path, experiment)
    sums = set()
    for content in (b"one", b"two"):
        (tmp_path / "recording.bin").write_bytes(content)
        results = load_results(run_in(tmp_path, experiment))
        sums.add(results.provenance["data"]["recording"])
        assert computed(log) == [0, 1, 2, 3]
    assert len(sums) == 2


@pytest.mark.parametrize("content", ["", '{"threads": 1, "val', "\0\0\0"])
def test_a_part_that_was_cut_off_is_computed_anew(tmp_path: Path, content: str) -> None:
    experiment = counted(log := tmp_path / "log")
    once = run_in(tmp_path, experiment).read_bytes()
    computed(log)
    parts(tmp_path)[1].write_text(content)
    assert run_in(tmp_path, experiment).read_bytes() == once
    assert len(computed(log)) == 1


SCRIPT = '''\
"""A docstring."""
from rnnlimits.random import stream
from scripts._shared import third


def run(seed):
    """Another."""
    return {"x": third(stream(seed).standard_normal())}
'''
HARMLESS = {
    "a comment": ('"""A docstring."""', "# A comment."),
    "a docstring": ('"""Another."""', '"""Yet another."""'),
    "layout": ('{"x": ', '{\n        "x": '),
}


def checksum(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, third: str) -> str:
    """Return the checksum of a script that has a shared module beside it."""
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "_shared.py").write_text(f"def third(x):\n    return {third}\n")
    (folder / "scripts" / "demo.py").write_text(text)
    with monkeypatch.context() as context:
        context.syspath_prepend(folder)
        run = importlib.import_module("scripts.demo").run
    for name in ("scripts.demo", "scripts._shared", "scripts"):
        del sys.modules[name]
    return made(run).checksum()


@pytest.fixture
def sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, str]]:
    """The checksums of the script as it is, and with one piece replaced."""

    def both(old: str, new: str, third: str = "x / 3") -> tuple[str, str]:
        assert old in SCRIPT
        before = checksum(monkeypatch, tmp_path / "a", SCRIPT, "x / 3")
        return before, checksum(monkeypatch, tmp_path / "b", SCRIPT.replace(old, new), third)

    return both


@pytest.mark.parametrize(("old", "new"), HARMLESS.values(), ids=HARMLESS)
def test_words_and_layout_of_a_script_may_change(sums: Any, old: str, new: str) -> None:
    before, after = sums(old, new)
    assert before == after


def test_its_code_may_not(sums: Any) -> None:
    before, after = sums("stream(seed)", "stream(seed, 1)")
    assert before != after


def test_nor_may_that_of_a_module_beside_it(sums: Any) -> None:
    before, after = sums("", "", third="x / 4")
    assert before != after


def test_the_library_counts_where_asked(tmp_path: Path) -> None:
    experiment = counted(tmp_path / "log")
    assert experiment.checksum(library=True) != experiment.checksum()
    (tmp_path / "demo.py").write_text("from rnnlimits import random, nothing\nimport os.path\n")
    files = {path.name for path in experiments._sources(tmp_path / "demo.py")}
    assert files == {"demo.py", "__init__.py", "random.py", "_checks.py"}


WRONG_VALUES = {
    "infinite": (np.inf, "finite real"),
    "not a number": ([1.0, np.nan], "finite real"),
    "complex": (1j, "finite real"),
    "words": ("one", "finite real"),
    "empty": ([], "finite real"),
}


@pytest.mark.parametrize(("value", "message"), WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_values_that_cannot_be_kept_fail_their_task(
    tmp_path: Path, value: Any, message: str
) -> None:
    with pytest.raises(ExperimentError, match=f"y must hold {message}"):
        run_in(tmp_path, made(lambda seed: {"y": value}))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_tasks_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"task \{'seed': 1\} gives \{'y': \(2,\)\}"):
        run_in(tmp_path, made(lambda seed: {"y": np.ones(1 + seed)}))
    with pytest.raises(ExperimentError, match="where the first task gives"):
        run_in(tmp_path, made(lambda seed: {f"y{seed}": 1.0}))
    assert not (tmp_path / "results").exists()


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"name": "two words"}, ValueError, "name must be"),
        ({"tasks": ()}, ValueError, "at least one task"),
        ({"tasks": ({"seed": 1}, {"seed": 1})}, ValueError, "tasks must differ"),
        ({"tasks": ({"seed": {1}},)}, TypeError, "not JSON serializable"),
        ({"configuration": {"scale": np.float32(1)}}, TypeError, "not JSON serializable"),
        ({"configuration": {"scale": np.nan}}, ValueError, "not JSON compliant"),
        ({"digits": 0}, ValueError, "digits must be at least 1"),
        ({"digits": 18}, ValueError, "digits must be at most 17"),
        ({"digits": 6.0}, TypeError, "digits must be an integer"),
    ],
)
def test_an_experiment_that_cannot_be_run_is_refused(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    given = {"name": "demo", "configuration": {}, "tasks": TASKS, "run": dict, **change}
    with pytest.raises(error, match=message):
        Experiment(**given)


def test_places_of_tasks(tmp_path: Path) -> None:
    tasks = tuple({"width": width, "seed": seed} for width in (2, 3) for seed in (0, 1))
    results = load_results(run_in(tmp_path, made(lambda width, seed: {"y": width}, tasks)))
    assert results.where(width=3) == [2, 3]
    assert results.where(width=3, seed=0) == [2]
    assert results.where() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="demo has no task with"):
        results.where(width=4)


def sealed(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """Change a table, and give it the checksum that fits."""

    def rewrite(text: str) -> str:
        table = json.loads(text)
        del table["checksum"]
        change(table)
        return json.dumps({**table, "checksum": experiments._sha(table)})

    return rewrite


BROKEN = {
    "cut off": (lambda text: text[:-20], "is no results file"),
    "empty": (lambda text: "", "is no results file"),
    "a list": (lambda text: "[]", "its fields must be"),
    "a field less": (lambda text: text.replace('"digits": 6,', ""), "its fields must be"),
    "a number edited": (lambda text: text.replace("0.333333", "0.333334"), "was changed after"),
    "a task edited": (lambda text: text.replace('"seed": 3', '"seed": 5'), "was changed after"),
    "renamed": (sealed(lambda table: table.update(name="other")), "holds the experiment other"),
    "a row less": (
        sealed(lambda table: table["values"]["square"].pop()),
        r"square has shape \(3,\), which does not fit 4 tasks",
    ),
    "ragged": (sealed(lambda table: table["values"]["third"][1].pop()), "rows of equal length"),
    "words": (sealed(lambda table: table["values"].update(square=["a"] * 4)), "finite numbers"),
    "no row": (sealed(lambda table: table["values"].update(square=7)), "does not fit 4 tasks"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused(
    tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    path = run_in(tmp_path, counted(tmp_path / "log"))
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=message) as caught:
        load_results(path)
    assert "make experiments NAME=demo" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no results file demo\.json; write it with: make"):
        load_results(tmp_path / "demo.json")
