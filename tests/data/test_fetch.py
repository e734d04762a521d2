"""Where files are looked for, how they are fetched, and what an interrupted download leaves."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pooch
import pytest
import requests

from rnnlimits.data import fetch as module
from rnnlimits.data.fetch import Source, fetch

CONTENT = b"a recording"
SHA = hashlib.sha256(CONTENT).hexdigest()
KNOWN = Source("known.mat", "https://example.org/known.mat", SHA, "nobody")
UNKNOWN = Source("other.mat", "https://example.org/page", None, "nobody", "Follow the link.")
real_cache_folder = module.cache_folder


def test_the_cache_is_the_users() -> None:
    assert real_cache_folder() == Path(pooch.os_cache("rnnlimits"))


def gives(content: bytes) -> Any:
    """Return a downloader that writes the content."""

    def download(_url: str, output: str, _pooch: object) -> None:
        Path(output).write_bytes(content)

    return download


def refuses(_url: str, _output: str, _pooch: object) -> None:
    """A downloader that must not be called."""
    raise AssertionError("downloaded")


def test_a_download_is_verified_and_kept(cache: Path) -> None:
    found = fetch(KNOWN, downloader=gives(CONTENT))
    assert found.data == CONTENT
    assert found.provenance.verified
    assert found.provenance.sha256 == SHA
    assert found.provenance.address == KNOWN.address
    assert [path.name for path in cache.iterdir()] == ["known.mat"]
    assert fetch(KNOWN, downloader=refuses) == found


def test_the_bar_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def http(progressbar: bool) -> Any:
        asked.append(progressbar)
        return gives(CONTENT)

    monkeypatch.setattr(pooch, "HTTPDownloader", http)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert fetch(KNOWN).data == CONTENT
    assert asked == [True]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, ValueError])
def test_an_interrupted_download_leaves_nothing(error: type[BaseException], cache: Path) -> None:
    def breaks(_url: str, output: str, _pooch: object) -> None:
        Path(output).write_bytes(CONTENT[:4])
        raise error("interrupted")

    with pytest.raises(error):
        fetch(KNOWN, downloader=breaks)
    assert list(cache.iterdir()) == []
    assert fetch(KNOWN, downloader=gives(CONTENT)).data == CONTENT


def test_a_download_of_the_wrong_content_leaves_nothing(cache: Path) -> None:
    other = hashlib.sha256(CONTENT[:-1]).hexdigest()
    with pytest.raises(ValueError, match="nothing was kept: try again, or") as raised:
        fetch(KNOWN, downloader=gives(CONTENT[:-1]))
    assert str(raised.value).startswith(
        f"known.mat from https://example.org/known.mat must have the sha256 checksum {SHA}, "
        f"got {other};"
    )
    assert list(cache.iterdir()) == []


def test_the_named_folder_wins_over_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, content in ((cache, b"from the cache"), (tmp_path / "named", b"named")):
        folder.mkdir()
        (folder / UNKNOWN.file).write_bytes(content)
    assert fetch(UNKNOWN).data == b"from the cache"
    monkeypatch.setenv(module.VARIABLE, str(tmp_path / "named"))
    found = fetch(UNKNOWN)
    assert found.data == b"named"
    assert not found.provenance.verified
    assert found.provenance.sha256 == hashlib.sha256(b"named").hexdigest()
    assert fetch(UNKNOWN, cache).data == b"from the cache"
    (tmp_path / "named" / UNKNOWN.file).unlink()
    assert fetch(UNKNOWN).data == b"from the cache"


def test_what_is_missing_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        fetch(UNKNOWN, downloader=refuses)
    assert str(raised.value) == (
        f"other.mat is not in {cache}. Follow the link. It is offered at https://example.org/page; "
        f"put it into {cache}, or into a folder that the environment variable RNNLIMITS_DATA names."
    )
    monkeypatch.setenv(module.VARIABLE, "named")
    with pytest.raises(FileNotFoundError, match=r"is not in named or .*put it into named,"):
        fetch(UNKNOWN)


def test_a_download_that_fails_says_what_to_do(cache: Path) -> None:
    def offline(_url: str, _output: str, _pooch: object) -> None:
        raise requests.ConnectionError("no route")

    with pytest.raises(FileNotFoundError) as raised:
        fetch(KNOWN, downloader=offline)
    assert str(raised.value) == (
        f"known.mat is not in {cache}. It could not be downloaded (no route). "
        f"It is offered at https://example.org/known.mat; "
        f"put it into {cache}, or into a folder that the environment variable RNNLIMITS_DATA names."
    )
    assert list(cache.iterdir()) == []


def test_a_given_folder_is_the_only_one_searched(cache: Path, tmp_path: Path) -> None:
    fetch(KNOWN, downloader=gives(CONTENT))
    with pytest.raises(
        FileNotFoundError, match=r"known.mat is not in .*empty\. It is offered at .*into .*empty\.$"
    ):
        fetch(KNOWN, tmp_path / "empty", downloader=refuses)


def test_a_changed_file_is_refused(cache: Path) -> None:
    fetch(KNOWN, downloader=gives(CONTENT))
    (cache / KNOWN.file).write_bytes(b"changed")
    with pytest.raises(ValueError, match=f"must have the sha256 checksum {SHA}, got .*remove"):
        fetch(KNOWN, downloader=refuses)
    assert (cache / KNOWN.file).read_bytes() == b"changed"


def test_a_huge_file_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 5)
    with pytest.raises(ValueError, match="at most 5 bytes, got 11"):
        fetch(KNOWN, downloader=gives(CONTENT))


def test_an_import_brings_no_progress_bar() -> None:
    # In a notebook without widgets tqdm.auto warns, and nbval fails the cell.
    code = "import sys, rnnlimits.data.macaque; print('tqdm.auto' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_tilde_is_the_users_folder(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / KNOWN.file).write_bytes(CONTENT)
    assert fetch(KNOWN, "~/mine").data == CONTENT
    monkeypatch.setenv(module.VARIABLE, "~/mine")
    assert fetch(KNOWN, downloader=refuses).data == CONTENT
    assert not cache.exists()
    with pytest.raises(FileNotFoundError, match="is not in ~nobody-here/mine"):
        fetch(KNOWN, "~nobody-here/mine")


@pytest.mark.untyped
@pytest.mark.parametrize("folder", [3, b"data", ["data"]])
def test_a_folder_is_text_or_a_path(folder: Any) -> None:
    with pytest.raises(TypeError, match=r"folder must be text or a pathlib.Path, got "):
        fetch(KNOWN, folder)


def test_a_file_that_cannot_be_read_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / KNOWN.file).write_bytes(CONTENT)
    monkeypatch.setattr(Path, "read_bytes", denied)
    words = (
        f"known.mat in {tmp_path} must be readable, got Permission denied; change its permissions, "
        "or put the file into another folder and name that one, as an argument or by RNNLIMITS_DATA"
    )
    with pytest.raises(OSError, match="must be readable") as raised:
        fetch(KNOWN, tmp_path)
    assert str(raised.value) == words
    monkeypatch.setenv(module.VARIABLE, str(tmp_path))
    with pytest.raises(OSError, match="must be readable") as raised:
        fetch(KNOWN, downloader=refuses)
    assert str(raised.value) == words


def test_a_name_that_is_too_long_is_said() -> None:
    with pytest.raises(OSError, match=r"known.mat in a+ must be readable, got File name too long;"):
        fetch(KNOWN, "a" * 5000)
