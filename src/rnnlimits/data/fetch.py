"""Published files: where a copy is looked for, how it is fetched, and how it is verified."""

import hashlib
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from rnnlimits.data.recording import Provenance

VARIABLE = "RNNLIMITS_DATA"
MAX_BYTES = 2**30
Downloader = Callable[[str, Any, Any], object]


@dataclass(frozen=True)
class Source:
    """A published file: its name, where it is offered, its checksum if known, whom to cite.

    With a checksum, ``address`` is the file's own and it can be fetched; without, ``address`` is
    the page that offers it, and ``steps`` says how it is had by hand.

    Example:
        >>> Source("a.mat", "https://example.org", None, "nobody", "by hand").sha256 is None
        True
    """

    file: str
    address: str
    sha256: str | None
    citation: str
    steps: str = ""


@dataclass(frozen=True)
class Verified:
    """The bytes of a file, and where they come from."""

    data: bytes
    provenance: Provenance


def fetch(
    source: Source,
    folder: str | Path | None = None,
    downloader: Downloader | None = None,
) -> Verified:
    """Return the bytes of a published file, verified where its checksum is known.

    Looks in ``folder`` alone if it is given. Else in the folder that the environment variable
    ``RNNLIMITS_DATA`` names, then in the cache, and then, where address and checksum are known,
    downloads into the cache. A download is written under another name and takes its own only
    after its checksum fits, so that an interrupted one leaves nothing that is read later.

    Raises:
        FileNotFoundError: the file is nowhere and its address or checksum is not known; the
            message says what to fetch, from where, and where to put it.
        ValueError: the checksum differs from the known one, or the file is above 1 GiB.
        requests.RequestException: the download fails.

    Example:
        >>> fetch(Source("no.mat", "https://example.org", None, "nobody", "Ask."), "/nowhere")
        Traceback (most recent call last):
        ...
        FileNotFoundError: no.mat is not in /nowhere. Ask. It is offered at https://example.org...
    """
    searched = _folders(folder)
    for each in searched:
        path = each / source.file
        if path.is_file():
            return _verified(path, source)
    if folder is not None or source.sha256 is None:
        raise FileNotFoundError(
            _missing(source, searched, folder is None)
        )
    path = _pooch().retrieve(
        source.address,
        known_hash=f"sha256:{source.sha256}",
        fname=source.file,
        path=cache_folder(),
        downloader=cast(Any, downloader or _http()),
    )
    return _verified(Path(path), source)


def cache_folder() -> Path:
    """Return the folder in which downloads are kept.

    Example:
        >>> "rnnlimits" in str(cache_folder())
        True
    """
    return Path(_pooch().os_cache("rnnlimits"))


def _folders(folder: str | Path | None) -> list[Path]:
    """Return the folders to search, first the one that wins."""
    if folder is not None:
        return [Path(folder)]
    named = os.environ.get(VARIABLE)
    return [*([Path(named)] if named else []), cache_folder()]


def _http() -> Downloader:
    """Return a downloader, with a bar where a terminal shows it."""
    return _pooch().HTTPDownloader(progressbar=sys.stderr.isatty())


def _missing(
    source: Source, searched: list[Path], by_name: bool
) -> str:
    """Say what to fetch, from where, and where to put it."""
    places = " or ".join(str(each) for each in searched)
    other = (
        f", or into a folder that the environment variable {VARIABLE} "
        "names"
    )
    return " ".join(
        part
        for part in (
            f"{source.file} is not in {places}.",
            source.steps,
            f"It is offered at {source.address};",
            f"put it into {searched[0]}{other if by_name else ''}.",
        )
        if part
    )


def _verified(path: Path, source: Source) -> Verified:
    """Read a file once, and verify the bytes that were read."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"{path} must hold at most {MAX_BYTES} bytes, got {size}"
        )
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if source.sha256 is not None and digest != source.sha256:
        raise ValueError(
            f"{path} must have the sha256 checksum {source.sha256}, "
            f"got {digest}; remove the file, and fetch it again"
        )
    return Verified(
        data,
        Provenance(
            file=source.file,
            sha256=digest,
            address=source.address,
            citation=source.citation,
            verified=source.sha256 is not None,
        ),
    )


def _pooch() -> ModuleType:
    """Import pooch, where it is used only: it brings tqdm.auto, which warns in a notebook without
    widgets.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pooch
    return pooch
