"""Table 1: the published constants, the comparison, and the run that the real S1 file would get."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from draws import recorded, untyped
from rnnlimits.data import fetch
from rnnlimits.data.macaque import S1_PICKLE, S1_RAW, s1_from_pickle, s1_from_spikes
from rnnlimits.data.recording import Recording, in_pieces
from rnnlimits.data.simulated import simulated_s1, write_matlab, write_pickle
from rnnlimits.decoding.comparison import (
    Protocol,
    convolution_scores,
    initial_network,
    network_scores,
    split_problem,
    three_parts,
)
from rnnlimits.decoding.table_one import (
    COMPONENTS,
    DATA,
    LIMITED,
    MODELS,
    PIECE,
    PUBLISHED,
    TableOne,
    against_published,
    cells,
    row,
    table_one,
)
from rnnlimits.networks.linear import impulse_response
from rnnlimits.random import stream

TINY = Protocol(width=60, clock=4, longest=5)
SHAPE: dict[str, Any] = {"length": 5, "piece": 60, "limited": 6}


def test_what_is_published() -> None:
    published = np.array(PUBLISHED)
    assert published.shape == (len(DATA), len(MODELS), len(COMPONENTS)) == (2, 3, 2)
    assert MODELS == ("network", "scaled", "plain")
    # all data: x and y of network, scaled and plain; then 4.5 minutes
    assert published[1, :, 0].tolist() == [0.6462, 0.6442, 0.6565]
    assert published[1, :, 1].tolist() == [0.5911, 0.5860, 0.6027]
    assert published[0, :, 0].tolist() == [0.6043, 0.6046, 0.5856]
    assert published[0, :, 1].tolist() == [0.4257, 0.4234, 0.3918]
    # scaled ahead of plain on little data, behind it on all
    assert np.sign(published[:, 1] - published[:, 2]).tolist() == [[1, 1], [-1, -1]]
    assert LIMITED * PIECE * 0.05 == 4.5 * 60


def test_a_comparison_by_hand() -> None:
    scores = torch.tensor([PUBLISHED, PUBLISHED], dtype=torch.float64)
    found = against_published(TableOne(scores, (1.0, 1.0)))
    assert not found.difference.any()
    assert found.same_order.all()
    # one split far off in one cell: the mean is what counts, and the order there turns over
    scores[0, 0, 2, 1] += 0.2
    found = against_published(TableOne(scores, (1.0, 1.0)))
    expected = np.zeros((2, 3, 2))
    expected[0, 2, 1] = 0.1
    np.testing.assert_allclose(found.difference, expected, atol=1e-15)
    assert found.same_order.tolist() == [[True, False], [True, True]]
    # a tie is another order, and that of the network does not enter
    tied = torch.tensor([PUBLISHED], dtype=torch.float64)
    tied[0, 1, 1] = tied[0, 1, 2]
    tied[0, :, 0] = -9
    assert against_published(TableOne(tied, (1.0, 1.0))).same_order.tolist() == [
        [True, True],
        [False, False],
    ]


def test_cells_are_means_over_splits_with_the_corrected_error() -> None:
    scores = torch.from_numpy(stream(0).standard_normal((4, 2, 3, 2)))
    shares = (0.5, 0.25)
    found = cells(TableOne(scores, shares))
    assert [len(line) for line in found] == [3, 3]
    for d, line in enumerate(found):
        for m, cell in enumerate(line):
            sample = scores[:, d, m].numpy()
            np.testing.assert_allclose(cell.mean, sample.mean(axis=0), rtol=1e-13)
            error = sample.std(axis=0, ddof=1) * np.sqrt(1 / 4 + shares[d])
            np.testing.assert_allclose(cell.standard_error, error, rtol=1e-13)
            assert np.all(np.asarray(cell.standard_error) > stats.sem(sample, axis=0))
            assert cell.n == 4
    with pytest.raises(ValueError, match="at least 2 along axis 0, got 1"):
        cells(TableOne(scores[:1], shares))


def test_a_row_is_read_off_at_the_common_number_of_steps() -> None:
    pieces = in_pieces(simulated_s1(stream(1), 600), 15)
    for n_train in (4, None):
        found = row(pieces, 3, n_train, 1, TINY)
        problem = split_problem(pieces, 3, n_train, 1)
        rnn = initial_network(problem, TINY, 1)
        trained = network_scores(problem, TINY, rnn, True)
        solved = convolution_scores(problem, TINY, impulse_response(rnn, 3))
        assert trained.steps[-1] == 16
        assert solved.steps[-3:] == (16, 23, 32)
        torch.testing.assert_close(found[0], trained.scores[0, -1], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found[1:], solved.scores[:, -3], rtol=1e-12, atol=1e-12)


def pickled(made: Recording, folder: Path) -> None:
    write_pickle(made, folder / S1_PICKLE.file)


def raw(made: Recording, folder: Path) -> None:
    write_matlab(made, folder / S1_RAW.file)


@pytest.mark.parametrize(("write", "read"), [(pickled, s1_from_pickle), (raw, s1_from_spikes)])
def test_the_run_that_the_published_file_would_get(
    write: Callable[[Recording, Path], None],
    read: Callable[[], Recording],
    seed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = simulated_s1(stream(seed, "S1"), 1500)
    write(made, tmp_path)
    monkeypatch.setenv(fetch.VARIABLE, str(tmp_path))
    monkeypatch.setattr(fetch, "cache_folder", lambda: tmp_path / "none")
    assert fetch.VARIABLE == "RNNLIMITS_DATA"
    assert os.environ["RNNLIMITS_DATA"] == str(tmp_path)
    recording = read()
    assert recording.name == "S1"
    assert recording.counts.shape == (1500, 52)
    found = table_one(recording, TINY, [0, 1], **SHAPE)
    assert found.scores.shape == (2, 2, 3, 2)
    assert bool(torch.isfinite(found.scores).all())
    assert float(found.scores.max()) < 1
    # the file is read whole: the table is that of the recording as it was made
    expected = table_one(made, TINY, [0, 1], **SHAPE)
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-8, atol=1e-8)
    assert not torch.equal(found.scores[0], found.scores[1])
    agreement = against_published(found)
    assert agreement.difference.shape == (2, 3, 2)
    assert agreement.same_order.shape == (2, 2)
    mean = found.scores.mean(dim=0).numpy()
    np.testing.assert_allclose(agreement.difference.numpy() + np.array(PUBLISHED), mean, rtol=1e-12)
    for d, line in enumerate(cells(found)):
        for m, cell in enumerate(line):
            np.testing.assert_allclose(cell.mean, mean[d, m], rtol=1e-12)


def test_the_shares_of_a_split_go_with_the_table() -> None:
    made = simulated_s1(stream(2), 960)
    found = table_one(made, Protocol(width=20, clock=1, longest=1), [0], **(SHAPE | {"length": 2}))
    train, _, test = three_parts(in_pieces(made, 16), None, 0)
    assert (len(train.reaches), len(test.reaches)) == (10, 4)
    assert found.test_to_train == (4 / 6, 4 / 10)


@untyped
def test_tables_are_refused() -> None:
    made = simulated_s1(stream(3), 300)
    run: Any = table_one
    with pytest.raises(ValueError, match="seeds must hold at least one, got none"):
        run(made, TINY, [])
    with pytest.raises(ValueError, match="recording must be one reach from end to end"):
        run(recorded(0), TINY, [0], piece=12)
    for piece in (101, 301):
        message = f"piece must be at most a third of the recording's 300 bins, got {piece}"
        with pytest.raises(ValueError, match=message):
            run(made, TINY, [0], piece=piece)
    with pytest.raises(ValueError, match="piece must be at least 1, got 0"):
        run(made, TINY, [0], piece=0)
    with pytest.raises(TypeError, match="piece must be an integer"):
        run(made, TINY, [0], piece=2.5)
    with pytest.raises(ValueError, match="limited must be at most 7, got 8"):
        run(made, TINY, [0], length=3, piece=30, limited=8)
    with pytest.raises(ValueError, match="limited must be at least 1, got 0"):
        run(made, TINY, [0], length=3, piece=30, limited=0)
    with pytest.raises(TypeError, match="limited must be an integer, got float"):
        run(made, TINY, [0], length=3, piece=30, limited=2.0)
    with pytest.raises(ValueError, match="n_train must be at most 7, got 8"):
        row(in_pieces(made, 10), 3, 8, 0, TINY)
    with pytest.raises(ValueError, match="longest reach, 30, got 31"):
        run(made, TINY, [0], length=31, piece=30, limited=3)


def test_the_ratio_is_that_of_the_pieces_there_are() -> None:
    # Of ten pieces two test, one is for choosing, and seven train: shares rounded one by one miss.
    few = simulated_s1(stream(0), 10 * 20)
    found = table_one(
        few, Protocol(width=20, clock=1, longest=1), [0], length=3, piece=20, limited=2
    )
    parts = [len(p.reaches) for p in three_parts(in_pieces(few, 10), None, 0)]
    assert found.test_to_train == (parts[2] / 2, parts[2] / parts[0])
    assert sum(parts) == 10


def test_three_pieces_are_enough() -> None:
    # one to train on, one to choose on, one to test on
    made = simulated_s1(stream(0), 101)
    tiny = Protocol(width=20, clock=1, longest=1)
    found = table_one(made, tiny, [0], length=3, piece=33, limited=1)
    assert found.test_to_train == (1.0, 1.0)
    assert torch.equal(found.scores[:, 0], found.scores[:, 1])
