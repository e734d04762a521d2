"""Read a built site's files and say what is wrong with them; no browser is needed.

`check_site(folder)` returns one line per finding: something that would load from another host, an
internal link or anchor that leads nowhere, an image without words, a clock in a footer.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

# Attributes that make a browser fetch something as soon as the page is shown.
LOADING = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "track": ("src",),
    "use": ("href",),
    "image": ("href",),
    "input": ("src",),
}
PASSIVE_LINKS = {"canonical", "alternate", "author", "license", "next", "prev", "index", "search"}
CLOCK = re.compile(
    r"\b\d{1,2}:\d{2}\b|\b(19|20)\d\d-\d\d(-\d\d)?\b|\blast updated\b"
    r"|\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d{1,2}, \d{4}\b",
    re.IGNORECASE,
)
CSS_ADDRESS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


def pages(folder: Path) -> list[Path]:
    """Return the site's pages; what lies under _static is material of the theme."""
    return sorted(p for p in folder.rglob("*.html") if "_static" not in p.relative_to(folder).parts)


def check_site(folder: Path) -> list[str]:
    """Return one line per finding on any page or in any style sheet."""
    soups = {p: BeautifulSoup(p.read_text("utf-8"), "html.parser") for p in pages(folder)}
    anchors = {page: _anchors(soup) for page, soup in soups.items()}
    findings = []
    for page, soup in soups.items():
        name = page.relative_to(folder).as_posix()
        links = _links(folder, page, soup, anchors)
        found = [*_loads(soup), *_images(soup), *_footer(soup), *links]
        findings += [f"{name}: {line}" for line in found]
    for sheet in sorted(folder.rglob("*.css")):
        addresses = _css_addresses(sheet.read_text("utf-8"))
        findings += [
            f"{sheet.relative_to(folder).as_posix()}: would load {address}"
            for address in addresses
            if is_external(address)
        ]
    return findings


def is_external(address: str) -> bool:
    """Return whether an address names a host or leaves the site's folder by an absolute path."""
    parts = urlsplit(address.strip())
    return bool(parts.netloc) or parts.scheme in ("http", "https", "ftp", "file", "ws", "wss")


def _loads(soup: BeautifulSoup) -> Iterator[str]:
    for tag in soup.find_all(list(LOADING)):
        for attribute in LOADING[tag.name]:
            for address in _addresses(tag, attribute):
                if is_external(address):
                    yield f"<{tag.name}> would load {address}"
    for link in soup.find_all("link", href=True):
        passive = set(link.get_attribute_list("rel")) <= PASSIVE_LINKS
        if not passive and is_external(str(link["href"])):
            yield f"<link> would load {link['href']}"
    inline = [str(t["style"]) for t in soup.find_all(style=True)]
    for text in [*inline, *(t.get_text() for t in soup.find_all("style"))]:
        yield from (f"a style would load {a}" for a in _css_addresses(text) if is_external(a))


def _addresses(tag: Tag, attribute: str) -> list[str]:
    value = str(tag.get(attribute) or "")
    if attribute != "srcset":
        return [value] if value else []
    return [part.split()[0] for part in value.split(",") if part.strip()]


def _css_addresses(text: str) -> Iterator[str]:
    for match in CSS_ADDRESS.finditer(text):
        address = match[1] or match[2]
        if not address.startswith("data:"):
            yield address


def _images(soup: BeautifulSoup) -> Iterator[str]:
    for image in soup.find_all("img"):
        if not str(image.get("alt") or "").strip() and "logo" not in str(image.get("class")):
            yield f"the image {str(image.get('src'))[:60]} has no alternative text"


def _footer(soup: BeautifulSoup) -> Iterator[str]:
    for footer in soup.find_all("footer"):
        clock = CLOCK.search(footer.get_text(" "))
        if clock:
            yield f"the footer shows a time: {clock[0]!r}"


def _anchors(soup: BeautifulSoup) -> set[str]:
    named = {str(tag["name"]) for tag in soup.find_all("a", attrs={"name": True})}
    return named | {str(tag["id"]) for tag in soup.find_all(id=True)}


def _links(
    folder: Path, page: Path, soup: BeautifulSoup, anchors: dict[Path, set[str]]
) -> Iterator[str]:
    for address in _unique(str(a["href"]) for a in soup.find_all("a", href=True)):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        path = unquote(parts.path)
        target = (page.parent / path).resolve() if path else page
        if not target.is_file() or not target.is_relative_to(folder.resolve()):
            yield f"the link {address} leads to no file of the site"
        elif parts.fragment and target.suffix == ".html":
            known = anchors.get(target, set())
            if unquote(parts.fragment) not in known:
                yield f"the link {address} leads to no anchor"


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
