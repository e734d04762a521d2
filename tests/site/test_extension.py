"""The Sphinx extension, on a book of two pages: addresses, footer, and what it refuses."""

import os
import shutil
from pathlib import Path

import pytest

import bookext_api
from bookext import Publication, commit, footer
from rnnlimits import __version__
from sitebuild import BuildError, build, reasons

ROOT = Path(__file__).resolve().parents[2]
SITE = "https://example.org/book"
REPOSITORY = "https://github.com/example/rnnlimits"
LOCAL = {k: v for k, v in os.environ.items() if not k.startswith("RNNLIMITS_")}
TOC = "format: jb-book\nroot: book/front.ipynb\nchapters: [{file: book/ledger}]\n"
ROW = """
[[claim]]
id = "LIN-1"
paper = "linear"
place = "eq. (1)"
status = "read"
paraphrase = "A statement that says $a$ and $b.$"
label = "LABEL"
function = "rnnlimits.networks.linear.forward"
test = "tests/test_a.py::test_a"
evidence = ["front/a"]
verdict = "holds"
"""
FRONT = """# Front

```{ledger-strip}
```

{verdict}`LIN-1` is settled in LIN-1.

```{prf:theorem} Name
:label: thm-here

Words.
```

```{prf:proof} Proof of the rest
:class: ours

More words.
```

```{citation}
```
"""


def small_book(folder: Path, front: str, row: str = ROW) -> Path:
    """Write a book of a front page and a ledger, with the real settings and style."""
    (folder / "book").mkdir(parents=True)
    shutil.copy(ROOT / "_config.yml", folder)
    for part in ("_tools", "_static"):
        shutil.copytree(ROOT / "book" / part, folder / "book" / part)
    shutil.copy(ROOT / "book/references.bib", folder / "book")
    (folder / "_toc.yml").write_text(TOC, "utf-8")
    (folder / "book/claims.toml").write_text(row.replace("LABEL", "thm-here"), "utf-8")
    # The function is named on an API page that this book does not have.
    ledger = "# Ledger\n\n```{ledger} linear\n```\n\n```{eval-rst}\n"
    ledger += ".. py:function:: rnnlimits.networks.linear.forward()\n```\n"
    (folder / "book/ledger.md").write_text(ledger, "utf-8")
    write_notebook(folder / "book/front.ipynb", front)
    return folder


def write_notebook(path: Path, text: str) -> None:
    """Write a notebook of one Markdown cell."""
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text, id="front")])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The front page and the ledger of a small book that knows where it is published."""
    folder = tmp_path_factory.mktemp("published")
    addresses = {
        "RNNLIMITS_SITE_URL": SITE,
        "RNNLIMITS_REPOSITORY_URL": f"{REPOSITORY}/",
        "RNNLIMITS_DOI": "10.0000/example",
    }
    html = build(small_book(folder / "source", FRONT), folder, LOCAL | addresses)
    pages = [(html / f"book/{name}.html").read_text("utf-8") for name in ("front", "ledger")]
    return pages[0], pages[1]


def test_addresses_come_from_the_environment(published: tuple[str, str]) -> None:
    front, _ = published
    assert '<link rel="canonical" href="https://example.org/book/book/front.html" />' in front
    assert 'property="og:url" content="https://example.org/book/book/front.html"' in front
    assert "https://mybinder.org/v2/gh/example/rnnlimits/main" in front
    assert "https://colab.research.google.com/github/example/rnnlimits/blob/main" in front
    assert "10.0000/example" in front


def test_the_ledger_and_the_statement_point_at_each_other(published: tuple[str, str]) -> None:
    front, ledger = published
    assert 'aria-label="LIN-1, eq. (1): holds"' in front
    assert 'class="ledger-line"' in front
    assert front.count('href="ledger.html#lin-1"') >= 4  # strip, role, mention, statement
    assert 'id="lin-1"' in ledger
    assert 'href="front.html#thm-here"' in ledger
    assert 'href="#rnnlimits.networks.linear.forward"' in ledger
    assert "<em>Proof of the rest.</em>" in front


def test_the_table_carries_its_roles(published: tuple[str, str]) -> None:
    _, ledger = published
    for role in ("table", "rowgroup", "row", "columnheader", "cell"):
        assert f'role="{role}"' in ledger


def test_names_that_lead_nowhere_stop_the_build(tmp_path: Path) -> None:
    row = ROW.replace("LABEL", "thm-lost").replace("front/a", "lost/a").replace(".forward", ".lost")
    front = FRONT + "\nMF-99 is no row, nor is {claim}`OWN-99`.\n\n{eq}`eq-lost`\n"
    with pytest.raises(BuildError) as error:
        build(small_book(tmp_path / "source", front, row), tmp_path, LOCAL)
    for word in ("thm-lost", "book/lost", "linear.lost", "MF-99", "OWN-99", "eq-lost"):
        assert word in str(error.value), word


def test_a_publication_is_empty_without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SITE_URL", "REPOSITORY_URL", "REPOSITORY_BRANCH", "DOI"):
        monkeypatch.delenv(f"RNNLIMITS_{name}", raising=False)
    nowhere = Publication.from_environment()
    assert nowhere == Publication("", "", "main", "")
    assert nowhere.theme_options() == {}
    assert "url" not in nowhere.citation()
    monkeypatch.setenv("RNNLIMITS_REPOSITORY_URL", "https://git.example.org/a/b")
    assert "colab_url" not in Publication.from_environment().theme_options()["launch_buttons"]


def test_the_footer_has_versions_and_no_clock(tmp_path: Path) -> None:
    assert commit(tmp_path) == ""
    text = footer(tmp_path)
    assert text == footer(tmp_path)
    assert "commit" not in text
    for word in (f"Version {__version__}", "torch", "numpy", "CC BY 4.0", "MIT"):
        assert word in text


def test_public_names_are_those_listed_or_those_defined() -> None:
    names = [module.__name__ for module in bookext_api.modules()]
    assert "rnnlimits.figures" in names  # lists its names, and hides its submodules
    assert not [name for name in names if name.startswith("rnnlimits.figures.")]
    assert not [name for name in names if "._" in name]


def test_a_log_without_a_named_problem_shows_its_end() -> None:
    assert reasons("first\n\nWARNING: lost\nlast") == "WARNING: lost"
    assert reasons("first\n\nlast") == "first\nlast"
