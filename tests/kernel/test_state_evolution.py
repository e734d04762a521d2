"""Gaussian recursions: the limit against closed forms and wide systems, both forms, bad input."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from draws import both_dtypes, quick, seeds, untyped
from rnnlimits.estimate import estimate
from rnnlimits.kernel.innovations import Innovations, innovations
from rnnlimits.kernel.state_evolution import (
    Recursion,
    gauss_hermite,
    require_row_wise,
    sampled_state_evolution,
    simulate,
    sobol,
    state_evolution,
)
from rnnlimits.random import normal, stream


def first(sources: Tensor) -> Tensor:
    return sources[:, :1]


def second(sources: Tensor, t: int) -> Tensor:
    return sources[:, 1:2]


def same(q: Tensor, p: Tensor) -> Tensor:
    return q


LINEAR = Recursion((same,), (0.7,), start=first)
NO_INTEGER: Any = 1.5
TANH_SHARED = Recursion(
    (lambda q, p: torch.tanh(q) + p,), (1.5,), start=first, inputs=second, n_sources=2
)
TWO_MATRICES = Recursion(
    (
        lambda q, p: torch.tanh(q) @ torch.tensor([[1.0, 0.5], [0.0, 1.0]]).to(q),
        lambda q, p: torch.relu(q) + p,
    ),
    (1.2, 0.6),
    start=lambda s: s[:, :2],
    inputs=lambda s, t: s[:, 1:2] if t % 2 else 0 * s[:, 1:2],
    n_sources=2,
)


def column(R: Tensor) -> np.ndarray:
    """Return the covariance over time of one matrix and one column."""
    return R[0, :, :, 0, 0].numpy()


def test_a_linear_map_gives_independent_times_with_geometric_variances() -> None:
    R = column(state_evolution(LINEAR, 5, gauss_hermite(4)))
    assert np.allclose(R, np.diag(0.7 ** np.arange(1, 6)), rtol=0, atol=1e-14)


def arc_cosine(K: np.ndarray, s: int, t: int) -> float:
    """Return E[relu(X) relu(Y)] of two Gaussians: the arc-cosine kernel of order one."""
    size = math.sqrt(K[s, s] * K[t, t])
    angle = math.acos(min(1.0, max(-1.0, K[s, t] / size)))
    return size * (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / (2 * math.pi)


def arc_sine(K: np.ndarray, s: int, t: int) -> float:
    """Return E[erf(X) erf(Y)] of two Gaussians: the arc-sine kernel."""
    size = math.sqrt((1 + 2 * K[s, s]) * (1 + 2 * K[t, t]))
    return 2 / math.pi * math.asin(2 * K[s, t] / size)


@pytest.mark.parametrize(
    ("G", "closed", "tolerance"),
    [(torch.relu, arc_cosine, 5e-3), (torch.erf, arc_sine, 1e-3)],
    ids=["relu", "erf"],
)
@pytest.mark.parametrize("shared", [False, True], ids=["no input", "one input again and again"])
def test_closed_forms(G, closed, tolerance, shared: bool) -> None:
    # With a shared input inside the map the argument is Z + U, again Gaussian.
    nu, horizon = 1.3, 4
    recursion = Recursion(
        (lambda q, p: G(q + p),),
        (nu,),
        start=first,
        inputs=second if shared else lambda s, t: 0 * s[:, :1],
        n_sources=2 if shared else 1,
    )
    K = np.zeros((horizon + 1, horizon + 1))  # Z_0, Z_1, ...
    K[0, 0] = 1.0
    for t, s in itertools.product(range(horizon), repeat=2):
        if s <= t:
            argument = K + shared * np.ones_like(K)
            K[s + 1, t + 1] = K[t + 1, s + 1] = nu * closed(argument, s, t)
    rule = sobol(15, stream(0, "closed forms")) if shared else gauss_hermite(48)
    found = column(state_evolution(recursion, horizon, rule))
    assert np.allclose(found, K[1:, 1:], rtol=tolerance, atol=tolerance)


def test_quasi_monte_carlo_and_quadrature_agree(seed: int) -> None:
    found = sampled_state_evolution(
        TWO_MATRICES, 3, stream(seed, "qmc"), log2_points=11, n_scrambles=16
    )
    exact = state_evolution(TWO_MATRICES, 3, sobol(15, stream(seed, "fine"))).numpy()
    error = np.asarray(found.standard_error)
    # Sixteen runs: the spread is itself uncertain, so its size is bounded below by the largest.
    score = (found.mean - exact) / (error + 0.2 * error.max())
    assert np.abs(score).max() < 6
    assert error.max() < 0.02


def test_wide_systems_follow(seed: int) -> None:
    n_runs, width = 60, 150
    runs = [
        simulate(TWO_MATRICES, width, 3, stream(seed, "wide", k)).second_moments().numpy()
        for k in range(n_runs)
    ]
    limit = state_evolution(TWO_MATRICES, 3, sobol(13, stream(seed, "limit"))).numpy()
    found = estimate(np.stack(runs))
    # The mean of a finite system differs by order 1/n; the entries here are of order one.
    assert (np.abs(found.mean - limit) < 4.5 * np.asarray(found.standard_error) + 8 / width).all()


def test_transforms_of_different_matrices_are_uncorrelated(seed: int) -> None:
    runs = []
    for k in range(200):
        r = simulate(TWO_MATRICES, 40, 2, stream(seed, "cross", k)).transforms
        runs.append((r[0, :, None, :, :, None] * r[1, None, :, :, None, :]).mean(dim=2).numpy())
    found = estimate(np.stack(runs))
    assert np.abs(np.asarray(found.z_score(0 * found.mean))).max() < 5


def test_a_trajectory_is_the_recursion() -> None:
    run = simulate(TWO_MATRICES, 6, 3, stream(0))
    assert torch.equal(run.states[1:], run.transforms.sum(dim=0))
    assert torch.equal(run.states[0], run.sources[:, :2])
    # The same matrix at every time: with one unit every time multiplies by the same number.
    run = simulate(LINEAR, 1, 3, stream(0))
    q = run.states[:, 0, 0]
    torch.testing.assert_close(q[2] / q[1], q[1] / q[0], rtol=1e-12, atol=0)


def test_an_orthogonal_pair_of_times_is_independent_and_another_is_not() -> None:
    odd = Recursion((lambda q, p: torch.tanh(q),), (1.5,), start=first)
    even = Recursion((lambda q, p: torch.relu(q),), (1.5,), start=first)
    gate = Recursion(
        (lambda q, p: p * torch.tanh(q),), (1.5,), start=first, inputs=second, n_sources=2
    )
    off = ~np.eye(4, dtype=bool)
    rule = gauss_hermite(20)
    assert np.abs(column(state_evolution(odd, 4, rule))[off]).max() < 1e-14
    assert np.abs(column(state_evolution(gate, 4, rule))[off]).max() < 1e-14
    assert column(state_evolution(even, 4, rule))[off].min() > 0.05
    assert column(state_evolution(TANH_SHARED, 4, rule))[off].min() > 1


def test_no_variance_gives_zero() -> None:
    still = Recursion((lambda q, p: q + 1,), (0.0,), start=first)
    assert not state_evolution(still, 3, gauss_hermite(5)).any()
    assert not simulate(still, 4, 2, stream(0)).states[1:].any()


def test_no_sources_is_a_deterministic_start() -> None:
    fixed = Recursion(
        (lambda q, p: q,), (0.5,), start=lambda s: s.new_full((len(s), 1), 2.0), n_sources=0
    )
    for rule in (gauss_hermite(3), sobol(4, stream(0))):
        R = column(state_evolution(fixed, 1, rule))
        assert R.tolist() == [[pytest.approx(2.0)]]
    assert simulate(fixed, 5, 2, stream(0)).states.shape == (3, 5, 1)


def test_equal_columns_stay_equal() -> None:
    twins = Recursion((lambda q, p: torch.tanh(q) + 0.2,), (1.0,), start=lambda s: s.expand(-1, 2))
    single = Recursion((lambda q, p: torch.tanh(q) + 0.2,), (1.0,), start=first)
    R = state_evolution(twins, 3, gauss_hermite(30))[0]
    r = state_evolution(single, 3, gauss_hermite(30))[0]
    torch.testing.assert_close(R, r.expand(-1, -1, 2, 2), rtol=1e-9, atol=1e-9)


@quick
@given(seeds, st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_both_forms_are_one_process(seed: int, T: int, d: int, degenerate: bool) -> None:
    rank = max(1, T * d // 2) if degenerate else T * d
    X = torch.linalg.qr(normal(stream(seed, "process"), (T * d, T * d))).Q[:, :rank]
    scale = torch.linspace(1, 2, rank, dtype=torch.float64)
    K = ((X * scale) @ X.T).reshape(T, d, T, d).transpose(1, 2)
    form = innovations(K)
    torch.testing.assert_close(form.process_covariance(), K, rtol=1e-9, atol=1e-9)
    assert not form.coefficients[*np.tril_indices(T)].any()
    assert float(torch.linalg.eigvalsh(form.covariances).min()) > -1e-9


def test_innovations_are_schur_complements_and_regression() -> None:
    K = state_evolution(TANH_SHARED, 3, gauss_hermite(20))[0]
    form, flat = innovations(K), K[:, :, 0, 0]
    expected = torch.linalg.solve(flat[:2, :2], flat[:2, 2])
    torch.testing.assert_close(form.coefficients[:2, 2, 0, 0], expected, rtol=1e-10, atol=1e-10)
    ratio = torch.linalg.det(flat) / torch.linalg.det(flat[:2, :2])
    assert float(form.covariances[2]) == pytest.approx(float(ratio), rel=1e-10)


def test_paths_have_the_covariance_of_the_process(seed: int) -> None:
    K = state_evolution(TANH_SHARED, 3, gauss_hermite(20))[0]
    paths = innovations(K).sample(20000, stream(seed, "paths"))[:, :, 0]
    products = estimate((paths[:, None] * paths[None]).numpy(), axis=2)
    assert np.abs(np.asarray(products.z_score(K[:, :, 0, 0].numpy()))).max() < 4.5


def test_a_repeated_time_has_no_innovation() -> None:
    K = torch.ones(3, 3, 1, 1, dtype=torch.float64)
    form = innovations(K)
    assert form.covariances.flatten().tolist() == pytest.approx([1, 0, 0], abs=1e-12)
    assert form.coefficients[0, 1].item() == pytest.approx(1)
    assert form.coefficients[:2, 2].flatten().tolist() == pytest.approx([0.5, 0.5])
    assert not innovations(0 * K).covariances.any()
    assert isinstance(form, Innovations)


def test_rows_may_be_permuted(seed: int) -> None:
    generator = stream(seed, "rows")
    rows, inputs = normal(generator, (9, 2)), normal(generator, (9, 1))
    for G in TWO_MATRICES.maps:
        require_row_wise(G, rows, inputs, generator)
    for wrong in (
        lambda q, p: q / q.norm(dim=0),
        lambda q, p: q * torch.arange(len(q))[:, None],
        lambda q, p: q.cumsum(dim=0),
    ):
        with pytest.raises(ValueError, match="row by row"):
            require_row_wise(wrong, rows, inputs, generator)


def test_sources_count_only_where_they_enter() -> None:
    # Four sources and two times would need 13^6 nodes, too many; without an input the start alone
    # sees the sources.
    wide = Recursion((same,), (0.7,), start=lambda s: s.sum(dim=1, keepdim=True) / 4, n_sources=4)
    rule = gauss_hermite(13)
    R = column(state_evolution(wide, 3, rule))
    assert np.allclose(R, np.diag(0.7 ** np.arange(1, 4)) / 4, rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="sobol"):
        state_evolution(replace(wide, inputs=lambda s, t: s[:, :0]), 3, rule)


def test_gauss_hermite_is_exact_for_polynomials() -> None:
    nodes, weights = gauss_hermite(4)(2)
    value = weights @ (nodes[:, 0] ** 6 * nodes[:, 1] ** 2)
    assert float(value) == pytest.approx(15, rel=1e-12)


@both_dtypes
def test_dtype_is_followed(dtype: torch.dtype) -> None:
    run = simulate(TWO_MATRICES, 5, 2, stream(0), dtype=dtype)
    assert run.states.dtype == run.transforms.dtype == run.second_moments().dtype == dtype


def shaped(G) -> Recursion:
    return Recursion((G,), (1.0,), start=first)


BAD = {
    "numbers": (lambda: Recursion((same,), (1.0, 2.0), start=first), ValueError, "maps has 1"),
    "none": (lambda: Recursion((), (), start=first), ValueError, "number of maps"),
    "variance": (
        lambda: Recursion((same,), (-1.0,), start=first),
        ValueError,
        r"variances\[0\]",
    ),
    "sources": (
        lambda: Recursion((same,), (1.0,), start=first, n_sources=NO_INTEGER),
        TypeError,
        "n_sources",
    ),
    "horizon": (lambda: state_evolution(LINEAR, 0, gauss_hermite(3)), ValueError, "horizon"),
    "width": (lambda: simulate(LINEAR, 0, 3, stream(0)), ValueError, "width"),
    "shape": (
        lambda: simulate(shaped(lambda q, p: q[:, 0]), 4, 2, stream(0)),
        ValueError,
        r"maps\[0\] must return the shape \(4, 1\), got \(4,\)",
    ),
    "columns": (
        lambda: state_evolution(shaped(lambda q, p: q.expand(-1, 2)), 2, gauss_hermite(3)),
        ValueError,
        r"\(3, 1\), got \(3, 2\)",
    ),
    "not finite": (
        lambda: state_evolution(shaped(lambda q, p: q / 0), 2, gauss_hermite(3)),
        ValueError,
        "finite",
    ),
    "start": (
        lambda: simulate(Recursion((same,), (1.0,), start=lambda s: s[1:]), 4, 2, stream(0)),
        ValueError,
        "start must return the shape",
    ),
    "inputs": (
        lambda: simulate(
            Recursion((same,), (1.0,), start=first, inputs=lambda s, t: s[1:]), 4, 2, stream(0)
        ),
        ValueError,
        "states has 4, inputs has 3",
    ),
    "grid": (lambda: gauss_hermite(50)(6), ValueError, "sobol"),
    "nodes": (lambda: gauss_hermite(0), ValueError, "n_nodes"),
    "points": (lambda: sobol(-1, stream(0)), ValueError, "log2_points"),
    "scrambles": (
        lambda: sampled_state_evolution(LINEAR, 2, stream(0), n_scrambles=1),
        ValueError,
        "n_scrambles",
    ),
    "rows": (
        lambda: require_row_wise(lambda q, p: q, torch.ones(3, 1), torch.ones(2, 1), stream(0)),
        ValueError,
        "rows has 3, inputs has 2",
    ),
    "one row": (
        lambda: require_row_wise(lambda q, p: q, torch.ones(1, 1), torch.ones(1, 1), stream(0)),
        ValueError,
        "number of rows",
    ),
    "times": (lambda: innovations(torch.ones(2, 3, 1, 1)), ValueError, "rows has 2, columns has 3"),
    "widths": (lambda: innovations(torch.ones(2, 2, 1, 2)), ValueError, "rows has 1"),
    "not symmetric": (
        lambda: innovations(torch.tensor([[1.0, 0.5], [0.0, 1.0]]).reshape(2, 2, 1, 1)),
        ValueError,
        "symmetric",
    ),
    "paths": (lambda: innovations(torch.ones(1, 1, 1, 1)).sample(0, stream(0)), ValueError, "n "),
}


@untyped
@pytest.mark.parametrize(("call", "error", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(call, error, words) -> None:
    with pytest.raises(error, match=words):
        call()
