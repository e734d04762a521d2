"""Sweeps over sizes and seeds: order, streams, backends, bad input."""

import joblib
import numpy as np
import pytest

from rnnlimits.random import stream
from rnnlimits.sweep import sweep


def draw(size: int, seed: int) -> list[float]:
    return stream(seed, "sweep test", size).standard_normal(2).tolist()


def test_axes_are_size_seed_and_what_the_function_returns():
    found = sweep(draw, [3, 5], n_seeds=4)
    assert found.shape == (2, 4, 2)
    assert found[1, 2].tolist() == draw(5, 2)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_every_backend_gives_the_same_numbers(backend):
    alone = sweep(draw, [3, 5], n_seeds=3)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        assert np.array_equal(sweep(draw, [3, 5], n_seeds=3), alone)


def test_sizes_must_not_be_empty():
    with pytest.raises(ValueError, match="sizes"):
        sweep(draw, [], n_seeds=2)


@pytest.mark.untyped
@pytest.mark.parametrize(("n_seeds", "error"), [(0, ValueError), (1.5, TypeError)])
def test_number_of_seeds_is_checked(n_seeds, error):
    with pytest.raises(error, match="n_seeds"):
        sweep(draw, [1], n_seeds=n_seeds)
