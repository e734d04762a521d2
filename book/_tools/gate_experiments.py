"""Gates on experiments: every script has its results, every result its script and its chapter."""

import re
from collections.abc import Iterator, Mapping

from notebooks import Layout
from rnnlimits.experiments import Experiment, Results, load_results
from run_experiments import load, names

LARGEST = 300_000


def of_experiments(layout: Layout) -> Iterator[str]:
    """Yield what is wrong with experiments, their results and the chapters that show them."""
    scripts = names(layout)
    texts = {stem: layout.text(stem).read_text(encoding="utf-8") for stem in layout.stems()}
    folder = layout.book / "results"
    found = {path.stem: path for path in folder.glob("*.json")}
    for path in sorted(folder.glob("*")):
        if path not in found.values():
            yield f"book/results/{path.name} is no results file"
    for name in sorted(set(scripts) | set(found)):
        if name not in scripts:
            yield f"book/results/{name}.json has no script book/experiments/{name}.py"
            continue
        if name not in found:
            yield f"book/experiments/{name}.py has no results: make experiments NAME={name}"
            continue
        if (size := found[name].stat().st_size) > LARGEST:
            yield f"book/results/{name}.json has {size} bytes, more than {LARGEST}"
        try:
            results = load_results(found[name])
            yield from is_of_its_script(results, load(layout, name))
        except Exception as error:  # a script may fail in any way
            yield f"{name}: {error}"
            continue
        if "recordings" in results.configuration:
            yield from is_shown(name, texts, tests_of(layout))
        else:
            yield from is_shown(name, texts, texts)


def is_of_its_script(results: Results, experiment: Experiment) -> list[str]:
    """The results are those of the script as it stands."""
    now = experiment.described()
    stored = {
        "configuration": results.configuration,
        "digits": results.digits,
        "tasks": list(results.tasks),
    }
    changed = [what for what, value in stored.items() if value != now[what]]
    if not changed and results.provenance.get("script") != experiment.checksum():
        changed = ["code"]
    name = experiment.name
    advice = f"book/results/{name}.json is stale: make experiments NAME={name}"
    return [f"the {what} of book/experiments/{name}.py changed, {advice}" for what in changed]


def tests_of(layout: Layout) -> dict[str, str]:
    """Return the texts of the tests; those that read recordings run where these are."""
    files = sorted((layout.root / "tests").rglob("test_*.py"))
    return {file.stem: file.read_text(encoding="utf-8") for file in files}


def is_shown(name: str, texts: Mapping[str, str], again: Mapping[str, str]) -> list[str]:
    """A chapter shows the results; a part is computed again, by it or, of recordings, by a test."""
    shown = [stem for stem, text in texts.items() if f"results/{name}.json" in text]
    if not shown:
        return [f"no chapter shows book/results/{name}.json"]
    call = re.compile(rf"\b{name}\.EXPERIMENT\.run\(")
    where = shown if again is texts else list(again)
    if not any(call.search(again[stem]) for stem in where):
        place = shown[0] if again is texts else "tests"
        return [f"{place}: no part of results/{name}.json is computed again"]
    return []
