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
    downloads into the cache. A ``~`` stands for the user's folder. A download is written under
    another name and takes its own only after its checksum fits, so that an interrupted one leaves
    nothing that is read later.

    Raises:
        TypeError: ``folder`` is neither text nor a path.
        FileNotFoundError: the file is nowhere and its address or checksum is not known, or the
            download fails; the message says what to fetch, from where, and where to put it.
        OSError: the file, or a folder that is searched, cannot be read, or is no possible name.
        ValueError: the checksum, also of a download, differs from the known one, or the file is
            above 1 GiB.

    Example:
        >>> fetch(Source("no.mat", "https://example.org", None, "nobody", "Ask."), "/nowhere")
        Traceback (most recent call last):
        ...
        FileNotFoundError: no.mat is not in /nowhere. Ask. It is offered at https://example.org...
    """
    searched = _folders(folder)
    for each in searched:
        found = _looked_for(each, source)
        if found is not None:
            return found
    if folder is not None or source.sha256 is None:
        raise FileNotFoundError(
            _missing(source, searched, folder is None)
        )
    try:
        path = _pooch().retrieve(
            source.address,
            known_hash=f"sha256:{source.sha256}",
            fname=source.file,
            path=cache_folder(),
            downloader=cast(Any, _checking(source, downloader)),
        )
    except OSError as reason:  # those of requests are
        raise FileNotFoundError(
            _missing(source, searched, True, str(reason))
        ) from reason
    return _verified(Path(path), source)


def _looked_for(folder: Path, source: Source) -> Verified | None:
    """Return a file of a folder, verified, or None if it is not there."""
    path = folder / source.file
    try:
        return _verified(path, source) if path.is_file() else None
    except OSError as reason:
        raise OSError(
            f"{source.file} in {folder} must be readable, got "
            f"{reason.strerror or reason}; change its permissions, or "
            "put the file into another folder and name that one, as "
            f"an argument or by {VARIABLE}"
        ) from reason


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
        if not isinstance(folder, str | Path):
            raise TypeError(
                "folder must be text or a pathlib.Path, got "
                f"{type(folder).__name__} {folder!r}"
            )
        return [_path(folder)]
    named = os.environ.get(VARIABLE)
    return [*([_path(named)] if named else []), cache_folder()]


def _path(folder: str | Path) -> Path:
    """Return a folder as a path; a ``~`` of nobody known stays."""
    return Path(os.path.expanduser(folder))


def _checking(
    source: Source, downloader: Downloader | None
) -> Downloader:
    """Return a downloader whose download must have the checksum of the source.

    Without one that is given, one with a bar where a terminal shows it.
    """
    download = downloader or _pooch().HTTPDownloader(
        progressbar=sys.stderr.isatty()
    )

    def checked(url: str, output: Any, pooch: Any) -> None:
        download(url, output, pooch)
        with open(output, "rb") as made:
            digest = hashlib.file_digest(made, "sha256").hexdigest()
        if digest != source.sha256:
            raise ValueError(
                f"{source.file} from {url} must have the sha256 "
                f"checksum {source.sha256}, got {digest}; nothing was "
                "kept: try again, or fetch it by hand and name its "
                f"folder, as an argument or by {VARIABLE}"
            )

    return checked


def _missing(
    source: Source,
    searched: list[Path],
    by_name: bool,
    failed: str = "",
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
            f"It could not be downloaded ({failed})." if failed else "",
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
