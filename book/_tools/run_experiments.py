"""Run the scripts of book/experiments into book/results; `make experiments` does."""

import argparse
import importlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from notebooks import Layout
from rnnlimits.experiments import Experiment, ExperimentError, load_results, run_experiment

ROOT = Path(__file__).resolve().parents[2]


def names(layout: Layout) -> list[str]:
    """Return the experiments that have a script; a leading underscore marks a shared module."""
    scripts = (layout.book / "experiments").glob("*.py")
    return sorted(path.stem for path in scripts if not path.stem.startswith("_"))


def load(layout: Layout, name: str) -> Experiment:
    """Import an experiment as a chapter does, from the folder `book`.

    Raises:
        ValueError: the script defines no EXPERIMENT, or one of another name.
    """
    book = str(layout.book)
    if sys.path[0] != book:
        sys.path.insert(0, book)
        for module in [m for m in sys.modules if m.partition(".")[0] == "experiments"]:
            del sys.modules[module]  # it came from another book
    found = getattr(importlib.import_module(f"experiments.{name}"), "EXPERIMENT", None)
    if not isinstance(found, Experiment) or found.name != name:
        raise ValueError(f"book/experiments/{name}.py must define EXPERIMENT of the name {name}")
    return found


class Meter:
    """Shows how far a run is: a bar with the time left on a terminal, else a line now and then."""

    def __init__(self, name: str) -> None:
        """Name what runs."""
        self.name = name

    def __call__(self, done: Iterable[Any], total: int, before: int) -> Iterable[Any]:
        """Pass on what `done` yields."""
        if sys.stderr.isatty():
            return tqdm(done, self.name, total, initial=before, unit="task", dynamic_ncols=True)
        return self._lines(done, total, before)

    def _lines(self, done: Iterable[Any], total: int, before: int) -> Iterator[Any]:
        print(f"  {self.name}: {before} of {total} tasks were done before", flush=True)
        for count, outcome in enumerate(done, before + 1):
            if count * 10 // total > (count - 1) * 10 // total:
                print(f"  {self.name}: {count} of {total} tasks", flush=True)
            yield outcome


def run(layout: Layout, name: str, n_jobs: int) -> str:
    """Run one experiment; return in words whether its results file changed."""
    target = layout.book / "results" / f"{name}.json"
    before = target.read_bytes() if target.is_file() else b""
    run_experiment(
        load(layout, name), target.parent, layout.build / "experiments", n_jobs, Meter(name)
    )
    load_results(target)
    return "as it was" if target.read_bytes() == before else "changed" if before else "new"


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; the exit status counts as a shell expects."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="tasks that run side by side")
    parser.add_argument("names", nargs="*", help="stems of scripts; all where none is given")
    options = parser.parse_args(arguments)
    layout = Layout(root)
    known = names(layout)
    for name in options.names:
        if name not in known:
            parser.error(f"no experiment {name!r}; the experiments are: {', '.join(known)}")
    chosen = options.names or known
    print(f"running {len(chosen)} experiments: {', '.join(chosen) or 'there is none'}", flush=True)
    failed = 0
    for name in chosen:
        try:
            print(f"  book/results/{name}.json: {run(layout, name, options.jobs)}", flush=True)
        except KeyboardInterrupt:
            print("\ninterrupted: finished tasks are kept; the same command goes on from there")
            return 130
        except (ExperimentError, ValueError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
