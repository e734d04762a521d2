"""Realisations: each reproduces its response, with the states it promises."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from draws import both_dtypes, distance, network, quick, response, seeds, untyped
from rnnlimits.networks.linear import impulse_response, recurrent_norm, spectral_radius
from rnnlimits.networks.realisation import (
    delay_line_realisation,
    hankel,
    hankel_realisation,
    rotation_realisation,
    states_needed,
    vandermonde,
    vandermonde_condition,
    vandermonde_condition_bound,
    vandermonde_realisation,
)
from rnnlimits.random import normal, stream

channel_pairs = pytest.mark.parametrize(
    ("i", "o"), [(1, 1), (2, 2), (3, 2), (2, 3), (1, 4), (4, 1)]
)


def chebyshev(n: int) -> Tensor:
    """Return n distinct nodes in (-1, 1), none of them zero for even n."""
    return torch.cos(math.pi * (torch.arange(n, dtype=torch.float64) + 0.5) / n)


def low_rank(seed: int, states: int, n_lags: int, n_outputs: int = 1, n_inputs: int = 1) -> Tensor:
    """Return the response of a network with few states."""
    return impulse_response(network(seed, states, n_inputs, n_outputs), n_lags)


# Vandermonde -------------------------------------------------------------------------------------


def test_the_matrix_is_numpys() -> None:
    nodes = torch.tensor([0.5, -2.0, 0.0], dtype=torch.float64)
    expected = np.vander(nodes.numpy(), 4, increasing=True).T
    assert torch.equal(vandermonde(nodes, 4), torch.from_numpy(expected.copy()))


@channel_pairs
def test_the_papers_construction_reproduces_the_response(i: int, o: int) -> None:
    L = response(0, 6, o, i)
    nodes = chebyshev(6)
    realised = vandermonde_realisation(L, nodes)
    assert realised.rnn.width == i * o * 6
    assert realised.condition_number == vandermonde_condition(nodes)
    # A solve loses as many digits as the condition number says, and no more.
    assert distance(impulse_response(realised.rnn, 6), L) < 100 * 2e-16 * realised.condition_number


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_roots_of_unity_are_perfectly_conditioned(n: int) -> None:
    nodes = torch.exp(2j * math.pi * torch.arange(n, dtype=torch.float64) / n)
    # Unit nodes to the power n: each entry is off by n round-offs at most.
    assert vandermonde_condition(nodes) == pytest.approx(1.0, abs=4e-16 * n**2)


@pytest.mark.parametrize("n", [4, 8, 12, 16, 20])
@pytest.mark.parametrize("kind", ["chebyshev", "equal", "random"])
def test_real_nodes_are_badly_conditioned_whatever_they_are(n: int, kind: str) -> None:
    nodes = {
        "chebyshev": chebyshev(n),
        "equal": torch.linspace(-1, 1, n, dtype=torch.float64),
        "random": 2 * torch.rand(n, generator=torch.Generator().manual_seed(n)).double() - 1,
    }[kind]
    # The Chebyshev polynomial of degree n-1 stays within [-1, 1] at the nodes, so its coefficients
    # c give |Vᵀc| ≤ √n, and row 0 of V gives |V| ≥ √n. The condition number is at least |c|, which
    # grows like (1 + √2)^n.
    assert vandermonde_condition(nodes) >= vandermonde_condition_bound(n) * (1 - 1e-6)


@quick
@given(seeds, st.integers(1, 9), st.floats(0.3, 4.0))
def test_real_nodes_of_any_size_are_badly_conditioned(seed: int, n: int, scale: float) -> None:
    nodes = scale * normal(stream(seed, "nodes"), (n,))
    assert vandermonde_condition(nodes) >= vandermonde_condition_bound(n) / math.sqrt(n)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 21])
def test_the_bound_is_the_norm_of_chebyshev_coefficients(n: int) -> None:
    coefficients = [[1], [0, 1]]  # p_{k+1} = 2 x p_k - p_{k-1}
    while len(coefficients) < n:
        p, q = coefficients[-1], coefficients[-2]
        pairs = zip([0] + [2 * c for c in p], [*q, 0, 0], strict=True)
        coefficients.append([a - b for a, b in pairs])
    exact = coefficients[n - 1]
    assert vandermonde_condition_bound(n) == pytest.approx(math.hypot(*exact), rel=1e-13)
    total = ((1 + math.sqrt(2)) ** (n - 1) + (1 - math.sqrt(2)) ** (n - 1)) / 2
    assert sum(abs(c) for c in exact) == pytest.approx(total, rel=1e-9)
    assert vandermonde_condition_bound(n) >= total / math.sqrt(n)


def test_nodes_that_coincide_have_no_condition_number() -> None:
    assert vandermonde_condition(torch.tensor([0.5, 0.5])) > 1e7


def test_a_matrix_that_is_singular_in_floating_point_is_refused_by_name() -> None:
    tiny = torch.tensor([1.0, 1e-200, 2e-200], dtype=torch.float64)  # their squares are zero
    with pytest.raises(ValueError, match=r"nodes must give an invertible Vandermonde matrix in"):
        vandermonde_realisation(response(0, 3), tiny)


def test_a_node_at_zero_is_as_good_as_any_other() -> None:
    L, nodes = response(0, 3), torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    assert torch.allclose(impulse_response(vandermonde_realisation(L, nodes).rnn, 3), L, rtol=1e-12)


@untyped
def test_nodes_that_do_not_fit() -> None:
    L, nodes = response(0, 3), chebyshev(4)[:3]
    with pytest.raises(ValueError, match="must agree: response has 3, nodes has 2"):
        vandermonde_realisation(L, nodes[:2])
    repeated = torch.tensor([0.5, 0.5, 1.0], dtype=torch.float64)
    with pytest.raises(ValueError, match="nodes must be distinct, got"):
        vandermonde_realisation(L, repeated)
    with pytest.raises(TypeError, match=r"response and nodes .* torch.float64 and torch.float32"):
        vandermonde_realisation(L, nodes.float())
    with pytest.raises(ValueError, match="nodes must be finite"):
        vandermonde_realisation(L, nodes * math.nan)
    with pytest.raises(TypeError, match="nodes must have a floating-point dtype"):
        vandermonde_realisation(L, nodes.to(torch.complex128))
    for nodes in (torch.tensor([1.0, math.nan]), torch.tensor([1.0, math.inf + 0j])):
        with pytest.raises(ValueError, match="nodes must be finite"):
            vandermonde_condition(nodes)
    with pytest.raises(ValueError, match=r"nodes must have the axes \(states\)"):
        vandermonde(torch.ones(2, 2), 2)
    with pytest.raises(ValueError, match="n_lags must be at least 1, got 0"):
        vandermonde(torch.ones(2), 0)
    with pytest.raises(ValueError, match="n_lags must be at least 1, got 0"):
        vandermonde_condition_bound(0)
    with pytest.raises(TypeError, match="n_lags must be an integer, got float"):
        vandermonde(torch.ones(2), 2.0)  # pyright: ignore[reportArgumentType]


# Shift registers ---------------------------------------------------------------------------------


@channel_pairs
@pytest.mark.parametrize("n_lags", [1, 2, 5])
def test_a_delay_line_stores_the_inputs_and_forgets_them(i: int, o: int, n_lags: int) -> None:
    L = response(1, n_lags, o, i)
    realised = delay_line_realisation(L)
    assert realised.rnn.width == n_lags * min(i, o)
    assert realised.condition_number == 1.0
    found = impulse_response(realised.rnn, n_lags + 3)
    assert distance(found[:n_lags], L) < 1e-14
    assert not found[n_lags:].any()
    assert spectral_radius(realised.rnn) == 0.0


@channel_pairs
@pytest.mark.parametrize("n_lags", [1, 2, 5])
def test_a_rotation_repeats_the_response(i: int, o: int, n_lags: int) -> None:
    L = response(2, n_lags, o, i)
    realised = rotation_realisation(L)
    assert realised.rnn.width == n_lags * min(i, o)
    assert realised.condition_number == 1.0
    A = realised.rnn.recurrent / math.sqrt(realised.rnn.width)
    torch.testing.assert_close(A @ A.T, torch.eye(len(A)).double(), rtol=0, atol=1e-14)
    assert recurrent_norm(realised.rnn) == pytest.approx(1.0, rel=1e-13)
    found = impulse_response(realised.rnn, 3 * n_lags)
    assert distance(found, L.repeat(3, 1, 1)) < 1e-13


@untyped
@pytest.mark.parametrize("realise", [delay_line_realisation, rotation_realisation])
def test_responses_that_no_register_holds(realise) -> None:
    with pytest.raises(ValueError, match=r"response must have the axes \(lags, outputs, inputs\)"):
        realise(torch.ones(3))
    with pytest.raises(ValueError, match="response must be finite"):
        realise(torch.tensor([[[math.inf]]]))
    with pytest.raises(TypeError, match="response must be a torch tensor, got list"):
        realise([[[1.0]]])


# Hankel ------------------------------------------------------------------------------------------


def test_blocks_of_the_hankel_matrix() -> None:
    L = response(3, 5, 2, 3)
    for rows in range(1, 6):
        H = hankel(L, rows).reshape(rows, 2, 6 - rows, 3)
        for a in range(rows):
            for b in range(6 - rows):
                assert torch.equal(H[a, :, b], L[a + b])


@quick
@given(seeds, st.integers(1, 3), st.integers(1, 2), st.integers(1, 2))
def test_the_fewest_states_are_found(seed: int, states: int, i: int, o: int) -> None:
    L = low_rank(seed, states, 10, o, i)
    needed = states_needed(L, rtol=1e-9)
    assert needed <= states
    realised = hankel_realisation(L, rtol=1e-9)
    assert realised.rnn.width <= states
    assert distance(impulse_response(realised.rnn, 10), L) < 1e-6


@pytest.mark.parametrize(("i", "o"), [(1, 1), (2, 3), (3, 2)])
def test_a_response_of_few_states_is_realised_with_as_many(i: int, o: int) -> None:
    L = low_rank(4, 3, 12, o, i)
    assert states_needed(L) == 3
    realised = hankel_realisation(L)
    assert realised.rnn.width == 3
    assert realised.condition_number >= 1.0
    assert distance(impulse_response(realised.rnn, 12), L) < 1e-8
    further = low_rank(4, 3, 20, o, i)
    assert distance(impulse_response(realised.rnn, 20), further) < 1e-8


@channel_pairs
def test_no_realisation_has_fewer_states_than_the_bound(i: int, o: int) -> None:
    L = response(5, 6, o, i)
    needed = states_needed(L)
    # Rank is full for a generic response, at the best split of six lags into rows and columns.
    assert needed == max(min(r * o, (7 - r) * i) for r in range(1, 7))
    assert needed <= delay_line_realisation(L).rnn.width == 6 * min(i, o)


def test_a_response_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="Hankel rank that has stopped growing within its 7 lags"):
        hankel_realisation(response(6, 7))
    with pytest.raises(ValueError, match="response must hold at least 2 lags, got 1"):
        hankel_realisation(response(6, 1))
    for zeros in (torch.zeros(4, 1, 1), torch.tensor([0.0, 1.0]).reshape(2, 1, 1)):
        with pytest.raises(ValueError, match="must not be zero before its last lag"):
            hankel_realisation(zeros)


def test_no_states_are_needed_for_nothing() -> None:
    assert states_needed(torch.zeros(4, 1, 1)) == 0
    assert states_needed(torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0]).reshape(5, 1, 1)) == 3


@untyped
def test_bad_arguments_of_the_hankel_matrix() -> None:
    L = response(0, 4)
    for rows in (0, 5):
        with pytest.raises(ValueError, match="rows must"):
            hankel(L, rows)
    with pytest.raises(TypeError, match="rows must be an integer, got float"):
        hankel(L, 2.0)  # pyright: ignore[reportArgumentType]
    for function in (states_needed, hankel_realisation, lambda L: hankel(L, 1)):
        with pytest.raises(ValueError, match="response must have the axes"):
            function(torch.ones(3))
        with pytest.raises(ValueError, match="response must be finite"):
            function(torch.full((3, 1, 1), math.nan))
    for function in (states_needed, hankel_realisation):
        with pytest.raises(ValueError, match="rtol must be"):
            function(L, rtol=-1.0)


@both_dtypes
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    L = low_rank(4, 3, 10, 2, 1).to(dtype)
    accuracy = 1e-3 if dtype == torch.float32 else 1e-8
    for realised in (
        vandermonde_realisation(L, chebyshev(10).to(dtype)),
        delay_line_realisation(L),
        rotation_realisation(L),
        hankel_realisation(L),
    ):
        assert realised.rnn.recurrent.dtype == dtype
        assert distance(impulse_response(realised.rnn, 10), L) < accuracy
    assert states_needed(L) == 3
    assert hankel(L, 3).dtype == dtype
    assert vandermonde(torch.ones(2, dtype=dtype), 3).dtype == dtype
