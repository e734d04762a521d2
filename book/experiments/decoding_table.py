"""Table 1 of the linear paper, on simulated recordings of the format and statistics of S1."""

from typing import Any

from experiments._recordings import PROTOCOL, described
from rnnlimits.data.recording import in_pieces
from rnnlimits.data.simulated import PUBLISHED_BINS, simulated_s1
from rnnlimits.decoding.table_one import LENGTH, LIMITED, PIECE, row
from rnnlimits.experiments import Experiment
from rnnlimits.random import stream

RECORDINGS, ALL = 8, 127


def run(recording: int, pieces: int) -> dict[str, Any]:
    """Return a row of the table of one simulated recording, another population each time."""
    made = simulated_s1(stream(recording, "table one, recording"))
    cut = in_pieces(made, PUBLISHED_BINS // PIECE)
    return {"scores": row(cut, LENGTH, pieces, recording, PROTOCOL)}


EXPERIMENT = Experiment(
    name="decoding_table",
    configuration={**described(PROTOCOL), "window": LENGTH, "piece": PIECE},
    tasks=tuple(
        {"recording": k, "pieces": pieces} for k in range(RECORDINGS) for pieces in (LIMITED, ALL)
    ),
    run=run,
    digits=4,
)
