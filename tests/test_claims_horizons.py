"""One small test for each settled statement of *How long the limit holds*; the ledger names them.

The ledger runs each against the library, and once more for each piece of a formula made wrong.
"""

import itertools
import math

import numpy as np
import torch
from scipy.interpolate import BarycentricInterpolator
from torch.testing import assert_close

from rnnlimits.estimate import estimate
from rnnlimits.meanfield.coupling import mass_derivative, with_shares
from rnnlimits.meanfield.flow import integrate, solve
from rnnlimits.meanfield.stability import crossing_times, spectrum
from rnnlimits.networks.elman import ElmanNet, equal_weights
from rnnlimits.networks.elman_risk import Population, dissipation, gradient, moved
from rnnlimits.networks.measures import WeightFunctions, empirical, gauss_legendre, network
from rnnlimits.random import normal, stream

MU = 0.7  # the weight on the input before last; rates are proportional to it
SIGNS = torch.tensor(list(itertools.product((1.0, -1.0), repeat=3))).double()
OVER = Population(SIGNS[..., None], SIGNS[:, 2] + MU * SIGNS[:, 0], equal_weights(8))
SADDLE = MU**2 / 2


def opposed(a: list[float], c: list[float], beta: list[list[float]]) -> ElmanNet:
    """Return pairs of neurons that are equal but for the signs in their memory."""
    sign = torch.tensor([1.0, -1.0]).double().repeat(len(a))
    twice = torch.tensor(beta).double().repeat_interleave(2, 0).repeat_interleave(2, 1)
    inputs, readout = (torch.tensor(v).double().repeat_interleave(2) for v in (a, c))
    b = torch.outer(sign, sign) * twice
    return ElmanNet(inputs[:, None], b, readout, equal_weights(len(sign)))


def test_own_9_networks_leave_the_saddle_at_the_time_that_the_limit_tells() -> None:
    pair = integrate(opposed([0.8], [0.5], [[1.0]]), OVER, 1.0, 60, every=60).at(-1)
    a, c = float(pair.input[0, 0]), float(pair.readout[0])
    A, S = math.tanh(a), 1 - math.tanh(a) ** 2
    u, v = np.array([A, 0, S, 0]), np.array([0, c * S, -2 * c * A * S, S])
    rate = MU * S * float(np.linalg.norm(u) * np.linalg.norm(v) + u @ v)
    assert math.isclose(spectrum(pair, OVER).growth, rate, rel_tol=1e-10)

    start = opposed([0.4, 1.6], [0.8, 0.8], [[0.6, -0.4], [0.5, 0.3]])
    limit = integrate(start, OVER, 1.0, 40, every=40)
    rest = limit.at(-1)
    assert abs(float(limit.risk[-1]) - SADDLE) < 1e-12
    assert float(gradient(rest, OVER).recurrent.abs().max()) < 1e-13
    assert_close(rest.recurrent, start.recurrent, rtol=0, atol=1e-13)

    found, level = spectrum(rest, OVER), SADDLE / 2
    beside = integrate(moved(rest, found.direction(), 1e-3), OVER, 1.0, 55)
    waits = crossing_times(beside.times, beside.risk, level)
    constant = found.growth * float(waits) + math.log(1e-3)
    turns = torch.eye(4).double() - start.weights
    tangent = mass_derivative(start, OVER, turns, 1.0, 40, every=40)
    alpha = found.component(tangent)[-1] * math.exp(-40 * found.growth)

    draws = stream(0, "departure of eight", 10**6)
    counts = torch.from_numpy(draws.multinomial(10**6, [0.25] * 4, size=8))
    nets = [with_shares(start, each) for each in counts]
    path = integrate(nets, OVER, 1.0, 100)
    left = crossing_times(path.times, path.risk, level)
    z = (counts / 10**6 - start.weights) @ alpha
    told = (constant - z.abs().log()) / found.growth
    assert torch.isfinite(left).all()
    assert float((left - told).abs().max()) < 0.1
    assert float(left.max() - left.min()) > 1 / found.growth


def test_mf_16_training_curves_surround_that_of_the_limit() -> None:
    functions = WeightFunctions(
        lambda w: 2 * w,
        lambda w, v: torch.cos(2 * (w - v / 2))[..., 0],
        lambda w: torch.exp(-w[..., 0]) - 0.25,
    )
    x = torch.cos(torch.arange(6).double()[:, None] + 1.5 * torch.arange(3))
    over = Population(x[..., None], x[:, 1], equal_weights(6))
    line = gauss_legendre(16)
    limit = network(functions, line)
    path = integrate(limit, over, 0.25, 16)
    exact = solve(limit, over, [0.0, 2.0, 4.0]).risk
    assert_close(path.risk[[0, 8, 16]], exact, rtol=1e-4, atol=0)
    fine = integrate(limit, over, 1e-4, 1).risk.diff() / 1e-4
    falls = float(dissipation(limit, over).total)
    assert abs(float(fine) / falls - 1) < 1e-3

    turns = torch.eye(16).double() - line.weights
    rho = mass_derivative(limit, over, turns, 0.5, 8, every=8).risk[-1]
    spread = float(rho.square() @ line.weights)
    at_nodes = BarycentricInterpolator(line.labels[:, 0].numpy(), rho.numpy())
    count, bias = 200, []
    for n in (16, 64):
        labels = torch.from_numpy(stream(0, "widths", n).random((count, n, 1)))
        nets = [network(functions, empirical(each)) for each in labels]
        gaps = integrate(nets, over, 0.5, 8, every=8).risk[-1].numpy() - float(path.risk[-1])
        rest = gaps - at_nodes(labels[..., 0].numpy()).mean(1)
        bias.append(estimate(n * rest))
    assert abs(n * float(np.square(gaps).mean()) / spread - 1) < 4.5 * (2 / count) ** 0.5
    assert bias[0].mean > 4.5 * bias[0].standard_error
    apart = math.hypot(bias[0].standard_error, bias[1].standard_error)
    assert abs(bias[0].mean - bias[1].mean) < 4.5 * apart

    left = []
    for n in (16, 64):
        one = torch.ones(n).double()
        blocks = normal(stream(0, "centred", n), (4, n, n))
        nets = [ElmanNet(0.8 * one[:, None], b, one / 2, one / n) for b in blocks]
        risks = integrate(nets, OVER, 0.5, 50).risk
        left.append(crossing_times(0.5 * torch.arange(51).double(), risks, SADDLE / 2))
    one = torch.ones(1).double()
    alone = ElmanNet(0.8 * one[:, None], 0 * one[:, None], one / 2, one)
    assert float(integrate(alone, OVER, 0.5, 50).risk[-1]) > 0.999 * SADDLE
    assert float(left[0].max()) < float(left[1].mean()) < math.inf
