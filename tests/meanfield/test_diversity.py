"""Tests of where training carries a neuron, and of where it must have come from."""

import pytest
import torch
from torch.testing import assert_close

from rnnlimits.meanfield.diversity import carried, origin
from rnnlimits.meanfield.flow import integrate
from rnnlimits.networks.elman import ElmanNet, equal_weights
from rnnlimits.networks.elman_risk import Population
from rnnlimits.random import normal, stream


def net_of(n: int, seed: int) -> ElmanNet:
    draw = stream(seed, "diversity", n)
    parts = normal(draw, (n, 2)), normal(draw, (n, n)), normal(draw, (n,))
    return ElmanNet(*parts, equal_weights(n))


def population_of(seed: int) -> Population:
    draw = stream(seed, "windows")
    return Population(normal(draw, (4, 3, 2)), normal(draw, (4,)), equal_weights(4))


def test_a_neuron_of_small_mass_goes_where_one_without_mass_goes(seed: int) -> None:
    net, over = net_of(4, seed), population_of(seed)
    rows = normal(stream(seed, "rows"), (2, 6))
    ends = carried(net, over, rows, 0.1, 10)
    gaps = []
    for mass in (1e-4, 1e-5):
        p = torch.cat([net.weights * (1 - mass), torch.tensor([mass], dtype=torch.float64)])
        b = torch.zeros(5, 5).double()
        b[:4, :4], b[4, :4] = net.recurrent, rows[0, 2:]
        a = torch.cat([net.input, rows[:1, :2]])
        heavy = ElmanNet(a, b, torch.cat([net.readout, torch.zeros(1).double()]), p)
        path = integrate(heavy, over, 0.1, 10)
        end = torch.cat([path.input[-1, 4], path.recurrent[-1, 4, :4]])
        gaps.append(float((end - ends[0]).abs().max()))
    assert gaps[1] < 0.2 * gaps[0]
    assert_close(carried(net, over, rows[1:], 0.1, 10), ends[1:], rtol=1e-12, atol=1e-13)


def test_a_copy_of_a_silent_neuron_follows_it(seed: int) -> None:
    net, over = net_of(4, seed), population_of(seed)
    b, c = net.recurrent.clone(), net.readout.clone()
    b[:, 1], c[1] = 0, 0
    silent = ElmanNet(net.input, b, c, net.weights)
    path = integrate(silent, over, 0.1, 20)
    row = torch.cat([net.input[1], b[1]])
    end = torch.cat([path.input[-1, 1], path.recurrent[-1, 1]])
    assert_close(carried(silent, over, row[None], 0.1, 20)[0], end, rtol=1e-11, atol=1e-12)
    assert float((end - row).abs().max()) > 1e-6


def test_any_row_is_reached(seed: int) -> None:
    net, over = net_of(4, seed), population_of(seed)
    row = 3 * normal(stream(seed, "goal"), (6,))
    start = origin(net, over, row, 0.1, 20)
    assert_close(carried(net, over, start[None], 0.1, 20)[0], row, rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match="lengths of rows must agree"):
        origin(net, over, row[1:], 0.1, 20)


def test_a_solver_that_finds_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    net, over = net_of(2, 0), population_of(0)

    def stuck(_: object, start: object, **__: object) -> object:
        return type("Found", (), {"x": start, "message": "stuck"})

    monkeypatch.setattr("rnnlimits.meanfield.diversity.optimize.root", stuck)
    with pytest.raises(RuntimeError, match="no start was found: stuck"):
        origin(net, over, torch.ones(4).double(), 0.1, 20)
