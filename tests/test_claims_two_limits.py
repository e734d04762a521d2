"""One small test for each settled statement of *One network, two limits*; the ledger names them."""

import math
from dataclasses import replace

import torch
from torch.testing import assert_close

from rnnlimits.networks.elman import MEAN_FIELD, NTK, ElmanNet, Scaling, equal_weights, run
from rnnlimits.networks.elman_risk import Population, moved, risk, velocity
from rnnlimits.networks.linear import Variances, initialise
from rnnlimits.networks.pulse import ascend, least_time, start_sizes, time_to_halve
from rnnlimits.networks.scaling_family import (
    as_mean_field,
    between,
    current_bound,
    movement,
    weight_bound,
)
from rnnlimits.random import normal, stream


def setting(width: int, scaling: Scaling, seed: int = 0) -> tuple[ElmanNet, Population]:
    """Return a network with normal weights, and four words of three letters."""
    draw = stream(seed, "claims on two limits", width)
    a, b, c = (normal(draw, shape) for shape in ((width, 1), (width, width), (width,)))
    words = torch.tensor([[1, 1, 1], [1, -1, 1], [-1, 1, 1], [-1, -1, 1]]).double()
    over = Population(words[..., None], words[:, 1], equal_weights(4))
    return ElmanNet(a, b, c, equal_weights(width), scaling=scaling), over


def trained(net: ElmanNet, over: Population) -> ElmanNet:
    """Return the network after gradient flow for a time of 2, by 20 midpoint steps."""
    for _ in range(20):
        middle = moved(net, velocity(net, over), 0.05)
        net = moved(net, velocity(middle, over), 0.1)
    return net


def keeps_to_its_bounds(net: ElmanNet, end: ElmanNet, over: Population) -> None:
    """Refuse weights or currents that have moved further than the theorem allows in a time of 2."""
    n, scaling = net.width, net.scaling
    lost = float(risk(net, over) - risk(end, over))
    bound = weight_bound(n, scaling.readout, 2.0, lost)
    by_a = float((end.input - net.input).square().mean())
    by_c = float((end.readout - net.readout).square().mean())
    entries = (end.recurrent - net.recurrent).square().sum()
    by_b = float(entries) * n ** (-2 * scaling.recurrent)
    assert by_a + by_b + by_c <= bound**2 * (1 + 1e-3)
    currents = run(end, over.x).currents[-1] - run(net, over.x).currents[-1]
    size = currents.square().mean(-1).sqrt()
    assert bool((size <= current_bound(net, over.x, bound) * (1 + 1e-3)).all())


def test_mf_15_features_move_in_one_scaling_and_stand_still_in_the_other() -> None:
    widths, seeds = (8, 128), range(16)
    for scaling, exponent, other in ((NTK, -0.5, 0.0), (MEAN_FIELD, 0.0, -0.5)):
        logs = torch.zeros(len(widths), len(seeds)).double()
        for k, n in enumerate(widths):
            for seed in seeds:
                net, over = setting(n, scaling, seed)
                end = trained(net, over)
                keeps_to_its_bounds(net, end, over)
                logs[k, seed] = movement(net, end, over).features
        slopes = (logs[1] / logs[0]).log() / math.log(widths[1] / widths[0])
        error = slopes.std() / len(seeds) ** 0.5
        assert abs(slopes.mean() - exponent) < 4.5 * error < abs(slopes.mean() - other)

    for n in (16, 128):  # with a fixed readout, output that moves takes features with it
        net, over = setting(n, replace(MEAN_FIELD, readout_clock=-60.0))
        end = trained(net, over)
        after, before = run(end, over.x), run(net, over.x)
        features = (after.hidden[-1] - before.hidden[-1]).square().mean(-1).sqrt()
        rise = (after.output - before.output).abs()
        assert bool((net.readout.square().mean().sqrt() * features >= rise * (1 - 1e-9)).all())
        assert float(rise.max()) > 0.1


def test_own_6_one_exponent_between_the_limits() -> None:
    assert between(0.5) == NTK
    for gamma in (0.5, 0.7, 1.0):  # the exponent is the size of the target
        net, over = setting(16, between(gamma))
        factor = 16 ** (gamma - 0.5)
        larger = replace(over, targets=factor * over.targets)
        one, other = velocity(net, over), velocity(replace(net, scaling=NTK), larger)
        assert_close(one.recurrent, other.recurrent, rtol=1e-11, atol=1e-13)
        assert_close(one.input, other.input, rtol=1e-11, atol=1e-13)
    net, over = setting(16, between(1.0))
    far = as_mean_field(net)
    one, other = velocity(net, over), velocity(far, over)
    assert_close(one.input, other.input, rtol=1e-11, atol=1e-13)
    assert_close(4 * one.recurrent, other.recurrent, rtol=1e-11, atol=1e-13)

    nu = 0.3  # a long lag, and how its time depends on the exponent
    rnn = initialise(64, 1, 1, Variances(nu, 1.0, 1.0), stream(1, "claims on two limits"))
    curve, sizes = ascend(rnn, 8), start_sizes(rnn, 8, nu)
    times = []
    for gamma in (0.5, 1.0):
        residual = 1 - 64 ** (1 - gamma) * float(curve.f[0])
        times.append(time_to_halve(curve, gamma))
        assert times[-1] >= least_time(sizes, 8, nu, 64, gamma, residual)
    assert 5 < times[0] / times[1] < 9  # the root of the width, by the estimate
