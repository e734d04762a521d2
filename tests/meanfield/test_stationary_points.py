"""Tests of states where the flow stands still."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from rnnlimits.meanfield.optimality import certify, readout_infimum
from rnnlimits.meanfield.stationary_points import (
    memoryless_fit,
    mirrored,
    polished,
    replicated,
    silenced,
    without_past,
)
from rnnlimits.networks.activations import RELU
from rnnlimits.networks.elman import ElmanNet, equal_weights, forward
from rnnlimits.networks.elman_risk import Population, gradient, risk
from rnnlimits.random import normal, stream

SIGNS = torch.cartesian_prod(*[torch.tensor([1.0, -1.0]).double()] * 3)
BIASED = torch.stack([SIGNS, torch.ones_like(SIGNS)], dim=-1)
EIGHT = equal_weights(8)


def net_of(n: int, seed: int, d: int = 2) -> ElmanNet:
    draw = stream(seed, "points", n)
    parts = normal(draw, (n, d)), normal(draw, (n, n)), normal(draw, (n,))
    return ElmanNet(*parts, equal_weights(n))


def test_no_past_no_gradient_for_a_target_unrelated_to_the_present(seed: int) -> None:
    past = Population(BIASED, SIGNS[:, 0] * SIGNS[:, 1], EIGHT)
    found = certify(without_past(net_of(9, seed)), past)
    assert found.refutes
    assert found.failing == ["past"]
    assert_close(found.risk, 0.5)
    present = Population(BIASED, SIGNS[:, 2], EIGHT)
    assert not certify(without_past(net_of(9, seed)), present).stationary.holds


def test_copies_have_the_gradient_of_their_original(seed: int) -> None:
    net, over = net_of(3, seed), Population(BIASED, SIGNS[:, 1], EIGHT)
    twice = replicated(net, 2)
    assert_close(risk(twice, over), risk(net, over))
    assert_close(gradient(twice, over).input, gradient(net, over).input.repeat(2, 1))
    uneven = replace(net, weights=torch.tensor([0.5, 0.25, 0.25]).double())
    for build in (lambda: replicated(uneven, 2), lambda: mirrored(uneven)):
        with pytest.raises(ValueError, match="net must have equal masses"):
            build()


def test_twins_of_opposite_readout_rest_without_a_bias(seed: int) -> None:
    even = Population(SIGNS[..., None], SIGNS[:, 0] * SIGNS[:, 2], EIGHT)
    net = mirrored(net_of(9, seed, 1))
    assert float(forward(net, even.x).abs().max()) < 1e-14
    found = certify(net, even)
    assert found.refutes
    assert found.failing == ["bias"]
    odd = Population(SIGNS[..., None], SIGNS[:, 0], EIGHT)
    assert not certify(net, odd).stationary.holds


def test_dead_units_rest_exactly(seed: int) -> None:
    over = Population(BIASED, SIGNS[:, 1], EIGHT)
    dead = silenced(replace(net_of(9, seed), activation=RELU), over)
    g = gradient(dead, over)
    assert [float(b.abs().max()) for b in (g.input, g.recurrent, g.readout)] == [0, 0, 0]
    found = certify(dead, over)
    assert found.refutes
    assert "neurons" in found.failing
    assert set(found.noise.values()) == {0.0}
    with pytest.raises(ValueError, match="x must have a last channel that is 1"):
        silenced(net_of(2, seed), Population(-BIASED, SIGNS[:, 1], EIGHT))


def test_the_best_memoryless_network_rests_while_recurrence_is_frozen(seed: int) -> None:
    over = Population(BIASED, SIGNS[:, 1] + SIGNS[:, 2], EIGHT)
    net = memoryless_fit(net_of(9, seed), over)
    assert_close(forward(net, over.x), SIGNS[:, 2], rtol=1e-9, atol=1e-9)
    frozen = certify(net, over, ("input", "readout"))
    assert frozen.refutes
    assert "trained" in frozen.failing
    assert_close(frozen.risk, 0.5)
    assert_close(readout_infimum(net, over), 0.5)
    assert certify(net, over).stationary.state == "fails"


def test_a_neuron_without_mass_gets_no_readout() -> None:
    over = Population(BIASED, SIGNS[:, 2], EIGHT)
    mass = torch.tensor([0.5, 0.5, 0.0]).double()
    net = memoryless_fit(replace(net_of(3, 0), weights=mass), over)
    assert float(net.readout[2]) == 0
    assert_close(forward(net, over.x), SIGNS[:, 2], rtol=1e-9, atol=1e-9)


def test_a_trained_neuron_is_polished_to_round_off() -> None:
    angle = torch.arange(12).double()[:, None] / 12
    z = torch.cos(2 * math.pi * (angle + 2**0.5 * torch.arange(-2, 1)))
    x = torch.stack([z, torch.ones_like(z)], dim=-1)
    over = Population(x, z[:, 0] * z[:, 1] + z[:, 2], equal_weights(12))
    a, b, c = torch.tensor([[0.32, -0.14]]), torch.tensor([[0.01]]), torch.tensor([3.3])
    near = ElmanNet(a.double(), b.double(), c.double(), equal_weights(1))
    assert certify(near, over).stationary.state == "fails"
    found = polished(near, over)
    rested = certify(found, over)
    assert rested.refutes
    assert rested.failing == ["neurons"]
    assert float(risk(found, over)) < float(risk(near, over))
    assert certify(replicated(found, 5), over).refutes
