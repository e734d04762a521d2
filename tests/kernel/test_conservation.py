"""What the gradient flow conserves: the identity, the exact drift of a step, the symmetry."""

import pytest
import torch
from hypothesis import given
from torch.testing import assert_close

from draws import channels, distance, horizons, network, quick, seeds, sequences, untyped, widths
from rnnlimits.kernel.conservation import conserved_quantity, symmetry_defect
from rnnlimits.kernel.loss import squared_loss
from rnnlimits.kernel.training import gradient
from rnnlimits.networks.linear import LinearRNN, unroll


def stepped(rnn: LinearRNN, slope: LinearRNN, rate: float) -> LinearRNN:
    """Return the network after one step of descent."""
    return LinearRNN(
        rnn.recurrent - rate * slope.recurrent,
        rnn.input - rate * slope.input,
        rnn.readout - rate * slope.readout,
    )


@quick
@given(seeds, widths, channels, channels, horizons)
def test_the_identity_holds_for_every_network(
    seed: int, width: int, n_inputs: int, n_outputs: int, horizon: int
) -> None:
    rnn = network(seed, width, n_inputs, n_outputs)
    x, y = sequences(seed, 3, horizon, n_inputs), sequences(seed + 1, 3, horizon, n_outputs)
    slope = gradient(rnn, squared_loss(x, y))
    size = rnn.input.norm() * slope.input.norm() + rnn.readout.norm() * slope.readout.norm()
    assert symmetry_defect(rnn, slope).norm() <= 1e-12 * size


def test_the_identity_holds_for_a_loss_that_is_not_quadratic() -> None:
    rnn, x, y = network(1), sequences(1), sequences(2, n_inputs=3)

    def loss(W: torch.Tensor, F: torch.Tensor, C: torch.Tensor) -> torch.Tensor:
        return torch.log(torch.cosh(unroll(W, F, C, x) - y)).sum()

    slopes = torch.func.grad(loss, argnums=(0, 1, 2))(rnn.recurrent, rnn.input, rnn.readout)
    slope = LinearRNN(*slopes)
    assert symmetry_defect(rnn, slope).norm() < 1e-13 * slope.input.norm()


def test_each_entry_is_a_derivative_along_a_change_of_coordinates() -> None:
    """For a slope that is no gradient of the outputs the defect is not zero, but this."""
    rnn, slope = network(3), network(4)
    for i, j in ((0, 0), (1, 4), (5, 2)):
        X = torch.zeros(6, 6).double()
        X[i, j] = 1
        along = (slope.recurrent * (X @ rnn.recurrent - rnn.recurrent @ X)).sum()
        along += (slope.input * (X @ rnn.input)).sum() - (slope.readout * (rnn.readout @ X)).sum()
        assert_close(symmetry_defect(rnn, slope)[i, j], along)


@quick
@given(seeds, widths, channels, channels)
def test_a_step_drifts_by_the_form_of_the_gradient(
    seed: int, width: int, n_inputs: int, n_outputs: int
) -> None:
    rnn = network(seed, width, n_inputs, n_outputs)
    x, y = sequences(seed, 3, 4, n_inputs), sequences(seed + 1, 3, 4, n_outputs)
    slope = gradient(rnn, squared_loss(x, y))
    after = conserved_quantity(stepped(rnn, slope, 0.1))
    expected = conserved_quantity(rnn) + 0.01 * conserved_quantity(slope)
    assert_close(after, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max() + 1))


def test_it_is_symmetric_and_its_trace_compares_input_and_readout() -> None:
    rnn = network(5)
    Q = conserved_quantity(rnn)
    assert torch.equal(Q, Q.T) or distance(Q, Q.T) < 1e-15
    assert_close(Q.trace(), rnn.input.square().sum() - rnn.readout.square().sum())


def test_it_vanishes_for_a_balanced_network() -> None:
    """With one input and output its gradient is balanced too, so no step unbalances it."""
    rnn = network(6, 6, 1, 1)
    balanced = LinearRNN(rnn.recurrent + rnn.recurrent.T, rnn.input, rnn.input.T)
    assert conserved_quantity(balanced).abs().max() < 1e-14
    x, y = sequences(6, n_inputs=1), sequences(7, n_inputs=1)
    slope = gradient(balanced, squared_loss(x, y))
    assert conserved_quantity(slope).abs().max() < 1e-12 * slope.recurrent.norm() ** 2


def test_one_unit_keeps_the_difference_of_squares() -> None:
    rnn = LinearRNN(*(torch.full((1, 1), value).double() for value in (0.3, 2.0, 1.5)))
    assert_close(conserved_quantity(rnn).item(), 2.0**2 - 1.5**2)


def test_an_orthogonal_change_of_coordinates_turns_it() -> None:
    rnn = network(7)
    S = torch.linalg.qr(network(8).recurrent).Q
    turned = LinearRNN(S @ rnn.recurrent @ S.T, S @ rnn.input, rnn.readout @ S.T)
    assert distance(conserved_quantity(turned), S @ conserved_quantity(rnn) @ S.T) < 1e-13


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_dtype_is_kept(dtype: torch.dtype) -> None:
    rnn = network(9, dtype=dtype)
    assert conserved_quantity(rnn).dtype == dtype
    assert symmetry_defect(rnn, rnn).dtype == dtype


@untyped
def test_a_gradient_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="n_outputs"):
        symmetry_defect(network(0), network(0, n_outputs=2))
    with pytest.raises(ValueError, match="width"):
        symmetry_defect(network(0), network(0, 5))
    with pytest.raises(TypeError, match="float32"):
        symmetry_defect(network(0), network(0, dtype=torch.float32))
