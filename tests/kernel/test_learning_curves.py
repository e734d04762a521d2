"""Descent solved in closed form, against descent step by step and against Monte Carlo."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from draws import (
    VARIANCES,
    both_dtypes,
    channels,
    designed,
    horizons,
    network,
    quick,
    response,
    seeds,
    sequences,
    untyped,
)
from rnnlimits.estimate import estimate
from rnnlimits.kernel.learning_curves import descent_limit, expected_losses, solve_descent
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import (
    SquaredLoss,
    loss_gradient,
    loss_value,
    squared_loss,
    white_loss,
)
from rnnlimits.kernel.tangent import impulse_kernel
from rnnlimits.kernel.training import descend, stability_limit
from rnnlimits.networks.convolution import convolve
from rnnlimits.random import normal, stream


def problem(seed: int, horizon: int = 4, n_in: int = 2, n_out: int = 3) -> SquaredLoss:
    """Return the loss on a few random sequences."""
    targets = normal(stream(seed, "targets"), (4, horizon, n_out))
    return squared_loss(sequences(seed, 4, horizon, n_in), targets)


@quick
@given(seeds, horizons, channels, channels)
def test_the_solution_is_what_descent_reaches(
    seed: int, horizon: int, n_in: int, n_out: int
) -> None:
    loss, start = problem(seed, horizon, n_in, n_out), response(seed, horizon, n_out, n_in)
    theta = impulse_kernel(network(seed, 4, n_in, n_out), horizon).total
    steps = [0, 1, 2, 7, 40]
    for kernel in (lag_weights(horizon, VARIANCES), theta):
        for share in (0.1, 0.6, 0.95):  # creeping and oscillating
            rate = share * stability_limit(kernel, loss)
            expected = descend(start, kernel, loss, rate, steps)
            found = solve_descent(start, kernel, loss, rate, steps)
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


def test_directions_without_data_or_without_weight_stay() -> None:
    # One sequence of two channels whose second is always zero; lag 1 has no weight.
    x = torch.zeros(1, 3, 2).double()
    x[0, :, 0] = torch.tensor([1.0, 2.0, -1.0])
    loss = squared_loss(x, torch.ones(1, 3, 1).double())
    start, rho = response(0, 3, 1, 2), torch.tensor([1.0, 0.0, 2.0]).double()
    rate = 0.5 * stability_limit(rho, loss)
    found = solve_descent(start, rho, loss, rate, [0, 10, 10**6])
    torch.testing.assert_close(found[:, :, :, 1], start[None, :, :, 1].expand(3, -1, -1))
    torch.testing.assert_close(found[:, 1], start[None, 1].expand(3, -1, -1))
    torch.testing.assert_close(found[1], descend(start, rho, loss, rate, [10])[0])
    assert loss_value(found[2], loss) <= loss_value(found[1], loss)


def test_many_steps_reach_least_squares() -> None:
    loss = problem(1, 3, 1, 2)
    rho = torch.tensor([1.0, 0.5, 0.7]).double()
    rate = 0.9 * stability_limit(rho, loss)
    end = solve_descent(response(1, 3, 2, 1), rho, loss, rate, [10**10])[0]
    best = torch.linalg.solve(loss.gram[:, 0, :, 0], loss.cross[:, :, 0])[..., None]
    torch.testing.assert_close(end, best, rtol=1e-9, atol=1e-10)


def test_steps_that_round_off_cannot_follow_are_refused() -> None:
    loss, rho = problem(2), lag_weights(4, VARIANCES)
    rate = 0.5 * stability_limit(rho, loss)
    with pytest.raises(ValueError, match=r"steps must be at most \d+: beyond it, eigenvalues"):
        solve_descent(response(2, 4, 3, 2), rho, loss, rate, [10**16])


def drawn_weights(seed: int, n_lags: int = 4) -> Tensor:
    """Return lag weights between 0.3 and 3."""
    return torch.from_numpy(stream(seed, "weights").uniform(0.3, 3, n_lags))


ranks = st.integers(1, 8)  # of at most 4 lags times 2 inputs


@quick
@given(seeds, ranks)
def test_the_limit_is_where_many_steps_end(seed: int, rank: int) -> None:
    _, _, loss = designed(seed, rank)
    start, rho = response(seed, 4, 2, 2), drawn_weights(seed)
    rate = 0.9 * stability_limit(rho, loss)
    end = solve_descent(start, rho, loss, rate, [10**5])[0]
    torch.testing.assert_close(descent_limit(start, rho, loss), end, rtol=1e-8, atol=1e-9)


@quick
@given(seeds, ranks, st.booleans())
def test_the_limit_is_of_least_norm_in_the_scaled_parameters(
    seed: int, rank: int, one_lag_off: bool
) -> None:
    # With L = sqrt(ρ) θ: least squares on windows times sqrt(ρ), nearest to the start in θ.
    X, Y, loss = designed(seed, rank)
    start, rho = response(seed, 4, 2, 2), drawn_weights(seed)
    if one_lag_off:
        rho[seed % 4] = 0
    root = rho.sqrt().repeat_interleave(2)
    rows = start.transpose(1, 2).flatten(0, 1)
    theta = torch.linalg.pinv(X * root, rtol=1e-11) @ (Y - X @ rows)
    expected = rows + root[:, None] * theta
    found = descent_limit(start, rho, loss)
    torch.testing.assert_close(found.transpose(1, 2).flatten(0, 1), expected, rtol=1e-8, atol=1e-9)
    if one_lag_off:
        assert torch.equal(found[seed % 4], start[seed % 4])


@quick
@given(seeds)
def test_weights_do_not_matter_where_the_data_determine_the_response(seed: int) -> None:
    X, Y, loss = designed(seed, 8)
    rows = torch.linalg.lstsq(X, Y).solution
    best = rows.unflatten(0, (4, 2)).mT
    for k in range(3):
        start = response(seed + k, 4, 2, 2)
        found = descent_limit(start, drawn_weights(seed + k), loss)
        torch.testing.assert_close(found, best, rtol=1e-8, atol=1e-9)


@quick
@given(seeds, st.integers(1, 7))
def test_weights_matter_where_they_do_not(seed: int, rank: int) -> None:
    _, _, loss = designed(seed, rank)
    start, flat = response(seed, 4, 2, 2), torch.ones(4).double()
    rho = torch.tensor([3.0, 1.0, 0.5, 0.2]).double()
    ends = [descent_limit(start, each, loss) for each in (flat, rho)]

    def size(end: Tensor, weights: Tensor) -> float:
        return float(((end - start).square().sum(dim=(1, 2)) / weights).sum())

    for end in ends:  # both interpolate as well as can be
        assert float(loss_gradient(end, loss).abs().max()) < 1e-9
    assert size(ends[0], flat) < size(ends[1], flat)
    assert size(ends[1], rho) < size(ends[0], rho)
    # a common factor of the weights changes nothing
    torch.testing.assert_close(descent_limit(start, 7 * rho, loss), ends[1], rtol=1e-8, atol=1e-9)


def test_limits_that_stay_where_they_are() -> None:
    X, Y, loss = designed(9, 8)
    start, rho = response(9, 4, 2, 2), drawn_weights(9)
    assert torch.equal(descent_limit(start, 0 * rho, loss), start)
    best = torch.linalg.lstsq(X, Y).solution.unflatten(0, (4, 2)).mT
    torch.testing.assert_close(descent_limit(best, rho, loss), best, rtol=1e-12, atol=1e-13)
    blind = squared_loss(0 * sequences(9), sequences(9))
    kept = response(9, 5, 2, 2)
    assert torch.equal(descent_limit(kept, torch.ones(5).double(), blind), kept)


@untyped
def test_limits_are_refused() -> None:
    _, _, loss = designed(0, 8)
    start, rho = response(0, 4, 2, 2), drawn_weights(0)
    with pytest.raises(ValueError, match="weights has 3, loss has 4"):
        descent_limit(start, rho[:3], loss)
    with pytest.raises(ValueError, match="weights must be at least 0 at every lag"):
        descent_limit(start, -rho, loss)
    with pytest.raises(ValueError, match="response has 3, loss has 4"):
        descent_limit(start[:3], rho, loss)
    with pytest.raises(TypeError, match="weights and loss must share one dtype"):
        descent_limit(start, rho.float(), loss)
    with pytest.raises(TypeError, match="response and loss must share one dtype"):
        descent_limit(start.float(), rho, loss)


def means(samples: list[Tensor]) -> Any:
    """Return the estimate of a list of curves."""
    return estimate(torch.stack(samples).numpy())


@pytest.mark.parametrize(("n_in", "n_out"), [(1, 1), (2, 2)])
def test_expected_losses_over_starts_and_noise(seed: int, n_in: int, n_out: int) -> None:
    draw = stream(seed, "curves", n_in)
    truth, x = normal(draw, (4, n_out, n_in)), normal(draw, (3, 4, n_in))
    clean, rho = convolve(truth, x), lag_weights(4, VARIANCES)
    train, test = squared_loss(x, clean), white_loss(truth, 0.1)
    starts = torch.tensor([1.0, 0.5, 0.2, 0.1]).double()
    rate, steps = 0.4 * stability_limit(rho, train), [0, 1, 5, 50, 5000]
    curves = expected_losses(train, test, rho, starts, rate, steps, noise_variance=0.3)
    on_train, on_test = [], []
    for _ in range(600):
        noisy = squared_loss(x, clean + normal(draw, tuple(clean.shape), 0.3))
        start = normal(draw, (4, n_out, n_in)) * starts.sqrt()[:, None, None]
        path = solve_descent(start, rho, noisy, rate, steps)
        on_train.append(loss_value(path, noisy))
        on_test.append(loss_value(path, test))
    assert abs(means(on_train).z_score(curves.train.numpy())).max() < 4.5
    assert abs(means(on_test).z_score(curves.test.numpy())).max() < 4.5


def test_without_chance_the_expectation_is_the_solution() -> None:
    train, test = problem(3), problem(4)
    rho, zero = lag_weights(4, VARIANCES), torch.zeros(4).double()
    rate, steps = 0.4 * stability_limit(rho, train), [0, 3, 30]
    path = solve_descent(torch.zeros(4, 3, 2).double(), rho, train, rate, steps)
    curves = expected_losses(train, test, rho, zero, rate, steps)
    torch.testing.assert_close(curves.train, loss_value(path, train), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(curves.test, loss_value(path, test), rtol=1e-11, atol=1e-11)
    again = expected_losses(train, train, rho, zero, rate, steps)
    torch.testing.assert_close(again.train, again.test)


def test_at_step_zero_a_random_start_costs_its_power() -> None:
    # White inputs: the loss of L is half the sum of (T - τ) L_τ², plus that of the targets.
    truth, variances = response(5, 3), torch.tensor([3.0, 2.0, 1.0]).double()
    loss = white_loss(truth)
    rho = torch.ones(3).double()
    curves = expected_losses(loss, loss, rho, variances, 0.1, [0])
    expected = (torch.tensor([3.0, 2.0, 1.0]) * (variances + truth.flatten() ** 2)).sum() / 2
    torch.testing.assert_close(curves.test[0], expected)


@both_dtypes
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    loss = white_loss(response(6, 3).to(dtype))
    rho = torch.ones(3, dtype=dtype)
    assert solve_descent(response(7, 3).to(dtype), rho, loss, 0.1, [3]).dtype == dtype
    assert descent_limit(response(7, 3).to(dtype), rho, loss).dtype == dtype
    assert expected_losses(loss, loss, rho, rho, 0.1, [3]).test.dtype == dtype


@untyped
def test_what_does_not_fit() -> None:
    loss, rho = problem(8), lag_weights(4, VARIANCES)
    run: Any = expected_losses
    with pytest.raises(ValueError, match="numbers of lags must agree: train has 4, test has 3"):
        run(loss, problem(8, 3), rho, rho, 1e-3, [1])
    with pytest.raises(ValueError, match="output channels must agree: train has 3, test has 1"):
        run(loss, problem(8, 4, 2, 1), rho, rho, 1e-3, [1])
    with pytest.raises(ValueError, match="input channels must agree: train has 2, test has 1"):
        run(loss, problem(8, 4, 1, 3), rho, rho, 1e-3, [1])
    with pytest.raises(ValueError, match="initial_variances has 3, train has 4"):
        run(loss, loss, rho, rho[:3], 1e-3, [1])
    with pytest.raises(ValueError, match="initial_variances must be at least 0 at every lag"):
        run(loss, loss, rho, -rho, 1e-3, [1])
    with pytest.raises(ValueError, match="noise_variance must be finite and at least 0"):
        run(loss, loss, rho, rho, 1e-3, [1], noise_variance=-1.0)
    with pytest.raises(ValueError, match="below the stability limit"):
        run(loss, loss, rho, rho, 1e3, [1])
    with pytest.raises(ValueError, match=r"steps\[0\] must be at least 0"):
        run(loss, loss, rho, rho, 1e-3, [-1])
    with pytest.raises(TypeError, match="train and test must share one dtype"):
        run(loss, white_loss(torch.ones(4, 3, 2)), rho, rho, 1e-3, [1])
