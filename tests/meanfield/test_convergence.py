"""The convergence theorem in numbers: its bounds hold, its constant is what the proof says."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from draws import untyped
from rnnlimits.meanfield.convergence import (
    Start,
    bounded_data,
    bounded_start,
    bounds,
    bounds_along,
    log_bound,
    smooth_bounded,
    start_of,
    velocity_gap,
    weak_dependence,
)
from rnnlimits.meanfield.embedding import RULES
from rnnlimits.meanfield.flow import integrate
from rnnlimits.networks.activations import ERF, IDENTITY, RELU, SINE, TANH, Activation
from rnnlimits.networks.elman import ElmanNet, adjoint, equal_weights, run
from rnnlimits.networks.elman_risk import Population, velocity
from rnnlimits.random import normal, stream


def network(seed: int, name: str, activation: Activation = TANH, width: int = 6) -> ElmanNet:
    draw = stream(seed, name)
    sizes = ((width, 2), (width, width), (width,))
    a, b, c = (torch.from_numpy(draw.uniform(-1, 1, size)) for size in sizes)
    return ElmanNet(a, b, c, equal_weights(width), activation)


def population(seed: int = 0) -> Population:
    x = normal(stream(seed, "windows"), (5, 3, 2))
    return Population(x, torch.sin(x[:, 0, 0]), equal_weights(5))


@pytest.mark.parametrize("activation", [TANH, ERF, SINE], ids=lambda s: s.name)
def test_the_bounds_hold_along_the_flow(seed: int, activation: Activation) -> None:
    net, over = network(seed, "net", activation), population(seed)
    start, path = start_of(net, over), integrate(net, over, 0.1, 10)
    proved, met = bounds(start, 1.0), bounds_along(path, over)
    assert float(path.risk[0]) <= start.risk
    assert met.readout <= proved.readout
    assert met.recurrent <= proved.recurrent
    assert met.input_moved <= proved.input_moved
    assert met.recurrent_moved <= proved.recurrent_moved
    assert all(v <= most for v, most in zip(met.adjoint, proved.adjoint, strict=True))


def test_bounds_of_short_windows_in_closed_form() -> None:
    one = Start(1, 2.0, 1.0, 3.0, 0.5, slope=0.7)
    rho = math.sqrt(2) * math.sqrt(0.5 * 1.5**2)
    found = bounds(one, 2.0)
    c = 0.5 + 2 * rho
    assert math.isclose(found.readout, c)
    assert found.adjoint == (found.readout,)
    assert found.recurrent == 3.0
    assert math.isclose(found.input_moved, 2 * rho * 0.7 * 2.0 * c)
    three = bounds(replace(one, window=3), 2.0)
    norm, d_0 = 3 + math.sqrt(2 * one.risk), 0.7 * c
    d_1 = d_0 * 0.7 * norm
    column = 3 + rho * 2 * (d_0 + d_1)
    assert math.isclose(three.adjoint[1], column * d_0)
    assert math.isclose(three.adjoint[2], column * d_1)
    assert math.isclose(three.recurrent, 3 + rho * 2 * 0.7 * (c + column * d_0))


def test_the_velocity_gap_bounds_differences_of_velocities(seed: int) -> None:
    over = population(seed)
    first = network(seed, "first")
    far = 0.05
    a, b, c = (
        block + far * (2 * torch.rand(block.shape, generator=rng(seed)).double() - 1)
        for block in (first.input, first.recurrent, first.readout)
    )
    second = ElmanNet(a, b, c, first.weights)
    u, v = velocity(first, over), velocity(second, over)
    actual = max(
        float((u.input - v.input).norm(dim=-1).max()),
        float((u.recurrent - v.recurrent).abs().max()),
        float((u.readout - v.readout).abs().max()),
    )
    reach = [sizes(each, over) for each in (first, second)]
    here = replace(
        bounds(start_of(first, over), 0.0),
        readout=max(r[0] for r in reach),
        recurrent=max(r[1] for r in reach),
        adjoint=tuple(max(r[2][j] for r in reach) for j in range(3)),
    )
    start = replace(start_of(first, over), readout=here.readout)
    assert actual <= velocity_gap(start, here, math.sqrt(2) * far, 0.0)


def sizes(net: ElmanNet, over: Population) -> tuple[float, float, list[float]]:
    reads = adjoint(net, run(net, over.x)).states.abs().amax((1, 2)).flip(0)
    return float(net.readout.abs().max()), float(net.recurrent.abs().max()), reads.tolist()


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_velocity_gap_of_one_moment_in_closed_form() -> None:
    start = Start(1, 2.0, 1.0, 3.0, 0.5, slope=0.7, bend=0.3)
    here = bounds(start, 0.0)
    e, tau, rho = 0.1, 0.2, 1.5
    current = 2.0 * e
    output = e + 0.5 * 0.7 * current + 2 * 0.5 * tau
    delta = 0.7 * e + 0.5 * 0.3 * current
    expected = max(output + rho * 0.7 * current, 2.0 * (output * 0.7 * 0.5 + rho * delta), 0.0)
    assert math.isclose(velocity_gap(start, here, e, tau), expected)


def test_the_bound_solves_the_inequality_of_gronwall() -> None:
    start = Start(2, 0.1, 0.1, 0.1, 0.1)
    here = bounds(start, 0.5)
    rate, sampling = velocity_gap(start, here, 1.0, 0.0), velocity_gap(start, here, 0.0, 1.0)
    tau = math.sqrt(4 / 100)
    error, n = 0.0, 20000
    for _ in range(n):
        error += 0.5 / n * (rate * error + sampling * tau)
    found = math.exp(log_bound(start, here, 0.5, 100, 4.0))
    assert math.isclose(found, error, rel_tol=1e-3)


def test_hypotheses_answer() -> None:
    net, over = network(0, "net"), population()
    for s, state in ((TANH, "holds"), (ERF, "holds"), (RELU, "fails"), (IDENTITY, "fails")):
        assert smooth_bounded(s).state == state
    assert smooth_bounded(replace(TANH, name="another")).state == "undecided"
    z = torch.linspace(-4, 4, 8001).double().requires_grad_()
    for s in (TANH, ERF, SINE):
        (second,) = torch.autograd.grad(slope(s, z).sum(), z)
        assert_close(float(second.abs().max()), smooth_bounded(s).value, rtol=1e-5, atol=0)
    assert bounded_start(net).state == "undecided"
    assert bounded_start(net, 1.0).state == "holds"
    assert bounded_start(net, 0.1).state == "fails"
    assert bounded_data(over).state == "undecided"
    assert bounded_data(over, 100.0).state == "holds"
    assert bounded_data(over, 0.1).state == "fails"
    states = {name: weak_dependence(rule).state for name, rule in RULES.items()}
    assert states == {
        "independent": "holds",
        "antithetic": "holds",
        "stratified": "holds",
        "lattice": "undecided",
        "two values": "fails",
    }


def slope(s: Activation, z: Tensor) -> Tensor:
    return s.slope(z, s.value(z))


@untyped
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Start(0, 1.0, 1.0, 1.0, 1.0), ValueError, "window must be at least 1"),
        (lambda: Start(1, -1.0, 1.0, 1.0, 1.0), ValueError, "inputs"),
        (lambda: Start(1, 1.0, 1.0, 1.0, 1.0, slope=0.0), ValueError, "slope"),
        (lambda: bounds(Start(1, 1.0, 1.0, 1.0, 1.0), "long"), TypeError, "time"),  # type: ignore[arg-type]
        (lambda: start_of(network(0, "net", RELU), population()), ValueError, "relu"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
