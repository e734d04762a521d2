"""One small test for each settled statement about the mean-field limit; the ledger names them.

The ledger runs each against the library, and once more for each piece of a formula made wrong.
"""

import math

import torch
from torch import Tensor
from torch.testing import assert_close

from rnnlimits.data.memory import WindowLaw, unexplained_variance
from rnnlimits.estimate import estimate
from rnnlimits.meanfield.convergence import Start, bounds, velocity_gap
from rnnlimits.meanfield.coupling import distance, outputs_along, trained_influence, with_shares
from rnnlimits.meanfield.flow import integrate, solve
from rnnlimits.meanfield.independent_weights import shaken_moments
from rnnlimits.meanfield.learned_memory import trained_noise
from rnnlimits.meanfield.online import noise_covariance
from rnnlimits.networks.elman import ElmanNet, at_labels, equal_weights, unroll
from rnnlimits.networks.elman_risk import Population
from rnnlimits.networks.runge_kutta import EULER, MIDPOINT, RUNGE_KUTTA
from rnnlimits.random import normal, stream

DRAW = stream(0, "flow")
MASSES = torch.tensor([1, 2, 3]).double() / 6
THREE = ElmanNet(normal(DRAW, (3, 2)), normal(DRAW, (3, 3)), normal(DRAW, (3,)), MASSES)
X = normal(DRAW, (4, 3, 2))
OVER = Population(X, torch.cos(2 * X[:, 1, 0]), equal_weights(4))


def test_mf_8_neurons_with_one_label_train_as_one_atom() -> None:
    counts = torch.tensor([2, 5, 1])
    labels = torch.repeat_interleave(torch.arange(3), counts)
    merged = integrate(with_shares(THREE, counts), OVER, 0.2, 8)
    neurons = integrate(at_labels(THREE, labels), OVER, 0.2, 8)
    pair = (neurons, merged.at_labels(labels))
    assert float(distance(*pair).largest[-1]) < 1e-13
    limit = integrate(THREE, OVER, 0.2, 8)  # and apart from the limit, by every block and time
    gap = distance(neurons, limit.at_labels(labels))
    at = limit.at_labels(labels)
    for found, mine, whole in zip(
        (gap.recurrent, gap.readout), (neurons.recurrent, neurons.readout), at[1:], strict=True
    ):
        apart = [float((mine[: k + 1] - whole[: k + 1]).abs().max()) for k in range(9)]
        assert_close(found, torch.tensor(apart, dtype=torch.float64), rtol=1e-12, atol=0)
    assert bool((gap.largest.diff() >= 0).all())
    assert float(gap.largest[-1]) > 0


def test_mf_9_gradient_descent_steps_along_the_flow() -> None:
    net = at_labels(THREE, torch.tensor([0, 1, 1, 2, 2, 2]))

    def loss(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        y = unroll(a, b, c, net.weights, X).output
        return (y - OVER.targets).square().mean() / 2

    start = (net.input, net.recurrent, net.readout)
    slopes = torch.func.grad(loss, argnums=(0, 1, 2))(*start)
    path = integrate(net, OVER, 0.1, 1, EULER)
    ends = (path.input[-1], path.recurrent[-1], path.readout[-1])
    for end, before, g, rate in zip(ends, start, slopes, (6, 36, 6), strict=True):
        assert_close(end, before - 0.1 * rate * g, rtol=1e-12, atol=1e-14)
    true = solve(THREE, OVER, [0.0, 2.0])
    for method in (EULER, MIDPOINT, RUNGE_KUTTA):
        gaps = [
            float(distance(integrate(THREE, OVER, 2 / k, k, method, k), true).largest[-1])
            for k in (32, 64)
        ]
        assert abs(math.log2(gaps[0] / gaps[1]) - method.order) < 0.3
    # Online noise: over a short time each independent step adds the covariance of one window.
    w = torch.stack([torch.cat([block.flatten() for block in _speed(THREE, i)]) for i in range(4)])
    centred = w - w.mean(0)
    noise = noise_covariance(THREE, OVER, 1e-4, 1)[-1]
    assert_close(noise, 1e-4 * centred.T @ centred / 4, rtol=0, atol=1e-6 * float(w.square().max()))
    later = noise_covariance(THREE, OVER, 0.1, 10)[-1]
    assert_close(later, later.T, rtol=1e-10, atol=1e-12)


def _speed(net: ElmanNet, i: int) -> tuple[Tensor, Tensor, Tensor]:
    one = Population(X[i : i + 1], OVER.targets[i : i + 1], torch.ones(1).double())
    path = integrate(net, one, 1.0, 1, EULER)
    blocks = (path.input, path.recurrent, path.readout)
    a, b, c = (block[1] - block[0] for block in blocks)
    return a, b, c


def test_mf_10_trained_networks_are_near_the_limit_with_the_constant() -> None:
    grid = {"step": 0.25, "n_steps": 8, "every": 8}
    psi = trained_influence(THREE, OVER, X, **grid)[-1]
    variance = float((psi.square() @ MASSES).mean())
    limit = outputs_along(integrate(THREE, OVER, **grid), X)[-1]
    n = 65536
    counts = stream(0, "counts", n).multinomial(n, MASSES.numpy(), size=400)
    nets = [with_shares(THREE, each) for each in torch.from_numpy(counts)]
    error = outputs_along(integrate(nets, OVER, **grid), X)[-1] - limit
    ratio = estimate(n * error.square().mean(-1).numpy() / variance)
    assert abs(ratio.z_score(1.0)) < 4.5
    # The constant of the proof, written out for windows of one and two inputs.
    start = Start(2, 2.0, 1.0, 3.0, 0.5, slope=0.7, bend=0.3)
    here = bounds(start, 0.0)
    e, rho, c, v = 0.1, 1.5, 0.5, (0.5, 3.0 * 0.7 * 0.5)
    assert_close(torch.tensor(here.adjoint), torch.tensor(v))
    current = (2 + 1) * e + 0.7 * 3.0 * 2 * e
    state = 0.7 * current
    output = e + c * state
    d_0 = 0.7 * e + v[0] * 0.3 * current
    d_1 = 0.7 * (0.7 * v[0] * e + 3.0 * d_0) + v[1] * 0.3 * current
    gaps = (
        output + rho * state,
        2 * (output * 0.7 * sum(v) + rho * (d_0 + d_1)),
        output * 0.7 * v[0] + rho * (d_0 + 0.7 * v[0] * state),
    )
    assert math.isclose(velocity_gap(start, here, e, 0.0), max(gaps))


def test_own_10_memory_is_learned_and_noise_stays_of_order_one_over_n() -> None:
    grid = {"step": 0.5, "n_steps": 4, "method": MIDPOINT, "every": 2}
    two = ElmanNet(THREE.input[:2], torch.zeros(2, 2).double(), THREE.readout[:2], equal_weights(2))
    found, known = trained_noise(two, OVER, X, 0.25, **grid), shaken_moments(two, 0.25, X)
    assert_close(found.mean[0], known.mean, rtol=1e-10, atol=1e-13)
    assert_close(found.variance[0], known.variance, rtol=1e-10, atol=1e-13)
    n, nets, net = 64, [], at_labels(two, torch.arange(2).repeat_interleave(32))
    for k in range(200):
        signs = stream(0, "signs", k).choice([-0.5, 0.5], (n, n))
        nets.append(ElmanNet(net.input, torch.from_numpy(signs), net.readout, net.weights))
    calm = outputs_along(integrate(two, OVER, **grid), X)[-1]
    error = n * (outputs_along(integrate(nets, OVER, **grid), X)[-1] - calm)
    expected = (found.mean[-1].square() + found.variance[-1]).mean()
    ratio = estimate((error.square().mean(-1) / expected).numpy())
    assert abs(ratio.z_score(1.0)) < 4.5
    # A target that the present input does not tell: the limit learns to remember.
    past = torch.tensor([[-1.0], [1.0]]).double().expand(2, 2)[:, :, None].clone()
    past[:, 1] = 1.0
    law = WindowLaw(past, equal_weights(2))
    over = Population(torch.cat([past, past], -1), past[:, 0, 0], equal_weights(2))
    path = integrate(two, over, 0.5, 60, every=60)
    memory = [unexplained_variance(law, y, 1) for y in outputs_along(path, over.x)]
    assert memory[0] < 1e-20
    assert memory[1] > 0.1
