"""Streams and draws: one seed gives one set of weights, whatever the dtype."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from draws import both_dtypes, untyped
from rnnlimits.random import normal, stream


def test_one_seed_and_one_name_give_one_stream() -> None:
    assert np.array_equal(stream(3, "a", 1).random(5), stream(3, "a", 1).random(5))


@untyped
def test_numpy_integers_name_the_same_stream_as_python_integers() -> None:
    expected = stream(3, "a", 1).random()
    by_numpy: Any = (np.int64(3), np.str_("a"), np.int32(1))
    assert stream(*by_numpy).random() == expected


def test_streams_of_other_seeds_or_names_differ() -> None:
    keys = [(0,), (1,), (0, "a"), (0, "b"), (0, 1), (0, "1"), (0, "a", 1), (0, "a1"), (0, 1, "a")]
    firsts = {stream(*key).random() for key in keys}
    assert len(firsts) == len(keys)


def test_streams_of_neighbouring_seeds_are_uncorrelated() -> None:
    # 20 correlations of 4000 pairs, each normal with variance 1/4000: false alarm 20 * 5e-8 = 1e-6.
    draws = np.stack([stream(seed, "a").standard_normal(4000) for seed in range(21)])
    correlation = np.sum(draws[1:] * draws[:-1], axis=1) / np.sqrt(4000)
    assert np.abs(correlation).max() < stats.norm.isf(2.5e-8)


@untyped
@pytest.mark.parametrize("wrong", [1.0, True, "1", None])
def test_a_seed_must_be_an_integer(wrong: object) -> None:
    with pytest.raises(TypeError, match="seed must be an integer, got"):
        stream(wrong)  # pyright: ignore[reportArgumentType]


def test_a_seed_must_not_be_negative() -> None:
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        stream(-1)


@untyped
@pytest.mark.parametrize("name", [1.0, True, None, ("a", 1)])
def test_a_name_must_be_a_string_or_an_integer(name: object) -> None:
    with pytest.raises(TypeError, match="names must be strings or integers, got"):
        stream(0, name)  # pyright: ignore[reportArgumentType]


@both_dtypes
def test_every_dtype_sees_the_same_draws(dtype: torch.dtype) -> None:
    drawn = normal(stream(0), (4, 3), 2.0, dtype=dtype)
    reference = normal(stream(0), (4, 3), 2.0)
    assert drawn.dtype == dtype
    assert reference.dtype == torch.float64
    assert torch.equal(drawn, reference.to(dtype))


def test_the_device_is_followed() -> None:
    assert normal(stream(0), (2,), device="meta").device.type == "meta"


def test_a_variance_scales_by_its_root() -> None:
    assert torch.equal(normal(stream(0), (9,), 4.0), 2 * normal(stream(0), (9,), 1.0))
    assert torch.equal(normal(stream(0), (9,), 0.0), torch.zeros(9, dtype=torch.float64))


def test_a_shape_without_axes_gives_one_number() -> None:
    assert normal(stream(0), ()).shape == ()


def test_mean_and_variance_are_those_asked_for(seed: int) -> None:
    # Exact laws: the mean is normal, the sum of squares chi-square. Two tests, false alarm 1e-6.
    draws = normal(stream(seed, "moments"), (5000,), 0.3).numpy()
    assert abs(draws.mean()) < stats.norm.isf(2.5e-7) * math.sqrt(0.3 / 5000)
    square = float((draws**2).sum()) / 0.3
    assert stats.chi2.ppf(2.5e-7, 5000) < square < stats.chi2.isf(2.5e-7, 5000)


@untyped
def test_bad_arguments_of_normal() -> None:
    with pytest.raises(TypeError, match="generator must be a numpy Generator, got int; see"):
        normal(0, (2,))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="variance must be a real number, got str"):
        normal(stream(0), (2,), "1")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="variance must be finite and at least 0, got -1"):
        normal(stream(0), (2,), -1.0)
    with pytest.raises(ValueError, match=r"shape\[1\] must be at least 1, got 0"):
        normal(stream(0), (2, 0))
    with pytest.raises(TypeError, match=r"shape\[0\] must be an integer, got float"):
        normal(stream(0), (2.0,))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"dtype must be a floating-point type, got torch.int64"):
        normal(stream(0), (2,), dtype=torch.int64)
