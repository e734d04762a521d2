"""Gates on the repository as a whole: its files, its sizes, what it says about itself."""

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

TOP_LEVEL = {
    "_config.yml",
    "_toc.yml",
    "pyproject.toml",
    "README.md",
    "book",
    "src",
    "tests",
    "Makefile",
    "constraints.txt",
    "LICENSE",
    "LICENSE-text",
    "CITATION.cff",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks",
    ".ci",
    ".github",
    ".gitignore",
    ".pre-commit-config.yaml",
}
LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
PYTHON_FOLDERS = ("src/", "book/_tools/", "book/experiments/", "benchmarks/")
MACHINE_PATH = re.compile(r"(?<![\w.~}*-])/(?:work|home|root|tmp|opt|Users)/\w[\w./-]*")
# A version may be told where versions are history or belong to others.
OTHER_VERSIONS = {"constraints.txt", "CHANGELOG.md", "src/rnnlimits/__init__.py"}
GROUND = {"random", "estimate", "display", "sweep", "wasserstein", "_checks"}
SEES = {
    "data": GROUND,
    "networks": GROUND,
    "meanfield": GROUND | {"networks"},
    "kernel": GROUND | {"networks"},
    "decoding": GROUND | {"data", "networks", "kernel"},
    "claims": {"estimate"},
    "figures": {"estimate"},
    "experiments": {"_checks"},
    **{name: {"_checks"} for name in GROUND},
}


def repository_files(root: Path) -> list[str]:
    """Return what git tracks or would track, as paths from the root; all files without git."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True)
        names = [name for name in listed.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    return sorted(name for name in names if (root / name).is_file())


def texts_of(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the files that are text, by name."""
    found = {}
    for name in names:
        try:
            found[name] = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def top_level_is_exact(names: Iterable[str]) -> list[str]:
    """The top level holds the listed files and folders, and no other."""
    present = {name.split("/")[0] for name in names}
    return [f"{name} is missing at the top level" for name in sorted(TOP_LEVEL - present)] + [
        f"{name} does not belong at the top level" for name in sorted(present - TOP_LEVEL)
    ]


def names_no_machine(texts: Mapping[str, str]) -> list[str]:
    """No text names a folder of the machine it was written on."""
    return [
        f"{name}, line {number} names the path {found.group()}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        for found in MACHINE_PATH.finditer(line)
    ]


def has_small_rooms(texts: Mapping[str, str]) -> list[str]:
    """Modules and functions stay short."""
    problems = []
    for name, text in texts.items():
        if not (name.endswith(".py") and name.startswith(PYTHON_FOLDERS)):
            continue
        lines = len(text.splitlines())
        if lines > LONGEST_MODULE:
            problems.append(f"{name} has {lines} lines, more than {LONGEST_MODULE}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    problems.append(f"{name}: {node.name} has {length} lines")
    return problems


def states_version_once(texts: Mapping[str, str], version: str) -> list[str]:
    """The version stands in the package and nowhere else, so no two places can disagree."""
    pattern = re.compile(rf"(?<![\d.]){re.escape(version)}(?![\d.]*\d)")
    return [
        f"{name} repeats the version {version}"
        for name, text in texts.items()
        if name not in OTHER_VERSIONS
        and not name.startswith("book/results/")  # provenance
        and not name.endswith(".ipynb")
        and pattern.search(text)
    ]


def imports_run_one_way(texts: Mapping[str, str]) -> list[str]:
    """Within the package a part sees only the parts that lie below it."""
    problems = []
    for name, text in texts.items():
        path = Path(name)
        if path.parts[:2] != ("src", "rnnlimits") or path.suffix != ".py" or len(path.parts) < 3:
            continue
        own = path.with_suffix("").parts[2]
        for seen in sorted(_package_parts(ast.parse(text)) - {own}):
            if own != "__init__" and seen not in SEES.get(own, set()):
                problems.append(f"{name} imports rnnlimits.{seen}, which does not lie below it")
    return problems


def _package_parts(tree: ast.AST) -> set[str]:
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "rnnlimits":
            modules |= {f"rnnlimits.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    parts = {module.split(".")[1] for module in modules if module.startswith("rnnlimits.")}
    return parts - {"__version__"}


def toc_lists_what_exists(names: Iterable[str], toc: str) -> list[str]:
    """The table of contents lists every page once, and every listed page is there."""
    present = set(names)
    listed = toc_files(toc)
    chapters = {n for n in present if re.fullmatch(r"book/[^/]+\.ipynb", n)}
    texts = {n for n in present if re.fullmatch(r"book/text/[^/]+\.md", n)}
    pages = {n for n in present if re.fullmatch(r"book/(?:api/)?[^/]+\.md", n)}
    problems = [f"_toc.yml lists {n} twice" for n, k in Counter(listed).items() if k > 1]
    problems += [f"_toc.yml lists {n}, which is not there" for n in listed if n not in present]
    problems += [f"_toc.yml lacks {n}" for n in sorted((chapters | pages) - set(listed))]
    for text in sorted(texts):
        if (notebook := f"book/{Path(text).stem}.ipynb") not in present:
            problems.append(f"{text} has no notebook: make chapters NAME={Path(text).stem}")
            if notebook not in listed:
                problems.append(f"_toc.yml lacks {notebook}")
    for notebook in sorted(chapters):
        if f"book/text/{Path(notebook).stem}.md" not in present:
            problems.append(f"{notebook} has no text")
    return problems


def toc_files(toc: str) -> list[str]:
    """Return the files that a table of contents names, with their suffix."""
    table = yaml.safe_load(toc)
    entries = [table["root"]]
    for part in table.get("parts", []):
        for chapter in part["chapters"]:
            entries += [page["file"] for page in (chapter, *chapter.get("sections", []))]
    return [entry if Path(entry).suffix else f"{entry}.md" for entry in entries]


def chapters_that_settle(toc: str) -> list[str]:
    """Return the stems of the chapters proper: not the front page, not the back matter."""
    stems = []
    for part in yaml.safe_load(toc).get("parts", []):
        if part.get("caption") != "Back matter":
            stems += [Path(chapter["file"]).stem for chapter in part["chapters"]]
    return stems


def bibliography_keys_are_unique(texts: Mapping[str, str]) -> list[str]:
    """No two entries share a key: pybtex would drop the second and all that follow."""
    keys = [
        key.strip().lower()
        for name, text in texts.items()
        if name.endswith(".bib")
        for key in re.findall(
            r"^\s*@(?!comment|string|preamble)\w+\s*\{([^,\s]+)", text, re.M | re.I
        )
    ]
    return [f"the bibliography has {n} entries {k}" for k, n in Counter(keys).items() if n > 1]
