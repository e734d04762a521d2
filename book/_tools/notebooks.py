"""One chapter: from its text to an executed notebook, and the comparison of two notebooks."""

import difflib
import hashlib
import json
import os
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

CELL_METADATA = ("mystnb", "tags")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CELL_SECONDS = 120

# One thread per chapter, no progress bars, no user settings: what could differ between machines.
ENVIRONMENT = {
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TQDM_DISABLE": "1",
}
# PYTHONWARNINGS would act before the kernel's own imports; a startup file acts after them.
STARTUP = """import warnings

warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="ipykernel")
"""
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Layout:
    """Where the book's files lie, under the repository's root."""

    root: Path

    @property
    def book(self) -> Path:
        """The folder of notebooks, in which their kernels run."""
        return self.root / "book"

    @property
    def build(self) -> Path:
        """The ignored folder that receives everything built."""
        return self.root / "_build"

    def text(self, stem: str) -> Path:
        """The chapter's master text."""
        return self.book / "text" / f"{stem}.md"

    def notebook(self, stem: str) -> Path:
        """The chapter as committed, executed."""
        return self.book / f"{stem}.ipynb"

    def fresh(self, stem: str) -> Path:
        """The chapter as executed by `make book`."""
        return self.build / "chapters" / f"{stem}.ipynb"

    def reference(self, stem: str) -> Path:
        """The folder of the chapter's reference values."""
        return self.book / "reference" / stem

    def stems(self) -> list[str]:
        """The chapters that have a text, in alphabetical order."""
        return sorted(path.stem for path in (self.book / "text").glob("*.md"))


class ChapterError(Exception):
    """A chapter does not execute as it must; the message is for its author."""


def from_text(path: Path) -> NotebookNode:
    """Build the notebook of a text anew, without outputs and with stable cell ids."""
    notebook = jupytext.read(path, fmt="md:myst")
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:10]
        cell.id = f"{digest}-{seen[digest]}"
        seen[digest] += 1
    return clean(notebook)


def clean(notebook: NotebookNode) -> NotebookNode:
    """Keep of the metadata what the text decides, and nothing of the run or of the machine."""
    notebook.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        cell.metadata = NotebookNode(
            {key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata}
        )
    return notebook


def execute(notebook: NotebookNode, folder: Path, adopt: Path | None = None) -> NotebookNode:
    """Execute a notebook in `folder`, in this interpreter's environment.

    Args:
        notebook: what `from_text` built.
        folder: the kernel's working folder.
        adopt: where `check` writes new reference values; None to compare with the present ones.

    Raises:
        ChapterError: a cell raised, warned, or wrote to stderr.

    """
    with tempfile.TemporaryDirectory() as home:
        client = NotebookClient(
            notebook,
            km=_manager(Path(home)),
            timeout=CELL_SECONDS,
            record_timing=False,
            coalesce_streams=True,
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
        )
        try:
            client.execute(env=_environment(home, adopt), cleanup_kc=True)
        except CellExecutionError as error:
            raise ChapterError(_explain(notebook, error)) from None
        except TimeoutError:
            raise ChapterError(f"a cell took more than {CELL_SECONDS} s") from None
        except DeadKernelError:
            raise ChapterError("the kernel died, as it does when memory runs out") from None
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise ChapterError(f"cell {number} wrote to stderr:\n{output.text}")
    return clean(notebook)


def _manager(home: Path) -> AsyncKernelManager:
    """Return a manager of this interpreter's kernel, which knows `home` and no user settings."""
    startup = home / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-warnings.py").write_text(STARTUP, encoding="utf-8")
    return AsyncKernelManager(
        kernel_name=KERNEL["name"],
        # Without kernel folders it offers the running interpreter, whatever else is installed.
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True),
        # Sockets in a folder of their own: two kernels started together cannot meet on a port.
        transport="ipc",
        connection_file=str(home / "kernel.json"),
    )


def _environment(home: str, adopt: Path | None) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if k != "RNNLIMITS_ADOPT"}
    environment |= ENVIRONMENT | {"IPYTHONDIR": home}
    if adopt is not None:
        environment["RNNLIMITS_ADOPT"] = str(adopt)
    return environment


def _explain(notebook: NotebookNode, error: CellExecutionError) -> str:
    """Name the failed cell by its number, with the traceback freed of colours."""
    failed = [
        number
        for number, cell in enumerate(notebook.cells, 1)
        if any(output.output_type == "error" for output in cell.get("outputs", []))
    ]
    where = f"cell {failed[0]}" if failed else "a cell"
    return f"{where} raised:\n{ANSI.sub('', str(error)).strip()}"


def read(path: Path) -> NotebookNode:
    """Read a notebook of the current format."""
    return nbformat.read(path, as_version=4)


def text_of(notebook: NotebookNode) -> str:
    """Return the notebook's file text, the same for the same content."""
    return nbformat.writes(notebook) + "\n"


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        part = Path(folder, path.name)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)


def rendered(notebook: NotebookNode, outputs: bool = True) -> list[str]:
    """Return what must agree between machines as lines: sources, metadata, printed outputs."""
    lines: list[str] = []
    for number, cell in enumerate(notebook.cells, 1):
        lines += [f"# cell {number}: {cell.cell_type}", *cell.source.splitlines()]
        if cell.metadata:
            lines.append(f"# metadata: {json.dumps(cell.metadata, sort_keys=True)}")
        for output in cell.get("outputs", []) if outputs else []:
            lines += _rendered_output(output)
    return lines


def _rendered_output(output: NotebookNode) -> list[str]:
    if output.output_type == "stream":
        return [f"# output: {output.name}", *output.text.splitlines()]
    if output.output_type == "error":
        return [f"# output: {output.ename}: {output.evalue}"]
    lines = []
    for kind, content in sorted(output.data.items()):
        shown = [] if kind.startswith("image/") else str(content).splitlines()
        lines += [f"# output: {kind}", *shown]
    return lines


def difference(old: NotebookNode, new: NotebookNode, outputs: bool = True) -> str:
    """Return a unified difference of two notebooks, empty where they agree; images are skipped."""
    lines = difflib.unified_diff(
        rendered(old, outputs), rendered(new, outputs), "committed", "from the text", lineterm=""
    )
    return "\n".join(lines)
