"""Fluctuations of the whole kernel, and how far they let a lag reach."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from draws import VARIANCES, both_dtypes, sequences, untyped
from rnnlimits.estimate import estimate
from rnnlimits.kernel.fluctuations import fluctuation_constants
from rnnlimits.kernel.implicit_bias import reach
from rnnlimits.kernel.leak import expected_reach, leak_constants
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import squared_loss, white_loss
from rnnlimits.kernel.tangent import impulse_kernel
from rnnlimits.networks.linear import Variances, initialise
from rnnlimits.random import normal, stream


def test_constants_are_the_sum_over_fresh_terms() -> None:
    nu_W, nu_F, nu_C = 0.4, 1.3, 0.7
    found = leak_constants(6, Variances(nu_W, nu_F, nu_C))
    for tau in range(6):
        for sigma in range(6):
            total = sum(
                (nu + nu_C * nu_F * q / nu_W) ** 2
                for q in range(min(tau, sigma) + 1)
                for nu in (nu_F, nu_C)
            )
            expected = (1 + (tau == sigma)) * nu_W ** (tau + sigma) * total
            assert float(found[tau, sigma]) == pytest.approx(expected, rel=1e-12)


def test_lags_zero_and_one_are_known_exactly() -> None:
    # Θ_11 = U_11 + V_11 + U_00 V_00; to leading order U_11 = ν_W U_00 (1 + e), with chi squares.
    found = leak_constants(2, Variances(1.0, 1.0, 1.0))
    assert found.tolist() == [[4.0, 2.0], [2.0, 20.0]]


def test_blocks_fluctuate_together() -> None:
    alone = fluctuation_constants(5, VARIANCES).total
    found = leak_constants(5, VARIANCES)
    assert bool((found[1:, 1:] > alone[1:, 1:]).all())
    assert torch.equal(found[0], alone[0])


def test_without_recurrence_only_fresh_draws_are_left() -> None:
    found = leak_constants(3, Variances(0.0, 1.0, 2.0))
    assert_close(found, fluctuation_constants(3, Variances(0.0, 1.0, 2.0)).total)
    assert bool(torch.isfinite(found).all())


def test_constants_are_those_of_wide_networks(seed: int) -> None:
    width, repeats, lags = 300, 1500, 4
    draw, rho = stream(seed, "constants"), lag_weights(4, VARIANCES)
    gaps = torch.stack(
        [
            impulse_kernel(initialise(width, 1, 1, VARIANCES, draw), lags).total.reshape(lags, lags)
            for _ in range(repeats)
        ]
    )
    squares = estimate(width * (gaps - rho.diag()) ** 2 / leak_constants(lags, VARIANCES))
    # the next order is about lag² / n of the leading one, here below a tenth
    assert (np.abs(squares.mean - 1) < 4.5 * squares.standard_error + 0.1).all()


def test_the_expected_reach_is_that_of_wide_networks(seed: int) -> None:
    loss = white_loss(torch.ones(5, 1, 1, dtype=torch.float64))
    width, repeats = 400, 300
    draw = stream(seed, "reach")
    squares = torch.stack(
        [
            reach(impulse_kernel(initialise(width, 1, 1, VARIANCES, draw), 5).total, loss) ** 2
            for _ in range(repeats)
        ]
    )
    ratio = (squares / expected_reach(width, VARIANCES, loss) ** 2).numpy()
    error = ratio.std(axis=0, ddof=1) / repeats**0.5
    # next order: at most about lag²/n of the leading one, here below a tenth
    assert (np.abs(ratio.mean(axis=0) - 1) < 4.5 * error + 0.1).all()


def test_the_expected_reach_tends_to_that_of_the_limit() -> None:
    loss = white_loss(torch.ones(6, 1, 1, dtype=torch.float64))
    limit = reach(lag_weights(6, VARIANCES), loss)
    assert_close(expected_reach(10**14, VARIANCES, loss), limit, rtol=1e-9, atol=0)


@both_dtypes
def test_the_reach_keeps_the_dtype(dtype: torch.dtype) -> None:
    white = white_loss(torch.ones(5, 1, 1, dtype=dtype))
    assert expected_reach(50, VARIANCES, white).dtype == dtype


@untyped
def test_what_does_not_fit_is_named() -> None:
    coloured = squared_loss(sequences(1, 3, 5, 1), sequences(2, 3, 5, 1))
    with pytest.raises(ValueError, match="one input and one output, got 2 and 3"):
        expected_reach(10, VARIANCES, squared_loss(sequences(1), sequences(2, 3, 5, 3)))
    with pytest.raises(ValueError, match="white inputs"):
        expected_reach(10, VARIANCES, coloured)
    with pytest.raises(ValueError, match="width must be at least 1"):
        expected_reach(0, VARIANCES, coloured)
    with pytest.raises(ValueError, match="n_lags must be at least 1"):
        leak_constants(0, VARIANCES)


@pytest.mark.parametrize("lag", [3, 4])
def test_the_mean_of_the_diagonal_has_no_term_of_order_one_over_the_width(
    lag: int, seed: int
) -> None:
    # given A the means over C and F are traces; a mean of order 1/n would double n² (mean - limit)
    draw, gaps = stream(seed, "diagonal means"), []
    for n in (8, 16):
        A = normal(draw, (20000, n, n), 1 / n)
        powers = [torch.eye(n, dtype=A.dtype).expand_as(A)]
        for _ in range(lag):
            powers.append(powers[-1] @ A)
        trace = {
            (i, j): (powers[i] * powers[j]).sum(dim=(1, 2)) / n
            for i in range(lag + 1)
            for j in range(lag + 1)
        }
        mean = 2 * trace[lag, lag] - 2 - lag
        for i in range(lag):
            for j in range(lag):
                mean = mean + trace[i, j] * trace[lag - 1 - i, lag - 1 - j]
        gaps.append(estimate(n**2 * mean))
    narrow, wide = gaps
    error = np.hypot(narrow.standard_error, wide.standard_error)
    assert narrow.mean > 4.5 * narrow.standard_error
    # orders beyond 1/n² are allowed half of the leading one
    assert abs(float(wide.mean - narrow.mean)) < 4.5 * error + 0.5 * float(narrow.mean)
