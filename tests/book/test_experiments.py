"""`make experiments`: the command, what a chapter makes of its results, and each gate, broken."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import gate_experiments as gates
import run_experiments
from notebooks import Layout
from rnnlimits.experiments import load_results

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "book" / "_tools" / "run_experiments.py"
SCRIPT = '''\
"""Halves."""
import time
from pathlib import Path

from rnnlimits.experiments import Experiment

HERE = Path(__file__).parent


def run(number):
    while (HERE / f"wait{number}").exists():
        time.sleep(0.05)
    if (HERE / f"fail{number}").exists():
        raise ZeroDivisionError("on purpose")
    return {"half": number / 2}


TASKS = tuple({"number": number} for number in range(4))
EXPERIMENT = Experiment("halves", {"divisor": 2}, TASKS, run)
'''
TEXT = """\
results = load_results("results/halves.json")
again = halves.EXPERIMENT.run(**results.tasks[0])
"""
COMMAND = """\
import pathlib, run_experiments, sys
sys.exit(run_experiments.main(sys.argv[2:], pathlib.Path(sys.argv[1])))
"""


def started(layout: Layout, *arguments: str, **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMMAND, str(layout.root), "--jobs", "1", *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen(
        command,
        cwd=TOOL.parent,
        text=True,
        start_new_session=True,
        env={k: v for k, v in os.environ.items() if k != "TQDM_DISABLE"},
        **streams,  # type: ignore[call-overload]
    )


def ran(layout: Layout, *arguments: str) -> tuple[int, str, str]:
    process = started(layout, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not happen in a minute"
        time.sleep(0.05)


def finished(layout: Layout) -> int:
    return len(list((layout.build / "experiments" / "halves").glob("[!.]*.json")))


@pytest.fixture
def bare(tmp_path: Path) -> Layout:
    """A book with one experiment that was never run."""
    folder = tmp_path / "book" / "experiments"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "_shared.py").touch()
    (folder / "halves.py").write_text(SCRIPT)
    (tmp_path / "book" / "text").mkdir()
    (tmp_path / "book" / "text" / "demo.md").write_text(TEXT)
    return Layout(tmp_path)


@pytest.fixture
def demo(bare: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """The same with its results."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert run_experiments.main(["--jobs", "1"], bare.root) == 0
    return bare


def script_of(layout: Layout) -> Path:
    return layout.book / "experiments" / "halves.py"


def results_of(layout: Layout) -> Path:
    return layout.book / "results" / "halves.json"


def test_one_or_all_run_and_say_what_came_of_it(bare: Layout) -> None:
    status, out, err = ran(bare)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "running 1 experiments: halves",
        "  halves: 0 of 4 tasks were done before",
        *(f"  halves: {count} of 4 tasks" for count in (1, 2, 3, 4)),
        "  book/results/halves.json: new",
    ]
    assert load_results(results_of(bare)).values["half"].tolist() == [0, 0.5, 1, 1.5]
    status, out, err = ran(bare, "halves")
    assert out.splitlines()[1:] == [
        "  halves: 4 of 4 tasks were done before",
        "  book/results/halves.json: as it was",
    ]
    text = script_of(bare).read_text()
    script_of(bare).write_text(text.replace("number / 2", "number / 3"))
    assert "book/results/halves.json: changed" in ran(bare)[1]


def test_an_interrupted_run_keeps_what_is_finished_and_goes_on(bare: Layout) -> None:
    gate = bare.book / "experiments" / "wait2"
    gate.touch()
    process = started(bare)
    wait_for(lambda: finished(bare) == 2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: finished tasks are kept" in out
    assert "Traceback" not in err
    assert not results_of(bare).exists()
    gate.unlink()
    assert "halves: 2 of 4 tasks were done before" in ran(bare)[1]
    assert results_of(bare).exists()


def test_a_killed_run_leaves_no_half_file(bare: Layout) -> None:
    gate = bare.book / "experiments" / "wait3"
    gate.touch()
    process = started(bare)
    wait_for(lambda: finished(bare) == 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    for part in (bare.build / "experiments" / "halves").glob("[!.]*.json"):
        json.loads(part.read_text())
    gate.unlink()
    assert "halves: 3 of 4 tasks were done before" in ran(bare)[1]


def test_a_failed_task_fails_the_command_and_is_named(bare: Layout) -> None:
    (bare.book / "experiments" / "fail1").touch()
    status, _, err = ran(bare)
    assert status == 1
    assert 'halves: 1 of 4 tasks failed, the finished ones are kept\ntask {"number": 1}:' in err
    assert "ZeroDivisionError: on purpose" in err
    assert finished(bare) == 3


def test_a_terminal_sees_a_bar_with_the_time_left(bare: Layout) -> None:
    leader, follower = pty.openpty()
    termios.tcsetwinsize(leader, (24, 80))
    process = started(bare, stdout=follower, stderr=follower)
    os.close(follower)
    seen = b""
    try:
        while piece := os.read(leader, 1000):
            seen += piece
    except OSError:  # the other end was closed
        pass
    os.close(leader)
    assert process.wait(timeout=60) == 0
    assert b"were done before" not in seen
    assert re.search(rb"halves: 100%.*4/4 \[\d\d:\d\d<\d\d:\d\d", seen)


def test_an_unknown_name_is_refused_with_the_known_ones(bare: Layout) -> None:
    status, _, err = ran(bare, "thirds")
    assert status == 2
    assert "no experiment 'thirds'; the experiments are: halves" in err


def test_a_script_without_its_experiment_is_refused(bare: Layout) -> None:
    script_of(bare).write_text(SCRIPT.replace('"halves"', '"thirds"'))
    status, _, err = ran(bare)
    assert status == 1
    assert "book/experiments/halves.py must define EXPERIMENT of the name halves" in err


def test_a_book_without_experiments_is_said_to_have_none(tmp_path: Path) -> None:
    assert ran(Layout(tmp_path))[:2] == (0, "running 0 experiments: there is none\n")


def test_only_make_experiments_runs_experiments() -> None:
    rules = re.split(r"\n(?=[\w$(){}/.-]+:)", (ROOT / "Makefile").read_text())
    running = [rule.partition(":")[0] for rule in rules if "run_experiments.py" in rule]
    assert running == ["experiments"]


def test_the_demo_passes(demo: Layout) -> None:
    assert list(gates.of_experiments(demo)) == []


def test_results_without_a_script_are_refused(demo: Layout) -> None:
    script_of(demo).unlink()
    assert list(gates.of_experiments(demo)) == [
        "book/results/halves.json has no script book/experiments/halves.py"
    ]


def test_a_script_without_results_is_refused(demo: Layout) -> None:
    results_of(demo).rename(demo.book / "results" / "halves.json.old")
    assert list(gates.of_experiments(demo)) == [
        "book/results/halves.json.old is no results file",
        "book/experiments/halves.py has no results: make experiments NAME=halves",
    ]


def test_too_large_a_file_is_refused(demo: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "LARGEST", 100)
    assert "bytes, more than 100" in next(iter(gates.of_experiments(demo)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"divisor": 2', '"divisor": 3', "the configuration of"),
        ("range(4)", "range(5)", "the tasks of"),
        ("TASKS, run", "TASKS, run, digits=3", "the digits of"),
        ("number / 2", "number / 3", "the code of"),
        ('EXPERIMENT = Experiment("halves"', 'EXPERIMENT = Experiment("other"', "must define"),
        ("import time", "import nothing_of_that_name", "halves: No module named"),
    ],
)
def test_a_script_that_moved_on_is_refused(demo: Layout, old: str, new: str, message: str) -> None:
    assert old in SCRIPT
    script_of(demo).write_text(SCRIPT.replace(old, new))
    forget()
    problems = list(gates.of_experiments(demo))
    assert len(problems) == 1
    assert message in problems[0]


def forget() -> None:
    """Import experiments afresh, as another process would."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "experiments"]:
        del sys.modules[name]


def test_a_comment_may_be_added(demo: Layout) -> None:
    script_of(demo).write_text(SCRIPT.replace("TASKS =", "# Four.\nTASKS ="))
    forget()
    assert list(gates.of_experiments(demo)) == []


def test_edited_results_are_refused(demo: Layout) -> None:
    text = results_of(demo).read_text()
    results_of(demo).write_text(text.replace("1.5", "1.6"))
    problems = list(gates.of_experiments(demo))
    assert len(problems) == 1
    assert "was changed after it was written" in problems[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("results/halves.json", "results/thirds.json", "no chapter shows book/results/halves.json"),
        ("halves.EXPERIMENT", "thirds.EXPERIMENT", "demo: no part of results/halves.json is"),
    ],
)
def test_results_that_no_chapter_shows_or_computes_again_are_refused(
    demo: Layout, old: str, new: str, message: str
) -> None:
    demo.text("demo").write_text(TEXT.replace(old, new))
    problems = list(gates.of_experiments(demo))
    assert len(problems) == 1
    assert problems[0].startswith(message)


def test_what_recordings_gave_is_computed_again_by_a_test(demo: Layout) -> None:
    script_of(demo).write_text(SCRIPT.replace('"divisor": 2', '"divisor": 2, "recordings": {}'))
    forget()
    assert ran(demo)[0] == 0
    demo.text("demo").write_text(TEXT.replace("halves.EXPERIMENT", "thirds.EXPERIMENT"))
    missing = "tests: no part of results/halves.json is computed again"
    assert list(gates.of_experiments(demo)) == [missing]
    tests = demo.root / "tests" / "deeper"
    tests.mkdir(parents=True)
    (tests / "test_halves.py").write_text("halves.EXPERIMENT.run(number=1)")
    assert list(gates.of_experiments(demo)) == []


def test_another_book_s_experiments_take_the_place_of_these(demo: Layout, tmp_path: Path) -> None:
    other = Layout(tmp_path / "other")
    (other.book / "experiments").mkdir(parents=True)
    (other.book / "experiments" / "__init__.py").touch()
    (other.book / "experiments" / "halves.py").write_text(SCRIPT.replace("range(4)", "range(9)"))
    assert len(run_experiments.load(other, "halves").tasks) == 9
    assert len(run_experiments.load(demo, "halves").tasks) == 4
