"""One small test for each settled statement of the linear-RNN paper; the ledger names them.

The ledger runs each against the library, and once more for each piece of a formula made wrong.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.testing import assert_close

from draws import VARIANCES, distance, network, response, sequences
from rnnlimits.estimate import fit_rate, root_mean_square
from rnnlimits.kernel.dynamics import dual_descent, primal_descent
from rnnlimits.kernel.limit import convolution_kernel, lag_weight_blocks, lag_weights, limit_kernel
from rnnlimits.kernel.tangent import (
    autodiff_kernel,
    impulse_kernel,
    jacobian,
    kernel_on_data,
    tangent_kernel,
)
from rnnlimits.networks.convolution import convolve, scaled_impulse_response
from rnnlimits.networks.linear import (
    LinearRNN,
    Variances,
    eigenvalues,
    forward,
    impulse_response,
    initialise,
    recurrent_norm,
    spectral_radius,
    unroll,
)
from rnnlimits.networks.realisation import (
    delay_line_realisation,
    rotation_realisation,
    vandermonde_condition,
    vandermonde_condition_bound,
    vandermonde_realisation,
)
from rnnlimits.random import normal, stream

CHANNELS = [(1, 1), (2, 3), (3, 2)]
BLOCKS = ("readout", "input", "recurrent")


def test_lin_1_the_network_is_causal_linear_and_time_invariant() -> None:
    rnn, x, z = network(0), sequences(0, 2, 6), sequences(1, 2, 6)
    y = forward(rnn, x)
    assert_close(forward(rnn, 2 * x - 3 * z), 2 * y - 3 * forward(rnn, z))
    later = x.clone()
    later[:, 4:] += 1
    assert torch.equal(forward(rnn, later)[:, :4], y[:, :4])
    delayed = torch.cat([torch.zeros(2, 3, 2).double(), x], dim=1)
    assert_close(forward(rnn, delayed)[:, 3:], y)
    W, F, C = (matrix.numpy() for matrix in (rnn.recurrent, rnn.input, rnn.readout))
    h = np.zeros(6)
    for t in range(6):  # equation (1), one sequence, one step at a time
        h = W @ h / math.sqrt(6) + F @ x[0, t].numpy()
        np.testing.assert_allclose(y[0, t], C @ h / math.sqrt(6), rtol=1e-12)


def test_lin_2_radius_circular_law_and_transient_growth() -> None:
    n, nu_W = 400, 0.81
    rnn = initialise(n, 1, 1, Variances(nu_W, 1.0, 1.0), stream(0, "LIN-2"))
    # For the complex ensemble |λ|² are independent Gammas over n: the chance of a radius above
    # 1.1 √ν_W at n = 400 is about 1e-4, below 0.95 √ν_W less; the real one differs in constants.
    assert 0.95 < spectral_radius(rnn) / math.sqrt(nu_W) < 1.1
    # Counts in a disc fluctuate by n^(1/4): a standard error of about 0.012 in the fraction.
    inside = eigenvalues(rnn).abs()[:, None] < torch.tensor([0.2, 0.4, 0.6, 0.8])
    expected = torch.tensor([0.2, 0.4, 0.6, 0.8]) ** 2 / nu_W
    assert (inside.float().mean(0) - expected).abs().max() < 0.06
    # Edge fluctuations are of order n^(-2/3), about 0.02 of the norm.
    assert abs(recurrent_norm(rnn) / math.sqrt(nu_W) - 2) < 0.1
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])  # no real eigenvalue at all
    still = LinearRNN(math.sqrt(2) * turn, torch.ones(2, 1), torch.ones(1, 2))
    assert abs(spectral_radius(still) - 1) < 1e-6


def test_lin_3_the_impulse_response_gives_the_output() -> None:
    for i, o in CHANNELS:
        rnn, x = network(1, 7, i, o), sequences(1, 2, 6, i)
        L = impulse_response(rnn, 6)
        assert distance(convolve(L, x), forward(rnn, x)) < 1e-13
        for tau in range(6):
            power = torch.linalg.matrix_power(rnn.recurrent, tau)
            assert distance(L[tau], 7 ** (-(tau + 1) / 2) * rnn.readout @ power @ rnn.input) < 1e-13


def test_lin_4_every_response_is_realised() -> None:
    n_lags = 6
    nodes = torch.cos(math.pi * (torch.arange(n_lags, dtype=torch.float64) + 0.5) / n_lags)
    for i, o in CHANNELS:
        L = response(2, n_lags, o, i)
        papers = vandermonde_realisation(L, nodes)
        assert papers.rnn.width == i * o * n_lags
        for realised in (papers, delay_line_realisation(L), rotation_realisation(L)):
            assert distance(impulse_response(realised.rnn, n_lags), L) < 1e-11
        for realised in (delay_line_realisation(L), rotation_realisation(L)):
            assert realised.rnn.width == n_lags * min(i, o)
        repeated = impulse_response(rotation_realisation(L).rnn, 2 * n_lags)
        assert distance(repeated, L.repeat(2, 1, 1)) < 1e-12
    # Real nodes lose digits at an exponential rate, roots of unity lose none.
    for n in (10, 20):
        real = torch.cos(math.pi * (torch.arange(n, dtype=torch.float64) + 0.5) / n)
        bound = vandermonde_condition_bound(n)
        assert vandermonde_condition(real) > 0.999 * bound > 0.999 * 2.4 ** (n - 1) / (2 * n**0.5)
        unity = torch.exp(2j * math.pi * torch.arange(n, dtype=torch.float64) / n)
        assert abs(vandermonde_condition(unity) - 1) < 1e-9


def test_lin_5_kernel_regression_is_gradient_descent_at_every_step() -> None:
    rnn, x, x_test = network(3), sequences(3, 2, 4), sequences(4, 2, 4)
    f0, f0_test = forward(rnn, x).flatten(), forward(rnn, x_test).flatten()
    y, J, J_test = sequences(5, 2, 4, 3).flatten(), jacobian(rnn, x), jacobian(rnn, x_test)
    K = tangent_kernel(rnn, x, x).reshape(len(J), -1)
    K_test = tangent_kernel(rnn, x_test, x).reshape(len(J_test), -1)
    rate = float(1 / torch.linalg.eigvalsh(K)[-1])
    alpha = dual_descent(K, f0, y, rate, 10)
    delta = torch.zeros(J.shape[1], dtype=torch.float64)
    for step in range(11):  # gradient descent by autodiff of the loss of the linearised model
        assert distance(f0_test + K_test @ alpha[step], f0_test + J_test @ delta) < 1e-11
        assert_close(primal_descent(J, f0, y, rate, step)[-1], delta, rtol=1e-10, atol=1e-12)
        at = delta.clone().requires_grad_()
        loss = 0.5 * ((f0 + J @ at - y) ** 2).sum()
        delta = delta - rate * torch.autograd.grad(loss, at)[0]


def test_lin_7_a_kernel_is_a_sum_over_perturbations() -> None:
    rnn, x = network(6, 3, 2, 2), sequences(6, 1, 3)
    K = tangent_kernel(rnn, x, x).reshape(6, 6)
    matrices = (rnn.recurrent, rnn.input, rnn.readout)
    sizes = [matrix.numel() for matrix in matrices]

    def response_to(direction: Tensor) -> Tensor:
        parts = direction.split(sizes)
        tangents = tuple(p.reshape(m.shape) for p, m in zip(parts, matrices, strict=True))
        map_of = lambda W, F, C: unroll(W, F, C, x).flatten()  # noqa: E731
        _, moved = torch.autograd.functional.jvp(map_of, matrices, tangents)
        assert isinstance(moved, Tensor)
        return moved

    generator = stream(6, "LIN-7")
    basis = torch.linalg.qr(normal(generator, (sum(sizes), sum(sizes))))[0]
    rows = torch.stack([response_to(direction) for direction in basis])
    assert distance(rows.T @ rows, K) < 1e-12
    # Gaussian directions: mean K, variance (K_aa K_bb + K_ab²) / m; 21 entries at 5.4 standard
    # errors, false alarm about 1e-6; the variances themselves to a quarter.
    m = 8000
    probes = normal(generator, (m, sum(sizes))) @ basis @ rows
    products = probes[:, :, None] * probes[:, None, :]
    variance = K.diagonal()[:, None] * K.diagonal() + K**2
    assert ((products.mean(0) - K).abs() < 5.4 * (variance / m).sqrt()).all()
    assert ((products.var(0) / variance - 1).abs() < 0.25).all()


def test_lin_8_the_kernel_of_the_scaled_convolution() -> None:
    for i, o in CHANNELS:
        theta, rho = response(7, 4, o, i), lag_weights(4, VARIANCES)
        x, x2 = sequences(7, 2, 4, i), sequences(8, 3, 4, i)

        def rows(x: Tensor, theta: Tensor = theta, rho: Tensor = rho) -> Tensor:
            outputs = lambda theta: convolve(scaled_impulse_response(theta, rho), x)  # noqa: E731
            return torch.autograd.functional.jacobian(outputs, theta).flatten(3)

        found = torch.einsum("atok,bspk->atobsp", rows(x), rows(x2))
        eye = torch.eye(o, dtype=torch.float64)
        expected = torch.einsum("atbs,op->atobsp", convolution_kernel(x, x2, rho), eye)
        assert distance(found, expected) < 1e-12


def test_lin_10_the_kernel_of_the_network_tends_to_that_of_the_convolution() -> None:
    rnn, x, x2 = network(9, 5, 2, 3), sequences(9, 2, 4), sequences(10, 3, 4)
    theta, oracle = impulse_kernel(rnn, 4), autodiff_kernel(rnn, x, x2)
    for name in BLOCKS:
        found = kernel_on_data(getattr(theta, name), x, x2)
        assert distance(found, getattr(oracle, name)) < 1e-12
    rho, limit = lag_weights(4, VARIANCES), lag_weight_blocks(4, VARIANCES)
    assert distance(limit_kernel(x, x2, VARIANCES), convolution_kernel(x, x2, rho)) < 1e-13
    assert distance(rho, limit.readout + limit.input + limit.recurrent) == 0
    # Widths and repeats fixed beforehand; 0.05 bounds the shift by the next order in 1/n.
    widths, repeats = [32, 64, 128, 256], 60
    for name in BLOCKS:
        norms = np.zeros((len(widths), repeats))
        for k, n in enumerate(widths):
            generator = stream(10, "LIN-10", name, n)
            for r in range(repeats):
                block = getattr(impulse_kernel(initialise(n, 1, 1, VARIANCES, generator), 3), name)
                expected = getattr(limit, name)[:3].diag()
                norms[k, r] = float((block.reshape(3, 3) - expected).norm())
        rate = fit_rate(widths, root_mean_square(norms, axis=1), level=0.999)
        assert rate.low - 0.05 < -0.5 < rate.high + 0.05, (name, str(rate))
        assert rate.high < -0.2
