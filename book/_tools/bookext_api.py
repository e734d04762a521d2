"""The API pages: every public function and class of the library, found when a page is read.

Each package has a page, and the modules beside the packages share one; an overview leads to all.
A package that lists names in `__all__` is one section and hides its submodules; any other module
without a leading underscore is a section of its own.
"""

import ast
import builtins
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

import rnnlimits

PAGE = "book/api"
BESIDE = "tools"  # the page of the modules that are in no package
MARKER = re.compile(r"^% modules ?(.*)$", re.MULTILINE)
LINES = re.compile(
    r'(<span class="sig-paren">\(</span>)\s*<dl>(.*?)</dl>\s*(<span class="sig-paren">\)</span>)',
    re.DOTALL,
)


def modules() -> list[ModuleType]:
    """Return the library's public modules that offer something, in alphabetical order."""
    return [module for module in _walk(rnnlimits) if public(module)]


def _walk(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if info.name.rpartition(".")[2].startswith("_"):
            continue
        module = importlib.import_module(info.name)
        yield module
        if info.ispkg and not hasattr(module, "__all__"):
            yield from _walk(module)


def public(module: ModuleType) -> list[str]:
    """Return the functions and classes that a module offers: those in `__all__`, or its own."""
    listed = getattr(module, "__all__", None)
    return [
        name
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and (name in listed if listed is not None else _own(module, name, value))
    ]


def _own(module: ModuleType, name: str, value: Any) -> bool:
    return value.__module__ == module.__name__ and not name.startswith("_")


def page_of(module: ModuleType) -> str:
    """Return the name of the page that a module is on."""
    _, first, *rest = module.__name__.split(".")
    return first if rest else BESIDE


def list_modules(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace the markers: on a page by sections of its modules, on the overview by their list."""
    if docname == PAGE:
        source[0] = MARKER.sub(lambda m: _listed(map(_summary, _modules_on(m[1]))), source[0])
    elif docname.startswith(f"{PAGE}/"):
        here = _modules_on(docname.removeprefix(f"{PAGE}/"))
        source[0] = MARKER.sub(lambda _: "\n".join(map(_section, here)), source[0])


def _modules_on(page: str) -> list[ModuleType]:
    return [module for module in modules() if page_of(module) == page]


def _listed(summaries: Iterable[str]) -> str:
    return "\n".join(["```{eval-rst}", *summaries, "```"])


def _summary(module: ModuleType) -> str:
    name, text = module.__name__, (module.__doc__ or "").strip().partition("\n\n")[0]
    return f":py:mod:`{name.removeprefix('rnnlimits.')} <{name}>`\n   {' '.join(text.split())}\n"


def _section(module: ModuleType) -> str:
    title = module.__name__.removeprefix("rnnlimits.")
    options = "   :imported-members:\n" if hasattr(module, "__all__") else ""
    return (
        f"## `{title}`\n\n```{{eval-rst}}\n.. automodule:: {module.__name__}\n"
        f"   :members:\n{options}```\n"
    )


def written_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """Show annotations as they are written, so that a tensor's axes keep their names."""
    if what in ("function", "method"):
        return _function_signature(inspect.unwrap(getattr(obj, "__func__", obj)))
    if what == "class" and hasattr(obj, "__dataclass_fields__"):
        return _fields(obj), ""
    return None


def _function_signature(function: Callable[..., Any]) -> tuple[str, str] | None:
    tree = _source_tree(function)
    if not isinstance(tree, ast.FunctionDef):
        return None
    if tree.args.args and tree.args.args[0].arg in ("self", "cls"):
        tree.args.args.pop(0)
    returns = ast.unparse(tree.returns) if tree.returns else ""
    return f"({ast.unparse(tree.args)})", returns


def _fields(kind: type) -> str:
    """Return the constructor's signature of a dataclass, from the fields as written."""
    tree = _source_tree(kind)
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    fields = [ast.unparse(node) for node in body if isinstance(node, ast.AnnAssign)]
    return f"({', '.join(field for field in fields if 'ClassVar' not in field)})"


def _source_tree(obj: Any) -> ast.stmt | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(obj))).body[0]
    except (OSError, TypeError, SyntaxError):  # made at run time: nothing was written
        return None


def keep_sentence(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Keep napoleon from reading a property's first sentence as `type: description`."""
    if what == "property":
        lines[:0] = ["..", ""]  # an empty comment: there is no type before the first colon


def known_elsewhere(
    app: Sphinx, env: Any, node: nodes.Element, contnode: nodes.Element
) -> nodes.Element | None:
    """Leave a type without a link where its module knows it and another library documents it.

    A name that its module does not know is a mistake, and stays a warning.
    """
    if node.get("refdomain") != "py":
        return None
    target, home = node["reftarget"], node.get("py:module") or "rnnlimits"
    foreign = sys.modules.get(target.partition(".")[0])
    scopes = [m for name, m in list(sys.modules.items()) if f"{name}.".startswith(f"{home}.")]
    known = any(_has(scope, target) for scope in [*scopes, builtins])
    if known or (foreign is not None and _has(foreign, target.partition(".")[2])):
        return contnode
    return None


def _has(scope: object, path: str) -> bool:
    try:
        attrgetter(path)(scope)
    except AttributeError:
        return False
    return True


def flatten_signatures(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Write a signature's lines as spans: Sphinx makes them a definition list without terms."""
    if pagename.startswith(f"{PAGE}/"):
        context["body"] = LINES.sub(_spans, context["body"])


def _spans(match: re.Match[str]) -> str:
    lines = match[2].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
    return f"{match[1]}{lines}{match[3]}"


def setup(app: Sphinx) -> None:
    """Connect the pages' parts."""
    app.connect("source-read", list_modules)
    app.connect("autodoc-process-docstring", keep_sentence, priority=100)
    app.connect("autodoc-process-signature", written_signature)
    app.connect("missing-reference", known_elsewhere)
    app.connect("html-page-context", flatten_signatures)
