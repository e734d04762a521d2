"""A book of one small chapter, to be broken."""

import shutil
from pathlib import Path

import pytest
from nbformat import NotebookNode

import execute
import notebooks
from notebooks import Layout

TEXT = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A demo

> **In this chapter.** A number is halved. *Needs:* nothing. *Reads in a minute.*
> *Settles:* DEMO-1.

(half)=
```{code-cell} python
from rnnlimits.claims import references

check = references("reference/demo")
half = 1 / 2
print("half:", half)
```

It is $0.5$.

```{code-cell} python
check("half", half, tolerance=1e-3)
half
```

**Verdict.** DEMO-1 *holds*: the half of one is a half.
"""

TOC = """\
format: jb-book
root: book/demo.ipynb
"""

LEDGER = """\
[[claim]]
id = "DEMO-1"
paper = "book"
place = "here"
status = "ours"
paraphrase = "A half."
verdict = "holds"
"""


@pytest.fixture(scope="session")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The demo, executed once; not to be changed."""
    root = tmp_path_factory.mktemp("executed")
    (root / "book" / "text").mkdir(parents=True)
    (root / "_toc.yml").write_text(TOC, encoding="utf-8")
    (root / "book" / "claims.toml").write_text(LEDGER, encoding="utf-8")
    (root / "book" / "text" / "demo.md").write_text(TEXT, encoding="utf-8")
    execute.adopt(Layout(root), "demo")
    return Layout(root)


@pytest.fixture
def demo(executed: Layout, tmp_path: Path) -> Layout:
    """A copy of the executed demo, to be changed."""
    shutil.copytree(executed.root, tmp_path / "demo")
    return Layout(tmp_path / "demo")


@pytest.fixture
def notebook(demo: Layout) -> NotebookNode:
    """The demo's notebook, to be changed."""
    return notebooks.read(demo.notebook("demo"))
