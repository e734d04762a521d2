"""One small test for each row of the chapter on Gaussian recursions; each is also run broken."""

import math

import numpy as np
import torch

from rnnlimits import wasserstein
from rnnlimits.estimate import Estimate, estimate, fit_two_orders
from rnnlimits.kernel.initial_law import (
    excess_kurtosis,
    gram_samples,
    law_correction,
    mixture_law,
    square_correlation,
)
from rnnlimits.kernel.innovations import innovations
from rnnlimits.kernel.state_evolution import Recursion, gauss_hermite, simulate, state_evolution
from rnnlimits.networks.linear import Variances, impulse_response, initialise
from rnnlimits.random import normal, stream


def test_lin_9_the_law_of_the_impulse_response_nears_the_normal_like_one_over_n():
    variances, widths, m, lags = Variances(0.7, 1.5, 0.8), [128, 256, 512], 60000, 4
    units = torch.tensor([1.5 * 0.7**k for k in range(lags)]).double()
    x, kinds = (3 - 6**0.5) ** 0.5, []
    for n in widths:
        U = gram_samples(lags, n, m, variances, stream(0, "lin 9", n))
        r = U / (units[:, None] * units).sqrt()
        v = r.diagonal(dim1=1, dim2=2)
        law = [mixture_law([x], v[:, k].contiguous())[:, 0] for k in range(lags)]
        law = np.stack(law, axis=1) - (1 + math.erf(x / 2**0.5)) / 2
        pairs = [(v[:, 0] - 1) * (v[:, 1] - 1), (v[:, 1] - 1) * (v[:, 3] - 1)]
        pairs = torch.stack(pairs, dim=1) + 2 * r[:, [0, 1], [1, 3]] ** 2
        kinds.append(np.concatenate([law, 3 * (v - 1) ** 2, pairs / 2], axis=1))
    at_one = [law_correction(x, k, 1) for k in range(lags)]
    squares = square_correlation(lags, 10**6) * 10**6
    expected = [*at_one, *excess_kurtosis(lags, 1).tolist(), squares[0, 1], squares[1, 3]]
    found = [estimate(kind) for kind in kinds]
    for k, value in enumerate(expected):
        mean = np.array([np.asarray(each.mean)[k] for each in found])
        error = np.array([np.asarray(each.standard_error)[k] for each in found])
        fit = fit_two_orders(widths, Estimate(mean, error, m))
        assert abs(fit.first - float(value)) < 4.5 * fit.first_error
        assert fit.first_error < 0.15 * float(value)
    # The sampler stands for networks: the fourth moment at lag 1 and width 5, and a real one.
    U = gram_samples(2, 5, m, variances, stream(1, "lin 9"))[:, 1, 1] / units[1]
    networks = [initialise(5, 1, 1, variances, stream(k, "lin 9")) for k in range(4000)]
    L = torch.stack([impulse_response(each, 2)[1, 0, 0] for each in networks])
    exact = (1 + 2 / 5) ** 2
    assert abs(estimate(U.numpy() ** 2).z_score(exact)) < 4.5
    assert abs(estimate((L**2 / (0.8 * units[1])).numpy()).z_score(1.0)) < 4.5


def test_lin_14_transport_between_gaussians_has_the_closed_form():
    for seed, d in ((0, 1), (1, 2), (2, 3)):
        draw = stream(seed, "lin 14")
        bases = [torch.linalg.qr(normal(draw, (d, d))).Q for _ in range(2)]
        first, second = ((Q * torch.arange(1.0, d + 1).double()) @ Q.T for Q in bases)
        second = second + 0.5 * torch.eye(d).double()
        # A sample whose second moments are exactly those of the first, carried by the optimal map.
        x = torch.linalg.qr(normal(draw, (60, d))).Q * 60**0.5
        x = x @ wasserstein.square_root(first)
        y = x @ wasserstein.optimal_map(first, second)
        assert torch.allclose(y.T @ y / 60, second, rtol=1e-10, atol=1e-10)
        assert wasserstein.optimal_assignment(x, y).tolist() == list(range(60))
        squared = float(wasserstein.gaussian_distance(first, second)) ** 2
        assert abs(float((x - y).square().sum() / 60) - squared) < 1e-10
        inner = torch.linalg.eigvals(first @ second).real.sqrt().sum()
        assert abs(float(first.trace() + second.trace() - 2 * inner) - squared) < 1e-10


def test_lin_15_wide_recursions_follow_the_state_evolution():
    mix = torch.tensor([[1.0, 0.8], [0.0, 1.0]]).double()
    recursion = Recursion(
        (lambda q, p: torch.tanh(q) @ mix, lambda q, p: torch.relu(q) + p),
        (1.2, 0.6),
        start=lambda s: torch.cat([s, s**2 - 1], dim=1),
        inputs=lambda s, t: s if t % 2 else 0 * s,
    )
    R = state_evolution(recursion, 3, gauss_hermite(14))
    width, n_runs = 300, 40
    runs = [simulate(recursion, width, 3, stream(k, "lin 15")) for k in range(n_runs)]
    found = estimate(np.stack([run.second_moments().numpy() for run in runs]))
    # Beside the sampling error: a bias of order 1/n, and the quadrature's of a map with a kink.
    room = 4.5 * np.asarray(found.standard_error) + 4 / width + 0.01
    assert (np.abs(found.mean - R.numpy()) < room).all()
    assert float(np.mean(found.standard_error)) < 0.05
    # A closed form: the arc-cosine kernel at s = 0, t = 1 with one map and one column.
    relu = Recursion((lambda q, p: torch.relu(q),), (2.0,), start=lambda s: s)
    by_hand = state_evolution(relu, 2, gauss_hermite(60))[0, :, :, 0, 0]
    exact = torch.tensor([[1.0, 1 / math.pi], [1 / math.pi, 1.0]]).double()
    assert torch.allclose(by_hand, exact, rtol=0, atol=1e-2)
    for process in R:
        again = innovations(process).process_covariance()
        assert torch.allclose(again, process, rtol=1e-9, atol=1e-9)
