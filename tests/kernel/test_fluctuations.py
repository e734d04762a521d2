"""Leading fluctuations of the kernel: exact small cases and symmetry."""

import pytest
import torch

from rnnlimits.kernel.fluctuations import fluctuation_constants
from rnnlimits.kernel.limit import lag_weight_blocks
from rnnlimits.networks.linear import Variances

VARIANCES = Variances(recurrent=0.7, input=1.5, readout=0.8)


def test_lag_zero_is_the_variance_of_a_chi_square():
    found = fluctuation_constants(3, VARIANCES)
    assert found.readout[0, 0] == pytest.approx(2 * 1.5**2, rel=1e-15)
    assert found.input[0, 0] == pytest.approx(2 * 0.8**2, rel=1e-15)
    assert found.recurrent[0].abs().max() == 0


def test_lag_one_of_the_recurrent_block_is_a_product_of_two_chi_squares():
    # V_00 U_00: relative variance (1 + 2/n)^2 - 1 = 4/n to leading order.
    found = fluctuation_constants(2, VARIANCES).recurrent
    assert found[1, 1] == pytest.approx(4 * (1.5 * 0.8) ** 2, rel=1e-15)


def test_relative_variance_on_the_diagonal_grows_with_the_lag():
    found = fluctuation_constants(6, VARIANCES)
    limit = lag_weight_blocks(6, VARIANCES)
    relative = found.readout.diagonal() / limit.readout**2
    assert torch.allclose(relative, 2.0 * torch.arange(1, 7, dtype=torch.float64), rtol=1e-13)


@pytest.mark.parametrize("block", ["readout", "input", "recurrent"])
def test_matrices_are_symmetric_and_not_negative(block):
    matrix = getattr(fluctuation_constants(5, VARIANCES), block)
    assert torch.equal(matrix, matrix.T)
    assert bool((matrix >= 0).all())


def test_without_recurrence_only_fresh_draws_fluctuate():
    found = fluctuation_constants(3, Variances(recurrent=0.0, input=1.0, readout=1.0))
    assert found.readout.tolist() == [[2, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert found.recurrent.tolist() == [[0, 0, 0], [0, 4, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("n_lags", "error"), [(0, ValueError), (2.0, TypeError), (True, TypeError)]
)
@pytest.mark.untyped
def test_bad_lags_are_named(n_lags, error):
    with pytest.raises(error, match="n_lags"):
        fluctuation_constants(n_lags, VARIANCES)
