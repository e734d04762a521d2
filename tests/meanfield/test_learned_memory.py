"""Noise on recurrent weights after training: at the start known, later by two other ways."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from draws import untyped
from rnnlimits.estimate import estimate
from rnnlimits.meanfield.coupling import outputs_along
from rnnlimits.meanfield.flow import integrate
from rnnlimits.meanfield.independent_weights import shaken_moments
from rnnlimits.meanfield.learned_memory import trained_noise
from rnnlimits.networks.elman import ElmanNet, at_labels
from rnnlimits.networks.elman_risk import Population
from rnnlimits.networks.runge_kutta import MIDPOINT
from rnnlimits.random import normal, stream

DRAW = stream(0, "two atoms")
TWO = ElmanNet(
    normal(DRAW, (2, 2)),
    normal(DRAW, (2, 2)),
    normal(DRAW, (2,)),
    torch.tensor([0.25, 0.75]).double(),
)
X = normal(DRAW, (2, 3, 2))
OVER = Population(X, torch.cos(X[:, 0, 0]), torch.tensor([0.5, 0.5]).double())
GRID = {"step": 0.5, "n_steps": 4, "method": MIDPOINT, "every": 2}


def test_at_the_start_it_is_the_known_formula() -> None:
    known = shaken_moments(TWO, 0.7, X)
    for width in (10**4, 10**6):  # a pair of neurons has a mass, which its limit has not
        found = trained_noise(TWO, OVER, X, 0.7, **GRID, width=width)
        assert_close(found.mean[0], known.mean, rtol=10 / width, atol=1e-13)
        assert_close(found.variance[0], known.variance, rtol=1e-11, atol=1e-14)
    memoryless = replace(TWO, recurrent=0 * TWO.recurrent)
    found, known = (
        trained_noise(memoryless, OVER, X, 0.7, **GRID),
        shaken_moments(memoryless, 0.7, X),
    )
    assert_close(found.mean[0], known.mean, rtol=1e-11, atol=1e-14)


def test_the_limits_are_those_of_a_network_of_single_neurons() -> None:
    """One entry for each pair of labels, between two neurons of eight, shaken by itself."""
    found = trained_noise(TWO, OVER, X, 1.0, **GRID, width=8)
    net = at_labels(TWO, torch.tensor([0, 0, 1, 1, 1, 1, 1, 1]))
    h, mean, variance = 1e-3, 0.0, 0.0
    still = outputs_along(integrate(net, OVER, **GRID), X)
    for i, j, share in ((0, 1, 1 / 16), (0, 2, 3 / 16), (2, 0, 3 / 16), (2, 3, 9 / 16)):
        noise = torch.zeros(8, 8).double()
        noise[i, j] = h
        shaken = [replace(net, recurrent=net.recurrent + s * noise) for s in (1, -1)]
        up, down = (outputs_along(integrate(each, OVER, **GRID), X) for each in shaken)
        mean = mean + share * 8**3 * (up + down - 2 * still) / h**2 / 2
        variance = variance + share * 8**4 * ((up - down) / (2 * h)) ** 2
    assert_close(variance, found.variance, rtol=1e-5, atol=1e-9)
    assert_close(mean, found.mean, rtol=1e-4, atol=1e-5)


def test_trained_networks_scatter_as_predicted(seed: int) -> None:
    """Noise and its negative: half the sum has the mean, half the difference the variance."""
    n, pairs = 64, 100
    net = at_labels(TWO, torch.arange(4).repeat_interleave(16).clamp(max=1))
    nets = []
    for k in range(pairs):
        signs = torch.from_numpy(stream(seed, "signs", k).choice([-0.25, 0.25], (n, n)))
        nets += [replace(net, recurrent=net.recurrent + s * signs) for s in (1, -1)]
    calm = outputs_along(integrate(TWO, OVER, **GRID), X)[-1]
    error = n * (outputs_along(integrate(nets, OVER, **GRID), X)[-1] - calm)
    even, odd = (error[::2] + error[1::2]) / 2, (error[::2] - error[1::2]) / 2
    expected = trained_noise(TWO, OVER, X, 1 / 16, **GRID, width=n)
    for a in (0, 1):
        mean = estimate(even[:, a].numpy())
        assert abs(mean.z_score(float(expected.mean[-1, a]))) < 4.5
        square = float(odd[:, a].square().mean() / expected.variance[-1, a])
        assert abs(square - 1) < 4.5 * (2 / pairs) ** 0.5  # the spread of a Gaussian's square


@untyped
def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="variance"):
        trained_noise(TWO, OVER, X, -1.0, 0.5, 2)
    with pytest.raises(ValueError, match="masses of at least"):
        trained_noise(TWO, OVER, X, 1.0, 0.5, 2, width=3)
    with pytest.raises(TypeError, match="width"):
        trained_noise(TWO, OVER, X, 1.0, 0.5, 2, width=3.0)  # type: ignore[arg-type]
