"""Transport: the closed form against exact assignment, against autodiff, and where it is exact."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm
from torch import Tensor

from draws import both_dtypes, quick, seeds, untyped
from rnnlimits import wasserstein
from rnnlimits.random import normal, stream

sizes = st.integers(1, 5)


def covariance(seed: int, d: int, name: str = "covariance", rank: int | None = None) -> Tensor:
    """Return a covariance with eigenvalues in [1, 4], or of lower rank."""
    Q = torch.linalg.qr(normal(stream(seed, name), (d, d))).Q
    values = torch.linspace(1, 4, d, dtype=torch.float64)
    values[: d - (d if rank is None else rank)] = 0
    return (Q * values) @ Q.T


def white(seed: int, n: int, d: int) -> Tensor:
    """Return a sample whose second moments are exactly the unit matrix."""
    x = normal(stream(seed, "white"), (n, d))
    return torch.linalg.qr(x).Q * n**0.5


def by_trace(first: Tensor, second: Tensor) -> Tensor:
    """Return the squared distance by traces, the middle one checked against an eigenvalue sum."""
    root = wasserstein.square_root(first)
    inner = torch.linalg.eigvals(first @ second).real.clamp(min=0).sqrt().sum()
    direct = wasserstein.square_root((root @ second @ root + (root @ second @ root).T) / 2)
    torch.testing.assert_close(inner, direct.trace(), rtol=1e-6, atol=1e-6)
    return first.trace() + second.trace() - 2 * direct.trace()


@quick
@given(seeds, sizes)
def test_square_root_squares_back_and_is_symmetric(seed: int, d: int) -> None:
    S = covariance(seed, d, rank=max(1, d - 1))
    root = wasserstein.square_root(S)
    torch.testing.assert_close(root @ root, S, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(root, root.T, rtol=0, atol=1e-14)
    assert float(torch.linalg.eigvalsh(root)[0]) > -1e-12


@quick
@given(seeds, sizes)
def test_squared_distance_is_the_trace_formula(seed: int, d: int) -> None:
    S, R = covariance(seed, d), covariance(seed, d, "other")
    found = wasserstein.gaussian_distance(S, R) ** 2
    torch.testing.assert_close(found, by_trace(S, R), rtol=1e-11, atol=1e-12)


@quick
@given(seeds, st.integers(1, 3))
def test_transport_of_a_white_sample_is_the_closed_form(seed: int, d: int) -> None:
    # x has second moments S exactly and y = Mx has R exactly; M is the gradient of a convex
    # function, so no other pairing is cheaper.
    S, R = covariance(seed, d), covariance(seed, d, "other")
    x = white(seed, 40, d) @ wasserstein.square_root(S)
    y = x @ wasserstein.optimal_map(S, R)
    torch.testing.assert_close(y.T @ y / 40, R, rtol=1e-11, atol=1e-11)
    assert wasserstein.optimal_assignment(x, y).tolist() == list(range(40))
    found, expected = wasserstein.sample_distance(x, y), wasserstein.gaussian_distance(S, R)
    assert found == pytest.approx(float(expected), rel=1e-10)


@quick
@given(seeds, st.integers(1, 3))
def test_no_laws_with_these_moments_are_nearer_than_the_gaussians(seed: int, d: int) -> None:
    S, R = covariance(seed, d), covariance(seed, d, "other")
    x = white(seed, 30, d) @ wasserstein.square_root(S)
    y = white(seed + 1, 30, d) @ wasserstein.square_root(R)
    least = float(wasserstein.gaussian_distance(S, R))
    assert wasserstein.sample_distance(x, y) >= least - 1e-12


def test_the_gradient_of_the_square_is_what_the_optimal_map_says() -> None:
    # d W2^2 / d Sigma_1 = I - M: the envelope theorem against autodiff.
    S, R = covariance(0, 4).requires_grad_(), covariance(0, 4, "other")
    (wasserstein.gaussian_distance(S, R) ** 2).backward()
    assert S.grad is not None
    M = wasserstein.optimal_map(S.detach(), R)
    grad = (S.grad + S.grad.T) / 2
    torch.testing.assert_close(grad, torch.eye(4).double() - M, rtol=1e-12, atol=1e-12)


@quick
@given(seeds, sizes)
def test_commuting_covariances_subtract_their_roots(seed: int, d: int) -> None:
    Q = torch.linalg.qr(normal(stream(seed, "basis"), (d, d))).Q
    a, b = (normal(stream(seed, name), (d,)) ** 2 for name in "ab")
    found = wasserstein.gaussian_distance((Q * a) @ Q.T, (Q * b) @ Q.T)
    torch.testing.assert_close(found**2, ((a**0.5 - b**0.5) ** 2).sum(), rtol=1e-10, atol=1e-13)


@quick
@given(seeds, sizes)
def test_roots_bound_it_on_both_sides_and_covariances_above(seed: int, d: int) -> None:
    S, R = covariance(seed, d), covariance(seed, d, "other", rank=max(1, d - 1))
    square = float(wasserstein.gaussian_distance(S, R)) ** 2
    roots = float((wasserstein.square_root(S) - wasserstein.square_root(R)).square().sum().detach())
    nuclear = float(torch.linalg.matrix_norm(S - R, "nuc"))
    assert square <= roots + 1e-12
    assert roots <= 2 * square + 1e-12
    assert roots <= nuclear + 1e-12


def test_the_factor_of_two_between_roots_and_distance_is_reached_in_the_limit() -> None:
    ratios = []
    for angle in (0.5, 0.1, 0.01):
        line = torch.tensor([np.cos(angle), np.sin(angle)]).double()
        S, R = torch.diag(torch.tensor([1.0, 0.0]).double()), torch.outer(line, line)
        roots = (wasserstein.square_root(S) - wasserstein.square_root(R)).square().sum()
        ratios.append(float(roots / wasserstein.gaussian_distance(S, R) ** 2))
    assert ratios == pytest.approx([1 + np.cos(a) for a in (0.5, 0.1, 0.01)], rel=1e-8)


@quick
@given(seeds, sizes)
def test_distance_is_a_metric(seed: int, d: int) -> None:
    S, R, P = (covariance(seed, d, name) for name in "SRP")
    far = wasserstein.gaussian_distance
    assert float(far(S, S)) < 1e-12
    assert float(far(S, R)) == pytest.approx(float(far(R, S)), rel=1e-11, abs=1e-13)
    assert float(far(S, P)) <= float(far(S, R) + far(R, P)) + 1e-12


def test_close_covariances_lose_no_digits() -> None:
    near = torch.eye(3, dtype=torch.float64)
    found = wasserstein.gaussian_distance(near, near * (1 + 1e-10))
    assert float(found) == pytest.approx(3**0.5 * 0.5e-10, rel=1e-5)


def test_a_point_mass_is_at_the_root_of_the_variance() -> None:
    zero, S = torch.zeros(2, 2).double(), covariance(1, 2)
    assert float(wasserstein.gaussian_distance(zero, S)) == pytest.approx(float(S.trace()) ** 0.5)
    assert float(wasserstein.gaussian_distance(zero, zero)) == 0


@quick
@given(seeds, st.integers(1, 12), st.floats(0, 3))
def test_on_the_line_the_sample_is_compared_slice_by_slice(
    seed: int, n: int, variance: float
) -> None:
    x = normal(stream(seed, "line"), (n,))
    values, scale = np.sort(x.numpy()), variance**0.5
    total = 0.0
    for k, value in enumerate(values):
        low, high = norm.ppf(k / n), norm.ppf((k + 1) / n)
        low, high = max(low, -12.0), min(high, 12.0)
        total += quad(lambda z, v=value: (v - scale * z) ** 2 * norm.pdf(z), low, high)[0]
    found = wasserstein.distance_to_normal(x, variance)
    assert found == pytest.approx(total**0.5, rel=1e-6, abs=1e-8)


def test_on_the_line_sorting_is_optimal() -> None:
    x, y = normal(stream(0, "x"), (50, 1)), normal(stream(0, "y"), (50, 1))
    by_order = (x.flatten().sort()[0] - y.flatten().sort()[0]).square().mean().sqrt()
    assert wasserstein.sample_distance(x, y) == pytest.approx(float(by_order), rel=1e-13)


def test_one_value_is_at_its_own_distance() -> None:
    x = torch.tensor([2.0]).double()
    assert wasserstein.distance_to_normal(x, 1.0) == pytest.approx(5**0.5, rel=1e-14)


@both_dtypes
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    S, R = covariance(0, 2).to(dtype), covariance(0, 2, "other").to(dtype)
    assert wasserstein.gaussian_distance(S, R).dtype == dtype
    assert wasserstein.optimal_map(S, R).dtype == dtype


NO_TENSOR: Any = [[1.0]]
EYE = torch.eye(2, dtype=torch.float64)
BAD = {
    "no tensor": (lambda: wasserstein.square_root(NO_TENSOR), TypeError, "covariance"),
    "not square": (lambda: wasserstein.square_root(torch.ones(2, 3)), ValueError, "rows has 2"),
    "not symmetric": (
        lambda: wasserstein.square_root(torch.tensor([[1.0, 0.5], [0.0, 1.0]])),
        ValueError,
        "symmetric",
    ),
    "negative": (lambda: wasserstein.square_root(-EYE), ValueError, "no negative eigenvalue"),
    "sizes": (
        lambda: wasserstein.gaussian_distance(EYE, torch.eye(3).double()),
        ValueError,
        "first has 2, second has 3",
    ),
    "dtypes": (
        lambda: wasserstein.gaussian_distance(EYE, torch.eye(2)),
        TypeError,
        "float64 and torch.float32",
    ),
    "singular": (
        lambda: wasserstein.optimal_map(torch.diag(torch.tensor([1.0, 0.0])), torch.eye(2)),
        ValueError,
        "invertible",
    ),
    "numbers of samples": (
        lambda: wasserstein.sample_distance(torch.ones(2, 1), torch.ones(3, 1)),
        ValueError,
        "x has 2, y has 3",
    ),
    "coordinates": (
        lambda: wasserstein.sample_distance(torch.ones(2, 1), torch.ones(2, 2)),
        ValueError,
        "coordinates",
    ),
    "not finite": (
        lambda: wasserstein.distance_to_normal(torch.tensor([torch.nan]), 1.0),
        ValueError,
        "finite",
    ),
    "slices": (lambda: wasserstein.slice_means(0), ValueError, "n must"),
    "variance": (
        lambda: wasserstein.distance_to_normal(torch.ones(2), -1.0),
        ValueError,
        "variance",
    ),
}


@untyped
@pytest.mark.parametrize(("call", "error", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(call, error, words) -> None:
    with pytest.raises(error, match=words):
        call()
