"""Table 1 of the linear paper, on simulated recordings of the format and statistics of S1."""

from typing import Any

from experiments._recordings import PROTOCOL, described
from rnnlimits.data.simulated import simulated_s1
from rnnlimits.decoding.table_one import LENGTH, LIMITED, PIECE, table_one
from rnnlimits.experiments import Experiment
from rnnlimits.random import stream

RECORDINGS = 8


def run(recording: int) -> dict[str, Any]:
    """Return the table of one simulated recording, another population of neurons each time."""
    made = simulated_s1(stream(recording, "table one, recording"))
    return {"scores": table_one(made, PROTOCOL, [recording]).scores[0]}


EXPERIMENT = Experiment(
    name="decoding_table",
    configuration={
        **described(PROTOCOL),
        "window": LENGTH,
        "piece": PIECE,
        "limited": LIMITED,
    },
    tasks=tuple({"recording": k} for k in range(RECORDINGS)),
    run=run,
    digits=4,
)
