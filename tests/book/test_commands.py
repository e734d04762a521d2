"""The commands say in one sentence what to do where something is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKE = shutil.which("make") or "make"
TINY = '[build-system]\nrequires = ["setuptools>=77"]\n[project]\nname = "tiny"\nversion = "1"\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the project's Makefile and a project that needs nothing."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").write_text(TINY)
    (tmp_path / "constraints.txt").touch()
    return tmp_path


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "COV"))}
    return subprocess.run(
        [MAKE, "--no-print-directory", *arguments],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def python_without(folder: Path, word: str) -> str:
    """Write a Python that fails on any command that contains the word."""
    path = folder / "python"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *{word}*) exit 1;; esac\nexec {sys.executable} "$@"\n'
    )
    path.chmod(0o755)
    return f"PYTHON={path}"


def test_the_commands_are_listed(clone: Path) -> None:
    shown = make(clone).stdout
    for goal in ("book", "test", "chapters", "experiments", "serve", "clean"):
        assert f"make {goal}" in shown


@pytest.mark.parametrize("goal", ["book", "test", "chapters", "experiments"])
@pytest.mark.parametrize(
    ("word", "sentence"),
    [("version_info", "Python 3.11, 3.12 or 3.13 is needed"), ("ensurepip", "python3-venv")],
)
def test_a_python_that_cannot_be_used_is_named(
    clone: Path, goal: str, word: str, sentence: str
) -> None:
    run = make(clone, goal, python_without(clone, word))
    assert run.returncode != 0
    assert sentence in run.stdout
    assert not (clone / ".venv").exists()


def test_without_an_index_the_installation_says_what_to_do(clone: Path) -> None:
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    run = make(clone, "install", f"PYTHON={sys.executable}", PIP_RETRIES="0", **nowhere)
    assert run.returncode != 0
    assert "check the network" in run.stdout
    assert "PIP_INDEX_URL" in run.stdout
    assert not (clone / ".venv" / ".installed").exists()


def test_without_a_site_there_is_nothing_to_serve(clone: Path) -> None:
    run = make(clone, "serve")
    assert run.returncode != 0
    assert "run make book first" in run.stdout


def test_clean_leaves_the_sources(clone: Path) -> None:
    before = sorted(path.name for path in clone.iterdir())
    for folder in ("_build/html", ".venv/bin", ".pytest_cache", "src/a/__pycache__"):
        (clone / folder).mkdir(parents=True)
    assert make(clone, "clean").returncode == 0
    assert sorted(path.name for path in clone.iterdir()) == [*before, "src"]
    assert list((clone / "src" / "a").iterdir()) == []


def pytest_on(folder: Path, test: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one test with the project's conftest and no browser on the path."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_it.py").write_text(test)
    inherited = {
        k: v for k, v in os.environ.items() if k not in ("CI", "CHROMIUM", "PYTEST_ADDOPTS")
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
    return subprocess.run(
        [*command, "-c", os.devnull, "test_it.py"],
        cwd=folder,
        env=inherited | {"PATH": ""} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


NEEDS_BROWSER = "def test_it(chromium):\n    pass\n"


def test_without_a_browser_the_end_of_the_run_says_what_was_not_run(tmp_path: Path) -> None:
    run = pytest_on(tmp_path, NEEDS_BROWSER)
    assert run.returncode == 0, run.stdout
    assert "not run: 1 tests; install Chromium" in run.stdout.splitlines()[-2]


def test_where_a_browser_is_required_its_absence_fails(tmp_path: Path) -> None:
    run = pytest_on(tmp_path, NEEDS_BROWSER, CI="true")
    assert run.returncode == 1
    assert "no Chromium, and CI is set" in run.stdout


@pytest.mark.parametrize(("option", "seeds"), [("7", [7]), ("3-5", [3, 4, 5])])
def test_the_seed_is_chosen_on_the_command_line(
    tmp_path: Path, option: str, seeds: list[int]
) -> None:
    test = f"def test_it(seed):\n    assert seed in {seeds}\n"
    run = pytest_on(tmp_path, test, PYTEST_ADDOPTS=f"--seed {option}")
    assert f"{len(seeds)} passed" in run.stdout


def test_a_seed_that_is_none_of_the_hundred_is_refused(tmp_path: Path) -> None:
    run = pytest_on(tmp_path, "def test_it(seed): ...\n", PYTEST_ADDOPTS="--seed 100")
    assert run.returncode != 0
    assert "--seed must lie in 0 to 99" in run.stderr
