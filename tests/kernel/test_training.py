"""Gradient descent in impulse-response space, against back-propagation and against itself."""

import math
import re
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given
from torch import Tensor

from draws import (
    VARIANCES,
    both_dtypes,
    channels,
    distance,
    horizons,
    network,
    quick,
    response,
    seeds,
    sequences,
    untyped,
    widths,
)
from rnnlimits.kernel.dynamics import dual_descent
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import NORMALISATIONS, SquaredLoss, loss_gradient, squared_loss
from rnnlimits.kernel.tangent import impulse_kernel, tangent_kernel
from rnnlimits.kernel.training import (
    apply_kernel,
    curvature,
    descend,
    gradient,
    stability_limit,
    train,
)
from rnnlimits.networks.convolution import convolve, scaled_impulse_response
from rnnlimits.networks.linear import LinearRNN, forward, impulse_response, unroll
from rnnlimits.random import normal, stream


def problem(seed: int, horizon: int = 5, n_in: int = 2, n_out: int = 3) -> tuple[Tensor, Tensor]:
    """Return inputs and targets."""
    targets = normal(stream(seed, "targets"), (4, horizon, n_out))
    return sequences(seed, 4, horizon, n_in), targets


def back_propagation(rnn: LinearRNN, x: Tensor, y: Tensor, normalisation: str) -> list[Tensor]:
    """The gradient in W, F, C by autodiff through the recursion."""

    def loss(W: Tensor, F: Tensor, C: Tensor) -> Tensor:
        squares = (unroll(W, F, C, x) - y) ** 2
        return squares.sum() / 2 if normalisation == "half sum" else squares.mean()

    matrices = rnn.recurrent, rnn.input, rnn.readout
    return list(torch.func.grad(loss, argnums=(0, 1, 2))(*matrices))


@quick
@given(seeds, widths, horizons, channels, channels)
def test_the_gradient_is_that_of_back_propagation(
    seed: int, width: int, horizon: int, n_in: int, n_out: int
) -> None:
    rnn, (x, y) = network(seed, width, n_in, n_out), problem(seed, horizon, n_in, n_out)
    for normalisation in NORMALISATIONS:
        found = gradient(rnn, squared_loss(x, y, normalisation))
        oracle = back_propagation(rnn, x, y, normalisation)
        scale = max(float(block.abs().max()) for block in oracle)
        for name, block in zip(("recurrent", "input", "readout"), oracle, strict=True):
            assert (getattr(found, name) - block).abs().max() <= 1e-12 * scale


def test_a_wide_network_has_the_gradient_too() -> None:
    rnn, (x, y) = network(0, 300, 1, 1), problem(0, 8, 1, 1)
    found, oracle = gradient(rnn, squared_loss(x, y)), back_propagation(rnn, x, y, "half sum")
    for name, block in zip(("recurrent", "input", "readout"), oracle, strict=True):
        assert distance(getattr(found, name), block) < 1e-12


@pytest.mark.parametrize(("n_in", "n_out"), [(1, 1), (3, 1), (1, 3)])
def test_training_is_gradient_descent_on_the_matrices(n_in: int, n_out: int) -> None:
    rnn, (x, y) = network(1, 9, n_in, n_out), problem(1, 4, n_in, n_out)
    loss = squared_loss(x, y)
    rate = 0.3 * stability_limit(impulse_kernel(rnn, 4).total, loss)
    trajectory = train(rnn, loss, rate, [0, 3, 7])
    W, F, C = rnn.recurrent, rnn.input, rnn.readout
    recorded = []
    for step in range(8):
        if step in trajectory.steps:
            recorded.append(impulse_response(LinearRNN(W, F, C), 4))
        if step < 7:
            at = back_propagation(LinearRNN(W, F, C), x, y, "half sum")
            W, F, C = (p - rate * g for p, g in zip((W, F, C), at, strict=True))
    torch.testing.assert_close(trajectory.responses, torch.stack(recorded), rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(trajectory.rnn.recurrent, W, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(trajectory.rnn.input, F, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(trajectory.rnn.readout, C, rtol=1e-11, atol=1e-13)


def test_training_goes_on_where_it_stopped_and_leaves_its_start_alone() -> None:
    rnn, (x, y) = network(2), problem(2)
    loss = squared_loss(x, y)
    before = rnn.recurrent.clone(), rnn.input.clone(), rnn.readout.clone()
    whole = train(rnn, loss, 1e-3, [10])
    half = train(rnn, loss, 1e-3, [4])
    rest = train(half.rnn, loss, 1e-3, [6])
    torch.testing.assert_close(rest.responses[-1], whole.responses[-1], rtol=1e-13, atol=1e-14)
    for kept, now in zip(before, (rnn.recurrent, rnn.input, rnn.readout), strict=True):
        assert torch.equal(kept, now)
    assert torch.equal(train(rnn, loss, 1e-3, [0]).responses[0], impulse_response(rnn, 5))


def test_one_lag_only() -> None:
    rnn, (x, y) = network(3, 5, 2, 1), problem(3, 1, 2, 1)
    found = gradient(rnn, squared_loss(x, y))
    assert not found.recurrent.any()
    trajectory = train(rnn, squared_loss(x, y), 1e-2, [5])
    assert torch.equal(trajectory.rnn.recurrent, rnn.recurrent)


def test_descent_with_lag_weights_is_descent_on_the_scaled_convolution() -> None:
    x, y = problem(4)
    rho, theta = lag_weights(5, VARIANCES), response(4, 5, 3, 2)
    loss = squared_loss(x, y)
    rate = 0.5 * stability_limit(rho, loss)
    steps = range(11)
    found = descend(scaled_impulse_response(theta, rho), rho, loss, rate, steps)

    def objective(theta: Tensor) -> Tensor:
        return ((convolve(scaled_impulse_response(theta, rho), x) - y) ** 2).sum() / 2

    for L in found:
        torch.testing.assert_close(L, scaled_impulse_response(theta, rho), rtol=1e-11, atol=1e-12)
        theta = theta - rate * torch.func.grad(objective)(theta)


def test_descent_with_the_full_kernel_is_the_linearised_network() -> None:
    rnn, (x, y) = network(5), problem(5)
    loss, x_test = squared_loss(x, y), sequences(6, 2, 5)
    theta = impulse_kernel(rnn, 5).total
    rate = 0.5 * stability_limit(theta, loss)
    found = descend(impulse_response(rnn, 5), theta, loss, rate, range(21))
    K = tangent_kernel(rnn, x, x).reshape(y.numel(), y.numel())
    K_test = tangent_kernel(rnn, x_test, x).reshape(-1, y.numel())
    alpha = dual_descent(K, forward(rnn, x).flatten(), y.flatten(), rate, 20)
    for L, dual in zip(found, alpha, strict=True):
        outputs = forward(rnn, x_test).flatten() + K_test @ dual
        torch.testing.assert_close(convolve(L, x_test).flatten(), outputs, rtol=1e-10, atol=1e-11)


@quick
@given(seeds, horizons, channels, channels)
def test_the_limit_is_the_one_of_the_kernel_on_data(
    seed: int, horizon: int, n_in: int, n_out: int
) -> None:
    rnn, (x, y) = network(seed, 4, n_in, n_out), problem(seed, horizon, n_in, n_out)
    K = tangent_kernel(rnn, x, x).reshape(y.numel(), y.numel())
    expected = 2 / float(torch.linalg.eigvalsh(K)[-1])
    theta = impulse_kernel(rnn, horizon).total
    assert stability_limit(theta, squared_loss(x, y)) == pytest.approx(expected, rel=1e-9)


def test_the_curvature_of_lag_weights_is_a_block_of_the_full_one() -> None:
    x, y = problem(7)
    rho, loss = lag_weights(5, VARIANCES), squared_loss(x, y)
    eye = torch.eye(3).double(), torch.eye(2).double()
    full = torch.einsum("k,ka,op,ij->koiapj", rho, torch.eye(5).double(), *eye)
    thin, wide = (torch.linalg.eigvalsh(curvature(k, loss)[0]) for k in (rho, full))
    torch.testing.assert_close(thin.repeat_interleave(3), wide, rtol=1e-10, atol=1e-10)
    change = response(7, 5, 3, 2)
    torch.testing.assert_close(apply_kernel(rho, change), apply_kernel(full, change))


def test_below_the_limit_descent_converges_and_above_it_is_refused() -> None:
    x, y = problem(8)
    ones, loss = torch.ones(5).double(), squared_loss(x, y)
    limit = stability_limit(ones, loss)
    start = torch.zeros(5, 3, 2).double()
    end = descend(start, ones, loss, 0.99 * limit, [20000])[0]
    assert loss_gradient(end, loss).abs().max() < 1e-6
    for factor in (1.0, 2.0):
        with pytest.raises(ValueError, match=f"below the stability limit {limit:.6g}"):
            descend(start, ones, loss, factor * limit, [1])


def test_a_network_is_warned_and_stopped_with_the_step() -> None:
    rnn, (x, y) = network(9), problem(9)
    loss = squared_loss(x, y)
    limit = stability_limit(impulse_kernel(rnn, 5).total, loss)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(rnn, loss, 0.5 * limit, [1])
    named = re.escape(f"not below the stability limit of the kernel at the start, {limit:.3g}")
    with (
        pytest.warns(RuntimeWarning, match=named),
        pytest.raises(FloatingPointError, match=r"left the finite numbers at step \d+: learning"),
    ):
        train(rnn, loss, 30 * limit, [100])


def test_numbers_that_overflow_at_the_last_step_are_noticed() -> None:
    rnn, (x, y) = network(9), problem(9)
    loss = squared_loss(x, y)
    rate = 30 * stability_limit(impulse_kernel(rnn, 5).total, loss)
    with pytest.warns(RuntimeWarning), pytest.raises(FloatingPointError) as caught:
        train(rnn, loss, rate, [100])
    found = re.search(r"step (\d+):", str(caught.value))
    assert found
    last = int(found[1])
    with (
        pytest.warns(RuntimeWarning),
        pytest.raises(FloatingPointError, match=f"at step {last}:"),
    ):
        train(rnn, loss, rate, [last])
    with pytest.warns(RuntimeWarning):
        assert torch.isfinite(train(rnn, loss, rate, [last - 1]).responses).all()


@both_dtypes
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    rnn = network(10, dtype=dtype)
    x, y = (tensor.to(dtype) for tensor in problem(10))
    trajectory = train(rnn, squared_loss(x, y), 1e-3, [0, 2])
    assert trajectory.responses.dtype == trajectory.rnn.recurrent.dtype == dtype
    rho = lag_weights(5, VARIANCES).to(dtype)
    assert descend(impulse_response(rnn, 5), rho, squared_loss(x, y), 1e-3, [2]).dtype == dtype


@untyped
def test_what_does_not_fit() -> None:
    rnn, (x, y) = network(11), problem(11)
    loss: SquaredLoss = squared_loss(x, y)
    run: Any = train
    with pytest.raises(ValueError, match="input channels must agree: rnn has 1, loss has 2"):
        run(network(0, 6, 1, 3), loss, 1e-3, [1])
    with pytest.raises(ValueError, match="output channels must agree: rnn has 1, loss has 3"):
        gradient(network(0, 6, 2, 1), loss)
    with pytest.raises(TypeError, match="rnn and loss must share one dtype"):
        run(network(0, dtype=torch.float32), loss, 1e-3, [1])
    with pytest.raises(ValueError, match="steps must hold at least one step"):
        run(rnn, loss, 1e-3, [])
    with pytest.raises(ValueError, match="steps must increase strictly"):
        run(rnn, loss, 1e-3, [1, 1])
    with pytest.raises(ValueError, match=r"steps\[0\] must be at least 0, got -1"):
        run(rnn, loss, 1e-3, [-1, 1])
    with pytest.raises(TypeError, match=r"steps\[1\] must be an integer"):
        run(rnn, loss, 1e-3, [0, 1.5])
    with pytest.raises(ValueError, match="learning_rate must be above 0"):
        run(rnn, loss, 0.0, [1])
    with pytest.raises(ValueError, match="learning_rate must be finite"):
        run(rnn, loss, math.inf, [1])


@untyped
def test_kernels_that_do_not_fit() -> None:
    x, y = problem(12)
    loss, start = squared_loss(x, y), torch.zeros(5, 3, 2).double()
    theta = impulse_kernel(network(12), 5).total
    run: Any = descend
    with pytest.raises(ValueError, match="numbers of lags must agree: kernel has 4, loss has 5"):
        run(start, torch.ones(4).double(), loss, 1e-3, [1])
    with pytest.raises(ValueError, match="kernel must be at least 0 at every lag"):
        run(start, -torch.ones(5).double(), loss, 1e-3, [1])
    with pytest.raises(ValueError, match=r"kernel must have shape \(5, 3, 2, 5, 3, 2\)"):
        run(start, theta[:4, :, :, :4], loss, 1e-3, [1])
    with pytest.raises(ValueError, match="kernel must have the axes"):
        run(start, theta[0], loss, 1e-3, [1])
    with pytest.raises(ValueError, match="kernel must be symmetric and positive semidefinite"):
        run(start, -theta, loss, 1e-3, [1])
    skew = theta.clone()
    skew[0, 0, 0, 1, 0, 0] += 1
    with pytest.raises(ValueError, match="kernel must be symmetric"):
        run(start, skew, loss, 1e-3, [1])
    with pytest.raises(ValueError, match="positive product, got zero: nothing can be learned"):
        run(start, torch.zeros(5).double(), loss, 1e-3, [1])
    with pytest.raises(TypeError, match="kernel and loss must share one dtype"):
        run(start, torch.ones(5), loss, 1e-3, [1])
