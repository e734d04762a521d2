"""One small test for each settled statement about global optimality; the ledger names them.

The ledger runs each against the library, and once more for each piece of a formula made wrong.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.testing import assert_close

from rnnlimits.meanfield.decay import feature_shift, guaranteed_decay
from rnnlimits.meanfield.diversity import origin
from rnnlimits.meanfield.flow import integrate
from rnnlimits.meanfield.optimality import certify, diverse
from rnnlimits.meanfield.stationary_points import (
    memoryless_fit,
    mirrored,
    polished,
    replicated,
    silenced,
    without_past,
)
from rnnlimits.networks.activations import IDENTITY, RELU
from rnnlimits.networks.elman import ElmanNet, equal_weights
from rnnlimits.networks.elman_risk import Population, gram, risk
from rnnlimits.random import normal, stream

SIGNS = torch.cartesian_prod(*[torch.tensor([1.0, -1.0]).double()] * 3)
SIX = SIGNS[[1, 2, 3, 4, 5, 6]]  # the words of the Thue-Morse system


def biased(inputs: Tensor) -> Tensor:
    return torch.stack([inputs, torch.ones_like(inputs)], dim=-1)


def words(target: Tensor) -> Population:
    return Population(biased(SIX), target, equal_weights(6))


def net_of(n: int, seed: int, d: int = 2) -> ElmanNet:
    draw = stream(seed, "optimality", n)
    parts = normal(draw, (n, d)), normal(draw, (n, n)), normal(draw, (n,))
    return ElmanNet(*parts, equal_weights(n))


def wheel(angles: int) -> Tensor:
    angle = torch.arange(angles).double()[:, None] / angles
    return torch.cos(2 * math.pi * (angle + 2**0.5 * torch.arange(-2, 1)))


def test_mf_11_a_path_that_comes_close_goes_to_zero() -> None:
    assert diverse("everything", "bounded").holds
    assert diverse("finite", "finite").state == "fails"
    # one linear neuron, two inputs, by hand: h_{-1} = 2, e_{-1} = 0.2
    one = torch.ones(1, dtype=torch.float64)
    neuron = ElmanNet(one[:, None], 0.5 * one[:, None], one, one, IDENTITY)
    two = torch.tensor([[[2.0], [1.0]]]).double()
    by_hand = 0.1 * math.sqrt(1 + 2.2**2) + 0.1
    assert_close(feature_shift(neuron, two, 0.1), by_hand * one)
    # rows are carried along, and every row is reached: one, by a neuron of mass zero
    over, net = words(SIX[:, 0] * SIX[:, 1] + SIX[:, 2]), net_of(6, 0)
    row = 3 * normal(stream(0, "row"), (8,))
    before = origin(net, over, row, 0.2, 40)
    assert float((before - row).abs().max()) > 0.01
    bare = torch.zeros(7, 7).double()
    bare[:6, :6], bare[6, :6] = net.recurrent, before[2:]
    a, last = torch.cat([net.input, before[None, :2]]), torch.zeros(1).double()
    c, p = torch.cat([net.readout, last]), torch.cat([net.weights, last])
    path = integrate(ElmanNet(a, bare, c, p), over, 0.2, 40)
    assert_close(path.input[-1, 6], row[:2], rtol=0, atol=1e-8)
    assert_close(path.recurrent[-1, 6, :6], row[2:], rtol=0, atol=1e-8)
    # from a random start to a state from which decay is proved
    path = integrate(net_of(24, 0), over, 0.2, 600, every=200)
    assert not guaranteed_decay(path.at(0), over).proved
    here = path.at(3)
    found, least = guaranteed_decay(here, over), torch.linalg.eigvalsh(gram(here, over))[0]
    assert found.proved
    assert_close(found.distance, math.sqrt(8 * float(risk(here, over) / least)))
    assert_close(found.room, float(least.sqrt()) / 2)
    later = integrate(here, over, 0.2, 100, every=20)
    bound = later.risk[0] * torch.exp(-least / 2 * later.times)
    assert bool((later.risk <= bound * (1 + 1e-9)).all())


def test_mf_12_fixed_points_that_are_not_optimal() -> None:
    z, many = wheel(12), net_of(12, 0)
    turning = torch.sin(2 * math.pi * torch.arange(12).double() / 12)
    twelve = equal_weights(12)
    product = Population(biased(z), z[:, 0] * z[:, 1] + z[:, 2], twelve)
    one = ElmanNet(
        torch.tensor([[0.32, -0.14]]).double(),
        torch.tensor([[0.01]]).double(),
        torch.tensor([3.3]).double(),
        equal_weights(1),
    )
    over = words(SIX[:, 0] * SIX[:, 1] + SIX[:, 2])
    even = Population(SIX[..., None], SIX[:, 0] * SIX[:, 1] + 1 / 3, equal_weights(6))
    points = {
        "past": (without_past(many), Population(biased(z), turning, twelve)),
        "neurons": (replicated(polished(one, product), 4), product),
        "bias": (mirrored(net_of(12, 0, 1)), even),
        "regular": (silenced(replace(many, activation=RELU), over), over),
    }
    for lacking, (net, population) in points.items():
        found = certify(net, population)
        assert found.stationary.holds
        assert found.optimal.state == "fails"
        assert found.refutes
        assert lacking in found.failing
        assert found.floor < 1e-30
        assert found.risk > 0.05
    frozen = memoryless_fit(many, over)
    assert certify(frozen, over, ("input", "readout")).refutes
    assert not certify(frozen, over).refutes
    fitted = Population(over.x, 0 * over.targets, over.probabilities)
    optimal = certify(without_past(many), fitted)
    assert optimal.stationary.holds
    assert not optimal.refutes
