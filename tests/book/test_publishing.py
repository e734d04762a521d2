"""What is published is what was tested: execution, adoption, comparison, and breaking each."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_output

import execute
import notebooks
from notebooks import ChapterError, Layout

ROOT = Path(__file__).resolve().parents[2]


def save(layout: Layout, notebook: NotebookNode, stem: str = "demo") -> None:
    layout.notebook(stem).write_text(notebooks.text_of(notebook), encoding="utf-8")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def chapter(layout: Layout, stem: str, *cells: str) -> None:
    """Write a text of code cells."""
    blocks = "\n\n".join(f"```{{code-cell}} python\n{cell}\n```" for cell in cells)
    layout.text(stem).write_text(f"# Title\n\n{blocks}\n", encoding="utf-8")


def files(layout: Layout) -> dict[str, bytes]:
    paths = (path for path in layout.book.rglob("*") if path.is_file())
    return {str(path.relative_to(layout.book)): path.read_bytes() for path in paths}


def test_adopting_writes_notebook_and_values(executed: Layout) -> None:
    notebook = notebooks.read(executed.notebook("demo"))
    counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
    assert counts == [1, 2]
    value = executed.reference("demo") / "half.txt"
    assert value.read_text() == "tolerance: 0.001 absolute\nshape: scalar\nkind: array\n0.5000\n"


def test_adopting_twice_gives_the_same_bytes(demo: Layout) -> None:
    before = files(demo)
    execute.adopt(demo, "demo")
    assert files(demo) == before


def test_what_was_adopted_is_verified_and_left_alone(demo: Layout) -> None:
    before = files(demo)
    execute.verify(demo, "demo")
    assert files(demo) == before
    assert demo.fresh("demo").read_bytes() == demo.notebook("demo").read_bytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [("It is $0.5$", "It is one half"), ("half = 1 / 2", "half = 2 / 4"), ("(half)=\n", "")],
)
def test_an_edited_text_with_a_stale_notebook_is_refused(demo: Layout, old: str, new: str) -> None:
    edit(demo.text("demo"), old, new)
    with pytest.raises(ChapterError, match="Adopt the text with: make chapters NAME=demo"):
        execute.verify(demo, "demo")


def test_a_hand_edited_notebook_is_refused(demo: Layout, notebook: NotebookNode) -> None:
    notebook.cells[1].source += "\nprint('by hand')"
    save(demo, notebook)
    with pytest.raises(ChapterError, match="by hand"):
        execute.verify(demo, "demo")


def test_a_hand_edited_setting_of_a_cell_is_refused(demo: Layout, notebook: NotebookNode) -> None:
    notebook.cells[1].metadata["tags"] = ["hide-input"]
    save(demo, notebook)
    with pytest.raises(ChapterError, match="hide-input"):
        execute.verify(demo, "demo")


def test_a_changed_printed_output_is_refused(demo: Layout, notebook: NotebookNode) -> None:
    notebook.cells[-2].outputs[0].data["text/plain"] = "0.51"
    save(demo, notebook)
    with pytest.raises(ChapterError) as caught:
        execute.verify(demo, "demo")
    assert "-0.51\n+0.5" in str(caught.value)
    assert "adopt with: make chapters NAME=demo" in str(caught.value)


def test_a_wrong_reference_value_fails_its_own_cell(demo: Layout) -> None:
    edit(demo.reference("demo") / "half.txt", "0.5000", "0.5011")
    with pytest.raises(ChapterError, match=r"(?s)cell 4 raised:.*ReferenceMismatch: demo, half"):
        execute.verify(demo, "demo")


def test_a_missing_notebook_is_asked_for(demo: Layout) -> None:
    demo.notebook("demo").unlink()
    with pytest.raises(ChapterError, match="make chapters NAME=demo"):
        execute.verify(demo, "demo")


def test_pictures_are_not_compared(notebook: NotebookNode) -> None:
    other = copy.deepcopy(notebook)
    for content, shown in (("AAAA", notebook), ("BBBB", other)):
        shown.cells[-2].outputs = [new_output("display_data", {"image/png": content})]
    assert notebooks.difference(notebook, other) == ""


RUNS_BADLY = {
    "stderr": ("import sys\nprint('oh', file=sys.stderr)", "wrote to stderr:\noh"),
    "warning": ("import warnings\nwarnings.warn('careful')", "UserWarning: careful"),
    "late warning": ("import numpy\nnumpy.log(numpy.zeros(1))", "RuntimeWarning: divide by zero"),
    "exception": ("1 / 0", "ZeroDivisionError"),
    "exit": ("import os\nos._exit(1)", "the kernel died"),
}


@pytest.mark.parametrize(("cell", "message"), RUNS_BADLY.values(), ids=RUNS_BADLY.keys())
def test_a_chapter_that_runs_badly_is_refused_and_leaves_all_as_it_was(
    demo: Layout, cell: str, message: str
) -> None:
    chapter(demo, "demo", "print('first')", cell)
    before = files(demo)
    with pytest.raises(ChapterError) as caught:
        execute.adopt(demo, "demo")
    assert message in str(caught.value)
    assert files(demo) == before
    assert not list(demo.build.glob("adopt-*"))


def test_an_interrupted_run_leaves_all_as_it_was(
    demo: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_notebook: NotebookNode, _folder: Path, adopt: Path) -> None:
        (adopt / "half.txt").write_text("new")
        raise KeyboardInterrupt

    monkeypatch.setattr(notebooks, "execute", stop)
    before = files(demo)
    with pytest.raises(KeyboardInterrupt):
        execute.adopt(demo, "demo")
    assert files(demo) == before


def test_adopting_removes_values_that_no_cell_checks(demo: Layout, tmp_path: Path) -> None:
    values = tmp_path / "values"
    values.mkdir()
    (values / "third.txt").write_text("new")
    execute._adopt_values(values, demo.reference("demo"))
    assert [path.name for path in demo.reference("demo").iterdir()] == ["third.txt"]
    (values / "third.txt").unlink()
    execute._adopt_values(values, demo.reference("demo"))
    assert not demo.reference("demo").exists()


def test_the_environment_of_a_kernel_holds_nothing_left_from_adopting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RNNLIMITS_ADOPT", "somewhere")
    assert "RNNLIMITS_ADOPT" not in notebooks._environment("home", None)


def test_the_command_works_on_two_chapters_and_says_which_failed(
    demo: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    chapter(demo, "other", "1 / 0")
    assert execute.main(["--verify", "demo"], demo.root) == 0
    assert execute.main(["--write"], demo.root) == 1
    captured = capsys.readouterr()
    assert "demo: done" in captured.out
    assert "other: FAILED" in captured.out
    assert "other: cell 2 raised" in captured.err
    assert not demo.notebook("other").exists()


def test_the_command_knows_the_chapters(demo: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        execute.main(["--write", "nothing"], demo.root)
    assert "no chapter 'nothing'; the chapters are: demo" in capsys.readouterr().err


def test_an_interrupted_command_says_what_stays(
    demo: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(execute, "run", stop)
    assert execute.main(["--write"], demo.root) == 130
    assert "the others are as they were" in capsys.readouterr().out


def test_without_chapters_there_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "book" / "text").mkdir(parents=True)
    assert execute.main(["--verify"], tmp_path) == 0


def nbval(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `pytest --nbval book` with the project's options on another book."""
    command = [sys.executable, "-m", "pytest", "--nbval", "book", "-q", "--color=no"]
    command += ["-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "--rootdir", "."]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_nbval_passes_what_was_adopted_and_refuses_what_moved(demo: Layout) -> None:
    passed = nbval(demo.root)
    assert passed.returncode == 0, passed.stdout
    edit(demo.reference("demo") / "half.txt", "0.5000", "0.5011")
    edit(demo.notebook("demo"), "half: 0.5", "half: 0.6")
    failed = nbval(demo.root)
    assert failed.returncode == 1
    assert "2 failed" in failed.stdout


def test_nbval_alone_passes_a_cell_that_was_never_executed(
    demo: Layout, notebook: NotebookNode
) -> None:
    """The reason for the gate `is_executed`."""
    cell = notebook.cells[1]
    cell.execution_count, cell.outputs = None, []
    save(demo, notebook)
    assert nbval(demo.root).returncode == 0
    with pytest.raises(ChapterError, match=r"half: 0\.5"):
        execute.verify(demo, "demo")
