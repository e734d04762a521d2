"""The book's Sphinx extension.

Made from `book/claims.toml` (bookext_ledger): the directives `{ledger} <paper>` and
`{ledger-strip}`, the roles {claim}`LIN-8` (its number, linked) and {verdict}`LIN-8` (its mark and
word, linked). The rows that a text names are linked, and a line under every statement, equation or
figure that settles a row says so (bookext_links).

Made from the library (bookext_api): the API pages, with every module found at build time.

Made from the environment of a publishing workflow, and absent without it:
RNNLIMITS_SITE_URL (canonical addresses, OpenGraph, citation), RNNLIMITS_REPOSITORY_URL
(repository and launch buttons, citation), RNNLIMITS_REPOSITORY_BRANCH (default main),
RNNLIMITS_DOI (citation).

The rest keeps a page from asking another host for anything: MathJax comes from a wheel, scripts
that would load from elsewhere are dropped.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective
from sphinx_proof.directive import ProofDirective
from sphinx_proof.nodes import proof_node

import bookext_api
import bookext_ledger
import bookext_links
from rnnlimits import __version__

LIBRARIES = ("torch", "numpy", "scipy", "matplotlib", "jupyter-book")
MATHJAX = "sphinx-mathjax-offline/static/mathjax/tex-svg.js"


@dataclass(frozen=True)
class Publication:
    """Where the book is published, as far as the environment says."""

    site: str = ""
    repository: str = ""
    branch: str = "main"
    doi: str = ""

    @classmethod
    def from_environment(cls) -> "Publication":
        """Read the variables that a publishing workflow sets."""
        read = os.environ.get
        site = read("RNNLIMITS_SITE_URL", "").rstrip("/")
        return cls(
            f"{site}/" if site else "",
            read("RNNLIMITS_REPOSITORY_URL", "").rstrip("/"),
            read("RNNLIMITS_REPOSITORY_BRANCH", "") or "main",
            read("RNNLIMITS_DOI", ""),
        )

    def theme_options(self) -> dict[str, Any]:
        """Return the theme's options for repository and launch buttons."""
        if not self.repository:
            return {}
        launch = {"notebook_interface": "jupyterlab", "binderhub_url": "https://mybinder.org"}
        if self.repository.startswith("https://github.com/"):
            launch["colab_url"] = "https://colab.research.google.com"
        return {
            "repository_url": self.repository,
            "repository_branch": self.branch,
            "path_to_docs": "",
            "use_repository_button": True,
            "launch_buttons": launch,
        }

    def citation(self) -> str:
        """Return the book's BibTeX entry."""
        fields = {
            "author": "{The rnnlimits contributors}",
            "title": "Recurrent networks at infinite width",
            "note": f"Version {__version__}",
            "doi": self.doi,
            "url": self.site or self.repository,
        }
        lines = [f"  {key} = {{{value}}}," for key, value in fields.items() if value]
        return "\n".join(["@misc{rnnlimits,", *lines, "}"])


class Citation(SphinxDirective):
    """The book's own BibTeX entry, with an address where one is known."""

    def run(self) -> list[nodes.Node]:
        """Return the entry as a literal block."""
        text = Publication.from_environment().citation()
        return [nodes.literal_block(text, text, language="bibtex")]


class Proof(ProofDirective):
    """A proof, which may say what it proves in place of the word alone."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the proof, opened by its title in italics."""
        title = self.arguments[0] if self.arguments else "Proof"
        proof = nodes.admonition(classes=["proof", *self.options.get("class", [])], ids=["proof"])
        self.content[0] = f"*{title}.* {self.content[0]}"
        self.state.nested_parse(self.content, self.content_offset, proof)
        return [proof_node("", proof)]


def commit(folder: Path) -> str:
    """Return the short commit of the checkout, or nothing outside one."""
    git = ["git", "-C", str(folder)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + (" with local changes" if changed.stdout.strip() else "")


def footer(folder: Path) -> str:
    """Return the footer: what was built from what, and no clock."""
    origin = commit(folder)
    built = f"Version {__version__}" + (f", commit {origin}" if origin else "")
    libraries = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in LIBRARIES)
    return (
        "<p>The rnnlimits contributors. Text CC BY 4.0, code MIT.</p>"
        f"<p>{built}. Built with {libraries}.</p>"
    )


def configure(app: Sphinx, config: Config) -> None:
    """Set what depends on the checkout and on the environment."""
    published = Publication.from_environment()
    config.html_theme_options.update(
        {
            "extra_footer": footer(Path(app.srcdir)),
            "footer_content_items": "extra-footer.html",
            "navbar_persistent": [],  # the sidebar has the search bar; one is enough
            "search_bar_text": "Search",
            **published.theme_options(),
        }
    )
    config.html_context.setdefault("default_mode", "auto")  # the theme warns where it is unset
    if published.site:
        config.html_baseurl = published.site
        config.ogp_site_url = published.site
        config.ogp_social_cards = {"enable": False}


def copy_mathjax(app: Sphinx) -> None:
    """Copy the one MathJax file that pages load; the whole package is ten times as large."""
    if app.builder.format != "html":
        return
    package = distribution("sphinx-mathjax-offline")
    target = Path(app.outdir) / "_static/mathjax/tex-svg.js"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(str(package.locate_file(MATHJAX)), target)


def drop_thebe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Drop the scripts of thebe, which would load from another host when asked."""
    scripts = context.get("script_files", [])
    context["script_files"] = [s for s in scripts if not _is_thebe(s)]


def _is_thebe(script: object) -> bool:
    body = str(getattr(script, "attributes", {}).get("body") or "")
    return "thebe" in str(getattr(script, "filename", script) or "") or "THEBE" in body


def repair_lists(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Drop the list role of a bibliography, whose entries do not say that they are its items."""
    body = context.get("body", "")
    context["body"] = body.replace('<div role="list" class="citation-list">', "<div>")


def name_arrows(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Name the arrow that opens the pages below a page; the theme leaves it without a word."""
    if write := context.get("generate_toctree_html"):
        context["generate_toctree_html"] = lambda *args, **options: str(
            write(*args, **options)
        ).replace("<summary>", '<summary aria-label="Pages below">')


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension's parts."""
    if Publication.from_environment().site:
        app.setup_extension("sphinxext.opengraph")
    app.add_directive("citation", Citation)
    app.setup_extension("sphinx_proof")
    app.add_directive_to_domain("prf", "proof", Proof, override=True)
    app.connect("config-inited", configure)
    app.connect("builder-inited", copy_mathjax)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", repair_lists)
    app.connect("html-page-context", name_arrows, priority=900)
    bookext_ledger.setup(app)
    bookext_links.setup(app)
    bookext_api.setup(app)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
