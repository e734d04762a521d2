"""What was computed from recordings: consistent as stored, and the same when computed again."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from notebooks import Layout
from rnnlimits.data.macaque import C_FILE, M_FILE
from rnnlimits.decoding.paths import step_grid
from rnnlimits.experiments import Results, load_results
from run_experiments import load

ROOT = Path(__file__).resolve().parents[1]
LAYOUT = Layout(ROOT)
NAMES = ("decoding_m1", "decoding_networks", "decoded_reaches")


def stored(name: str) -> Results:
    return load_results(LAYOUT.book / "results" / f"{name}.json")


def script(name: str) -> ModuleType:
    load(LAYOUT, name)  # puts the book's folder on the path
    return importlib.import_module(f"experiments.{name}")


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


def test_decoded_paths_are_paths() -> None:
    paths = stored("decoded_reaches").values["paths"]
    assert paths.shape[1] == 4
    assert np.abs(np.diff(paths, axis=3)).max() < 10


@pytest.mark.usefixtures("recordings")
def test_convolutions_are_computed_again() -> None:
    found, decoding_m1 = stored("decoding_m1"), script("decoding_m1")
    (at,) = found.where(recording="M1", window=3, reaches=8)
    again = decoding_m1.EXPERIMENT.run(**found.tasks[at])
    for name, value in again.items():
        np.testing.assert_allclose(value, found.values[name][at], rtol=1e-3, atol=2e-4)


@pytest.mark.usefixtures("recordings")
def test_networks_are_computed_again() -> None:
    found, decoding_networks = stored("decoding_networks"), script("decoding_networks")
    (at,) = found.where(recording="C1", window=1)
    again = decoding_networks.EXPERIMENT.run(**found.tasks[at])
    for name, value in again.items():
        np.testing.assert_allclose(value, found.values[name][at], rtol=1e-3, atol=2e-4)


@pytest.mark.usefixtures("recordings")
def test_reaches_are_decoded_again() -> None:
    found, decoded_reaches = stored("decoded_reaches"), script("decoded_reaches")
    again = decoded_reaches.EXPERIMENT.run(**found.tasks[0])
    np.testing.assert_allclose(again["paths"], found.values["paths"][0], rtol=1e-3, atol=2e-3)
