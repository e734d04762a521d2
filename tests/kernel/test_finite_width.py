"""Networks of finite width, sampled: means exact in 1/n, exact laws, rates and fluctuations.

Each test holds for any seed. Where a law is not exactly Student's or chi-square, the sample is
large enough, or averaged over enough channels, that skewness moves the level by a small factor.
"""

from functools import lru_cache

import numpy as np
import pytest
import torch
from scipy import stats

from draws import VARIANCES
from rnnlimits.estimate import estimate, fit_rate, root_mean_square
from rnnlimits.kernel.fluctuations import fluctuation_constants
from rnnlimits.kernel.limit import lag_weight_blocks
from rnnlimits.kernel.tangent import impulse_kernel, krylov_grams
from rnnlimits.networks.linear import initialise
from rnnlimits.random import stream

NU_W, NU_F, NU_C = VARIANCES.recurrent, VARIANCES.input, VARIANCES.readout
BLOCKS = ("readout", "input", "recurrent")
WIDTHS = [32, 64, 128, 256]
REPEATS = 200
LAGS = 3


@lru_cache(maxsize=2)
def sampled_grams(seed: int, n: int = 12, repeats: int = 1500) -> dict[str, np.ndarray]:
    """Return U, V and Θ^W at equal channels for many networks, averaged over three channels."""
    generator = stream(seed, "grams")
    samples: dict[str, list] = {"U": [], "V": [], "W": []}
    for _ in range(repeats):
        rnn = initialise(n, 3, 3, VARIANCES, generator)
        U, V = krylov_grams(rnn, LAGS)
        theta = impulse_kernel(rnn, LAGS).recurrent
        samples["U"].append(torch.einsum("aibi->ab", U).numpy() / 3)
        samples["V"].append(torch.einsum("aobo->ab", V).numpy() / 3)
        samples["W"].append(torch.einsum("aoiboi->ab", theta).numpy() / 9)
    return {name: np.stack(values) for name, values in samples.items()}


@lru_cache(maxsize=2)
def deviations(seed: int) -> dict[str, np.ndarray]:
    """Return Θ minus its limit for one input and output, axes (width, network, lag, lag)."""
    limit = lag_weight_blocks(LAGS, VARIANCES)
    found: dict[str, list] = {name: [] for name in BLOCKS}
    for n in WIDTHS:
        generator = stream(seed, "deviations", n)
        for _ in range(REPEATS):
            theta = impulse_kernel(initialise(n, 1, 1, VARIANCES, generator), LAGS)
            for name in BLOCKS:
                block = getattr(theta, name).reshape(LAGS, LAGS)
                found[name].append((block - getattr(limit, name).diag()).numpy())
    shape = (len(WIDTHS), REPEATS, LAGS, LAGS)
    return {name: np.stack(values).reshape(shape) for name, values in found.items()}


def test_means_are_exact_to_the_power_of_1_over_n_that_they_hold(seed: int) -> None:
    # By Wick pairing at n = 12: 14 means, Student's t over 1500 networks, false alarm 1e-6.
    n, samples = 12, sampled_grams(seed)
    second = 1 + 2 / n**2
    expected = {
        ("U", 0, 0): NU_F,
        ("U", 1, 1): NU_F * NU_W,
        ("U", 2, 2): NU_F * NU_W**2 * second,
        ("U", 0, 1): 0.0,
        ("U", 0, 2): NU_F * NU_W / n,
        ("V", 0, 0): NU_C,
        ("V", 1, 1): NU_C * NU_W,
        ("V", 2, 2): NU_C * NU_W**2 * second,
        ("V", 0, 1): 0.0,
        ("V", 0, 2): NU_C * NU_W / n,
        ("W", 1, 1): NU_C * NU_F,
        ("W", 1, 2): 0.0,
        ("W", 2, 2): 2 * NU_C * NU_F * NU_W * (1 + 1 / n**2),
    }
    threshold = stats.t.isf(0.5e-6 / len(expected), 1499)
    for (name, a, b), mean in expected.items():
        score = estimate(samples[name][:, a, b]).z_score(mean)
        assert abs(score) < threshold, (name, a, b)


def test_the_smallest_grams_have_exactly_their_law(seed: int) -> None:
    # n U_00 / ν_F and n V_00 / ν_C are chi-square: variance 2 ν²/n. Sums of three channels have 3n
    # degrees. Two Kolmogorov-Smirnov tests, false alarm 1e-6.
    n, samples = 12, sampled_grams(seed)
    for name, variance in (("U", NU_F), ("V", NU_C)):
        result = stats.kstest(3 * n * samples[name][:, 0, 0] / variance, stats.chi2(3 * n).cdf)
        assert result.pvalue > 5e-7


@pytest.mark.parametrize("part", ["diagonal", "off the diagonal"])
def test_every_block_approaches_its_limit_like_the_root_of_the_width(part: str, seed: int) -> None:
    # Widths 32 to 256, 200 networks at each, one exponent for each block: false alarm about 1e-6
    # for all six. A mean square a/n (1 + b/n) with b up to 8, as in the next test, shifts the
    # exponent fitted to these widths by up to 0.05.
    mask = np.eye(LAGS, dtype=bool) if part == "diagonal" else ~np.eye(LAGS, dtype=bool)
    for name, deviation in deviations(seed).items():
        norms = np.sqrt((deviation**2)[..., mask].sum(-1))
        rate = fit_rate(WIDTHS, root_mean_square(norms, axis=1), level=1 - 1e-6 / 6)
        assert rate.low - 0.05 < -0.5 < rate.high + 0.05, (name, str(rate))
        assert rate.high - rate.low < 0.6  # exponents 0 and -1 are told apart


def test_the_size_of_the_fluctuations(seed: int) -> None:
    # In the limit n D² / constant is chi-square with one degree; the mean over 4 * 200 networks has
    # standard error 0.05, at finite width a third more. The next order is at most 8/n, on average
    # 0.12. 15 entries at 5.4 standard errors, false alarm about 1e-6.
    constants = fluctuation_constants(LAGS, VARIANCES)
    slack = 5.4 * 0.05 * 4 / 3 + 0.12
    n = np.array(WIDTHS)[:, None, None, None]
    for name, deviation in deviations(seed).items():
        measured = (n * deviation**2).mean((0, 1))
        constant = getattr(constants, name).numpy()
        vanishes = constant == 0
        assert (measured[vanishes] == 0).all()
        assert vanishes.sum() == (5 if name == "recurrent" else 0)
        ratio = measured[~vanishes] / constant[~vanishes]
        assert np.abs(ratio - 1).max() < slack, (name, ratio)
