"""The initial impulse response at finite width: exact laws, leading orders, networks."""

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from scipy.stats import chi2, kstest, laplace, norm

from draws import VARIANCES, untyped
from rnnlimits.estimate import estimate
from rnnlimits.kernel.initial_law import (
    excess_kurtosis,
    gram_samples,
    law_correction,
    mixture_law,
    square_correlation,
)
from rnnlimits.networks.linear import Variances, impulse_response, initialise, krylov
from rnnlimits.random import stream

ONES = Variances(1.0, 1.0, 1.0)


def network_grams(n_lags: int, width: int, n_samples: int, seed: int) -> np.ndarray:
    """Return Gram matrices of networks that were really drawn."""
    found = []
    for k in range(n_samples):
        rnn = initialise(width, 1, 1, VARIANCES, stream(seed, "network grams", k))
        u = krylov(rnn.recurrent, rnn.input, n_lags)[..., 0]
        found.append((u @ u.T / width).numpy())
    return np.stack(found)


@pytest.mark.parametrize("width", [4, 7])
def test_gram_samples_have_the_law_of_networks(width: int, seed: int) -> None:
    real = network_grams(4, width, 3000, seed)
    drawn = gram_samples(4, width, 3000, VARIANCES, stream(seed, "grams", width)).numpy()
    # Means and second moments, in logarithms on the diagonal: the raw entries have heavy tails.
    rows, columns = np.triu_indices(4, 1)
    sides = []
    for U in (real, drawn):
        scale = np.sqrt(np.einsum("nii->ni", U))
        cosine = U[:, rows, columns] / (scale[:, rows] * scale[:, columns])
        kinds = [np.log(scale), np.log(scale) ** 2, cosine, cosine**2]
        sides.append(estimate(np.concatenate(kinds, axis=1)))
    gap = np.asarray(sides[0].mean) - np.asarray(sides[1].mean)
    error = np.hypot(np.asarray(sides[0].standard_error), np.asarray(sides[1].standard_error))
    assert np.abs(gap / error).max() < 4.5


def test_exact_moments_of_the_gram_matrix(seed: int) -> None:
    n, nu_W, nu_F = 6, VARIANCES.recurrent, VARIANCES.input
    U = gram_samples(3, n, 200000, VARIANCES, stream(seed, "moments")).numpy()
    exact = {
        (0, 0): nu_F,
        (0, 1): 0.0,
        (0, 2): nu_F * nu_W / n,
        (1, 1): nu_F * nu_W,
        (1, 2): 0.0,
        (2, 2): nu_F * nu_W**2 * (1 + 2 / n**2),
    }
    for (j, k), value in exact.items():
        assert abs(estimate(U[:, j, k]).z_score(value)) < 4.5
    # E U_01^2 = nu_W E U_00^2 / n exactly, and U_11 is a product of two chi-squares.
    assert abs(estimate(U[:, 0, 1] ** 2).z_score(nu_W * nu_F**2 * (1 + 2 / n) / n)) < 4.5
    second = (nu_F * nu_W) ** 2 * (1 + 2 / n) ** 2
    assert abs(estimate(U[:, 1, 1] ** 2).z_score(second)) < 5.5


def test_lag_zero_of_two_units_is_laplace(seed: int) -> None:
    # L_0 = (c_1 f_1 + c_2 f_2) / sqrt 2 = (chi2_2 - chi2_2') / (2 sqrt 2).
    L = [
        float(impulse_response(initialise(2, 1, 1, ONES, stream(seed, "laplace", k)), 1))
        for k in range(3000)
    ]
    assert kstest(L, laplace(scale=0.5**0.5).cdf).pvalue > 1e-5
    assert kstest(L, norm.cdf).pvalue < 1e-3
    # The same law from the mixture, averaged over quantiles of its chi-square.
    v = torch.from_numpy(chi2.ppf((np.arange(200000) + 0.5) / 200000, 2) / 2)
    x = np.array([-2.0, -0.3, 0.5, 1.5])
    found = mixture_law(x, v).mean(axis=0)
    assert np.allclose(found, laplace(scale=0.5**0.5).cdf(x), rtol=0, atol=2e-5)


def test_kurtosis_at_lags_zero_and_one_is_known_exactly() -> None:
    # 3 Var U / (E U)^2 with U_00 ~ chi2_n / n and U_11 a product of two of them.
    n = 1000
    exact = 3 * np.array([2 / n, (1 + 2 / n) ** 2 - 1])
    assert np.allclose(excess_kurtosis(2, n).numpy(), exact, rtol=2 / n)


def test_square_correlation_of_lags_zero_and_one_is_known_exactly() -> None:
    n = 1000
    covariance = 2 / n + 2 * (1 + 2 / n) / n
    variances = 3 * np.array([1 + 2 / n, (1 + 2 / n) ** 2]) - 1
    exact = covariance / np.sqrt(variances.prod())
    assert float(square_correlation(2, n)[0, 1]) == pytest.approx(exact, rel=10 / n)


def test_correction_is_that_of_the_kurtosis_and_of_the_exact_law() -> None:
    x, n = np.linspace(-3, 3, 13), 400
    he_3 = x**3 - 3 * x
    edgeworth = -float(excess_kurtosis(3, n)[2]) / 24 * he_3 * norm.pdf(x)
    assert np.allclose(law_correction(x, 2, n), edgeworth, rtol=1e-13, atol=1e-16)
    # Lag zero: average over the chi-square by its quantiles; what is left is of order 1/n^2.
    v = chi2.ppf((np.arange(400000) + 0.5) / 400000, n) / n
    exact = ndtr(x[:, None] / np.sqrt(v)).mean(axis=1) - ndtr(x)
    assert np.abs(exact - law_correction(x, 0, n)).max() < 2 / n**2


def test_without_recurrence_only_lag_zero_is_left() -> None:
    U = gram_samples(3, 5, 10, Variances(0.0, 1.0, 1.0), stream(0))
    assert (U[:, 0, 0] > 0).all()
    assert not U[:, 1:].any()
    assert not gram_samples(2, 5, 3, Variances(1.0, 0.0, 1.0), stream(0)).any()


def test_one_unit_and_one_lag() -> None:
    U = gram_samples(1, 1, 4, ONES, stream(3))
    assert U.shape == (4, 1, 1)
    U = gram_samples(3, 3, 5, ONES, stream(3))  # as many lags as units: the last column is full
    assert torch.linalg.matrix_rank(U).tolist() == [3] * 5


BAD = {
    "lags": (lambda: gram_samples(0, 3, 2, ONES, stream(0)), ValueError, "n_lags"),
    "width": (lambda: gram_samples(4, 3, 2, ONES, stream(0)), ValueError, "width .* at least 4"),
    "samples": (lambda: gram_samples(2, 3, 0, ONES, stream(0)), ValueError, "n_samples"),
    "energies": (lambda: mixture_law([0.0], torch.zeros(2)), ValueError, "above 0"),
    "lag": (lambda: law_correction(0.0, -1, 3), ValueError, "lag"),
    "no width": (lambda: excess_kurtosis(2, 0), ValueError, "width"),
    "no lags": (lambda: square_correlation(0, 3), ValueError, "n_lags"),
}


@untyped
@pytest.mark.parametrize(("call", "error", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(call, error, words) -> None:
    with pytest.raises(error, match=words):
        call()
