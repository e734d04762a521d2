"""What the book claims, and what it rests on.

`references` gives a chapter its `check`, which compares a computed value with the reviewed value in
a small text file. `load_ledger` reads the table of statements, their tests and their verdicts.
"""

import math
import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np

from rnnlimits.estimate import Estimate

ADOPT_VARIABLE = "RNNLIMITS_ADOPT"
PAPERS: tuple[str, ...] = ("linear", "mean-field", "book")
STATUSES: tuple[str, ...] = ("read", "reconstructed", "re-derived", "ours")
VERDICTS: tuple[str, ...] = (
    "holds",
    "holds with a correction",
    "fails",
    "not testable here",
    "open",
)
SETTLED = VERDICTS[:3]

_NAME = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")


class ReferenceMismatch(AssertionError):
    """A computed value and its reference file disagree, or one of them is unusable."""


@dataclass(frozen=True)
class Tolerance:
    """How far a value may lie from its reference: `size`, or `size` times the reference."""

    size: float
    relative: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.size) and self.size > 0):
            raise ValueError(f"tolerance must be a positive finite number, got {self.size!r}")

    def __str__(self) -> str:
        return f"{self.size!r} {'relative' if self.relative else 'absolute'}"

    def write(self, value: float) -> str:
        """Round to the power of ten at or below a tenth of the tolerance."""
        digits = math.ceil(-math.log10(self.size / 10) - 1e-9)
        if self.relative:
            return f"{value + 0.0:.{max(digits, 0)}e}"
        return f"{round(value, digits) + 0.0:.{max(digits, 0)}f}"

    def allowed(self, reference: np.ndarray) -> np.ndarray:
        """Return the admitted deviation of each entry."""
        return np.asarray(self.size * np.abs(reference) if self.relative else self.size)


@dataclass(frozen=True)
class Record:
    """A value as a reference file holds it: its kind, its numbers, its tolerance."""

    kind: str
    numbers: np.ndarray
    tolerance: Tolerance

    def text(self) -> str:
        """Return the file's text: three header lines, then one line per row of numbers."""
        shape = " ".join(map(str, self.numbers.shape)) or "scalar"
        rows = self.numbers.reshape(-1, self.numbers.shape[-1] if self.numbers.ndim else 1)
        lines = [" ".join(self.tolerance.write(float(v)) for v in row) for row in rows]
        header = [f"tolerance: {self.tolerance}", f"shape: {shape}", f"kind: {self.kind}"]
        return "\n".join([*header, *lines]) + "\n"

    @classmethod
    def parse(cls, text: str) -> "Record":
        """Read what `text` wrote; ValueError where it cannot have."""
        lines = text.splitlines()
        head = [line.partition(": ") for line in lines[:3]]
        if [key for key, _, _ in head] != ["tolerance", "shape", "kind"]:
            raise ValueError("the header must be tolerance, shape, kind")
        size, mode = head[0][2].split(" ")
        if mode not in ("absolute", "relative"):
            raise ValueError(f"the tolerance must be absolute or relative, not {mode!r}")
        shape = () if head[1][2] == "scalar" else tuple(map(int, head[1][2].split()))
        numbers = np.array([float(word) for line in lines[3:] for word in line.split()])
        if not np.isfinite(numbers).all():
            raise ValueError("a number is not finite")
        tolerance = Tolerance(float(size), relative=mode == "relative")
        return cls(head[2][2], numbers.reshape(shape), tolerance)


@dataclass(frozen=True)
class References:
    """The reference values of one chapter; calling it is a chapter's `check`.

    `adopt` is the folder that receives new values, or None where values are only compared.
    """

    folder: Path
    adopt: Path | None = None

    @property
    def chapter(self) -> str:
        """The chapter's stem, which is the folder's name."""
        return self.folder.name

    def __call__(
        self, name: str, value: object, tolerance: float, *, relative: bool = False
    ) -> None:
        """Compare `value` with the reference file `name`, within `tolerance`.

        Args:
            name: the file's stem: lower-case words joined by `-` or `_`, unique in the chapter.
            value: a number, array, tensor, `Estimate`, or a sequence of those.
            tolerance: the admitted deviation of every entry.
            relative: whether the deviation is a fraction of the reference entry.

        Raises:
            ReferenceMismatch: the value is not finite or off its reference, the file is missing
                or broken, or it was written for another tolerance, shape or kind.
            ValueError: the name or the tolerance is not admissible, or a sequence is ragged.
            TypeError: the value is not made of real numbers.

        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"name must be lower-case words joined by - or _, got {name!r}")
        kind, numbers = _numbers(value)
        record = Record(kind, numbers, Tolerance(float(tolerance), relative))
        if not np.isfinite(numbers).all():
            raise self._mismatch(name, "the computed value is not finite")
        if self.adopt is not None:
            self.adopt.mkdir(parents=True, exist_ok=True)
            (self.adopt / f"{name}.txt").write_text(record.text(), encoding="utf-8")
            return
        difference = _difference(record, self._read(name))
        if difference:
            raise self._mismatch(name, difference)

    def _read(self, name: str) -> Record:
        path = self.folder / f"{name}.txt"
        try:
            return Record.parse(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise self._mismatch(name, f"there is no reference file {path.name}") from None
        except ValueError as error:
            raise self._mismatch(name, f"the reference file is broken: {error}") from error

    def _mismatch(self, name: str, what: str) -> ReferenceMismatch:
        return ReferenceMismatch(
            f"{self.chapter}, {name}: {what}. If the new value is right, adopt it with: "
            f"make chapters NAME={self.chapter}"
        )


def references(folder: str | Path) -> References:
    """Return the `check` of the chapter whose reference values lie in `folder`.

    The environment variable RNNLIMITS_ADOPT, set by `make chapters` and nothing else, names a
    folder that receives the values in place of a comparison.

    >>> check = references("reference/linear-rnns-are-convolutions")
    >>> check.chapter
    'linear-rnns-are-convolutions'
    """
    adopt = os.environ.get(ADOPT_VARIABLE)
    return References(Path(folder), Path(adopt) if adopt else None)


def _difference(new: Record, old: Record) -> str:
    """Say in words how `new` departs from the reference `old`; empty where it does not."""
    for what in ("tolerance", "kind"):
        stored, given = getattr(old, what), getattr(new, what)
        if stored != given:
            return f"the file holds {what} {stored}, the chapter gives {given}"
    if old.numbers.shape != new.numbers.shape:
        return f"the file holds shape {old.numbers.shape}, the chapter gives {new.numbers.shape}"
    deviation = np.abs(new.numbers - old.numbers)
    allowed = old.tolerance.allowed(old.numbers)
    beyond = np.atleast_1d(deviation - allowed)
    if not (beyond > 0).any():
        return ""
    worst = np.unravel_index(int(beyond.argmax()), beyond.shape)
    found, expected, off = (np.atleast_1d(a)[worst] for a in (new.numbers, old.numbers, deviation))
    place = "" if new.numbers.ndim == 0 else f" at index {tuple(map(int, worst))}"
    return (
        f"the value {found:.10g}{place} is off its reference {expected:.10g} by {off:.3g}, "
        f"more than the tolerance {old.tolerance}"
    )


def _numbers(value: object) -> tuple[str, np.ndarray]:
    """Return the value's kind and its numbers as one float64 array."""
    if isinstance(value, Estimate):
        numbers = np.stack([_real(value.mean), _real(value.standard_error)], axis=-1)
        return f"estimate, n = {value.n}", numbers
    if isinstance(value, Sequence) and not isinstance(value, str):
        if not value:
            raise ValueError("value must not be an empty sequence")
        kinds, parts = zip(*(_numbers(item) for item in value), strict=True)
        if len({part.shape for part in parts}) > 1:
            raise ValueError(f"value is ragged: shapes {[part.shape for part in parts]}")
        return _joint_kind(kinds), np.stack(parts)
    return "array", _real(value)


def _joint_kind(kinds: Sequence[str]) -> str:
    """Name the kind of a sequence; one mixed of estimates and exact values keeps every name."""
    return kinds[0] if len(set(kinds)) == 1 else "; ".join(kinds)


def _real(value: object) -> np.ndarray:
    """Return a number, array or tensor as a float64 array."""
    plain = cast(Any, value).detach().cpu().numpy() if hasattr(value, "detach") else value
    array = np.asarray(plain)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"value must be made of real numbers, got {type(value).__name__}")
    if not array.size:
        raise ValueError(f"value must not be empty, got shape {array.shape}")
    return array.astype(np.float64)


@dataclass(frozen=True)
class Break:
    """A piece of the library replaced by a wrong one, which a statement's test must notice."""

    module: str
    old: str
    new: str
    why: str


@dataclass(frozen=True)
class Claim:
    """One row of the ledger: a statement, where it is settled, what tests it, its verdict."""

    id: str
    paper: str
    place: str
    status: str
    paraphrase: str
    verdict: str
    hypotheses: str = ""
    label: str = ""
    function: str = ""
    test: str = ""
    evidence: tuple[str, ...] = ()
    breaks: tuple[Break, ...] = ()
    note: str = ""

    @property
    def settled(self) -> bool:
        """Whether the verdict rests on a test of this book."""
        return self.verdict in SETTLED


def load_ledger(path: str | Path) -> tuple[Claim, ...]:
    """Read the ledger's rows, in the order of the file.

    Raises:
        ValueError: the file is not TOML, or a row has an unknown or missing key, a wrong type,
            a repeated id, or an unknown paper, status or verdict. The message names the row.

    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} is not TOML: {error}") from error
    unknown = set(table) - {"claim"}
    if unknown:
        raise ValueError(f"{path.name}: unknown table {sorted(unknown)[0]!r}, only claim is known")
    claims = tuple(_claim(row, number) for number, row in enumerate(table.get("claim", []), 1))
    ids = [claim.id for claim in claims]
    repeated = sorted({i for i in ids if ids.count(i) > 1})
    if repeated:
        raise ValueError(f"row {repeated[0]}: the id is used {ids.count(repeated[0])} times")
    return claims


def _claim(row: Any, number: int) -> Claim:
    name = f"row {row.get('id', number) if isinstance(row, dict) else number}"
    _fit(row, Claim, name)
    for key, known in (("paper", PAPERS), ("status", STATUSES), ("verdict", VERDICTS)):
        if row[key] not in known:
            raise ValueError(f"{name}: unknown {key} {row[key]!r}, known are {', '.join(known)}")
    breaks = row.get("breaks", [])
    for wrong in breaks:
        _fit(wrong, Break, f"{name}, breaks")
    evidence = tuple(row.get("evidence", []))
    return Claim(
        **{**row, "evidence": evidence, "breaks": tuple(Break(**wrong) for wrong in breaks)}
    )


def _fit(row: object, kind: type[Claim] | type[Break], name: str) -> None:
    """Raise ValueError unless the row's keys and types are those of the dataclass."""
    if not isinstance(row, dict):
        raise ValueError(f"{name}: expected a table, got {row!r}")
    known = {field.name for field in fields(kind)}
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    for key in sorted(set(row) - known):
        raise ValueError(f"{name}: unknown key {key!r}")
    for key in sorted(needed - set(row)):
        raise ValueError(f"{name}: missing key {key!r}")
    for key, value in row.items():
        expected = list if key in ("evidence", "breaks") else str
        if not isinstance(value, expected):
            raise ValueError(f"{name}: {key} must be a {expected.__name__}, got {value!r}")
    if not all(isinstance(item, str) for item in row.get("evidence", [])):
        raise ValueError(f"{name}: evidence must be a list of strings")
