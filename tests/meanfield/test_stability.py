"""The Hessian in L²(P), growth rates and times of departure."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from rnnlimits.meanfield.flow import integrate
from rnnlimits.meanfield.stability import crossing_times, hessian, roots, spectrum
from rnnlimits.networks.activations import ACTIVATIONS
from rnnlimits.networks.elman import NTK, ElmanNet, equal_weights, unchecked
from rnnlimits.networks.elman_risk import Blocks, Population, moved, risk, velocity
from rnnlimits.random import normal, stream

SIGNS = torch.tensor(list(itertools.product((1.0, -1.0), repeat=3))).double()
MU = 0.5
OVER = Population(SIGNS[..., None], SIGNS[:, 2] + MU * SIGNS[:, 0], equal_weights(8))


def some_net(seed: int, m: int = 3, d: int = 2) -> ElmanNet:
    """Return a network on atoms of unequal masses."""
    draw = stream(seed, "stability", m, d)
    p = torch.from_numpy(draw.dirichlet([3.0] * m))
    a, b, c = (normal(draw, shape) for shape in ((m, d), (m, m), (m,)))
    return ElmanNet(a, b, c, p / p.sum())


def some_population(seed: int, d: int = 2) -> Population:
    draw = stream(seed, "windows", d)
    return Population(normal(draw, (5, 4, d)), normal(draw, (5,)), equal_weights(5))


def flat(w: ElmanNet | Blocks) -> Tensor:
    return torch.cat([w.input.flatten(), w.recurrent.flatten(), w.readout])


def pair(beta: float) -> ElmanNet:
    """Return two opposed neurons, trained to rest."""
    ones = torch.ones(2).double()
    sign = torch.tensor([1.0, -1.0]).double()
    start = ElmanNet(0.8 * ones[:, None], beta * torch.outer(sign, sign), ones / 2, ones / 2)
    return integrate(start, OVER, 1.0, 60, every=60).at(-1)


@pytest.mark.parametrize("name", ["tanh", "erf", "sine", "softplus", "identity"])
def test_the_hessian_is_minus_the_derivative_of_the_velocity(name: str, seed: int) -> None:
    net, over = some_net(seed), some_population(seed)
    net = ElmanNet(net.input, net.recurrent, net.readout, net.weights, ACTIVATIONS[name])
    sizes = [net.input.numel(), net.recurrent.numel(), net.readout.numel()]

    def field(w: Tensor) -> Tensor:
        a, b, c = w.split(sizes)
        parts = (a.view_as(net.input), b.view_as(net.recurrent), c, net.weights)
        return flat(velocity(unchecked(net, *parts), over))

    root, found = roots(net), hessian(net, over)
    jacobian = torch.func.jacrev(field)(flat(net))
    expected = -root[:, None] * jacobian / root
    assert_close(found, expected, rtol=1e-11, atol=1e-12 * float(found.abs().max()))
    assert_close(found, found.T, rtol=1e-11, atol=1e-12 * float(found.abs().max()))


def test_rates_of_one_opposed_pair_have_a_closed_form() -> None:
    for beta in (0.0, 0.3, 1.0):
        net = pair(beta)
        a, c = float(net.input[0, 0]), float(net.readout[0])
        A, S = math.tanh(a), 1 - math.tanh(a) ** 2
        C = c * S
        u = torch.tensor([A, 0, beta * S, 0], dtype=torch.float64)
        v = torch.tensor([0, C, -2 * beta * c * A * S, beta * S], dtype=torch.float64)
        odd = MU * S * (u.norm() * v.norm() + u @ v)
        even = 2 * MU * C * S * A - C**2 * A**2  # b constant over labels, where beta is 0
        rates = spectrum(net, OVER).rates
        assert (rates - odd).abs().min() < 1e-12
        if beta == 0:
            assert (rates - even).abs().min() < 1e-12
        assert math.isclose(float(rates.max()), spectrum(net, OVER).growth)


def test_a_deviation_along_a_direction_grows_at_its_rate() -> None:
    net = pair(1.0)
    found = spectrum(net, OVER)
    size, k = 1e-6, 8
    path = integrate(moved(net, found.direction(), size), OVER, 0.25, k)
    gap = Blocks(path.input - net.input, path.recurrent - net.recurrent, path.readout - net.readout)
    grown = found.component(gap) / size
    expected = torch.exp(found.growth * path.times)
    assert_close(grown, expected, rtol=1e-5, atol=0)
    assert found.component(gap, 3).abs().max() < 1e-4 * size


def test_directions_are_orthonormal_functions_and_bend_the_risk(seed: int) -> None:
    net, over = some_net(seed), some_population(seed)
    found = spectrum(net, over)
    gram = torch.stack([found.component(found.direction(i)) for i in range(3)])
    assert_close(gram, torch.tensor([1.0, 0, 0]).double(), rtol=0, atol=1e-10)
    assert bool((found.rates.diff() <= 0).all())
    for i in (0, 5, len(found.rates) - 1):
        u, h = found.direction(i), 1e-4
        bent = risk(moved(net, u, h), over) + risk(moved(net, u, -h), over) - 2 * risk(net, over)
        scale = float(found.rates.abs().max())
        assert abs(float(bent) / h**2 + float(found.rates[i])) < 1e-5 * max(scale, 1.0)


def test_duplicated_atoms_share_the_growth_of_the_one() -> None:
    one = pair(1.0)
    twice = torch.tensor([0, 0, 1, 1])
    doubled = ElmanNet(
        one.input[twice], one.recurrent[twice][:, twice], one.readout[twice], equal_weights(4)
    )
    both, single = (spectrum(net, OVER).rates for net in (doubled, one))
    for rate in single:  # weights that are the same on copies move as before
        assert (both - rate).abs().min() < 1e-9


def test_crossing_times_of_an_exponential_are_exact() -> None:
    times = torch.tensor([0.0, 1.0, 3.0, 4.0]).double()
    rates = torch.tensor([0.5, 1.0, 0.1]).double()
    risks = torch.exp(-times[:, None] * rates)
    found = crossing_times(times, risks, math.exp(-1))
    assert_close(found, torch.tensor([2.0, 1.0, math.inf]).double(), rtol=1e-12, atol=0)
    assert crossing_times(times.float(), risks.float(), 0.5).dtype == torch.float32
    assert math.isclose(float(crossing_times(times, risks[:, 0], math.exp(-1.75))), 3.5)


def test_a_single_atom_with_one_input() -> None:
    one = torch.ones(1).double()
    over = Population(one[:, None, None], 2 * one, one)
    net = ElmanNet(one[:, None], 0 * one[:, None], one, one, ACTIVATIONS["identity"])
    # R = (c a - 2)² / 2 at a = c = 1: the second derivatives are 1, 1 and 2 c a - 2 = 0
    expected = torch.diag(torch.tensor([1.0, 0.0, 1.0])).double()
    assert_close(hessian(net, over), expected, rtol=0, atol=1e-15)


@pytest.mark.untyped
def test_bad_input_is_named() -> None:
    net, over = some_net(0), some_population(0)
    nothing = ElmanNet(
        net.input, net.recurrent, net.readout, torch.tensor([0.5, 0.5, 0.0]).double()
    )
    with pytest.raises(ValueError, match=r"masses of net must be above 0, got 0\.0"):
        hessian(nothing, over)
    third = equal_weights(3)
    kernel = ElmanNet(net.input, net.recurrent, net.readout, third, scaling=NTK)
    with pytest.raises(ValueError, match="scaling of net must be MEAN_FIELD"):
        roots(kernel)
    two = Population(over.x, torch.stack([over.targets, over.targets]), over.probabilities)
    with pytest.raises(ValueError, match="one target, got 2"):
        hessian(net, two)
    with pytest.raises(ValueError, match="input channels"):
        hessian(net, some_population(0, d=1))
    with pytest.raises(TypeError, match="dtype"):
        hessian(net, Population(over.x.float(), over.targets.float(), over.probabilities.float()))
    other = spectrum(some_net(0, m=2), over).direction()
    with pytest.raises(ValueError, match="numbers of weights"):
        spectrum(net, over).component(other)
    times, falling = torch.arange(3.0), torch.tensor([4.0, 2.0, 1.0])
    with pytest.raises(ValueError, match="level must be above 0"):
        crossing_times(times, falling, 0.0)
    with pytest.raises(ValueError, match=r"level must be below the risk at the start, 4\.0, got 5"):
        crossing_times(times, falling, 5)
    with pytest.raises(ValueError, match="numbers of times"):
        crossing_times(times[:2], falling, 1.5)
    with pytest.raises(ValueError, match="risk must be finite"):
        crossing_times(times, falling * math.nan, 1.5)
