"""One small test for each settled row of the book's own results; each is also run broken."""

import numpy as np
import torch

from rnnlimits.estimate import Estimate, estimate, fit_two_orders
from rnnlimits.kernel.fluctuations import fluctuation_constants
from rnnlimits.kernel.limit import lag_weight_blocks
from rnnlimits.kernel.tangent import autodiff_kernel, impulse_kernel, kernel_on_data
from rnnlimits.networks.linear import Variances, initialise
from rnnlimits.random import normal, stream
from rnnlimits.sweep import sweep

BLOCKS = ("readout", "input", "recurrent")


def test_own_7_the_tangent_kernel_factors_at_any_width():
    variances = Variances(recurrent=0.6, input=1.3, readout=0.7)
    for width, n_inputs, n_outputs in ((1, 1, 1), (5, 3, 2), (9, 2, 3)):
        draw = stream(0, "own 7", width)
        rnn = initialise(width, n_inputs, n_outputs, variances, draw)
        x, x2 = normal(draw, (3, 6, n_inputs)), normal(draw, (2, 6, n_inputs))
        theta, oracle = impulse_kernel(rnn, 6), autodiff_kernel(rnn, x, x2)
        for block in BLOCKS:
            ours, expected = kernel_on_data(getattr(theta, block), x, x2), getattr(oracle, block)
            assert (ours - expected).abs().max() <= 1e-12 * expected.abs().max()


def test_own_8_fluctuations_have_the_predicted_constants():
    # One entry beside the diagonal and one on it, late enough that fluctuations have gathered.
    variances, n_lags, widths = Variances(recurrent=0.5, input=1.0, readout=2.0), 4, [64, 128, 256]
    limit, n_seeds = lag_weight_blocks(n_lags, variances), 1000

    def squares(width, seed):
        rnn = initialise(width, 1, 1, variances, stream(seed, "own 8", width))
        theta = impulse_kernel(rnn, n_lags)
        gaps = [getattr(theta, b).reshape(4, 4) - getattr(limit, b).diag() for b in BLOCKS]
        return torch.stack([gap[2:, 3] for gap in gaps]) ** 2

    found = estimate(sweep(squares, widths, n_seeds), axis=1)
    predicted = fluctuation_constants(n_lags, variances)
    for k, block in enumerate(BLOCKS):
        for row in (2, 3):
            at = (slice(None), k, row - 2)
            mean, error = np.asarray(found.mean), np.asarray(found.standard_error)
            curve = Estimate(mean[at], error[at], n_seeds)
            fit = fit_two_orders(widths, curve)
            expected = float(getattr(predicted, block)[row, 3])
            assert abs(fit.first - expected) < 4.5 * fit.first_error
            assert fit.first_error < 0.1 * expected
