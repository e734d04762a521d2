"""Run every gate on the repository as it stands; `make book` and `make test` both do."""

import sys
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

import gate_experiments
import gate_ledger
import gate_notebooks
import gate_repository
import gate_text
import notebooks
from notebooks import Layout
from rnnlimits import __version__
from rnnlimits.claims import Claim, load_ledger

ROOT = Path(__file__).resolve().parents[2]


def of_chapter(layout: Layout, stem: str, notebook: NotebookNode) -> Iterator[str]:
    """Yield what is wrong with a chapter on its own."""
    for gate in (*gate_notebooks.GATES, *gate_text.GATES):
        yield from gate(notebook)
    text = layout.text(stem)
    if text.is_file():
        yield from gate_notebooks.equals_its_text(notebook, notebooks.from_text(text))
    files = [path.stem for path in layout.reference(stem).glob("*")]
    yield from gate_text.has_its_references(notebook, stem, files)


def of_chapters(layout: Layout) -> Iterator[str]:
    """Yield what is wrong with any chapter, and with reference values that belong to none."""
    stems = {path.stem for path in layout.book.glob("*.ipynb")}
    settling = gate_repository.chapters_that_settle(toc(layout))
    claims = ledger(layout)
    for stem in sorted(stems):
        notebook = notebooks.read(layout.notebook(stem))
        problems = list(of_chapter(layout, stem, notebook))
        problems += gate_text.agrees_with_ledger(notebook, claims)
        if stem in settling:
            problems += gate_text.opens_with_its_claim(notebook)
        yield from (f"{stem}: {problem}" for problem in problems)
    for folder in sorted((layout.book / "reference").glob("*")):
        if folder.name not in stems:
            yield f"book/reference/{folder.name} belongs to no chapter"


def of_ledger(layout: Layout) -> Iterator[str]:
    """Yield what is wrong with the ledger's rows."""
    read = {p.stem: notebooks.read(p) for p in layout.book.glob("*.ipynb")}
    labels = {stem: gate_text.labels(notebook) for stem, notebook in read.items()}
    checked = {stem: set(gate_text.checks(notebook)[0]) for stem, notebook in read.items()}
    claims = ledger(layout)
    yield from gate_ledger.ids_are_well_formed(claims)
    for claim in claims:
        yield from gate_ledger.row_is_settled(claim, layout.root, labels, checked)


def of_repository(layout: Layout) -> Iterator[str]:
    """Yield what is wrong with the files as a whole."""
    names = gate_repository.repository_files(layout.root)
    texts = gate_repository.texts_of(layout.root, names)
    yield from gate_repository.top_level_is_exact(names)
    yield from gate_repository.names_no_machine(texts)
    yield from gate_repository.has_small_rooms(texts)
    yield from gate_repository.states_version_once(texts, __version__)
    yield from gate_repository.imports_run_one_way(texts)
    yield from gate_repository.toc_lists_what_exists(names, toc(layout))
    yield from gate_repository.bibliography_keys_are_unique(texts)


def toc(layout: Layout) -> str:
    """Return the text of the table of contents."""
    return (layout.root / "_toc.yml").read_text(encoding="utf-8")


def ledger(layout: Layout) -> tuple[Claim, ...]:
    """Return the ledger's rows."""
    return load_ledger(layout.book / "claims.toml")


ALL = {
    "chapters": of_chapters,
    "experiments": gate_experiments.of_experiments,
    "ledger": of_ledger,
    "repository": of_repository,
}


def main(root: Path = ROOT) -> int:
    """Print what is wrong, part by part; the exit status counts as a shell expects."""
    found = 0
    for part, gate in ALL.items():
        problems = list(gate(Layout(root)))
        found += len(problems)
        print(
            f"gates on the {part}: {len(problems)} problems"
            if problems
            else f"gates on the {part}: passed"
        )
        for problem in problems:
            print(f"  {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
