"""Execute chapters: adopt the result (`make chapters`) or compare it with it (`make book`)."""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import notebooks
from notebooks import ChapterError, Layout

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What came of one chapter; `problem` is empty where all is well."""

    stem: str
    seconds: float
    problem: str = ""


def adopt(layout: Layout, stem: str) -> None:
    """Execute a chapter and put notebook and reference values in place of the committed ones.

    Everything is finished in a folder of its own first, so that a chapter that fails, or a run
    that is interrupted, leaves the committed files as they were.
    """
    layout.build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.build, prefix="adopt-") as folder:
        values = Path(folder, "values")
        values.mkdir()
        notebook = notebooks.from_text(layout.text(stem))
        notebooks.execute(notebook, layout.book, adopt=values)
        _adopt_values(values, layout.reference(stem))
        notebooks.replace(layout.notebook(stem), notebooks.text_of(notebook))


def _adopt_values(values: Path, folder: Path) -> None:
    new = {path.name: path.read_text(encoding="utf-8") for path in values.glob("*.txt")}
    for name, text in new.items():
        old = folder / name
        if not old.exists() or old.read_text(encoding="utf-8") != text:
            notebooks.replace(old, text)
    for orphan in folder.glob("*.txt") if folder.exists() else ():
        if orphan.name not in new:
            orphan.unlink()
    if folder.exists() and not new:
        shutil.rmtree(folder)


def verify(layout: Layout, stem: str) -> None:
    """Execute a chapter into the build folder and compare it with the committed notebook.

    Raises:
        ChapterError: the chapter fails, or differs from what is committed.

    """
    command = f"make chapters NAME={stem}"
    committed = layout.notebook(stem)
    if not committed.exists():
        raise ChapterError(f"there is no book/{stem}.ipynb. Write it with: {command}")
    notebook = notebooks.from_text(layout.text(stem))
    old = notebooks.read(committed)
    stale = notebooks.difference(old, notebook, outputs=False)
    if stale:
        raise ChapterError(f"text and notebook differ. Adopt the text with: {command}\n{stale}")
    notebooks.execute(notebook, layout.book)
    notebooks.replace(layout.fresh(stem), notebooks.text_of(notebook))
    changed = notebooks.difference(old, notebook)
    if changed:
        raise ChapterError(f"the outputs moved. If they should, adopt with: {command}\n{changed}")


def outcome(work: Callable[[Layout, str], None], layout: Layout, stem: str) -> Outcome:
    """Do the work on one chapter; its failure is part of the result."""
    start = time.perf_counter()
    problem = ""
    try:
        work(layout, stem)
    except ChapterError as error:
        problem = str(error)
    return Outcome(stem, time.perf_counter() - start, problem)


def run(layout: Layout, stems: Sequence[str], work: Callable[[Layout, str], None]) -> list[Outcome]:
    """Do the work on every chapter, two at a time where there are two cores, and report."""
    workers = max(1, min(2, os.cpu_count() or 1, len(stems)))
    results = []
    # Spawned, not forked: a kernel client leaves threads behind.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        tasks = [pool.submit(outcome, work, layout, stem) for stem in stems]
        try:
            for task in as_completed(tasks):
                results.append(task.result())
                report(results[-1], f"{len(results)}/{len(stems)}")
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return results


def report(result: Outcome, place: str) -> None:
    """Print one line on a finished chapter, at once."""
    state = "FAILED" if result.problem else "done"
    print(f"  [{place}] {result.stem}: {state}, {result.seconds:.0f} s", flush=True)


def chosen(layout: Layout, names: Sequence[str]) -> list[str]:
    """Return the stems to work on: those named, or all; ValueError for a name without a text."""
    known = layout.stems()
    for name in names:
        if name not in known:
            raise ValueError(f"no chapter {name!r}; the chapters are: {', '.join(known)}")
    return list(names) or known


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; the exit status counts as a shell expects."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="adopt notebooks and reference values")
    mode.add_argument("--verify", action="store_true", help="compare with what is committed")
    parser.add_argument("names", nargs="*", help="stems of chapters; all where none is given")
    options = parser.parse_args(arguments)
    layout = Layout(root)
    try:
        stems = chosen(layout, options.names)
    except ValueError as error:
        parser.error(str(error))
    doing = "writing" if options.write else "verifying"
    names = ", ".join(stems) or "there is none"
    print(f"executing {len(stems)} chapters, {doing} them: {names}", flush=True)
    try:
        results = run(layout, stems, adopt if options.write else verify)
    except KeyboardInterrupt:
        print("\ninterrupted: chapters reported as done stay, the others are as they were")
        return 130
    failed = sorted((r for r in results if r.problem), key=lambda result: result.stem)
    for result in failed:
        print(f"\n{result.stem}: {result.problem}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
