"""Gates on the ledger: every name in a settled row leads somewhere."""

import ast
import importlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rnnlimits.claims import Break, Claim


def row_is_settled(
    claim: Claim, root: Path, labels: Mapping[str, set[str]], checked: Mapping[str, set[str]]
) -> list[str]:
    """A row with a verdict of this book has label, function, test, fresh evidence and breaks.

    Args:
        claim: the row.
        root: the repository.
        labels: the labels of each chapter, by stem.
        checked: the names that each chapter's committed notebook checks, by stem.
    """
    if not claim.settled:
        needs_reason = claim.verdict == "not testable here" and not claim.note
        return [f"{claim.id}: the note does not say why"] if needs_reason else []
    problems = [
        f"{claim.id}: {part} is missing"
        for part in ("hypotheses", "label", "function", "test", "evidence", "breaks")
        if not getattr(claim, part)
    ]
    if claim.verdict != "holds" and not claim.note:
        problems.append(f"{claim.id}: the note does not say what the correction or failure is")
    if claim.label:
        problems += _label_exists(claim, labels)
    if claim.function:
        problems += _leads_to_object(claim.id, claim.function)
    if claim.test:
        problems += _test_exists(claim, root)
    for evidence in claim.evidence:
        problems += _evidence_exists(claim.id, evidence, root, checked)
    for wrong in claim.breaks:
        problems += _break_fits(claim.id, wrong)
    return problems


def _label_exists(claim: Claim, labels: Mapping[str, set[str]]) -> list[str]:
    homes = [stem for stem, known in labels.items() if claim.label in known]
    if not homes:
        return [f"{claim.id}: no chapter has the label {claim.label}"]
    stems = {evidence.partition("/")[0] for evidence in claim.evidence}
    if stems and not stems & set(homes):
        return [f"{claim.id}: the label {claim.label} is in {homes[0]}, its evidence is not"]
    return []


def _leads_to_object(row: str, name: str) -> list[str]:
    module, _, attribute = name.rpartition(".")
    try:
        getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        return [f"{row}: {name} cannot be imported"]
    return []


def _test_exists(claim: Claim, root: Path) -> list[str]:
    """Find the test's function in its file without importing it."""
    file, _, function = claim.test.partition("::")
    path = root / file
    if not path.is_file():
        return [f"{claim.id}: there is no test file {file}"]
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            plain = not (node.args.args or node.args.kwonlyargs or node.decorator_list)
            return [] if plain else [f"{claim.id}: {function} must be plain, without fixtures"]
    return [f"{claim.id}: {file} has no test {function!r}"]


def _evidence_exists(
    row: str, evidence: str, root: Path, checked: Mapping[str, set[str]]
) -> list[str]:
    stem, _, name = evidence.partition("/")
    if not (root / "book" / "reference" / stem / f"{name}.txt").is_file():
        return [f"{row}: there is no evidence {evidence}"]
    if name not in checked.get(stem, set()):
        return [f"{row}: the committed notebook does not produce the evidence {evidence}"]
    return []


def _break_fits(row: str, wrong: Break) -> list[str]:
    try:
        module = importlib.import_module(wrong.module)
    except (ImportError, ValueError):
        return [f"{row}: the break's module {wrong.module} cannot be imported"]
    count = Path(str(module.__file__)).read_text(encoding="utf-8").count(wrong.old)
    if count != 1:
        return [f"{row}: {wrong.module} holds the text of a break {count} times: {wrong.old!r}"]
    if wrong.old == wrong.new:
        return [f"{row}: a break of {wrong.module} changes nothing"]
    return [] if wrong.why else [f"{row}: a break of {wrong.module} does not say why"]


def ids_are_well_formed(claims: Iterable[Claim]) -> list[str]:
    """Ids are capitals, a hyphen and a number: the text's verdicts are found by that form."""
    return [f"{c.id!r} is no id" for c in claims if not re.fullmatch(r"[A-Z]+-\d+", c.id)]
