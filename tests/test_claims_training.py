"""One small test for each row of the ledger that *Training dynamics* settles.

The ledger runs each against the library, and once more for each piece of a formula made wrong.
"""

import numpy as np
import torch
from torch import Tensor
from torch.testing import assert_close

from draws import distance, network, sequences
from rnnlimits.estimate import estimate, fit_rate, root_mean_square
from rnnlimits.kernel.conservation import conserved_quantity, symmetry_defect
from rnnlimits.kernel.learning_curves import expected_losses, solve_descent
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import SquaredLoss, loss_value, squared_loss, white_loss
from rnnlimits.kernel.tangent import impulse_kernel, tangent_kernel
from rnnlimits.kernel.training import descend, gradient, stability_limit, train
from rnnlimits.networks.convolution import convolve
from rnnlimits.networks.linear import LinearRNN, Variances, initialise, unroll
from rnnlimits.random import normal, stream
from rnnlimits.sweep import sweep

VARIANCES = Variances(recurrent=0.5, input=1.0, readout=1.0)
N_LAGS = 5


def task(seed: int) -> SquaredLoss:
    """Return the loss on sequences labelled by a response of the size of a start, with noise."""
    draw = stream(seed, "training task")
    x = normal(draw, (20, N_LAGS, 1))
    answer = ((-(0.5**0.5)) ** torch.arange(N_LAGS).double())[:, None, None]
    return squared_loss(x, convolve(answer, x) + normal(draw, (20, N_LAGS, 1), 0.02))


def test_lin_6_two_rates_and_an_eigenvalue_that_is_zero() -> None:
    x = sequences(0, 3, N_LAGS, 2)
    K = tangent_kernel(network(0, 40), x, x).flatten(3).flatten(0, 2)
    values = torch.linalg.eigvalsh(K)
    assert int((values > 1e-10 * values[-1]).sum()) == N_LAGS * 2 * 3  # of 3 · T · 3

    data, rho = task(0), lag_weights(N_LAGS, VARIANCES)
    rate = 0.3 * stability_limit(rho, data)

    def distances(width: int, seed: int) -> Tensor:
        rnn = initialise(width, 1, 1, VARIANCES, stream(seed, "LIN-6", width))
        run = train(rnn, data, rate, [0, 12])
        before = impulse_kernel(rnn, N_LAGS).total
        after = impulse_kernel(run.rnn, N_LAGS).total
        linear, limit = (
            solve_descent(run.responses[0], kernel, data, rate, [12])[0] for kernel in (before, rho)
        )
        gaps = [run.responses[-1] - linear, run.responses[-1] - limit, after - before]
        return torch.stack([gap.norm() for gap in gaps])

    widths = [32, 128, 512]
    found = sweep(distances, widths, n_seeds=24)
    for k, order in enumerate((-1, -0.5, -1)):
        rate_k = fit_rate(widths, root_mean_square(found[:, :, k], axis=1))
        # Second orders steepen or flatten the slope at the smallest width: a tenth is allowed.
        assert abs(rate_k.slope - order) < 0.1 + 4.5 * rate_k.standard_error
        assert rate_k.high < order / 2  # so 1/n is told from n^(-1/2)


def test_lin_16_network_and_convolution_train_alike() -> None:
    variances = Variances(recurrent=0.3, input=1.0, readout=1.0)
    draw = stream(0, "LIN-16")
    teacher = initialise(4, 1, 1, variances, draw)
    x = normal(draw, (50, 10, 1))
    y = unroll(teacher.recurrent, teacher.input, teacher.readout, x)
    data, rho = squared_loss(x, y), lag_weights(10, variances)
    steps = [0, 5, 20, 80]
    student = initialise(1000, 1, 1, variances, stream(1, "LIN-16"))
    found = train(student, data, 1e-4, steps).responses
    limit = solve_descent(found[0], rho, data, 1e-4, steps)
    way = (limit - limit[0]).flatten(1).norm(dim=1)[1:]
    gap = (found - limit).flatten(1).norm(dim=1)[1:]
    # Over 24 seeds the largest such ratio had a typical size of 0.9 n^(-1/2): 0.03.
    assert float((gap / way).max()) < 0.12
    losses = loss_value(found, data), loss_value(limit, data)
    assert_close(*losses, rtol=0.25, atol=0.0)
    mean = squared_loss(x, y, "mean")  # the same curves, at a rate N T n_y / 2 = 250 times larger
    assert_close(train(student, mean, 250 * 1e-4, [5]).responses[0], found[1])


def test_own_1_expected_learning_curves() -> None:
    draw = stream(0, "OWN-1")
    x, answer = normal(draw, (6, 4, 2)), normal(draw, (4, 2, 2))
    rho = lag_weights(4, VARIANCES)
    clean, noise = convolve(answer, x), 0.5
    data, test = squared_loss(x, clean), white_loss(answer)
    rate, steps = 0.6 * stability_limit(rho, data), [0, 1, 4, 30]
    spread = VARIANCES.recurrent ** torch.arange(4).double()
    curves = expected_losses(data, test, rho, spread, rate, steps, noise_variance=noise)

    def one(_: int, seed: int) -> Tensor:
        generator = stream(seed, "OWN-1")
        start = spread.sqrt()[:, None, None] * normal(generator, (4, 2, 2))
        noisy = squared_loss(x, clean + normal(generator, (6, 4, 2), noise))
        run = solve_descent(start, rho, noisy, rate, steps)
        if seed == 0:
            assert distance(run, descend(start, rho, noisy, rate, steps)) < 1e-12
        return torch.stack([loss_value(run, noisy), loss_value(run, test)])

    found = estimate(sweep(one, [0], n_seeds=600)[0])
    scores = found.z_score(torch.stack([curves.train, curves.test]))
    assert np.abs(scores).max() < 4.5  # losses are skewed: below one in a thousand for all eight


def test_own_4_a_matrix_is_conserved() -> None:
    rnn, x, y = network(1), sequences(1), sequences(2, n_inputs=3)

    def quartic(W: Tensor, F: Tensor, C: Tensor) -> Tensor:
        return ((unroll(W, F, C, x) - y) ** 4).sum()

    slopes = torch.func.grad(quartic, argnums=(0, 1, 2))(rnn.recurrent, rnn.input, rnn.readout)
    loss = squared_loss(x, y)
    for slope in (LinearRNN(*slopes), gradient(rnn, loss)):
        assert symmetry_defect(rnn, slope).norm() < 1e-12 * conserved_quantity(slope).norm()

    # A step drifts by rate² Q(gradient) exactly: so descent over a fixed time drifts like the rate.
    rate = 0.1 * stability_limit(impulse_kernel(rnn, 5).total, loss)
    after = conserved_quantity(train(rnn, loss, rate, [1]).rnn)
    drift = rate**2 * conserved_quantity(gradient(rnn, loss))
    assert distance(after - conserved_quantity(rnn), drift) < 1e-9
    ends = [train(rnn, loss, rate / count, [10 * count]).rnn for count in (8, 16)]
    long, short = ((conserved_quantity(end) - conserved_quantity(rnn)).norm() for end in ends)
    assert abs(float(long / short) - 2) < 0.1
