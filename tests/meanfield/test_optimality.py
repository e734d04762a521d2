"""Tests of certificates and of the hypotheses that a state is asked."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from rnnlimits.meanfield.optimality import (
    BLOCKS,
    best_outputs,
    certify,
    diverse,
    enough_neurons,
    readout_infimum,
    regular,
    risk_floor,
    round_off,
    theorem_hypotheses,
)
from rnnlimits.networks.activations import IDENTITY, RELU, SOFTPLUS, TANH
from rnnlimits.networks.elman import NTK, ElmanNet, at_labels, equal_weights, forward, run
from rnnlimits.networks.elman_risk import Population, gradient, risk
from rnnlimits.random import normal, stream


def net_of(n: int, seed: int, d: int = 2) -> ElmanNet:
    draw = stream(seed, "certificates", n)
    parts = normal(draw, (n, d)), normal(draw, (n, n)), normal(draw, (n,))
    return ElmanNet(*parts, equal_weights(n))


def population_of(seed: int, windows: int = 4, bias: bool = True) -> Population:
    draw = stream(seed, "windows")
    x = normal(draw, (windows, 3, 2))
    if bias:
        x[..., 1] = 1
    w = torch.from_numpy(draw.dirichlet([3.0] * windows))
    return Population(x, normal(draw, (windows,)), w)


def test_a_network_in_training_is_neither_stationary_nor_optimal(seed: int) -> None:
    net, population = net_of(8, seed), population_of(seed)
    found = certify(net, population)
    assert found.stationary.state == "fails"
    assert found.optimal.state == "fails"
    assert not found.refutes
    assert found.failing == []
    assert list(found.hypotheses) == [
        "regular",
        "bends",
        "bias",
        "neurons",
        "past",
        "trained",
        "features",
    ]
    assert_close(found.risk, float(risk(net, population)))
    g = gradient(net, population)
    for block in BLOCKS:
        assert found.entries[block] == float(getattr(g, block).abs().max())


def test_a_fitted_network_is_stationary_and_optimal(seed: int) -> None:
    net, population = net_of(8, seed), population_of(seed)
    fitted = Population(population.x, forward(net, population.x), population.probabilities)
    found = certify(net, fitted)
    assert found.stationary.holds
    assert found.optimal.holds
    assert not found.refutes
    near = Population(fitted.x, fitted.targets + 1e-10, fitted.probabilities)
    assert certify(net, near).stationary.state == "undecided"
    close = Population(fitted.x, fitted.targets * (1 + 1e-5), fitted.probabilities)
    assert certify(net, close).optimal.state == "undecided"


def test_only_trained_blocks_count(seed: int) -> None:
    net, population = net_of(8, seed), population_of(seed)
    found = certify(net, population, ("readout",))
    assert list(found.entries) == ["readout"]
    assert str(found.hypotheses["trained"]) == "fails: input, recurrent frozen"
    for wrong, said in ((("weights",), "weights"), ((), "none")):
        with pytest.raises(ValueError, match=f"trained must name blocks .* got {said}"):
            certify(net, population, wrong)


def test_a_certificate_needs_one_target_and_the_mean_field_scaling(seed: int) -> None:
    net, population = net_of(8, seed), population_of(seed)
    with pytest.raises(ValueError, match="net must have the mean-field scaling"):
        certify(replace(net, scaling=NTK), population)
    several = Population(population.x, population.targets.expand(2, -1), population.probabilities)
    with pytest.raises(ValueError, match=r"population\.targets must have the axes"):
        certify(net, several)


def test_round_off_bounds_what_single_precision_does(seed: int) -> None:
    net, population = net_of(8, seed), population_of(seed)
    rough = ElmanNet(
        net.input.float(), net.recurrent.float(), net.readout.float(), net.weights.float()
    )
    law = population.probabilities.float()
    law = law / law.sum()
    parts = population.x.float(), population.targets.float(), law
    coarse = Population(*parts)
    exact_net = ElmanNet(
        rough.input.double(),
        rough.recurrent.double(),
        rough.readout.double(),
        rough.weights.double(),
    )
    exact = Population(parts[0].double(), parts[1].double(), law.double() / law.double().sum())
    found, true = gradient(rough, coarse), gradient(exact_net, exact)
    scale = round_off(rough, coarse)
    for block in BLOCKS:
        error = (getattr(found, block).double() - getattr(true, block)).abs()
        assert bool((error <= getattr(scale, block)).all())
    precise = round_off(exact_net, exact).readout
    assert_close((scale.readout / precise).mean().item(), 2.0**29, rtol=0.01, atol=0)


def test_the_floor_is_the_variance_among_equal_windows() -> None:
    x = torch.tensor([1.0, 2.0, 1.0]).double()[:, None, None]
    w = torch.tensor([0.25, 0.5, 0.25]).double()
    population = Population(x, torch.tensor([1.0, 7.0, 5.0]).double(), w)
    assert_close(risk_floor(population), 0.5 * (0.25 * 4 + 0.25 * 4))
    empty = Population(x, population.targets, torch.tensor([1.0, 0.0, 0.0]).double())
    assert risk_floor(empty) == 0


def test_the_best_readout_is_the_least_squares_solution(seed: int) -> None:
    net, population = net_of(3, seed), population_of(seed)
    root = population.probabilities.sqrt()[:, None]
    h = run(net, population.x).hidden[-1]
    c = torch.linalg.lstsq(root * h, root * population.targets[:, None]).solution
    assert_close(best_outputs(net, population), (h @ c)[:, 0], rtol=1e-6, atol=1e-8)
    left = (h @ c)[:, 0] - population.targets
    assert_close(
        readout_infimum(net, population),
        float(left.square() @ population.probabilities / 2),
        rtol=1e-7,
        atol=1e-12,
    )
    assert readout_infimum(net, population) <= float(risk(net, population)) + 1e-12


def test_windows_and_neurons_without_mass_do_not_count(seed: int) -> None:
    net, population = net_of(2, seed), population_of(seed)
    first = torch.tensor([1.0, 0.0, 0.0, 0.0]).double()
    one = Population(population.x, population.targets, first)
    assert_close(best_outputs(net, one)[0], population.targets[0])
    assert best_outputs(net, one)[1:].tolist() == [0, 0, 0]
    silent = replace(net, weights=torch.tensor([1.0, 0.0]).double())
    alone = ElmanNet(net.input[:1], net.recurrent[:1, :1], net.readout[:1], first[:1])
    assert_close(readout_infimum(silent, population), readout_infimum(alone, population))


def test_activations_that_are_regular() -> None:
    assert regular(TANH).holds
    assert regular(RELU).reason == "relu is not bounded, not smooth"
    assert regular(SOFTPLUS).reason == "softplus is not bounded"


def test_copies_and_silent_neurons_do_not_count(seed: int) -> None:
    net, x = net_of(4, seed), population_of(seed).x
    assert (enough_neurons(net, x).state, enough_neurons(net, x).value) == ("holds", 4.0)
    copies = at_labels(net, torch.tensor([0, 1, 2, 1, 0]))
    # copies of a neuron hear alike whatever their columns: three rows
    assert enough_neurons(copies, x).value == 3
    mass = torch.tensor([0.5, 0.5, 0.0, 0.0]).double()
    assert enough_neurons(replace(net, weights=mass), x).value == 2
    zero = replace(net, input=0 * net.input)
    assert (enough_neurons(zero, x).state, enough_neurons(zero, x).value) == ("fails", 0.0)
    twice = torch.cat([x, x])
    assert enough_neurons(net, twice).holds


@pytest.mark.parametrize(
    ("rows", "others", "state"),
    [
        ("everything", "bounded", "holds"),
        ("everything", "finite", "holds"),
        ("everything", "everything", "undecided"),
        ("thin", "bounded", "fails"),
        ("bounded", "bounded", "fails"),
        ("finite", "finite", "fails"),
        ("unknown", "bounded", "undecided"),
        ("everything", "unknown", "undecided"),
    ],
)
def test_a_start_declares_its_diversity(rows: str, others: str, state: str) -> None:
    assert diverse(rows, others).state == state


def test_another_word_is_no_declaration() -> None:
    with pytest.raises(ValueError, match=r"rows must be one of everything, .* got 'wide'"):
        diverse("wide", "bounded")
    with pytest.raises(ValueError, match="others must be one of everything"):
        diverse("everything", "wide")


def test_one_hypothesis_at_a_time(seed: int) -> None:
    net, population = net_of(8, seed), population_of(seed)
    forgetful = replace(net, recurrent=0 * net.recurrent)
    cases = {
        "regular": (replace(net, activation=SOFTPLUS), population),
        "bias": (net, population_of(seed, bias=False)),
        "neurons": (net_of(3, seed), population),
    }
    for name, (state, over) in cases.items():
        failing = certify(state, over).failing
        assert failing == [name]
    letters = torch.tensor([[1.0, 1, 1], [-1, 1, 1]]).double()
    x = torch.stack([letters, torch.ones_like(letters)], dim=-1)
    two = Population(x, letters[:, 0], equal_weights(2))
    assert certify(forgetful, two).failing == ["past"]
    linear = certify(replace(net, activation=IDENTITY), population)
    assert linear.failing == ["regular", "bends"]


def test_one_window_has_no_past_to_keep(seed: int) -> None:
    population = population_of(seed, windows=1)
    answers = theorem_hypotheses(net_of(2, seed), population)
    assert answers["past"].reason == "one window"
    silent = replace(net_of(2, seed), input=torch.zeros(2, 2).double())
    assert math.isfinite(theorem_hypotheses(silent, population)["bends"].value)
