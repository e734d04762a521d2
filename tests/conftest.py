"""What all tests share: the seed, the run-time type check, the browser, the closing words."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest

SEEDS = 100
ROOT = Path(__file__).resolve().parents[1]
RECORDINGS = os.environ.get("RNNLIMITS_DATA")
NO_RECORDINGS = (
    "name by RNNLIMITS_DATA a folder with chewie_demo.mat and mihi_demo.mat to compare them with "
    "what is said of them and computed from them"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_BROWSER = "install Chromium (Debian, Ubuntu: sudo apt-get install chromium) to run them"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed",
        default="0",
        help=f"seed of the statistical tests, 0 to {SEEDS - 1}, or a range such as 0-9",
    )


def seeds(option: str) -> range:
    """Return the seeds that the option names."""
    first, _, last = option.partition("-")
    chosen = range(int(first), int(last or first) + 1)
    if not chosen or chosen[-1] >= SEEDS:
        raise pytest.UsageError(f"--seed must lie in 0 to {SEEDS - 1}, got {option!r}")
    return chosen


def pytest_configure(config: pytest.Config) -> None:
    seeds(str(config.getoption("seed")))


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed of the statistical tests: {config.getoption('seed')} (--seed N, 0 to {SEEDS - 1})"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds(str(metafunc.config.getoption("seed"))))


@pytest.fixture(autouse=True)
def _type_check(request: pytest.FixtureRequest) -> Iterator[None]:
    """Turn the run-time type check off for tests marked `untyped`."""
    off = request.node.get_closest_marker("untyped") is not None
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", off)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture
def recordings() -> str:
    """The folder of the real recordings; without one the test is skipped, and that is said."""
    if RECORDINGS is None:
        pytest.skip(NO_RECORDINGS)
    return RECORDINGS


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; without one the test is skipped, or fails where CI is set."""
    found = next(filter(None, map(shutil.which, (os.environ.get("CHROMIUM", ""), *BROWSERS))), None)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"no Chromium, and CI is set: {NO_BROWSER}")
    if found is None:
        pytest.skip(NO_BROWSER)
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not run, and how to run it."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"not run: {count} tests; {reason}")
