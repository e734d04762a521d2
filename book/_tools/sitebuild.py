"""Build the book's pages with Jupyter Book, from nothing and with warnings as errors."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

COMMAND = (sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build")
STRICT = ("--all", "-W", "-n", "--keep-going")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class BuildError(Exception):
    """The site could not be built without a warning."""


def build(source: Path, output: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Build the book at `source` into `output/_build/html` and return that folder.

    Args:
        source: the folder of _config.yml and _toc.yml; the build leaves it as it is.
        output: the folder that receives `_build/html`, and what Sphinx keeps beside it.
        environment: variables for the build; without it, those of this process.

    Raises:
        BuildError: a page gave a warning or an error; the message holds the lines that say so.
    """
    folder = output / "_build/html"
    for stale in (folder, output / "_build/.doctrees", output / "_build/jupyter_execute"):
        shutil.rmtree(stale, ignore_errors=True)
    done = subprocess.run(
        [*COMMAND, str(source), *STRICT, "--path-output", str(output)],
        env=dict(os.environ if environment is None else environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(reasons(COLOUR.sub("", done.stdout + done.stderr)))
    return folder


def reasons(log: str) -> str:
    """Return the lines of a log that name a problem, or its end where none does."""
    lines = [line for line in log.splitlines() if line.strip()]
    named = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)]
    return "\n".join(dict.fromkeys(named)) or "\n".join(lines[-25:])
