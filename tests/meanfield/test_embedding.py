"""Sampling rules and what they promise, embeddings, and independent recurrent weights."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.testing import assert_close

from draws import untyped
from rnnlimits.estimate import estimate
from rnnlimits.meanfield.embedding import (
    ANTITHETIC,
    INDEPENDENT,
    LATTICE,
    RULES,
    STRATIFIED,
    TWO_VALUES,
    Embedding,
    SamplingRule,
    averages_squared,
    forward_bound,
    independent,
    influence_at,
    lattice_constant,
    stratified_constant,
)
from rnnlimits.meanfield.independent_weights import shaken, shaken_moments
from rnnlimits.networks.activations import IDENTITY, SINE, SOFTPLUS, TANH
from rnnlimits.networks.elman import ElmanNet, at_labels, equal_weights, forward, unroll
from rnnlimits.networks.measures import (
    NeuronMeasure,
    WeightFunctions,
    empirical,
    gauss_legendre,
    network,
)
from rnnlimits.networks.sampling_error import influence, sampling_variance
from rnnlimits.random import normal, stream

FUNCTIONS = WeightFunctions(
    lambda w: torch.cat([3 * w - 1, 1 - w * w], dim=-1),
    lambda w, v: torch.cos(2 * w - v)[..., 0],
    lambda w: torch.exp(w[..., 0]) - 0.5,
)
LINE = gauss_legendre(30)
by_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def windows(seed: int = 0) -> Tensor:
    """Return two windows of three inputs of two channels."""
    return normal(stream(seed, "windows"), (2, 3, 2))


@by_rule
@pytest.mark.parametrize("n", [2, 6])
def test_each_label_is_uniform(rule: SamplingRule, n: int, seed: int) -> None:
    draws = [rule.draw(n, stream(seed, "uniform", n, i)) for i in range(1000)]
    for place in (0, n - 1):
        values = torch.stack(draws)[:, place, 0].numpy()
        assert stats.kstest(values, "uniform").pvalue > 1e-5


@by_rule
@pytest.mark.parametrize("n", [2, 4, 10])
def test_pairs_have_the_declared_covariance(rule: SamplingRule, n: int, seed: int) -> None:
    draws = [rule.draw(n, stream(seed, "pairs", n, i)) for i in range(2000)]
    first, last = (torch.stack(draws)[:, i, 0] - 0.5 for i in (0, -1))
    assert abs(estimate(first * last).z_score(rule.pair_covariance(n))) < 4.5


@by_rule
def test_covariances_sum_to_the_variance_of_the_mean(rule: SamplingRule) -> None:
    n = 8
    exact = {
        "independent": 1 / 12 / n,
        "antithetic": 0.0,
        "stratified": 1 / 12 / n**3,
        "lattice": 1 / 12 / n**2,
        "two values": 1 / 24,
    }
    found = 1 / 12 / n + (1 - 1 / n) * rule.pair_covariance(n)
    assert math.isclose(found, exact[rule.name], rel_tol=1e-12, abs_tol=1e-16)


@pytest.mark.parametrize("n", [1, 7, 32])
@pytest.mark.parametrize("rule", [STRATIFIED, LATTICE])
def test_one_label_in_each_stratum(rule: SamplingRule, n: int, seed: int) -> None:
    w = rule.draw(n, stream(seed, n))[:, 0]
    assert torch.floor(n * w).sort().values.tolist() == list(range(n))
    if rule is LATTICE:
        assert_close(w.sort().values.diff(), torch.full((n - 1,), 1 / n).double())


def test_antithetic_labels_are_pairs_and_two_values_are_twins(seed: int) -> None:
    w = ANTITHETIC.draw(6, stream(seed))[:, 0]
    assert_close(w.sort().values, (1 - w).sort().values)
    assert TWO_VALUES.draw(10, stream(seed))[:, 0].unique(return_counts=True)[1].tolist() == [5, 5]


def rough(w: Tensor, v: Tensor) -> Tensor:
    """Return a sign that jumps, of mean zero in the second label for each first one."""
    return torch.sign(torch.sin(2 * math.pi * (v - w)) + 0.0)[..., 0]


def smooth(w: Tensor, v: Tensor) -> Tensor:
    """Return a function with |f| and its slope in v at most one, of mean zero in v."""
    return (torch.cos(w) * (v - 0.5))[..., 0]


def resonant(n: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a function bounded by one that a lattice of n labels cannot tell from one."""
    return lambda w, v: torch.cos(2 * math.pi * n * (v - w))[..., 0]


@pytest.mark.parametrize("n", [2, 8, 32])
@by_rule
def test_declared_constants_of_weak_dependence(rule: SamplingRule, n: int, seed: int) -> None:
    def found(f: Callable[[Tensor, Tensor], Tensor], name: str) -> float:
        values = [averages_squared(rule, f, n, stream(seed, name, n, i)) for i in range(150)]
        value = estimate(values)
        return float(value.mean) - 4.5 * float(value.standard_error)

    for f, name in ((rough, "rough"), (smooth, "smooth"), (resonant(n), "resonant")):
        assert found(f, name) <= rule.bounded + 1e-9
    assert found(smooth, "smooth") <= rule.lipschitz


def test_constants_that_are_attained_and_rules_that_have_none(seed: int) -> None:
    def cosine(w: Tensor, v: Tensor) -> Tensor:
        return torch.cos(2 * math.pi * v)[..., 0] + 0 * w[..., 0]

    def of(rule: SamplingRule, f: Callable[[Tensor, Tensor], Tensor], n: int) -> list[float]:
        return [averages_squared(rule, f, n, stream(seed, "attained", n, i)) for i in range(400)]

    for n in (8, 64):
        # n times the mean square is Var f times 1, 2 and n/2
        assert abs(estimate(of(INDEPENDENT, cosine, n)).z_score(0.5)) < 4.5
        assert abs(estimate(of(ANTITHETIC, cosine, n)).z_score(1.0)) < 4.5
        assert abs(estimate(of(TWO_VALUES, cosine, n)).z_score(n / 4)) < 4.5
        assert_close(torch.tensor(of(LATTICE, resonant(n), n)), torch.full((400,), float(n)))


def test_stratified_average_of_a_line_has_its_exact_variance(seed: int) -> None:
    n = 6
    means = [float(STRATIFIED.draw(n, stream(seed, i)).mean()) - 0.5 for i in range(1500)]
    assert abs(estimate(np.square(means)).z_score(1 / 12 / n**3)) < 4.5


def test_an_embedding_is_a_network_of_functions_at_labels(seed: int) -> None:
    embedding = Embedding(FUNCTIONS, STRATIFIED, SINE)
    net = embedding.draw(5, stream(seed))
    w = STRATIFIED.draw(5, stream(seed))
    assert torch.equal(net.recurrent[1, 3], torch.cos(2 * w[1, 0] - w[3, 0]))
    assert net.activation is SINE
    same = network(FUNCTIONS, empirical(w), SINE)
    assert torch.equal(forward(net, windows()), forward(same, windows()))
    assert embedding.limit(LINE).weights is LINE.weights


def test_two_values_are_a_network_of_width_two(seed: int) -> None:
    big = Embedding(FUNCTIONS, TWO_VALUES).draw(50, stream(seed))
    small = Embedding(FUNCTIONS, INDEPENDENT).draw(2, stream(seed))
    assert_close(forward(big, windows()), forward(small, windows()), rtol=1e-12, atol=1e-13)


def test_a_finite_set_stratified_is_its_own_limit(seed: int) -> None:
    atoms = network(FUNCTIONS, empirical(INDEPENDENT.draw(4, stream(seed, "atoms"))))
    w = STRATIFIED.draw(12, stream(seed))[:, 0]
    net = at_labels(atoms, torch.floor(4 * w).long())
    assert_close(forward(net, windows()), forward(atoms, windows()), rtol=1e-12, atol=1e-13)


def test_the_forward_bound_holds_and_is_that_of_the_recursion(seed: int) -> None:
    n, x = 16, windows(seed)
    for rule in (INDEPENDENT, ANTITHETIC, STRATIFIED):
        embedding = Embedding(FUNCTIONS, rule)
        limit = forward(embedding.limit(LINE), x)
        drawn = [forward(embedding.draw(n, stream(seed, i)), x) for i in range(100)]
        square = (torch.stack(drawn) - limit).square().mean(0)
        bound = forward_bound(n, rule.bounded, 3, recurrent=1.0, readout=math.e - 0.5)
        assert square.max().sqrt() < bound
    error = 0.0
    for _ in range(2):
        error = 2 * 0.5 * 2.0 * 0.25 + 0.5 * 3.0 * error
    expected = 2 * 1.5 * 2.0 * 0.25 + 1.5 * 3.0 * error
    found = forward_bound(16, 1.0, 3, recurrent=0.5, readout=1.5, state=2.0, lipschitz=3.0)
    assert math.isclose(found, expected)


def test_the_influence_between_the_nodes() -> None:
    embedding, x = Embedding(FUNCTIONS, INDEPENDENT), windows()
    at_nodes = influence_at(embedding, LINE, LINE.labels, x)
    assert_close(at_nodes, influence(embedding.limit(LINE), x), rtol=1e-12, atol=1e-13)


def test_constants_by_differences_and_by_exact_sums() -> None:
    embedding, x, h = Embedding(FUNCTIONS, STRATIFIED), windows(), 1e-5
    up, down = (influence_at(embedding, LINE, LINE.labels + s * h, x) for s in (1, -1))
    slope = (up - down) / (2 * h)
    expected = slope.square() @ LINE.weights / 12
    assert_close(stratified_constant(embedding, LINE, x), expected, rtol=1e-7, atol=0)
    ends = influence_at(embedding, LINE, torch.tensor([[0.0], [1.0]]).double(), x)
    found = lattice_constant(embedding, LINE, x)
    assert_close(found, (ends[:, 1] - ends[:, 0]).square() / 12)


@pytest.mark.parametrize(
    ("rule", "power", "constant"),
    [(STRATIFIED, 3, stratified_constant), (LATTICE, 2, lattice_constant)],
)
def test_the_errors_have_the_predicted_constants(
    rule: SamplingRule, power: int, constant: Callable[..., Tensor], seed: int
) -> None:
    embedding, x, n = Embedding(FUNCTIONS, rule), windows(), 64
    limit = forward(embedding.limit(LINE), x)
    errors = [forward(embedding.draw(n, stream(seed, i)), x) - limit for i in range(400)]
    expected = constant(embedding, LINE, x)
    found = estimate(n**power * torch.stack(errors).square() / expected)
    # a relative bias of order n^-1/2 for strata, and of order 1/n for the lattice
    assert (np.abs(found.mean - 1) < 4.5 * np.asarray(found.standard_error) + 2 / n**0.5).all()


def test_independent_labels_in_several_coordinates(seed: int) -> None:
    assert independent(2).draw(3, stream(seed)).shape == (3, 2)
    limit = Embedding(FUNCTIONS, INDEPENDENT).limit(LINE)
    assert (sampling_variance(limit, windows()) > 0).all()


def small(seed: int, n: int, activation: object = TANH) -> ElmanNet:
    """Return a network of width n with weights of order one."""
    draw = stream(seed, "small")
    parts = [normal(draw, size) for size in ((n, 2), (n, n), (n,))]
    return ElmanNet(*parts, equal_weights(n), activation)  # pyright: ignore


@pytest.mark.parametrize("activation", [TANH, SINE, SOFTPLUS])
def test_shaken_moments_against_sums_over_autodiff(activation: object) -> None:
    n, x = 5, windows()
    net = small(3, n, activation)

    def output(b: Tensor) -> Tensor:
        return unroll(net.input, b, net.readout, net.weights, x, net.activation).output

    first = torch.func.jacrev(output)(net.recurrent)
    found = shaken_moments(net, 0.3, x)
    expected = 0.3 * n**2 * first.square().sum((1, 2))
    assert_close(found.variance, expected, rtol=1e-11, atol=0)


@pytest.mark.parametrize("activation", [TANH, SINE, SOFTPLUS])
def test_the_mean_of_a_shake_against_second_derivatives(activation: object) -> None:
    net, x, gaps = small(3, 3, activation), windows(), []
    expected = shaken_moments(net, 0.3, x).mean
    for copies in (4, 8):
        wide = at_labels(net, torch.arange(3).repeat(copies))

        def output(b: Tensor, wide: ElmanNet = wide) -> Tensor:
            return unroll(wide.input, b, wide.readout, wide.weights, x, wide.activation).output

        second = torch.func.jacrev(torch.func.jacrev(output))(wide.recurrent)
        diagonal = torch.einsum("aijij->a", second)
        gaps.append(0.3 / 2 * wide.width * diagonal - expected)
    assert_close(gaps[0], 2 * gaps[1], rtol=0.3, atol=1e-12)  # what is left falls like 1/n
    assert (gaps[1].abs() < 0.2 * expected.abs() + 0.01).all()


def test_shaken_moments_by_monte_carlo(seed: int) -> None:
    n, x, sigma2 = 200, windows(), 0.5
    bare = network(
        WeightFunctions(FUNCTIONS.input, FUNCTIONS.recurrent, FUNCTIONS.readout),
        empirical(INDEPENDENT.draw(n, stream(seed, "labels"))),
    )
    before, expected = forward(bare, x), shaken_moments(bare, sigma2, x)
    added = torch.stack(
        [n * (forward(shaken(bare, sigma2, stream(seed, i)), x) - before) for i in range(400)]
    )
    mean, square = estimate(added), estimate((added - expected.mean).square() / expected.variance)
    spread = expected.variance.sqrt().numpy()
    allowed = 4.5 * np.asarray(mean.standard_error) + spread / n**0.5
    assert (np.abs(mean.mean - expected.mean.numpy()) < allowed).all()
    allowed = 4.5 * np.asarray(square.standard_error) + 2 / n**0.5
    assert (np.abs(np.asarray(square.mean) - 1) < allowed).all()


def test_degenerate_shakes() -> None:
    net, x = small(1, 4), windows()
    assert torch.equal(shaken(net, 0.0, stream(0)).recurrent, net.recurrent)
    alone = shaken_moments(net, 1.0, x[:, -1:])
    assert alone.mean.tolist() == alone.variance.tolist() == [0.0, 0.0]
    linear = small(1, 4, IDENTITY)
    assert shaken_moments(linear, 1.0, x).mean.tolist() == [0.0, 0.0]
    noise = shaken(small(1, 4), 2.0, stream(5)).recurrent - net.recurrent
    assert_close(noise, normal(stream(5), (4, 4), 2.0))


@untyped
def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="multiple of 2 for the rule 'antithetic', got 3"):
        ANTITHETIC.draw(3, stream(0))
    with pytest.raises(ValueError, match="n must be at least 1"):
        INDEPENDENT.draw(0, stream(0))
    with pytest.raises(TypeError, match="n must be an integer"):
        INDEPENDENT.draw(2.0, stream(0))  # pyright: ignore
    with pytest.raises(ValueError, match="n_coordinates must be at least 1"):
        independent(0)
    with pytest.raises(ValueError, match="readout must be finite and at least 0"):
        forward_bound(4, 1.0, 3, recurrent=1.0, readout=-1.0)
    with pytest.raises(ValueError, match="constant must be finite"):
        forward_bound(4, LATTICE.bounded, 3, recurrent=1.0, readout=1.0)
    square = NeuronMeasure(gauss_legendre(2, 2).labels, gauss_legendre(2, 2).weights)
    for constant in (stratified_constant, lattice_constant):
        with pytest.raises(ValueError, match="coordinates must agree: line has 1, measure has 2"):
            constant(Embedding(FUNCTIONS, INDEPENDENT), square, windows())
    with pytest.raises(ValueError, match="variance must be finite and at least 0"):
        shaken_moments(small(0, 2), -1.0, windows())
