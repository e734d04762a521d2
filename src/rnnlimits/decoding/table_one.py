r"""Table 1 of the linear paper: decoding S1 from little and from all data.

The S1 recording is no part of this package. The table is computed from any recording of its format;
the published values stand beside it, for comparison.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rnnlimits._checks import integer_at_least, integer_between
from rnnlimits.data.recording import Recording, in_pieces
from rnnlimits.decoding.comparison import (
    Protocol,
    convolution_scores,
    initial_network,
    network_scores,
    split_problem,
    starts,
    three_parts,
)
from rnnlimits.estimate import Estimate, over_splits

LENGTH = 15
PIECE = 300
LIMITED = 18
DATA = ("4.5 minutes", "all")
MODELS = ("network", "scaled", "plain")
COMPONENTS = ("x", "y")
PARTS = 3  # train, validation, test: a piece each, at the least
# Axes: data, model, component (linear paper, Table 1).
PUBLISHED = (
    ((0.6043, 0.4257), (0.6046, 0.4234), (0.5856, 0.3918)),
    ((0.6462, 0.5911), (0.6442, 0.5860), (0.6565, 0.6027)),
)


class TableOne(NamedTuple):
    """Test :math:`R^2`, axes (split, data, model, component), at the common number of steps."""

    scores: Float[Tensor, "splits data models components"]
    test_to_train: tuple[float, float]


def table_one(
    recording: Recording,
    protocol: Protocol,
    seeds: Sequence[int],
    *,
    length: int = LENGTH,
    piece: int = PIECE,
    limited: int = LIMITED,
) -> TableOne:
    """Compute the table: network, scaled and plain convolution, from one random start, after one
    number of steps.

    The recording is cut into pieces of ``piece`` bins (15 s) that stay whole; ``limited`` of them
    (4.5 minutes) are the little data, all that are neither tested nor chosen on are all. The split,
    the rate and the number of steps are choices: the paper's text does not give them.

    Raises:
        TypeError: a number is no integer.
        ValueError: no seed is given, the recording is not one reach from end to end, ``piece`` is
            below 1 or above a third of it, ``limited`` is below 1 or above the number of pieces
            left to train on, or ``length`` is below 1 or above that of a piece.
        FloatingPointError: training diverges.

    Example:
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> from rnnlimits.random import stream
        >>> tiny = Protocol(width=40, clock=3, longest=3)
        >>> found = table_one(simulated_s1(stream(0), 900), tiny, [0, 1],
        ...                   length=3, piece=50, limited=4)
        >>> found.scores.shape
        torch.Size([2, 2, 3, 2])
    """
    if not len(seeds):
        raise ValueError("seeds must hold at least one, got none")
    pieces = _cut(recording, piece)
    train, _, test = three_parts(pieces, None, seeds[0])
    tested = len(test.reaches)
    every = len(train.reaches)
    integer_between("limited", limited, 1, every)
    scores = torch.stack(
        [
            torch.stack(
                [
                    row(pieces, length, n_train, seed, protocol)
                    for n_train in (limited, None)
                ]
            )
            for seed in seeds
        ]
    )
    return TableOne(scores, (tested / limited, tested / every))


def _cut(recording: Recording, piece: int) -> Recording:
    """Return the recording in as many pieces as it holds of so many bins."""
    n_bins = recording.n_bins
    integer_at_least("piece", piece, 1)
    if n_bins < PARTS * piece:
        raise ValueError(
            "piece must be at most a third of the recording's "
            f"{n_bins} bins, got {piece}"
        )
    return in_pieces(recording, n_bins // piece)


def row(
    pieces: Recording,
    length: int,
    n_train: int | None,
    seed: int,
    protocol: Protocol,
) -> Float[Tensor, "models components"]:
    """Return one row of the table on one split: so many pieces to train on, or all.

    Raises:
        TypeError: a number is no integer.
        ValueError: the recording has too few pieces, or too short ones, or ``n_train`` is below 1
            or above the number of those left to train on.
        FloatingPointError: training diverges.

    Example:
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> from rnnlimits.random import stream
        >>> pieces = in_pieces(simulated_s1(stream(0), 900), 18)
        >>> row(pieces, 3, 4, 0, Protocol(width=40, clock=3, longest=3)).shape
        torch.Size([3, 2])
    """
    problem = split_problem(pieces, length, n_train, seed)
    rnn = initial_network(problem, protocol, seed)
    start = starts(rnn, length)[0]
    network = network_scores(problem, protocol, rnn, True)
    others = convolution_scores(problem, protocol, start)
    at = others.steps.index(2**protocol.clock)
    return torch.cat([network.scores[:, -1], others.scores[:, at]])


def cells(table: TableOne) -> list[list[Estimate]]:
    """Return the mean over splits of each row of data and each model, both components in it.

    Raises:
        ValueError: there is one split alone.

    Example:
        >>> exact = TableOne(torch.tensor([PUBLISHED, PUBLISHED]), (1.0, 1.0))
        >>> cells(exact)[0][2].mean.round(4)
        array([0.5856, 0.3918])
    """
    return [
        [
            over_splits(table.scores[:, d, m].numpy(), share)
            for m in range(len(MODELS))
        ]
        for d, share in enumerate(table.test_to_train)
    ]


class Agreement(NamedTuple):
    """A table beside the published one, axes (data, model, component).

    ``difference`` is measured minus published. ``same_order`` says of each row of data and each
    component whether scaled and plain convolution come in the published order in the mean.
    """

    difference: Float[Tensor, "data models components"]
    same_order: Bool[Tensor, "data components"]


def against_published(table: TableOne) -> Agreement:
    """Compare a table with the published one.

    Example:
        >>> exact = TableOne(torch.tensor([PUBLISHED, PUBLISHED]), (1.0, 1.0))
        >>> bool(against_published(exact).same_order.all())
        True
    """
    measured = table.scores.mean(dim=0)
    published = measured.new_tensor(PUBLISHED)
    ahead = [
        (each[:, 1] - each[:, 2]).sign()
        for each in (measured, published)
    ]
    return Agreement(measured - published, ahead[0] == ahead[1])
