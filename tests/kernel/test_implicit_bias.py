"""Geometric bounds, bounds on the movement of each lag, learning times."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from draws import VARIANCES, both_dtypes, network, quick, response, sequences, untyped
from draws import seeds as any_seed
from rnnlimits.kernel.implicit_bias import (
    geometric_constant,
    movement_bound,
    reach,
    residual_norm,
    sharp_movement_bound,
    steps_to_learn,
    weight_peak,
)
from rnnlimits.kernel.learning_curves import solve_descent
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.kernel.loss import SquaredLoss, loss_value, squared_loss, white_loss
from rnnlimits.kernel.tangent import impulse_kernel
from rnnlimits.kernel.training import descend, stability_limit
from rnnlimits.networks.linear import Variances, impulse_response

positive = st.floats(0.05, 5.0)
below_one = st.floats(0.01, 0.95)
STEPS = [0, 1, 2, 3, 10, 100, 10**5]


def problem(seed: int, batch: int, horizon: int, i: int, o: int) -> SquaredLoss:
    x, y = sequences(seed, batch, horizon, i), sequences(seed + 1, batch, horizon, o)
    return squared_loss(x, y)


# --- the lag weights -----------------------------------------------------------------------------


@quick
@given(below_one, positive, positive)
def test_the_peak_is_where_the_weights_are_largest(nu_W: float, nu_F: float, nu_C: float) -> None:
    variances = Variances(nu_W, nu_F, nu_C)
    peak = weight_peak(variances)
    rho = lag_weights(peak + 200, variances)
    assert float(rho.max()) <= float(rho[peak]) * (1 + 1e-12)
    assert bool((rho[:peak].diff() > 0).all())
    assert bool((rho[peak + 1 :].diff() <= 0).all())
    rises = nu_C * nu_F - (1 - nu_W) * (nu_C + nu_F)
    if abs(rises) > 1e-12:
        assert (peak > 0) == (rises > 0)


@pytest.mark.parametrize(
    ("variances", "peak"),
    [
        (Variances(0.5, 1.0, 1.0), 0),  # a tie: 2, 2, 1.5
        (Variances(0.9, 1.0, 1.0), 8),  # 9 - 1.8 = 7.2, and 0.9^7 (2 + 8 / 0.9) is the largest
        (Variances(0.75, 1.0, 2.0), 2),  # 3 - 9/8 = 1.875
        (Variances(0.0, 1.0, 1.0), 0),
        (Variances(0.0, 3.0, 3.0), 1),
        (Variances(0.9, 0.0, 1.0), 0),
        (Variances(0.9, 0.0, 0.0), 0),
    ],
)
def test_peaks_known_by_hand(variances: Variances, peak: int) -> None:
    assert weight_peak(variances) == peak


@quick
@given(below_one, positive, positive, st.floats(1.02, 3.0))
def test_the_geometric_constant_is_the_least(
    nu_W: float, nu_F: float, nu_C: float, above: float
) -> None:
    variances = Variances(nu_W, nu_F, nu_C)
    rate = nu_W * above
    rho, tau = lag_weights(600, variances), torch.arange(600, dtype=torch.float64)
    large = rho > 1e-290  # the others have left the normal numbers, far beyond any peak
    ratios = torch.exp(rho[large].log() - tau[large] * math.log(rate))
    assert geometric_constant(variances, rate) == pytest.approx(float(ratios.max()), rel=1e-9)
    for n_lags in (1, 2, 7):
        least = geometric_constant(variances, rate, n_lags)
        assert least == pytest.approx(float(ratios[:n_lags].max()), rel=1e-9)
        horizon = nu_C + nu_F + (n_lags - 1) * nu_C * nu_F / nu_W
        assert geometric_constant(variances, nu_W, n_lags) == pytest.approx(horizon, rel=1e-9)


def test_geometric_bounds_have_the_weights_as_their_envelope() -> None:
    rho = lag_weights(12, VARIANCES)
    for tau in range(11):
        rate = float(rho[tau + 1] / rho[tau])
        bound = geometric_constant(VARIANCES, rate) * rate**tau
        assert bound == pytest.approx(float(rho[tau]), rel=1e-12)


def test_geometric_constants_at_the_edges() -> None:
    assert geometric_constant(Variances(0.0, 1.0, 2.0), 0.5) == 4.0
    assert geometric_constant(Variances(0.0, 1.0, 2.0), 0.9) == 3.0
    assert geometric_constant(Variances(0.5, 0.0, 2.0), 0.6) == 2.0
    assert geometric_constant(Variances(1.5, 1.0, 1.0), 1.0, n_lags=3) == 1.5**2 * 2 + 2 * 1.5
    assert geometric_constant(Variances(1.5, 0.0, 1.0), 1.5, n_lags=3) == 1.0
    assert geometric_constant(Variances(1.5, 0.0, 1.0), 1.0, n_lags=3) == 2.25


@untyped
def test_bad_rates_and_variances_are_named() -> None:
    with pytest.raises(ValueError, match="give n_lags") as caught:
        geometric_constant(VARIANCES, 0.4)
    assert "rate must lie above the recurrent variance 0.4" in str(caught.value)
    with pytest.raises(ValueError, match="rate must be above 0"):
        geometric_constant(VARIANCES, 0.0, 3)
    with pytest.raises(ValueError, match="n_lags must be at least 1"):
        geometric_constant(VARIANCES, 0.4, 0)
    with pytest.raises(ValueError, match="recurrent variance must lie below 1"):
        weight_peak(Variances(1.0, 1.0, 1.0))


# --- the movement of each lag --------------------------------------------------------------------


@pytest.mark.parametrize(("i", "o"), [(1, 1), (2, 3), (3, 2)])
def test_the_residual_is_the_square_root_of_twice_the_excess_loss(i: int, o: int) -> None:
    loss, initial = problem(3, 12, 4, i, o), response(3, 4, o, i)
    H = loss.gram.flatten(2).flatten(0, 1)
    best = torch.linalg.solve(H, loss.cross.transpose(1, 2).flatten(0, 1))
    best = best.unflatten(0, (4, i)).transpose(1, 2)
    excess = loss_value(initial, loss) - loss_value(best, loss)
    assert residual_norm(initial, loss) == pytest.approx(float(2 * excess) ** 0.5, rel=1e-10)
    assert residual_norm(best, loss) < 1e-10


@pytest.mark.parametrize(("i", "o"), [(1, 1), (2, 3)])
def test_the_reach_is_a_norm_of_a_block(i: int, o: int) -> None:
    loss = problem(4, 6, 3, i, o)
    theta = impulse_kernel(network(4, 5, i, o), 3).total
    m = 3 * o * i
    H = torch.einsum("kiaj,op->koiapj", loss.gram, torch.eye(o).double()).reshape(m, m)
    values, vectors = torch.linalg.eigh(H)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    rows = (theta.reshape(m, m) @ root).unflatten(0, (3, o * i))
    assert_close(reach(theta, loss), torch.linalg.matrix_norm(rows, 2))
    weights = lag_weights(3, VARIANCES)
    full = torch.einsum("ka,op,ij->koiapj", weights.diag(), torch.eye(o), torch.eye(i))
    assert_close(reach(weights, loss), reach(full.double(), loss))


@quick
@given(any_seed, st.integers(1, 3), st.integers(1, 3), st.integers(1, 6), st.floats(0.02, 0.98))
def test_no_lag_of_the_limit_model_moves_beyond_its_bounds(
    seed: int, i: int, o: int, batch: int, share: float
) -> None:
    loss, initial = problem(seed, batch, 5, i, o), response(seed, 5, o, i)
    rho = lag_weights(5, VARIANCES)
    rate = share * stability_limit(rho, loss)
    moved = (solve_descent(initial, rho, loss, rate, STEPS) - initial).norm(dim=(2, 3))
    linear = movement_bound(initial, rho, loss, rate, STEPS)
    sharp = sharp_movement_bound(initial, rho, loss, rate, STEPS)
    slack = 1e-8 * float(linear[1].max() + moved.max())
    assert bool((moved <= linear + slack).all())
    assert bool((moved <= sharp + slack).all())
    assert bool((sharp <= linear).all())


@quick
@given(any_seed, st.integers(1, 2), st.integers(1, 2), st.floats(0.02, 0.98))
def test_no_lag_of_a_linearised_network_moves_beyond_its_own_bound(
    seed: int, i: int, o: int, share: float
) -> None:
    loss, rnn = problem(seed, 3, 5, i, o), network(seed, 4, i, o)
    theta, initial = impulse_kernel(rnn, 5).total, impulse_response(rnn, 5)
    rate = share * stability_limit(theta, loss)
    moved = (solve_descent(initial, theta, loss, rate, STEPS[:6]) - initial).norm(dim=(2, 3))
    bound = movement_bound(initial, theta, loss, rate, STEPS[:6])
    assert bool((moved <= bound * (1 + 1e-8) + 1e-8 * float(moved.max())).all())


def test_one_lag_and_one_channel_reach_the_bound_in_the_first_step() -> None:
    loss, initial = problem(5, 7, 1, 1, 1), response(5, 1)
    rho = lag_weights(1, VARIANCES)
    rate = 0.3 * stability_limit(rho, loss)
    moved = (descend(initial, rho, loss, rate, [1]) - initial).abs().flatten()
    for bound in (movement_bound, sharp_movement_bound):
        assert_close(bound(initial, rho, loss, rate, [1]).flatten(), moved)


def test_the_later_bounds_are_reached_too() -> None:
    # One lag, H = 1, Z = 1: after very many steps all of it has moved.
    loss = white_loss(torch.ones(1, 1, 1, dtype=torch.float64))
    zero, one = torch.zeros(1, 1, 1).double(), torch.ones(1).double()
    assert sharp_movement_bound(zero, one, loss, 1.0, [50]).item() == pytest.approx(1.0)
    assert movement_bound(zero, one, loss, 1.0, [50]).item() == pytest.approx(50.0)
    # At η λ = 1.5 the first step overshoots by half: the factor m is needed, and reached.
    assert sharp_movement_bound(zero, one, loss, 1.5, [1]).item() == pytest.approx(1.5)
    assert descend(zero, one, loss, 1.5, [1]).item() == pytest.approx(1.5)


def test_a_singular_gram_matrix_leaves_two_bounds() -> None:
    x = torch.zeros(1, 3, 1).double()
    x[0, -1] = 1.0  # only lag 0 is ever seen
    loss, initial = squared_loss(x, x), response(6, 3)
    bound = sharp_movement_bound(initial, torch.ones(3).double(), loss, 0.5, [1, 400])
    size = residual_norm(initial, loss)
    assert_close(bound[1], torch.tensor([size * (0.5 * 400) ** 0.5, 0.0, 0.0]).double())


@both_dtypes
def test_bounds_keep_the_dtype(dtype: torch.dtype) -> None:
    loss = squared_loss(sequences(1, dtype=dtype), sequences(2, dtype=dtype))
    initial, rho = response(1, 5, 2, 2).to(dtype), lag_weights(5, VARIANCES).to(dtype)
    rate = 0.5 * stability_limit(rho, loss)
    for bound in (movement_bound, sharp_movement_bound):
        assert bound(initial, rho, loss, rate, [0, 1]).dtype == dtype
    white = white_loss(torch.ones(5, 1, 1, dtype=dtype))
    assert steps_to_learn(rho, white, 0.01).dtype == dtype


# --- learning times ------------------------------------------------------------------------------


@quick
@given(any_seed, st.floats(0.02, 0.98), st.floats(0.05, 0.9))
def test_learning_times_are_those_of_descent(seed: int, share: float, remaining: float) -> None:
    target, initial = response(seed, 6), response(seed + 1, 6)
    loss, rho = white_loss(target), lag_weights(6, VARIANCES)
    rate = share * stability_limit(rho, loss)
    steps = [int(step) for step in steps_to_learn(rho, loss, rate, remaining)]
    for tau, step in enumerate(steps):
        path = solve_descent(initial, rho, loss, rate, [step - 1, step])[:, tau, 0, 0]
        left = ((path - target[tau, 0, 0]) / (initial[tau, 0, 0] - target[tau, 0, 0])).abs()
        assert left[1] <= remaining * (1 + 1e-9)
        assert left[0] >= remaining * (1 - 1e-9) or step == 1


def test_a_lag_without_weight_is_never_learned() -> None:
    loss = white_loss(torch.ones(2, 2, 2))
    times = steps_to_learn(torch.tensor([1.0, 0.0]), loss, 0.5)
    assert times.tolist() == [1.0, math.inf]


@untyped
def test_bad_learning_times_are_refused() -> None:
    rho, white = lag_weights(5, VARIANCES), white_loss(torch.ones(5, 1, 1).double())
    for remaining in (0.0, 1.0):
        with pytest.raises(ValueError, match="remaining must lie between 0 and 1"):
            steps_to_learn(rho, white, 0.01, remaining)
    with pytest.raises(ValueError, match="learning_rate must be below the stability limit"):
        steps_to_learn(rho, white, 10.0)
    with pytest.raises(ValueError, match="white inputs"):
        steps_to_learn(rho, problem(1, 3, 5, 1, 1), 1e-3)
    uneven = white_loss(torch.ones(2, 1, 2).double())
    gram = uneven.gram.clone()
    gram[0, 0, 0, 0] = 7.0
    with pytest.raises(ValueError, match="equal for all inputs"):
        steps_to_learn(torch.ones(2).double(), replace(uneven, gram=gram), 1e-3)


@untyped
def test_what_does_not_fit_is_named() -> None:
    loss, initial = problem(1, 3, 5, 1, 1), response(1, 5)
    rho = lag_weights(5, VARIANCES)
    rate = 0.5 * stability_limit(rho, loss)
    with pytest.raises(ValueError, match="numbers of lags must agree: kernel has 4, loss has 5"):
        reach(rho[:4], loss)
    with pytest.raises(ValueError, match="numbers of lags must agree: weights has 4, loss has 5"):
        sharp_movement_bound(initial, rho[:4], loss, rate, [1])
    with pytest.raises(ValueError, match=r"weights must have the axes \(lags\)"):
        sharp_movement_bound(initial, impulse_kernel(network(1), 5).total, loss, rate, [1])
    with pytest.raises(TypeError, match="share one dtype"):
        sharp_movement_bound(initial, rho.float(), loss, rate, [1])
    with pytest.raises(ValueError, match=r"weights must be at least 0"):
        sharp_movement_bound(initial, -rho, loss, rate, [1])
    with pytest.raises(ValueError, match=r"steps\[1\] must be at least 0, got -1"):
        movement_bound(initial, rho, loss, rate, [0, -1])
    with pytest.raises(ValueError, match="kernel must have the axes"):
        reach(torch.ones(5, 5).double(), loss)
    with pytest.raises(ValueError, match="kernel must have shape"):
        reach(impulse_kernel(network(1, 4, 2, 1), 5).total, loss)


def test_a_loss_that_sees_nothing_has_no_excess() -> None:
    zero = torch.zeros(1, 3, 1).double()
    still: Tensor = response(1, 3)
    assert residual_norm(still, squared_loss(zero, zero)) == 0.0
