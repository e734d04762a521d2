"""The curve of a network that learns one pulse, against the flow it stands for."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from draws import quick, seeds
from rnnlimits.kernel.tangent import impulse_kernel
from rnnlimits.meanfield.flow import solve
from rnnlimits.networks.activations import IDENTITY
from rnnlimits.networks.elman import ElmanNet, equal_weights, forward
from rnnlimits.networks.elman_risk import Population
from rnnlimits.networks.linear import LinearRNN, Variances, impulse_response, initialise
from rnnlimits.networks.pulse import (
    Ascent,
    StartSizes,
    ascend,
    least_time,
    slopes,
    squared,
    start_sizes,
    time_to_halve,
)
from rnnlimits.networks.scaling_family import between, tangent_kernel
from rnnlimits.random import stream

NU = 0.4


def drawn(seed: int, width: int = 10) -> LinearRNN:
    return initialise(width, 1, 1, Variances(NU, 1.0, 1.0), stream(seed, "pulse"))


def parts(rnn: LinearRNN) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return rnn.input[:, 0], rnn.recurrent / math.sqrt(rnn.width), rnn.readout[0]


def pulse(lag: int) -> Population:
    x = torch.zeros(1, lag + 1, 1).double()
    x[0, 0, 0] = 1
    one = torch.ones(1).double()
    return Population(x, one, one)


@quick
@given(seeds, st.integers(0, 6))
def test_slopes_are_those_of_autodiff_and_of_the_tangent_kernel(seed: int, lag: int) -> None:
    rnn = drawn(seed)
    n, at = rnn.width, parts(rnn)
    f, gradient = slopes(*at, lag)
    assert_close(math.sqrt(n) * f, impulse_response(rnn, lag + 1)[lag, 0, 0])

    def value(a: torch.Tensor, A: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return c @ torch.linalg.matrix_power(A, lag) @ a / n

    by_a, by_A, by_c = torch.func.grad(value, argnums=(0, 1, 2))(*at)
    for mine, theirs in zip(gradient, (n * by_a, by_A, n * by_c), strict=True):
        assert_close(mine, theirs, rtol=1e-11, atol=1e-12)
    theta = impulse_kernel(rnn, lag + 1).total.reshape(lag + 1, lag + 1)[lag, lag]
    assert_close(squared(gradient), theta, rtol=1e-12, atol=1e-13)
    family = ElmanNet(*weights(rnn), IDENTITY, between(0.8))
    assert_close(tangent_kernel(family, pulse(lag).x)[0, 0], theta, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("gamma", [0.5, 0.75, 1.0])
@pytest.mark.parametrize("lag", [1, 4])
def test_the_time_is_that_of_the_flow(seed: int, gamma: float, lag: int) -> None:
    rnn = drawn(seed, 12)
    if float(slopes(*parts(rnn), lag)[0]) > 0:  # start below the target
        rnn = LinearRNN(rnn.recurrent, rnn.input, -rnn.readout)
    curve = ascend(rnn, lag)
    start = 12 ** (1 - gamma) * float(curve.f[0])
    time = time_to_halve(curve, gamma)
    net = ElmanNet(*weights(rnn), IDENTITY, between(gamma))
    end = solve(net, pulse(lag), [0.0, time], 1e-11).at(1)
    assert forward(end, pulse(lag).x).item() == pytest.approx((1 + start) / 2, abs=2e-4)


def weights(
    rnn: LinearRNN,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    return rnn.input, rnn.recurrent, rnn.readout[0], equal_weights(rnn.width)


def test_the_curve_is_followed_to_high_order(seed: int) -> None:
    rnn = drawn(seed, 12)
    times = [time_to_halve(ascend(rnn, 5, share), 1.0) for share in (0.5, 0.25, 0.0625)]
    coarse, fine = abs(times[0] - times[2]), abs(times[1] - times[2])
    assert fine < 1e-3 * times[2]
    assert fine < coarse / 4 or coarse < 1e-6 * times[2]


def test_one_neuron_without_lag_is_solved_by_hand() -> None:
    # f = c a with a = c: K = 2 f and f grows as exp(2 t) for constant residual; T in closed form.
    a0 = 0.3
    one = torch.full((1, 1), a0).double()
    curve = ascend(LinearRNN(0 * one, one, one), 0, 0.02)
    start, half = a0**2, (1 + a0**2) / 2
    by_hand = 0.5 * (math.log(half / (1 - half)) - math.log(start / (1 - start)))
    assert time_to_halve(curve, 1.0) == pytest.approx(by_hand, rel=1e-6)


@quick
@given(seeds, st.integers(1, 5), st.floats(0.5, 1.0))
def test_no_network_is_faster_than_the_bound(seed: int, lag: int, gamma: float) -> None:
    rnn = drawn(seed, 16)
    curve = ascend(rnn, lag)
    residual = 1 - 16 ** (1 - gamma) * float(curve.f[0])
    if residual <= 0:
        return
    bound = least_time(start_sizes(rnn, lag, NU), lag, NU, 16, gamma, residual)
    assert 0 < bound <= time_to_halve(curve, gamma)


def test_sizes_of_a_start_bound_what_they_should(seed: int) -> None:
    rnn, lag = drawn(seed), 4
    a, A, c = parts(rnn)
    sizes = start_sizes(rnn, lag, NU)
    for k in range(lag + 1):
        power = torch.linalg.matrix_power(A, k)
        shrink = NU ** (k / 2) * (1 + 1e-12)
        assert torch.linalg.matrix_norm(power, 2) <= sizes.powers * shrink
        assert (power @ a).norm() / 10**0.5 <= sizes.vectors * shrink
        assert (power.T @ c).norm() / 10**0.5 <= sizes.vectors * shrink
    still = StartSizes(1.0, 1.0)
    assert start_sizes(LinearRNN(0 * A, 0 * rnn.input, 0 * rnn.readout), 3, NU) == still


def test_the_exponents_of_the_bound() -> None:
    sizes = StartSizes(1.0, 1.0)
    at = [least_time(sizes, 40, 0.3, 10**4, g) for g in (0.5, 0.75, 1.0)]
    assert at[1] / at[2] == pytest.approx(10.0)
    assert at[0] / at[2] == pytest.approx(100.0)
    short = [least_time(sizes, 2, 0.3, n, 0.5) for n in (10**12, 10**14)]
    assert short[0] == short[1]  # the kernel decides


def test_bad_input_is_refused() -> None:
    rnn = drawn(0)
    two = initialise(4, 2, 1, Variances(NU, 1.0, 1.0), stream(0))
    with pytest.raises(ValueError, match="one input"):
        ascend(two, 1)
    with pytest.raises(ValueError, match="share"):
        ascend(rnn, 1, 0.0)
    with pytest.raises(ValueError, match="lag"):
        ascend(rnn, -1)
    one = torch.ones(1, 1)
    with pytest.raises(FloatingPointError, match="reach"):
        ascend(LinearRNN(0 * one, 0 * one, one), 1, 30.0, top=1e9)
    curve = Ascent(torch.arange(3.0), torch.tensor([0.0, 0.1, 0.2]), torch.ones(3), 4)
    with pytest.raises(ValueError, match="half"):
        time_to_halve(curve, 1.0)
    with pytest.raises(ValueError, match="nu"):
        least_time(StartSizes(1.0, 1.0), 1, 1.5, 4, 1.0)
    with pytest.raises(ValueError, match="nu"):
        start_sizes(rnn, 1, 0.0)
