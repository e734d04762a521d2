"""Each gate on files and ledger passes what is right and refuses it broken."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import gate_ledger
import gate_repository as gates
import gates as all_gates
from notebooks import Layout
from rnnlimits.claims import Break, Claim

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("part", all_gates.ALL)
def test_this_repository_passes(part: str) -> None:
    problems = list(all_gates.ALL[part](Layout(ROOT)))
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def test_the_command_prints_what_is_wrong(demo: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    (demo.reference("demo") / "half.txt").unlink()
    (demo.reference("other")).mkdir()
    assert all_gates.main(demo.root) == 1
    captured = capsys.readouterr()
    assert "gates on the chapters: 2 problems" in captured.out
    assert "demo: there is no reference file for half" in captured.err
    assert "book/reference/other belongs to no chapter" in captured.err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("It is $0.5$", "It is 0.5", "text and notebook differ"),
        ("*Settles:* DEMO-1", "*Settles:* DEMO-2", "text and notebook differ"),
    ],
)
def test_an_edited_text_is_noticed(demo: Layout, old: str, new: str, message: str) -> None:
    text = demo.text("demo").read_text()
    demo.text("demo").write_text(text.replace(old, new))
    assert any(message in problem for problem in all_gates.of_chapters(demo))


def test_chapters_of_a_part_must_open_with_their_claim(demo: Layout) -> None:
    toc = "root: book/demo.ipynb\nparts: [{caption: I, chapters: [{file: book/demo.ipynb}]}]\n"
    (demo.root / "_toc.yml").write_text(toc)
    assert list(all_gates.of_chapters(demo)) == []
    for path in (demo.text("demo"), demo.notebook("demo")):
        path.write_text(path.read_text().replace("*Needs:*", "Needs:"))
    assert list(all_gates.of_chapters(demo)) == ["demo: the opening lacks *Needs:*"]


def test_git_names_what_is_tracked_or_new_and_not_ignored(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("ignored\n")
    for name in ("new", "ignored"):
        (tmp_path / name).write_text("x")
    assert gates.repository_files(tmp_path) == [".gitignore", "new"]


def test_without_git_every_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("x")
    assert gates.repository_files(tmp_path) == ["a/b"]


def test_files_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("words")
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    assert gates.texts_of(tmp_path, ["a", "b"]) == {"a": "words"}


def test_the_top_level_is_exact() -> None:
    names = [f"{name}/x" for name in gates.TOP_LEVEL]
    assert gates.top_level_is_exact(names) == []
    assert gates.top_level_is_exact([*names, "notes.md"]) == [
        "notes.md does not belong at the top level"
    ]
    assert gates.top_level_is_exact(names[1:]) == [
        f"{names[0].removesuffix('/x')} is missing at the top level"
    ]


@pytest.mark.parametrize("folder", ["work", "home", "root", "tmp", "opt", "Users"])
def test_a_path_of_a_machine_is_refused(folder: str) -> None:
    text = "first\nsee " + "/".join(["", folder, "me", "x.py"])
    assert gates.names_no_machine({"a": text}) == [f"a, line 2 names the path /{folder}/me/x.py"]


@pytest.mark.parametrize("text", ["a/work/b", "https://example.org/home/x", "~/tmp/x", "/tmp"])
def test_another_path_passes(text: str) -> None:
    assert gates.names_no_machine({"a": text}) == []


def test_long_modules_and_functions_are_refused() -> None:
    long = "def f():\n" + "    x = 1\n" * 60
    texts = {"src/a.py": "x = 1\n" * 401, "src/b.py": long, "src/c.md": "x\n" * 500, "d.py": "("}
    assert gates.has_small_rooms(texts) == [
        "src/a.py has 401 lines, more than 400",
        "src/b.py: f has 61 lines",
    ]


def test_a_repeated_version_is_refused() -> None:
    texts = {"README.md": "version 3.2.1.", "CHANGELOG.md": "3.2.1", "a": "13.2.1 3.2.10 3.2.1.4"}
    texts["book/results/a.json"] = '{"rnnlimits": "3.2.1"}'
    assert gates.states_version_once(texts, "3.2.1") == ["README.md repeats the version 3.2.1"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("networks/linear.py", "from rnnlimits.kernel.tangent import x"),
        ("kernel/tangent.py", "import rnnlimits.meanfield.flow"),
        ("claims.py", "from rnnlimits import figures"),
        ("estimate.py", "from rnnlimits.random import x"),
        ("data/systems.py", "from rnnlimits.networks import linear"),
    ],
)
def test_an_import_that_runs_back_is_refused(name: str, line: str) -> None:
    problems = gates.imports_run_one_way({f"src/rnnlimits/{name}": line})
    assert len(problems) == 1
    assert "does not lie below it" in problems[0]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("src/rnnlimits/kernel/tangent.py", "from rnnlimits.networks.linear import x"),
        ("src/rnnlimits/kernel/tangent.py", "from rnnlimits.kernel import dynamics"),
        ("src/rnnlimits/claims.py", "from rnnlimits.estimate import Estimate"),
        ("src/rnnlimits/claims.py", "import numpy.linalg"),
        ("src/rnnlimits/claims.py", "from rnnlimits import __version__"),
        ("tests/test_claims.py", "import rnnlimits.figures"),
    ],
)
def test_an_import_that_runs_down_passes(name: str, line: str) -> None:
    assert gates.imports_run_one_way({name: line}) == []


TOC = """\
root: book/front.ipynb
parts:
  - caption: Kernel
    chapters: [{file: book/one.ipynb}]
  - caption: Back matter
    chapters: [{file: book/ledger}, {file: book/api, sections: [{file: book/api/kernel}]}]
"""
NAMES = ["book/front.ipynb", "book/text/front.md", "book/one.ipynb", "book/text/one.md"]
NAMES += ["book/ledger.md", "book/api.md", "book/api/kernel.md", "book/text/notes.txt", "_toc.yml"]


def test_a_table_of_contents_that_fits_passes() -> None:
    assert gates.toc_lists_what_exists(NAMES, TOC) == []
    assert gates.chapters_that_settle(TOC) == ["one"]


@pytest.mark.parametrize(
    ("names", "toc", "message"),
    [
        (NAMES[:2] + NAMES[4:], TOC, "lists book/one.ipynb, which is not there"),
        ([*NAMES, "book/new.md"], TOC, "lacks book/new.md"),
        ([*NAMES, "book/api/new.md"], TOC, "lacks book/api/new.md"),
        (
            NAMES,
            TOC.replace("api/kernel", "api/lost"),
            "lists book/api/lost.md, which is not there",
        ),
        ([*NAMES, "book/new.ipynb", "book/text/new.md"], TOC, "lacks book/new.ipynb"),
        ([*NAMES, "book/text/new.md"], TOC, "book/text/new.md has no notebook"),
        ([*NAMES[:3], *NAMES[4:]], TOC, "book/one.ipynb has no text"),
        (NAMES, TOC.replace("ledger", "one.ipynb"), "lists book/one.ipynb twice"),
    ],
)
def test_one_that_does_not_is_refused(names: list[str], toc: str, message: str) -> None:
    problems = gates.toc_lists_what_exists(names, toc)
    assert any(message in problem for problem in problems), problems


def test_two_entries_with_one_key_are_refused() -> None:
    texts = {
        "a.bib": "@book{one,\n}\n@Article{two ,\n}",
        "b.bib": "  @misc{One,\n}",
        "c.md": "@x{a,",
    }
    assert gates.bibliography_keys_are_unique(texts) == ["the bibliography has 2 entries one"]
    assert gates.bibliography_keys_are_unique({"a.bib": texts["a.bib"]}) == []


ROW = Claim(
    id="DEMO-1",
    paper="book",
    place="here",
    status="ours",
    paraphrase="A half.",
    verdict="holds with a correction",
    hypotheses="None.",
    label="thm-half",
    function="rnnlimits.display.source",
    test="tests/test_half.py::test_half",
    evidence=("demo/half",),
    breaks=(Break("rnnlimits.display", "```python", "```julia", "the wrong language"),),
    note="A factor.",
)
LABELS = {"demo": {"thm-half"}, "other": {"thm-other"}}
CHECKED = {"demo": {"half"}, "other": {"third"}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A repository that holds what the row names."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_half.py").write_text(
        "x = 1\ndef test_half(): ...\ndef test_fixture(seed): ...\n"
    )
    for stem, name in (("demo", "half"), ("demo", "old"), ("other", "third")):
        folder = tmp_path / "book" / "reference" / stem
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").touch()
    return tmp_path


def test_a_complete_row_passes(home: Path) -> None:
    assert gate_ledger.row_is_settled(ROW, home, LABELS, CHECKED) == []
    assert (
        gate_ledger.row_is_settled(replace(ROW, verdict="holds", note=""), home, LABELS, CHECKED)
        == []
    )


def broken_by(**change: str) -> tuple[Break, ...]:
    return (replace(ROW.breaks[0], **change),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hypotheses": ""}, "hypotheses is missing"),
        ({"label": ""}, "label is missing"),
        ({"function": ""}, "function is missing"),
        ({"test": ""}, "test is missing"),
        ({"evidence": ()}, "evidence is missing"),
        ({"breaks": ()}, "breaks is missing"),
        ({"note": ""}, "does not say what the correction"),
        ({"verdict": "fails", "note": ""}, "does not say what the correction or failure"),
        ({"verdict": "not testable here", "note": ""}, "does not say why"),
        ({"label": "thm-none"}, "no chapter has the label"),
        ({"label": "thm-other"}, "is in other, its evidence is not"),
        ({"function": "rnnlimits.display.nothing"}, "cannot be imported"),
        ({"function": "rnnlimits.nothing.source"}, "cannot be imported"),
        ({"function": "source"}, "cannot be imported"),
        ({"test": "tests/test_none.py::test_half"}, "there is no test file"),
        ({"test": "tests/test_half.py::test_none"}, "has no test 'test_none'"),
        ({"test": "tests/test_half.py"}, "has no test ''"),
        ({"test": "tests/test_half.py::test_fixture"}, "must be plain"),
        ({"evidence": ("demo/none",)}, "there is no evidence demo/none"),
        ({"evidence": ("demo/old",)}, "does not produce the evidence demo/old"),
        ({"breaks": broken_by(module="rnnlimits.none")}, "cannot be imported"),
        ({"breaks": broken_by(old="nowhere in it")}, "0 times"),
        ({"breaks": broken_by(new="```python")}, "changes nothing"),
        ({"breaks": broken_by(why="")}, "does not say why"),
    ],
)
def test_an_incomplete_row_is_refused(home: Path, change: dict[str, str], message: str) -> None:
    problems = gate_ledger.row_is_settled(replace(ROW, **change), home, LABELS, CHECKED)
    assert len(problems) == 1, problems
    assert message in problems[0]


def test_an_open_row_needs_nothing(home: Path) -> None:
    row = Claim("DEMO-2", "book", "here", "ours", "A half.", "open")
    assert gate_ledger.row_is_settled(row, home, {}, {}) == []


def test_an_id_without_its_form_is_refused() -> None:
    rows = [ROW, replace(ROW, id="demo 1")]
    assert gate_ledger.ids_are_well_formed(rows) == ["'demo 1' is no id"]
