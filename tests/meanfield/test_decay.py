"""Tests of the guarantee of exponential decay and of what is watched along a path."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from draws import untyped
from rnnlimits.meanfield.decay import (
    converges,
    feature_shift,
    guaranteed_decay,
    least_eigenvalue,
    nearest,
    tangent_gram,
    watch,
)
from rnnlimits.meanfield.flow import integrate
from rnnlimits.networks.activations import IDENTITY, RELU, TANH, Activation
from rnnlimits.networks.elman import NTK, ElmanNet, at_labels, equal_weights, forward, run, unroll
from rnnlimits.networks.elman_risk import Population, dissipation, gradient, gram, risk
from rnnlimits.random import normal, stream


def net_of(n: int, seed: int, activation: Activation = TANH, d: int = 2) -> ElmanNet:
    draw = stream(seed, "decay", n)
    a, b, c = normal(draw, (n, d)), normal(draw, (n, n)), normal(draw, (n,))
    p = torch.from_numpy(draw.dirichlet([3.0] * n))
    return ElmanNet(a, b, c, p, activation)


def population_of(seed: int, windows: int = 4) -> Population:
    draw = stream(seed, "windows")
    x = normal(draw, (windows, 3, 2))
    w = torch.from_numpy(draw.dirichlet([3.0] * windows))
    return Population(x, normal(draw, (windows,)), w)


def close_to(net: ElmanNet, population: Population, size: float) -> Population:
    """The same windows with targets that the network nearly has."""
    x = population.x
    targets = forward(net, x) + size * population.targets
    return Population(x, targets, population.probabilities)


@pytest.mark.parametrize("activation", [TANH, RELU, IDENTITY], ids=str)
def test_features_move_less_than_the_bound(seed: int, activation: Activation) -> None:
    net, population = net_of(5, seed, activation), population_of(seed)
    draw = stream(seed, "moves")
    p = net.weights
    for distance in (0.01, 0.3, 2.0):
        d_a, d_b = normal(draw, (5, 2)), normal(draw, (5, 5))
        norm = (d_a.square().sum(-1) @ p + d_b.square() @ p @ p).sqrt()
        a = net.input + distance / norm * d_a
        b = net.recurrent + distance / norm * d_b
        x = population.x
        there = unroll(a, b, net.readout, p, x, activation).hidden[-1]
        moved = ((there - run(net, x).hidden[-1]).square() @ p).sqrt()
        assert bool((moved <= feature_shift(net, x, distance) * (1 + 1e-12)).all())


def test_the_bound_is_attained_by_one_linear_neuron() -> None:
    one = torch.ones(1, dtype=torch.float64)
    net = ElmanNet(one[:, None], 0.5 * one[:, None], one, one, IDENTITY)
    assert_close(feature_shift(net, 3 * one[:, None, None], 0.25), 0.75 * one)
    # h_{-1} = 2, e_{-1} = 0.2; then 0.1 sqrt(1 + 2.2^2) + 0.5 * 0.2
    x = torch.tensor([[[2.0], [1.0]]]).double()
    expected = 0.1 * math.sqrt(1 + 2.2**2) + 0.1
    assert_close(feature_shift(net, x, 0.1), expected * one)
    assert_close(feature_shift(net, x, 0.0), 0 * one)
    with pytest.raises(ValueError, match="distance must be finite and at least 0"):
        feature_shift(net, x, -1.0)


def test_a_proved_decay_is_seen(seed: int) -> None:
    net, population = net_of(12, seed), population_of(seed)
    near = close_to(net, population, 1e-6)
    found = guaranteed_decay(net, near)
    assert found.proved
    assert_close(found.rate, float(torch.linalg.eigvalsh(gram(net, near))[0]) / 2)
    path = integrate(net, near, 0.05, 60)
    bound = path.risk[0] * torch.exp(-found.rate * path.times)
    assert bool((path.risk <= bound * (1 + 1e-6)).all())
    start, p = path.at(0), net.weights
    end = path.at(-1)
    length = ((end.input - start.input).square().sum(-1) @ p).sqrt()
    assert float(length) <= found.distance


def test_no_decay_is_proved_far_away_or_with_few_neurons(seed: int) -> None:
    population = population_of(seed)
    far = guaranteed_decay(net_of(12, seed), close_to(net_of(12, seed), population, 100.0))
    assert not far.proved
    assert far.rate == 0
    few = guaranteed_decay(net_of(3, seed), population)
    assert (few.least, few.proved) == (0.0, False)
    equal = ElmanNet(torch.ones(2, 2), torch.ones(2, 2), torch.ones(2), equal_weights(2).float())
    other = ElmanNet(
        equal.input, equal.recurrent, equal.readout, equal.weights, equal.activation, NTK
    )
    flat = Population(torch.ones(1, 3, 2), torch.ones(1), torch.ones(1))
    with pytest.raises(ValueError, match="net must have the mean-field scaling"):
        guaranteed_decay(other, flat)
    with pytest.raises(ValueError, match="net must have a smooth activation, got relu"):
        guaranteed_decay(replace(equal, activation=RELU), flat)


def test_an_eigenvalue_like_round_off_is_zero() -> None:
    assert least_eigenvalue(torch.diag(torch.tensor([1.0, 1e-17]).double())) == 0
    assert_close(least_eigenvalue(torch.diag(torch.tensor([1.0, 1e-3]).double())), 1e-3)


def test_convergence_is_proved_or_not_contradicted(seed: int) -> None:
    net, population = net_of(12, seed), population_of(seed)
    near = close_to(net, population, 1e-6)
    answer = converges(integrate(net, near, 0.1, 2), near)
    assert (answer.state, answer.value) == ("holds", 0.0)
    few = net_of(2, seed)
    path = integrate(few, population, 0.01, 4, every=2)
    answer = converges(path, population)
    first, last = (gradient(path.at(i), population).readout.abs().max() for i in (0, 2))
    assert (answer.state, answer.reason) == ("undecided", "not contradicted up to t = 0.04")
    assert_close(answer.value, float(last / first))


def test_with_a_kink_nothing_is_proved(seed: int) -> None:
    net, population = net_of(12, seed, RELU), population_of(seed)
    near = close_to(net, population, 1e-9)
    assert converges(integrate(net, near, 0.01, 2), near).state == "undecided"


def test_a_path_that_rests_without_features_is_undecided() -> None:
    zero = torch.zeros(2, dtype=torch.float64)
    net = ElmanNet(zero[:, None], torch.zeros(2, 2).double(), zero, equal_weights(2))
    one = torch.ones(1, dtype=torch.float64)
    population = Population(one[:, None, None], one, one)
    answer = converges(integrate(net, population, 0.1, 2), population)
    assert (answer.state, answer.value) == ("undecided", 0.0)


def test_what_is_watched_is_what_the_theory_names(seed: int) -> None:
    nets, population = [net_of(5, seed + k) for k in range(2)], population_of(seed)
    path = integrate(nets, population, 0.05, 4, every=2)
    seen = watch(path, population)
    for k in range(2):
        alone = watch(integrate(nets[k], population, 0.05, 4, every=2), population)
        for name in ("risk", "readout", "largest", "least", "ratio", "apart"):
            assert_close(getattr(seen, name)[:, k], getattr(alone, name), rtol=1e-9, atol=1e-12)
        lost = dissipation(nets[k], population)
        r = forward(nets[k], population.x) - population.targets
        weighed = population.probabilities.sqrt() * r
        assert_close(seen.readout[0, k], weighed @ gram(nets[k], population) @ weighed)
        assert_close(seen.ratio[0, k], -lost.total / (2 * risk(nets[k], population)))
        assert_close(seen.shares[1, 0, k], lost.recurrent / lost.total)
        assert_close(seen.largest[0, k], gradient(nets[k], population).readout.abs().max())
    assert_close(seen.shares.sum(0), torch.ones_like(seen.risk))
    assert bool((seen.ratio >= seen.least - 1e-12).all())


def test_the_distance_of_two_neurons_by_hand() -> None:
    p = torch.tensor([0.25, 0.75]).double()
    a = torch.tensor([[0.0], [3.0]]).double()
    b = torch.tensor([[1.0, 2.0], [5.0, 4.0]]).double()
    c = torch.tensor([1.0, 2.0]).double()
    rows = 0.25 * 16 + 0.75 * 4
    columns = 0.25 * 1 + 0.75 * 1
    expected = math.sqrt(9 + rows + columns + 1)
    assert_close(float(nearest(ElmanNet(a, b, c, p))), expected)
    one = torch.ones(1)
    assert math.isinf(float(nearest(ElmanNet(one[:, None], one[:, None], one, one))))


def test_twins_have_no_distance(seed: int) -> None:
    twins = at_labels(net_of(3, seed), torch.tensor([0, 1, 2, 1]))
    assert float(nearest(twins)) == 0


def test_the_tangent_operator_dissipates_and_is_the_jacobian(seed: int) -> None:
    net, population = net_of(4, seed), population_of(seed)
    k = tangent_gram(net, population)
    root = population.probabilities.sqrt()
    r = root * (forward(net, population.x) - population.targets)
    assert_close(r @ k @ r, -dissipation(net, population).total, rtol=1e-12, atol=1e-14)

    def outputs(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return root * unroll(a, b, c, net.weights, population.x).output

    jacobian = torch.func.jacrev(outputs, (0, 1, 2))
    d_a, d_b, d_c = jacobian(net.input, net.recurrent, net.readout)
    p = net.weights
    pairs = [
        (d_a / p[:, None].sqrt()).flatten(1),
        (d_b / (p[:, None] * p).sqrt()).flatten(1),
        d_c / p.sqrt(),
    ]
    assert_close(k, sum(each @ each.T for each in pairs), rtol=1e-12, atol=1e-14)


@untyped
def test_a_distance_that_is_no_number() -> None:
    one = torch.ones(1)
    net = ElmanNet(one[:, None], one[:, None], one, one)
    with pytest.raises(TypeError, match="distance must be a real number"):
        feature_shift(net, torch.ones(1, 1, 1), "near")  # type: ignore[arg-type]
