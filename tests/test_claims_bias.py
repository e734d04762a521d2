"""One small test for each settled statement on the bias to short lags; the ledger names them."""

import math

import numpy as np
import torch

from draws import distance, response, sequences
from rnnlimits.estimate import estimate
from rnnlimits.kernel.implicit_bias import (
    geometric_constant,
    movement_bound,
    reach,
    sharp_movement_bound,
    steps_to_learn,
    weight_peak,
)
from rnnlimits.kernel.initial_energy import energy_correction, energy_polynomial
from rnnlimits.kernel.leak import expected_reach
from rnnlimits.kernel.learning_curves import solve_descent
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import loss_value, squared_loss, white_loss
from rnnlimits.kernel.tangent import impulse_kernel
from rnnlimits.kernel.training import descend, stability_limit, train
from rnnlimits.networks.linear import Variances, impulse_response, initialise
from rnnlimits.networks.teachers import label
from rnnlimits.random import normal, stream

PAPER = Variances(recurrent=0.3, input=1.0, readout=1.0)


def test_lin_11_geometric_bounds_with_their_constants() -> None:
    for nu_W, nu_F, nu_C in ((0.3, 1.0, 1.0), (0.9, 1.0, 2.0), (0.7, 4.0, 3.0)):
        variances = Variances(nu_W, nu_F, nu_C)
        tau = np.arange(150)
        rho = (tau * nu_C * nu_F / nu_W + nu_C + nu_F) * nu_W**tau
        assert np.allclose(lag_weights(150, variances), rho, rtol=1e-12, atol=0)
        assert weight_peak(variances) == rho.argmax()
        assert (rho[1] > rho[0]) == (nu_C * nu_F > (1 - nu_W) * (nu_C + nu_F))
        for rate in (nu_W * 1.05, (nu_W + 1) / 2, 1.0):
            least = (rho / rate**tau).max()
            assert math.isclose(geometric_constant(variances, rate), least, rel_tol=1e-10)
        # at the rate ν_W itself the constant grows with the horizon, without end
        for T in (1, 5, 80):
            constant = geometric_constant(variances, nu_W, T)
            assert math.isclose(constant, (rho / nu_W**tau)[:T].max(), rel_tol=1e-10)


def test_lin_12_size_of_the_initial_response() -> None:
    for lag in range(5):
        counts = energy_polynomial(lag)
        assert sum(counts) == math.prod(range(1, 2 * lag, 2))
        assert counts[:2] == (1, 0)
        assert ([*counts, 0])[2] == energy_correction(lag)
    assert energy_polynomial(3) == (1, 0, 10, 4)
    n, samples = 5, 20000
    variances = Variances(0.8, 1.5, 0.6)
    draw = stream(0, "LIN-12")
    squares = torch.stack(
        [
            (impulse_response(initialise(n, 2, 3, variances, draw), 4) ** 2).sum(dim=(1, 2))
            for _ in range(samples // 10)
        ]
    )
    exact = [
        2 * 3 * 1.5 * 0.6 * 0.8**lag * np.polyval(energy_polynomial(lag)[::-1], 1 / n)
        for lag in range(4)
    ]
    assert np.abs(estimate(squares).z_score(exact)).max() < 4.5
    # without the readout and the input: only the powers, and more of them
    A = normal(draw, (samples, n, n), 1 / n)
    found = estimate(((A @ A @ A) ** 2).sum(dim=(1, 2)) / n)
    assert abs(found.z_score(1 + 10 / n**2 + 4 / n**3)) < 4.5


def test_lin_13_the_bound_on_the_movement_of_each_lag() -> None:
    steps, rho = [1, 2, 5, 50, 2000], lag_weights(6, PAPER)
    for seed in range(3):
        loss = squared_loss(sequences(seed, 4, 6), sequences(seed + 9, 4, 6, 3))
        initial = response(seed, 6, 3, 2)
        rate = 0.9 * stability_limit(rho, loss)
        moved = (solve_descent(initial, rho, loss, rate, steps) - initial).norm(dim=(2, 3))
        bound = movement_bound(initial, rho, loss, rate, steps)
        assert bool((moved <= bound).all())
        assert bool((moved <= sharp_movement_bound(initial, rho, loss, rate, steps)).all())
    # one lag, one channel: equality after one step
    loss, initial = squared_loss(sequences(1, 4, 1, 1), sequences(2, 4, 1, 1)), response(1, 1)
    rate = 0.5 * stability_limit(rho[:1], loss)
    moved = (descend(initial, rho[:1], loss, rate, [1]) - initial).abs().flatten()
    assert distance(movement_bound(initial, rho[:1], loss, rate, [1]).flatten(), moved) < 1e-12
    # a network of finite width keeps to its own bound, not to that of the limit
    T, rnn = 20, initialise(100, 1, 1, PAPER, stream(3, "LIN-13"))
    loss, initial = white_loss(response(3, T)), impulse_response(rnn, T)
    theta, rho = impulse_kernel(rnn, T).total, lag_weights(T, PAPER)
    rate = 0.5 * min(stability_limit(theta, loss), stability_limit(rho, loss))
    moved = (descend(initial, theta, loss, rate, [1])[0] - initial).abs().flatten()
    assert bool((moved <= movement_bound(initial, theta, loss, rate, [1])[0]).all())
    assert bool((moved > movement_bound(initial, rho, loss, rate, [1])[0])[12:].any())
    ratio = reach(theta, loss) / expected_reach(100, PAPER, loss)
    assert bool(((ratio > 0.2) & (ratio < 5)).all())


def test_lin_17_delays_hurt_the_biased_models() -> None:
    T, steps, delays = 8, [100], (0, 2, 5)
    draw = stream(0, "LIN-17")
    teacher = initialise(4, 1, 1, PAPER, draw)
    student = initialise(400, 1, 1, PAPER, draw)
    start = impulse_response(student, T)
    x, x_test = normal(draw, (50, T, 1)), normal(draw, (50, T, 1))
    rho, error = lag_weights(T, PAPER), {}
    for delay in delays:
        target = label(teacher, x, stream(1), snr_db=20.0, delay=delay).targets
        clean = label(teacher, x_test, stream(2), delay=delay).clean
        loss, test = squared_loss(x, target), squared_loss(x_test, clean, "mean")
        rate = 0.2 * stability_limit(rho, loss)
        for name, weights in (("scaled", rho), ("plain", torch.ones_like(rho))):
            L = solve_descent(start, weights, loss, rate, steps)
            error[name, delay] = float(loss_value(L, test)[0] / (clean**2).mean())
        L = train(student, loss, rate, steps).responses
        error["network", delay] = float(loss_value(L, test)[0] / (clean**2).mean())
        # fluctuations of the kernel are of relative size sqrt(2 (lag + 1) / 400), at most a fifth
        assert abs(error["network", delay] - error["scaled", delay]) < 0.15
    for name in ("scaled", "network"):
        assert error[name, 0] < 0.02 < error[name, 5]
        assert error[name, 0] < error[name, 2] < error[name, 5]
        assert error[name, 5] > 0.3
    assert max(error["plain", delay] for delay in delays) < 0.02
    # what is learned is the teacher's response, delayed
    loss = squared_loss(x, label(teacher, x, stream(1), snr_db=20.0, delay=5).targets)
    rate = 0.2 * stability_limit(rho, loss)
    L = solve_descent(start, torch.ones_like(rho), loss, rate, [2000])[0]
    late = impulse_response(teacher, T - 5)
    assert float((L[5:] - late).abs().max()) < 0.1 * float(late.abs().max()) + 0.05
    assert float(L[:5].abs().max()) < 0.1 * float(late.abs().max()) + 0.05


def test_lin_20_steps_grow_like_the_inverse_weight() -> None:
    T = 10
    loss, rho = white_loss(torch.ones(T, 1, 1, dtype=torch.float64)), lag_weights(T, PAPER)
    rate = 0.7 * stability_limit(rho, loss)
    times = steps_to_learn(rho, loss, rate, remaining=0.1)
    path = descend(torch.zeros(T, 1, 1).double(), rho, loss, rate, range(int(times[6]) + 1))
    for tau in range(7):
        left = (1 - path[:, tau, 0, 0]).abs()
        step = int(times[tau])
        assert left[step] <= 0.1 * (1 + 1e-9)
        assert left[step - 1] > 0.1
    # long lags: steps × weight × number of times tends to log(10) / rate
    tau = torch.arange(T, dtype=torch.float64)
    rho_by_hand = (tau / 0.3 + 2) * 0.3**tau
    product = times * rho_by_hand * (T - tau)
    assert float((product[7:] * rate / math.log(10) - 1).abs().max()) < 0.01
    # no admissible learning rate helps: the bound for all data
    zero, best = torch.zeros(T, 1, 1).double(), 0.999 * stability_limit(rho, loss)
    size = movement_bound(zero, rho, loss, best, [1])[0]
    for tau in range(T):
        assert float(steps_to_learn(rho, loss, best, 0.5)[tau]) >= math.floor(
            0.5 / float(size[tau])
        )
