"""What was computed from recordings: consistent as stored, and the same when computed again."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from notebooks import Layout
from rnnlimits.data.macaque import C_FILE, M_FILE
from rnnlimits.data.recording import in_pieces
from rnnlimits.data.simulated import simulated_s1
from rnnlimits.decoding.comparison import (
    Protocol,
    initial_network,
    learning_rate,
    split_problem,
    weights,
)
from rnnlimits.decoding.paths import step_grid
from rnnlimits.experiments import Results, load_results
from rnnlimits.kernel.learning_curves import solve_descent
from rnnlimits.kernel.tangent import kernel_of_grams, krylov_grams
from rnnlimits.random import stream
from run_experiments import load

ROOT = Path(__file__).resolve().parents[1]
LAYOUT = Layout(ROOT)
NAMES = (
    "decoding_m1",
    "decoding_networks",
    "decoding_widths",
    "decoding_kernels",
    "decoded_reaches",
)


def stored(name: str) -> Results:
    return load_results(LAYOUT.book / "results" / f"{name}.json")


def script(name: str) -> ModuleType:
    load(LAYOUT, name)  # puts the book's folder on the path
    return importlib.import_module(f"experiments.{name}")


def same(again: dict[str, Any], found: Results, at: int) -> None:
    """Compare what a task gives again with what is stored of it."""
    assert set(again) == set(found.values)
    for name, value in again.items():
        np.testing.assert_allclose(value, found.values[name][at], rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("name", NAMES)
def test_stored_results_are_those_of_the_recordings_known(name: str) -> None:
    found = stored(name)
    known = {source.file: source.sha256 for source in (C_FILE, M_FILE)}
    assert found.configuration["recordings"] == known
    described = script(name).EXPERIMENT.described()
    assert found.configuration == described["configuration"]
    assert list(found.tasks) == described["tasks"]


@pytest.mark.parametrize("name", ["decoding_m1", "decoding_networks"])
def test_stored_scores_are_scores(name: str) -> None:
    found = stored(name)
    last = found.configuration["clock" if name == "decoding_networks" else "longest"]
    for what in ("clock", "chosen"):
        assert found.values[what].max() <= 1
        assert np.isfinite(found.values[what]).all()
    assert set(np.unique(found.values["stops"])) <= set(step_grid(int(np.log2(last))))
    assert found.values["stops"].shape[1] == found.configuration["splits"]


def test_network_and_convolutions_share_their_starts() -> None:
    # Steps from 0; start counted: all three begin alike; taken off: they begin at zero.
    paths = stored("decoding_networks").values["paths"][..., 0]
    np.testing.assert_allclose(paths[:, :, :, :1], paths[:, :, :, 1:2], rtol=2e-4)
    np.testing.assert_allclose(paths[:, :, :, 1], paths[:, :, :, 2], rtol=2e-4)
    assert (paths[:, :, 1] <= 0).all()
    assert (paths[:, :, 1] > paths[:, :, 0].max(axis=-1, keepdims=True)).all()


def test_two_experiments_on_one_split_agree() -> None:
    # The first splits, convolutions, both starts, at the common number of steps.
    many, few = stored("decoding_m1"), stored("decoding_networks")
    for k, task in enumerate(few.tasks):
        (same,) = many.where(**task)
        clock = many.values["clock"][same, : few.configuration["splits"]].mean(axis=-1)
        ends = few.values["paths"][k, :, :, 1:, -1]
        np.testing.assert_allclose(ends, clock, rtol=1e-3, atol=2e-4)


def test_what_two_predictions_are_apart_bounds_what_their_scores_are_apart() -> None:
    # Scores are r = 1 - |e|²/v, so |r - s| is at most g² + 2 g sqrt(1 - s), with g² the mean square
    # distance over the variance on the test windows; these are standardised on the training ones,
    # so that v is near 1: within a factor of 2 here.
    found = stored("decoding_widths")
    more, apart = found.values["more"], 2 * found.values["apart"]
    assert more.shape == (len(found.tasks), found.configuration["splits"])
    assert (apart > 0).all()
    assert (np.abs(more) <= apart + 2 * np.sqrt(apart)).all()


def test_orthogonal_columns_are_orthogonal_and_the_nearest() -> None:
    nearest = script("decoding_widths").orthogonal_columns
    drawn = torch.from_numpy(stream(0, "columns").standard_normal((40, 7)))
    made = nearest(drawn, 3.0)
    torch.testing.assert_close(made.mT @ made, 120 * torch.eye(7, dtype=torch.float64))
    for seed in range(20):
        turn = torch.from_numpy(stream(seed, "turn").standard_normal((7, 7))) / 10
        other = made @ torch.linalg.matrix_exp(turn - turn.mT)
        assert (drawn - made).norm() < (drawn - other).norm()


def test_a_kernel_with_both_grams_in_their_limit_is_the_limit() -> None:
    decoding_kernels, protocol = script("decoding_kernels"), Protocol()
    in_the_limit, v = decoding_kernels.grams_in_the_limit, protocol.variances
    pieces = in_pieces(simulated_s1(stream(0), 400), 16)
    problem = split_problem(pieces, 3, None, seed=0)
    U, V = krylov_grams(initial_network(problem, Protocol(width=300), 0), 3)
    limits = in_the_limit(U, v.input, v.recurrent), in_the_limit(V, v.readout, v.recurrent)
    for lag in range(3):
        # The mean of 52 squared norms, each with a relative variance of at most 2 (lag + 1) / n.
        drawn, limit = (each[lag, :, lag].diagonal().mean() for each in (U, limits[0]))
        assert abs(drawn / limit - 1) < 4.5 * (2 * (lag + 1) / 300) ** 0.5
    rate = learning_rate(problem, protocol)
    theta = kernel_of_grams(*limits).total
    found = decoding_kernels.descended(theta, problem.loss, rate, 30)
    scaled = solve_descent(0 * found, weights(problem, protocol)[0], problem.loss, rate, [30])[0]
    torch.testing.assert_close(found, scaled, rtol=1e-9, atol=1e-12)


def test_decoded_paths_are_paths() -> None:
    paths = stored("decoded_reaches").values["paths"]
    assert paths.shape[1] == 4
    assert np.abs(np.diff(paths, axis=3)).max() < 10


@pytest.mark.usefixtures("recordings")
def test_convolutions_are_computed_again() -> None:
    found, decoding_m1 = stored("decoding_m1"), script("decoding_m1")
    (at,) = found.where(recording="M1", window=3, reaches=8)
    same(decoding_m1.EXPERIMENT.run(**found.tasks[at]), found, at)


@pytest.mark.usefixtures("recordings")
def test_networks_are_computed_again() -> None:
    found, decoding_networks = stored("decoding_networks"), script("decoding_networks")
    (at,) = found.where(recording="C1", window=1)
    same(decoding_networks.EXPERIMENT.run(**found.tasks[at]), found, at)


@pytest.mark.usefixtures("recordings")
def test_a_width_is_computed_again() -> None:
    found, decoding_widths = stored("decoding_widths"), script("decoding_widths")
    (at,) = found.where(recording="M1", width=500, columns="orthogonal")
    same(decoding_widths.EXPERIMENT.run(**found.tasks[at]), found, at)


@pytest.mark.usefixtures("recordings")
def test_a_mended_kernel_is_computed_again() -> None:
    found, decoding_kernels = stored("decoding_kernels"), script("decoding_kernels")
    (at,) = found.where(recording="M1", mended="all inputs")
    same(decoding_kernels.EXPERIMENT.run(**found.tasks[at]), found, at)


@pytest.mark.usefixtures("recordings")
def test_reaches_are_decoded_again() -> None:
    found, decoded_reaches = stored("decoded_reaches"), script("decoded_reaches")
    again = decoded_reaches.EXPERIMENT.run(**found.tasks[0])
    np.testing.assert_allclose(again["paths"], found.values["paths"][0], rtol=1e-3, atol=2e-3)
