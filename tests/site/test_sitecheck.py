"""The check of built files, on pages that are wrong on purpose."""

from pathlib import Path

import pytest

from sitecheck import check_site, is_external

PAGE = "<html><head>{head}</head><body>{body}<footer>Version 9</footer></body></html>"


def findings(folder: Path, body: str = "", head: str = "") -> list[str]:
    """Check a site of two pages, the first with this body and head."""
    (folder / "other.html").write_text(PAGE.format(head="", body="<h1 id='here'>Other</h1>"))
    (folder / "page.html").write_text(PAGE.format(head=head, body=body))
    return check_site(folder)


@pytest.mark.parametrize(
    "body",
    [
        "<img src='https://example.org/a.png' alt='a'>",
        "<img src='a.png' srcset='a.png 1x, //example.org/a2.png 2x' alt='a'>",
        "<script src='//example.org/a.js'></script>",
        "<iframe src='https://example.org'></iframe>",
        "<p style=\"background: url('https://example.org/a.png')\">styled</p>",
        "<style>@import 'https://example.org/a.css';</style>",
        "<video poster='https://example.org/a.png'></video>",
    ],
)
def test_what_would_load_from_another_host_is_found(tmp_path: Path, body: str) -> None:
    (tmp_path / "a.png").touch()
    found = findings(tmp_path, body)
    assert len(found) == 1
    assert "would load" in found[0]
    assert "example.org" in found[0]


@pytest.mark.parametrize(
    ("rel", "count"), [("stylesheet", 1), ("preload", 1), ("icon", 1), ("canonical", 0)]
)
def test_links_in_the_head_count_where_they_load(tmp_path: Path, rel: str, count: int) -> None:
    head = f"<link rel='{rel}' href='https://example.org/a'>"
    assert len(findings(tmp_path, head=head)) == count


def test_style_sheets_are_read(tmp_path: Path) -> None:
    (tmp_path / "book.css").write_text(
        'a { background: url(https://example.org/a.png); mask: url("data:image/svg+xml,%3Csvg '
        "xmlns='http://www.w3.org/2000/svg'/%3E\"); src: url(fonts/a.woff) }"
    )
    assert findings(tmp_path) == ["book.css: would load https://example.org/a.png"]


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("other.html#here", []),
        ("#top", ["page.html: the link #top leads to no anchor"]),
        ("other.html#there", ["page.html: the link other.html#there leads to no anchor"]),
        ("lost.html", ["page.html: the link lost.html leads to no file of the site"]),
        ("../page.html", ["page.html: the link ../page.html leads to no file of the site"]),
        ("https://example.org/paper", []),
        ("mailto:someone@example.org", []),
    ],
)
def test_links_lead_somewhere(tmp_path: Path, href: str, expected: list[str]) -> None:
    assert findings(tmp_path, f"<a href='{href}'>link</a>") == expected


def test_a_link_out_of_the_site_to_a_file_that_exists_is_found(tmp_path: Path) -> None:
    (tmp_path / "outside.html").touch()
    site = tmp_path / "site"
    site.mkdir()
    assert len(findings(site, "<a href='../outside.html'>link</a>")) == 1


def test_an_image_without_words_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert findings(tmp_path, "<img src='a.png' alt='A falling line.'>") == []
    assert "no alternative text" in findings(tmp_path, "<img src='a.png'>")[0]
    assert "no alternative text" in findings(tmp_path, "<img src='a.png' alt=' '>")[0]


@pytest.mark.parametrize("clock", ["12:30", "2024-01-31", "Last updated now", "Jan 31, 2024"])
def test_a_clock_in_the_footer_is_found(tmp_path: Path, clock: str) -> None:
    found = findings(tmp_path, f"<footer>built {clock}</footer>")
    assert len(found) == 1
    assert "shows a time" in found[0]


@pytest.mark.parametrize(
    ("address", "external"),
    [
        ("https://example.org/a", True),
        ("//example.org/a", True),
        ("file:///elsewhere/a", True),
        ("../_static/a.css?digest=1", False),
        ("#anchor", False),
        ("data:image/png;base64,AA", False),
    ],
)
def test_addresses_that_leave_the_site(address: str, external: bool) -> None:
    assert is_external(address) is external
