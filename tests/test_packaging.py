"""What the package says about itself, and the versions it names."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import rnnlimits

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKED = [
    line
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
EXTRAS = PROJECT["project"]["optional-dependencies"]
REQUIRED = [*PROJECT["project"]["dependencies"], *EXTRAS["book"], *EXTRAS["test"]]


def locked() -> dict[str, Version]:
    pairs = (line.split("==") for line in LOCKED)
    return {name.lower().replace("_", "-"): Version(version) for name, version in pairs}


@pytest.mark.parametrize("line", LOCKED)
def test_a_locked_version_is_exact_and_public(line: str) -> None:
    assert re.fullmatch(r"[\w.-]+==[\w.]+", line)


@pytest.mark.parametrize("text", REQUIRED)
def test_a_lower_bound_is_a_version_that_the_lock_satisfies(text: str) -> None:
    requirement = Requirement(text)
    version = locked()[requirement.name.lower().replace("_", "-")]
    assert version in requirement.specifier
    assert ">=" in text


def test_the_version_comes_from_the_package() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    Version(rnnlimits.__version__)


def test_the_package_is_typed() -> None:
    assert (Path(rnnlimits.__file__).parent / "py.typed").exists()


def test_warnings_are_errors_and_a_notebook_stays_on_one_worker() -> None:
    options = PROJECT["tool"]["pytest"]["ini_options"]
    assert options["filterwarnings"] == ["error"]
    assert "--dist=loadfile" in options["addopts"]
    assert "--nbval-current-env" in options["addopts"]
