"""The family of scalings between the two limits: its ends, its clock, its kernel, its bounds."""

from dataclasses import astuple, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from draws import quick, seeds, untyped
from rnnlimits.meanfield.flow import integrate
from rnnlimits.networks.activations import ACTIVATIONS, IDENTITY, SINE, TANH, Activation
from rnnlimits.networks.elman import MEAN_FIELD, NTK, ElmanNet, Scaling, equal_weights, run, unroll
from rnnlimits.networks.elman_risk import Population, gram, risk, velocity
from rnnlimits.networks.scaling_family import (
    alignment,
    as_mean_field,
    between,
    current_bound,
    movement,
    tangent_kernel,
    weight_bound,
)
from rnnlimits.random import normal, stream

gammas = st.floats(0.5, 1.0)


def drawn(
    seed: int, scaling: Scaling, width: int = 7, activation: Activation = TANH
) -> tuple[ElmanNet, Population]:
    draw = stream(seed, "family")
    shapes = ((width, 2), (width, width), (width,), (5, 3, 2), (5,))
    a, b, c, x, y = (normal(draw, shape) for shape in shapes)
    weights = torch.from_numpy(draw.dirichlet([2.0] * 5))
    net = ElmanNet(a, b, c, equal_weights(width), activation, scaling)
    return net, Population(x, y, weights)


@settings(quick, max_examples=5)
@given(seeds, gammas)
def test_the_exponent_is_the_size_of_the_target(seed: int, gamma: float) -> None:
    net, over = drawn(seed, between(gamma))
    factor = net.width ** (gamma - 0.5)
    same = replace(net, scaling=NTK)
    larger = replace(over, targets=factor * over.targets)
    one, other = (integrate(n, o, 0.05, 10) for n, o in ((net, over), (same, larger)))
    assert_close(one.recurrent, other.recurrent, rtol=1e-10, atol=1e-11)
    assert_close(one.readout, other.readout, rtol=1e-10, atol=1e-11)
    assert_close(one.risk * factor**2, other.risk, rtol=1e-10, atol=1e-11)


def test_the_ends_of_the_family(seed: int) -> None:
    assert between(0.5) == NTK
    net, over = drawn(seed, between(1.0))
    far = as_mean_field(net)
    assert far.scaling == MEAN_FIELD
    one, other = (integrate(each, over, 0.05, 20) for each in (net, far))
    assert_close(one.input, other.input, rtol=1e-10, atol=1e-11)
    assert_close(net.width**0.5 * one.recurrent, other.recurrent, rtol=1e-10, atol=1e-11)
    assert_close(one.risk, other.risk, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
@pytest.mark.parametrize("scaling", [MEAN_FIELD, NTK, between(0.8)], ids=["mf", "ntk", "0.8"])
def test_the_kernel_is_that_of_the_flow(
    seed: int, activation: Activation, scaling: Scaling
) -> None:
    net, over = drawn(seed, scaling, activation=activation)
    flow = velocity(net, over)

    def output(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return unroll(a, b, c, net.weights, over.x, activation, scaling).output

    at = net.input, net.recurrent, net.readout
    along = flow.input, flow.recurrent, flow.readout
    jacobian = torch.func.jacrev(output, argnums=(0, 1, 2))(*at)
    pairs = zip(jacobian, along, strict=True)
    speed = torch.stack([j.flatten(1) @ w.flatten() for j, w in pairs]).sum(0)
    residual = (run(net, over.x).output - over.targets) * over.probabilities
    assert_close(speed, -tangent_kernel(net, over.x) @ residual, rtol=1e-11, atol=1e-12)


def test_the_kernel_is_the_sum_of_squared_derivatives(seed: int) -> None:
    net, over = drawn(seed, NTK)
    jacobian = torch.func.jacrev(
        lambda a, b, c: unroll(a, b, c, net.weights, over.x, scaling=NTK).output, argnums=(0, 1, 2)
    )(net.input, net.recurrent, net.readout)
    flat = torch.cat([block.flatten(1) for block in jacobian], dim=1)
    assert_close(tangent_kernel(net, over.x), flat @ flat.T, rtol=1e-12, atol=1e-13)
    for gamma in (0.6, 1.0):  # the same kernel along the family
        other = replace(net, scaling=between(gamma))
        assert_close(tangent_kernel(other, over.x), flat @ flat.T, rtol=1e-12, atol=1e-13)


def test_the_kernel_of_the_readout_is_the_gram_operator(seed: int) -> None:
    net, over = drawn(seed, MEAN_FIELD)
    dead = replace(net, readout=torch.zeros_like(net.readout))
    root = over.probabilities.sqrt()
    kernel = torch.outer(root, root) * tangent_kernel(dead, over.x)
    assert_close(kernel, gram(dead, over), rtol=1e-12, atol=1e-13)


@settings(quick, max_examples=6)
@given(seeds, gammas, st.sampled_from([TANH, SINE]))
def test_weights_and_currents_keep_to_their_bounds(
    seed: int, gamma: float, activation: Activation
) -> None:
    net, over = drawn(seed, between(gamma), width=12, activation=activation)
    path, n = integrate(net, over, 0.05, 20, every=10), net.width
    for k in (1, 2):
        end, time = path.at(k), float(path.times[k])
        lost = float(path.risk[0] - path.risk[k])
        blocks = (end.input - net.input, end.recurrent - net.recurrent, end.readout - net.readout)
        moved = float(sum(block.square().sum() for block in blocks) / n) ** 0.5
        assert moved <= weight_bound(n, gamma, time, lost) * (1 + 1e-5)
        change = run(end, over.x).currents[-1] - run(net, over.x).currents[-1]
        size = change.square().mean(-1).sqrt()
        assert bool((size <= current_bound(net, over.x, moved) * (1 + 1e-9)).all())
        # what the output has moved, readout and features must have
        features = run(end, over.x).hidden[-1] - run(net, over.x).hidden[-1]
        by_c = blocks[2].square().mean().sqrt()
        by_h = net.readout.square().mean().sqrt() * features.square().mean(-1).sqrt()
        rise = (run(end, over.x).output - run(net, over.x).output).abs()
        assert bool((by_c + by_h >= n ** (gamma - 1) * rise * (1 - 1e-9)).all())


def test_the_bound_on_weights_is_attained_at_short_times(seed: int) -> None:
    net, over = drawn(seed, between(0.7))
    path = integrate(net, over, 1e-6, 1)
    lost = float(risk(net, over) - risk(path.at(1), over))
    squares = [
        (block[1] - block[0]).square().sum() for block in (path.input, path.recurrent, path.readout)
    ]
    moved = float(sum(squares) / net.width) ** 0.5
    assert moved == pytest.approx(weight_bound(7, 0.7, 1e-6, lost), rel=1e-4)


def test_the_bound_on_currents_is_attained() -> None:
    one = torch.ones(1).double()
    net = ElmanNet(0 * one[:, None], 0 * one[:, None], one, one)
    x = torch.full((1, 1, 1), 1e9).double()  # one moment, so large that the 1 does not count
    bound = current_bound(net, x, 0.25).item()
    assert bound == pytest.approx(0.25e9, rel=1e-9)
    assert current_bound(net, x, 0.0).item() == 0


def test_movement_of_what_is_known(seed: int) -> None:
    net, over = drawn(seed, MEAN_FIELD)
    assert astuple(movement(net, net, over)) == (0, 0, 0, 0)
    doubled = replace(net, readout=2 * net.readout)
    found = movement(net, doubled, over)
    y = run(net, over.x).output
    assert found.output == pytest.approx(float((over.probabilities @ y.square()).sqrt()))
    assert found.features == found.currents == 0 < found.kernel
    pushed = replace(net, input=net.input + 1, recurrent=0 * net.recurrent)
    still = replace(net, recurrent=0 * net.recurrent)
    by = over.x[:, -1].sum(-1).square() @ over.probabilities
    assert movement(still, pushed, over).currents == pytest.approx(float(by.sqrt()))


def test_alignment_of_kernels_that_are_known() -> None:
    w = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    y = torch.tensor([1.0, -2.0, 0.5]).double()
    over = Population(torch.zeros(3, 2, 1).double(), y, w)
    assert alignment(torch.outer(y, y), over) == pytest.approx(1)
    assert alignment(-torch.outer(y, y), over) == pytest.approx(-1)
    assert alignment(torch.diag(1 / w), over) == pytest.approx(3**-0.5)  # the identity of L²(π)


@untyped
def test_an_exponent_is_a_number() -> None:
    with pytest.raises(TypeError, match="readout"):
        between("half")  # type: ignore[arg-type]


def test_bad_input_is_refused() -> None:
    net, over = drawn(0, NTK)
    with pytest.raises(ValueError, match="readout"):
        between(float("inf"))
    with pytest.raises(ValueError, match="scaling"):
        as_mean_field(net)
    with pytest.raises(ValueError, match="not be zero"):
        alignment(torch.zeros(5, 5).double(), over)
    with pytest.raises(ValueError, match="numbers of windows"):
        alignment(torch.eye(4).double(), over)
    with pytest.raises(ValueError, match="widths"):
        movement(net, drawn(0, NTK, width=6)[0], over)
    with pytest.raises(ValueError, match="time"):
        weight_bound(4, 0.5, -1.0, 1.0)
    with pytest.raises(ValueError, match="activation"):
        current_bound(replace(net, activation=IDENTITY), over.x, 1.0)
    uneven = torch.tensor([0.25, 0.75]).double()
    one = torch.ones(2, 2).double()
    with pytest.raises(ValueError, match="masses"):
        current_bound(ElmanNet(one, one, one[0], uneven), over.x, 1.0)
