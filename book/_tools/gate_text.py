"""Gates on a chapter's words: numbers in prose, the opening, the verdicts, the names of checks."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from nbformat import NotebookNode

from rnnlimits.claims import VERDICTS, Claim

OPENING_LINES = 12
OPENING = ("**In this chapter.**", "*Needs:*", "*Reads in", "*Settles:*")
# Blocks whose body is not prose; in every other directive it is.
OPAQUE = {"math", "code", "code-block", "code-cell", "literalinclude", "bibliography", "ledger"}
FENCE = re.compile(r"^\s*(`{3,}|~{3,}|:{3,})\s*(?:\{([\w:-]+)\})?(.*)$")
OPTION = re.compile(r"^\s*:[\w-]+:( .*)?$")
NOT_PROSE = re.compile(
    r"\$\$.*?\$\$"  # displayed mathematics
    r"|\\begin\{(?P<env>\w+\*?)\}.*?\\end\{(?P=env)\}"
    r"|(?<!\\)\$[^$]+\$"  # mathematics in a line
    r"|(?P<tick>`+).+?(?P=tick)"  # code, and the text of a role
    r"|\]\([^)]*\)"  # the target of a link
    r"|<[^>\s]+>|https?://\S+",
    re.DOTALL,
)
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\.\d)")
# A place in a paper or a version looks like a decimal and is none.
PLACE = re.compile(
    r"\b(Section|Proposition|Theorem|Lemma|Corollary|Definition|Assumption|Remark|Appendix|Figure"
    r"|Table|Example|Chapter|Equation|Algorithm|Python|BY|[Vv]ersion)s?\s+\d+\.\d+"
    r"((\([a-z]\))?(,| and| to)\s+\d+\.\d+)*"
)
# The words of a verdict, or the role that takes them from the ledger.
VERDICT = re.compile(
    r"\*\*Verdict\.\*\*\s+(?:\{claim\}`)?([A-Z]+-\d+)`?\s+(?:\*([^*]+)\*|\{verdict\}`([^`]+)`)"
)
ROW = re.compile(r"[A-Z]+-\d+")


def markdown(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """Yield number and source of every cell of words, freed of the marks of quoted lines."""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            yield number, re.sub(r"^>[ \t]?", "", cell.source, flags=re.MULTILINE)


def prose(source: str) -> str:
    """Return the words of a markdown source: no mathematics, no code, no options, no links."""
    kept = []
    opened: list[tuple[str, bool]] = []
    for line in source.splitlines():
        fence = FENCE.match(line)
        hidden = any(opaque for _, opaque in opened)
        if fence and opened and fence[1].startswith(opened[-1][0]) and not (fence[2] or fence[3]):
            opened.pop()
        elif fence and not hidden:
            opened.append((fence[1], fence[2] is None or fence[2] in OPAQUE))
            kept.append(fence[3] if fence[2] and fence[2] not in OPAQUE else "")
        elif not hidden and not OPTION.match(line):
            kept.append(line)
    return NOT_PROSE.sub(" ", "\n".join(kept))


def has_no_decimals_in_prose(notebook: NotebookNode) -> list[str]:
    """Measured numbers stand in outputs; prose and captions speak of them in words."""
    sources = [(f"cell {number}", source) for number, source in markdown(notebook)]
    for number, cell in enumerate(notebook.cells, 1):
        settings = cell.metadata.get("mystnb", {})
        sources.append((f"the caption of cell {number}", settings.get("figure", {}).get("caption")))
        sources.append((f"the alt text of cell {number}", settings.get("image", {}).get("alt")))
    return [
        f"{where}: the prose holds the decimal {number}"
        for where, source in sources
        for number in DECIMAL.findall(PLACE.sub(" ", prose(source or "")))
    ]


def opens_with_its_claim(notebook: NotebookNode) -> list[str]:
    """A chapter says at once what it claims, needs, takes and settles."""
    text = "\n".join(source for _, source in markdown(notebook))
    title, _, rest = text.partition("\n")
    if not title.startswith("# "):
        return ["the chapter does not begin with its title"]
    opening = "\n".join(rest.strip().splitlines()[:OPENING_LINES])
    return [f"the opening lacks {part}" for part in OPENING if part not in opening]


def agrees_with_ledger(notebook: NotebookNode, claims: Iterable[Claim]) -> list[str]:
    """Verdicts in the text are the ledger's, and rows that the opening names get one."""
    known = {claim.id: claim.verdict for claim in claims}
    problems = []
    told = [found for _, source in markdown(notebook) for found in VERDICT.findall(source)]
    for row, words, role in told:
        plain = " ".join(words.split())
        if row not in known:
            problems.append(f"{row} is not in the ledger")
        elif role and role != row:
            problems.append(f"{row}: the verdict shown is that of {role}")
        elif plain and plain not in VERDICTS:
            problems.append(f"{row}: {plain!r} is not a verdict")
        elif plain and plain != known[row]:
            problems.append(f"{row}: the text says {plain!r}, the ledger {known[row]!r}")
    given = {row for row, _, _ in told}
    announced = set(_announced(notebook))
    problems += [f"{row} is announced and gets no verdict" for row in sorted(announced - given)]
    problems += [f"{row} gets a verdict, unannounced" for row in sorted(given - announced)]
    return problems


def _announced(notebook: NotebookNode) -> list[str]:
    text = "\n\n".join(source for _, source in markdown(notebook))
    settles = re.search(r"\*Settles:\*(.*?)(\n\s*\n|\Z)", text, re.DOTALL)
    return ROW.findall(settles.group(1)) if settles else []


def checks(notebook: NotebookNode) -> tuple[list[str], list[str]]:
    """Return the names that the cells pass to `check`, and what is wrong with the calls."""
    names, problems = [], []
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        try:
            tree = ast.parse(cell.source)
        except SyntaxError:
            continue  # has_readable_code says so
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _is_check(node.func):
                name = _literal(node)
                names += [name] if name else []
                if not name:
                    problems.append(f"cell {number}: the name of a check is not a literal string")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    problems += [f"the name {name} is checked twice" for name in repeated]
    return names, problems


def _is_check(function: ast.expr) -> bool:
    """Whether a call is to `check`, or to what `references` returned on the spot."""
    if isinstance(function, ast.Call):
        return isinstance(function.func, ast.Name) and function.func.id == "references"
    return isinstance(function, ast.Name) and function.id == "check"


def _literal(call: ast.Call) -> str:
    first = call.args[0] if call.args else None
    value = first.value if isinstance(first, ast.Constant) else ""
    return value if isinstance(value, str) else ""


def has_its_references(notebook: NotebookNode, stem: str, files: Iterable[str]) -> list[str]:
    """The names in `check` are those of the files, and the folder is the chapter's own."""
    names, problems = checks(notebook)
    stored = set(files)
    problems += [f"there is no reference file for {n}" for n in sorted(set(names) - stored)]
    problems += [f"no cell checks the reference file {n}" for n in sorted(stored - set(names))]
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    folders = re.findall(r"\breferences\(\s*([^)]*?)\s*\)", code)
    if names and [folder.strip("\"'") for folder in folders] != [f"reference/{stem}"]:
        problems.append(f'check must come once from references("reference/{stem}")')
    return problems


LABELS = re.compile(
    r"^\s*:(?:label|name):\s*(\S+)|^\(([\w:-]+)\)=|\$\$\s*\(([\w:-]+)\)|\\label\{([^}]+)\}",
    re.MULTILINE,
)


def labels(notebook: NotebookNode) -> set[str]:
    """Return the labels that other pages can refer to."""
    found = set()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found |= {part for match in LABELS.findall(cell.source) for part in match if part}
        name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        found |= {name} if name else set()
    return found


GATES = (has_no_decimals_in_prose,)
