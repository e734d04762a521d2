"""Files that are damaged at random: what fuzz tests of readers share."""

from collections.abc import Callable

from hypothesis import strategies as st

Change = tuple[int, str, int]  # where, what, and a byte to do it with


def changes(longer: str) -> st.SearchStrategy[list[Change]]:
    """Draw one to six changes: of a byte, less a byte, a byte more, or something longer more."""
    kinds = st.sampled_from(["change", "drop", "insert", longer])
    one = st.tuples(st.integers(0, 10**6), kinds, st.integers(0, 255))
    return st.lists(one, min_size=1, max_size=6)


def damaged(
    data: bytes, made: list[Change], longer: Callable[[int], bytes], start: int = 0
) -> bytes:
    """Return the data with the changes made, from ``start`` on."""
    for where, what, byte in made:
        at = start + where % (len(data) - start)
        kept = b"" if what in ("change", "drop") else data[at : at + 1]
        new = {"change": bytes([byte]), "drop": b"", "insert": bytes([byte])}
        data = data[:at] + new.get(what, longer(byte)) + kept + data[at + 1 :]
    return data
