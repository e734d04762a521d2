"""The noise of online steps, against the same equation written out by hand."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from draws import untyped
from rnnlimits.meanfield.flow import descend_online, integrate
from rnnlimits.meanfield.online import noise_covariance
from rnnlimits.networks.elman import ElmanNet, equal_weights
from rnnlimits.networks.elman_risk import Population, velocity
from rnnlimits.random import normal, stream

DRAW = stream(0, "two atoms")
TWO = ElmanNet(
    normal(DRAW, (2, 1)),
    normal(DRAW, (2, 2)),
    normal(DRAW, (2,)),
    torch.tensor([3, 7]).double() / 10,
)
X = normal(DRAW, (3, 3, 1))
OVER = Population(X, torch.cos(X[:, 0, 0]), torch.tensor([5, 2, 3]).double() / 10)


def flat(net: ElmanNet, over: Population) -> Tensor:
    v = velocity(net, over)
    return torch.cat([v.input.flatten(), v.recurrent.flatten(), v.readout])


def at(vector: Tensor) -> ElmanNet:
    a, b, c = vector.split([2, 4, 2])
    return replace(TWO, input=a[:, None], recurrent=b.view(2, 2), readout=c)


def test_the_equation_written_out_by_hand() -> None:
    one = torch.ones(1).double()
    windows = [Population(X[i : i + 1], OVER.targets[i : i + 1], one) for i in range(3)]
    w = torch.cat([TWO.input.flatten(), TWO.recurrent.flatten(), TWO.readout])
    c, dt = torch.zeros(8, 8).double(), 0.1

    def speed(w: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        each = torch.stack([flat(at(w), one) for one in windows])
        mean = flat(at(w), OVER)
        centred = each - mean
        sigma = centred.T @ torch.diag(OVER.probabilities) @ centred
        columns = []
        for k in range(8):
            e = torch.zeros(8).double()
            e[k] = 1e-5
            columns.append((flat(at(w + e), OVER) - flat(at(w - e), OVER)) / 2e-5)
        j = torch.stack(columns, dim=1)
        return mean, j @ c + c @ j.T + sigma

    for _ in range(4):  # midpoint steps
        by, more = speed(w, c)
        by, more = speed(w + dt / 2 * by, c + dt / 2 * more)
        w, c = w + dt * by, c + dt * more
    found = noise_covariance(TWO, OVER, dt, 4)
    assert_close(found[-1], c, rtol=0, atol=1e-7 * float(c.abs().max()))
    assert_close(found[-1], found[-1].T, rtol=1e-12, atol=1e-14)
    assert float(found[0].abs().max()) == 0.0


def test_one_window_makes_no_noise() -> None:
    one = Population(X[:1], OVER.targets[:1], torch.ones(1).double())
    assert float(noise_covariance(TWO, one, 0.1, 3).abs().max()) < 1e-25


def test_independent_steps_scatter_as_predicted(seed: int) -> None:
    k, runs = 400, 300
    draw = stream(seed, "independent", k)
    order = torch.from_numpy(draw.choice(3, size=(runs, k), p=OVER.probabilities.numpy()))
    ends = descend_online([TWO] * runs, OVER, X[order], OVER.targets[order], 1 / k, k)
    true = integrate(TWO, OVER, 0.05, 20)
    error = (ends.readout[-1] - true.readout[-1]).square().sum(-1) * k
    expected = float(noise_covariance(TWO, OVER, 0.1, 10)[-1].diagonal()[-2:].sum())
    standard_error = float(error.std()) / runs**0.5
    assert abs(float(error.mean()) - expected) < 4.5 * standard_error


@untyped
def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="step must be above 0"):
        noise_covariance(TWO, OVER, 0.0, 2)
    with pytest.raises(TypeError, match="n_steps"):
        noise_covariance(TWO, OVER, 0.1, 2.0)  # type: ignore[arg-type]
    several = Population(X, torch.zeros(2, 3).double(), equal_weights(3))
    with pytest.raises(ValueError, match="one target"):
        noise_covariance(TWO, several, 0.1, 2)
