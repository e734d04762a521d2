"""What the experiments on recordings share: the halves of two M1 files, and how they are cut."""

from functools import cache

from rnnlimits.data.macaque import C_FILE, M_FILE, m1_chewie, m1_mihi
from rnnlimits.data.recording import Recording
from rnnlimits.decoding.comparison import Protocol

PROTOCOL = Protocol()
CHECKSUMS = {source.file: source.sha256 for source in (C_FILE, M_FILE)}
# Windows in bins, the longest last, and numbers of training reaches, the last being all that are
# left beside a quarter to test on and an eighth to choose on.
WINDOWS = {"C": (1, 5, 15), "M": (1, 3, 5)}
REACHES = {
    "C1": (4, 8, 16, 24),
    "C2": (4, 8, 16, 37),
    "M1": (4, 8, 16, 32, 47),
    "M2": (4, 8, 16, 32, 63),
}


@cache
def half(name: str) -> Recording:
    """Return one half of a file: animal C or M, first half 1 or second half 2."""
    read = {"C": m1_chewie, "M": m1_mihi}[name[0]]
    return read()[int(name[1]) - 1]


def described(protocol: Protocol) -> dict[str, object]:
    """Return a protocol as JSON holds it."""
    variances = protocol.variances
    return {
        "variances": [variances.recurrent, variances.input, variances.readout],
        "width": protocol.width,
        "share_of_stability_limit": protocol.share,
        "clock": 2**protocol.clock,
        "longest": 2**protocol.longest,
    }
