"""Tests of bounded-weight approximation: the line, the readout, its price."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from draws import untyped
from rnnlimits.meanfield.expressivity import (
    Features,
    best_error,
    delay_net,
    derivatives_at_zero,
    features,
    lag_price,
    price,
    price_exponent,
)
from rnnlimits.networks.activations import (
    ERF,
    IDENTITY,
    RELU,
    SINE,
    SOFTPLUS,
    TANH,
    Activation,
)
from rnnlimits.networks.elman import ElmanNet, equal_weights, run
from rnnlimits.networks.elman_risk import Population, gram
from rnnlimits.networks.measures import gauss_legendre
from rnnlimits.random import normal, stream


def labels(n: int, lags: int, seed: int) -> Tensor:
    drawn = stream(seed, "labels").random((n, lags + 2))
    return torch.from_numpy(2 * drawn - 1)


def windows(batch: int, length: int, seed: int) -> Tensor:
    x = torch.from_numpy(2 * stream(seed, "windows").random((batch, length)) - 1)
    return torch.stack([x, torch.ones_like(x)], dim=-1)


@pytest.mark.parametrize("activation", [TANH, RELU, SOFTPLUS])
def test_the_line_holds_the_past_and_readers_read_it(activation: Activation, seed: int) -> None:
    u, x, k, beta = labels(5, 3, seed), windows(7, 4, seed), 0.7, 0.3
    s, p = activation.value, 1 / 6
    held, past = [], x[:, :-1, 0].flip(1)  # latest first
    for lag in range(3):
        g = s(k * past[:, lag] + k * beta)
        for _ in range(lag):
            g = s(k * beta + k * p * g)
        held.append(p * g)
    own = k * (x[:, -1, :1] * u[:, 0] + u[:, 1])
    z = own + k * torch.stack(held, dim=1) @ u[:, 2:].T
    net = delay_net(u, k, activation, offset=beta)
    assert_close(run(net, x).hidden[-1][:, 3:], s(z), rtol=1e-12, atol=1e-14)
    assert float(torch.maximum(net.input.abs().max(), net.recurrent.abs().max())) <= k
    assert torch.linalg.matrix_rank(net.recurrent).item() == 3
    assert_close(net.weights[:3].sum(), torch.tensor(0.5).double())


def test_without_bias_an_odd_network_is_odd(seed: int) -> None:
    x = windows(6, 3, seed)
    net = delay_net(labels(4, 2, seed), 1.5, TANH, offset=0.5, bias=False)
    assert_close(run(net, -x).hidden, -run(net, x).hidden)


@untyped
def test_wrong_labels_are_named() -> None:
    good = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="coordinates"):
        delay_net(torch.zeros(2, 2), 1.0)
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        delay_net(good + 2, 1.0)
    with pytest.raises(ValueError, match="offset"):
        delay_net(good, 1.0, offset=1.5)
    with pytest.raises(ValueError, match="bound"):
        delay_net(good, 0.0)
    with pytest.raises(TypeError):
        delay_net(good.long(), 1.0)


def some_features(seed: int) -> tuple[ElmanNet, Population]:
    x = windows(9, 3, seed)
    p = torch.from_numpy(stream(seed, "law").random(9) + 0.1)
    target = normal(stream(seed, "target"), (9,))
    return delay_net(labels(4, 2, seed), 1.0), Population(x, target, p / p.sum())


def readout(net: ElmanNet, data: Population, ridge: float) -> Tensor:
    """The damped least-squares readout, by its normal equations."""
    h, p, w = run(net, data.x).hidden[-1], net.weights, data.probabilities
    design = (w.sqrt()[:, None] * h) * p.sqrt()
    y = w.sqrt() * data.targets
    left = design.T @ design + ridge**2 * torch.eye(len(p)).double()
    return torch.linalg.solve(left, design.T @ y) / p.sqrt()


def test_error_and_size_are_those_of_the_readout(seed: int) -> None:
    net, data = some_features(seed)
    found, norm = features(net, data), (data.targets.square() @ data.probabilities).sqrt()
    for ridge in (0.3, 0.01):
        c = readout(net, data, ridge)
        output = (run(net, data.x).hidden[-1] * net.weights) @ c
        error = ((output - data.targets).square() @ data.probabilities).sqrt() / norm
        size = (c.square() @ net.weights).sqrt() / norm
        assert found.error(ridge) == pytest.approx(float(error), rel=1e-9)
        assert found.size(ridge) == pytest.approx(float(size), rel=1e-9)


def test_singular_values_are_those_of_the_gram_operator(seed: int) -> None:
    net, data = some_features(seed)
    found = features(net, data).singular.square()
    expected = torch.linalg.eigvalsh(gram(net, data)).flip(0)[: len(found)]
    assert_close(found, expected, rtol=0, atol=1e-13)


def test_the_price_is_least(seed: int) -> None:
    """Any other readout of the same error is larger: move along the null space."""
    net, data = some_features(seed)
    found = features(net, data)
    error = (found.error(1e-6) + 1) / 2
    least = price(found, error)
    low, high = 1e-8, 1e8
    for _ in range(200):  # by bisection
        middle = (low * high) ** 0.5
        low, high = (middle, high) if found.error(middle) < error else (low, middle)
    assert least == pytest.approx(found.size(low), rel=1e-6)
    bigger = price(found, error * 0.99)
    assert bigger > least


def test_prices_of_one_feature_are_known() -> None:
    one = torch.ones(1, dtype=torch.float64)
    for singular, error in ((2.0, 0.25), (1e-3, 0.9)):
        found = Features(singular * one, one, 0.0)
        assert price(found, error) == pytest.approx((1 - error) / singular)
    assert price(Features(one, one, 0.0), 1 - 1e-15) < 1e-13


@pytest.mark.parametrize("error", [0.0, 0.5, 1.0, 1.5])
def test_an_error_out_of_reach_is_refused(error: float) -> None:
    one = torch.ones(1, dtype=torch.float64)
    with pytest.raises(ValueError, match="error must lie"):
        price(Features(one, 0.8 * one, 0.6), error)


@untyped
def test_wrong_targets_are_named() -> None:
    net, data = some_features(0)
    with pytest.raises(ValueError, match="vanish"):
        features(net, Population(data.x, 0 * data.targets, data.probabilities))
    both = data.targets.expand(2, 9)
    with pytest.raises(ValueError, match="targets"):
        features(net, Population(data.x, both, data.probabilities))
    with pytest.raises(ValueError, match="digits"):
        best_error(features(net, data), 0.0)


def test_derivatives_at_zero_in_closed_form() -> None:
    assert derivatives_at_zero(SINE, 5) == [0, 1, 0, -1, 0, 1]
    assert derivatives_at_zero(TANH, 5) == pytest.approx([0, 1, 0, -2, 0, 16])
    assert derivatives_at_zero(SOFTPLUS, 4) == pytest.approx(
        [math.log(2), 0.5, 0.25, 0, -0.125], abs=1e-14
    )
    root = 2 / math.sqrt(math.pi)
    assert derivatives_at_zero(ERF, 3) == pytest.approx([0, root, 0, -2 * root])


def test_exponents() -> None:
    assert [price_exponent(SOFTPLUS, m) for m in (1, 2, 3, 4)] == [1, 2, 4, 4]
    assert [price_exponent(ERF, m, 2) for m in (1, 2, 3, 4)] == [3, 5, 5, 7]
    with pytest.raises(ValueError, match="smooth"):
        price_exponent(RELU, 1)
    with pytest.raises(ValueError, match="order 2 or 3"):
        price_exponent(IDENTITY, 2)
    with pytest.raises(ValueError, match="degree"):
        price_exponent(TANH, 0)
    with pytest.raises(ValueError, match="lag"):
        price_exponent(TANH, 1, -1)


def test_the_lag_bound_is_attained_by_linear_networks() -> None:
    """One neuron that copies itself: the readout is 1 / K^(j+1) exactly."""
    one, k = torch.ones(1, dtype=torch.float64), 0.5
    net = ElmanNet(k * one[:, None], k * one[:, None], one, one, IDENTITY)
    x = torch.tensor([[[1.0], [0.0], [0.0]], [[-1.0], [0.0], [0.0]]]).double()
    data = Population(x, x[:, 0, 0], equal_weights(2))
    found = price(features(net, data), 0.2)
    assert found == pytest.approx(lag_price(IDENTITY, k, 2, 0.2))
    for bad in ({"bound": 0.0}, {"lag": -1}, {"error": 1.0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            lag_price(TANH, **{"bound": 1.0, "lag": 0, "error": 0.0, **bad})  # type: ignore[arg-type]


def test_the_lag_bound_holds_for_random_networks(seed: int) -> None:
    cube = gauss_legendre(4, 3)
    x = 2 * cube.labels[..., None] - 1
    for lag in range(3):
        data = Population(x, x[:, 2 - lag, 0], cube.weights)
        draw = stream(seed, "net", lag)
        a, b = (torch.from_numpy(2 * draw.random(s) - 1) for s in ((60, 1), (60, 60)))
        net = ElmanNet(0.4 * a, 0.4 * b.sign(), a[:, 0], equal_weights(60), TANH)
        found = features(net, data)
        error = max(0.3, (1 + found.error(1e-12 * float(found.singular[0]))) / 2)
        norm = float((data.targets.square() @ cube.weights).sqrt())
        assert norm * price(found, error) > lag_price(TANH, 0.4, lag, error)


@pytest.mark.parametrize("activation", [TANH, SOFTPLUS, ERF])
@pytest.mark.parametrize("lag", [0, 1, 2])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_derivatives_of_dense_networks_have_the_power(
    activation: Activation, lag: int, degree: int, seed: int
) -> None:
    """The bound behind the price, by autodiff: D^m of the output is of order K^(q + j)."""
    draw = stream(seed, "dense", lag, degree)
    a, b, c = (torch.from_numpy(2 * draw.random(s) - 1) for s in ((9, 2), (9, 9), (9,)))
    x = torch.tensor([[0.3, 1.0], [-0.6, 1.0], [0.8, 1.0]]).double()
    there = torch.zeros(3, 2).double()
    there[2 - lag, 0] = 1.0

    def output(bound: float) -> float:
        def at(shift: Tensor) -> Tensor:
            h, moved = torch.zeros(9).double(), x + shift * there
            for now in moved:
                h = activation.value(bound * (a @ now + b @ h / 9))
            return c @ h

        function = at
        for _ in range(degree):
            function = torch.func.grad(function)
        return abs(float(function(torch.zeros(()).double())))

    power = math.log2(output(2.0**-8) / output(2.0**-9))
    assert power > price_exponent(activation, degree, lag) - 0.5
