"""Training as a flow: against autodiff of the finite network, a reference, and itself."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from draws import untyped
from rnnlimits.meanfield import flow
from rnnlimits.meanfield.flow import descend_online, integrate, solve
from rnnlimits.networks.activations import RELU, SINE
from rnnlimits.networks.elman import (
    MEAN_FIELD,
    NTK,
    ElmanNet,
    Scaling,
    equal_weights,
    unroll,
)
from rnnlimits.networks.elman_risk import Population, risk
from rnnlimits.networks.runge_kutta import EULER, MIDPOINT
from rnnlimits.random import normal, stream


def network(seed: int = 0, width: int = 5, scaling: Scaling = MEAN_FIELD) -> ElmanNet:
    draw = stream(seed, "network", width)
    a, b, c = (normal(draw, size) for size in ((width, 2), (width, width), (width,)))
    return ElmanNet(a, b, c, equal_weights(width), scaling=scaling)


def population(seed: int = 0, batch: int = 4) -> Population:
    x = normal(stream(seed, "windows"), (batch, 3, 2))
    p = torch.arange(1, batch + 1).double()
    return Population(x, torch.sin(x[:, 1, 0]), p / p.sum())


def gradients(net: ElmanNet, over: Population) -> tuple[Tensor, ...]:
    def loss(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        y = unroll(a, b, c, net.weights, over.x, net.activation, net.scaling).output
        return (y - over.targets).square() @ over.probabilities / 2

    return torch.func.grad(loss, argnums=(0, 1, 2))(net.input, net.recurrent, net.readout)


@untyped  # a whole number is no float to the run-time check, and is one to a user
def test_a_step_that_is_a_whole_number_gives_the_same_path() -> None:
    whole, same = (integrate(network(), population(), step, 4, every=2) for step in (1, 1.0))
    assert whole.times.tolist() == same.times.tolist() == [0.0, 2.0, 4.0]
    assert torch.equal(whole.recurrent, same.recurrent)


@pytest.mark.parametrize("scaling", [MEAN_FIELD, NTK], ids=["mean field", "ntk"])
def test_one_euler_step_is_gradient_descent_by_autodiff(seed: int, scaling: Scaling) -> None:
    net, over = network(seed, scaling=scaling), population(seed)
    n, path = net.width, integrate(net, over, 0.1, 1, EULER)
    powers = (scaling.input_clock, scaling.recurrent_clock, scaling.readout_clock)
    found = (path.input, path.recurrent, path.readout)
    start = (net.input, net.recurrent, net.readout)
    for after, before, g, power in zip(found, start, gradients(net, over), powers, strict=True):
        assert_close(after[-1], before - 0.1 * n**power * g, rtol=1e-12, atol=1e-14)
    assert_close(path.risk[0], risk(net, over), rtol=1e-14, atol=0)
    assert_close(path.risk[-1], risk(path.at(1), over), rtol=1e-14, atol=0)


def test_fixed_grids_tend_to_the_reference_and_the_risk_pays_for_the_motion(seed: int) -> None:
    net, over = network(seed), population(seed)
    true = solve(net, over, [0.0, 0.5, 1.0])
    path = integrate(net, over, 0.025, 40, every=20)
    assert_close(path.times, true.times, rtol=1e-12, atol=1e-14)
    assert_close(path.recurrent, true.recurrent, rtol=1e-5, atol=1e-6)
    assert_close(path.risk, true.risk, rtol=1e-5, atol=1e-7)
    half = [integrate(net, over, 1 / k, k, MIDPOINT, k).readout[-1] for k in (20, 40)]
    gaps = [float((each - true.readout[-1]).abs().max()) for each in half]
    assert gaps[1] < gaps[0] / 3


def test_several_networks_side_by_side_are_each_alone() -> None:
    over = population()
    nets = [network(k) for k in range(3)]
    together = integrate(nets, over, 0.1, 6, every=3)
    assert together.risk.shape == (3, 3)
    for k, net in enumerate(nets):
        alone = integrate(net, over, 0.1, 6, every=3)
        assert_close(together.recurrent[:, k], alone.recurrent, rtol=1e-12, atol=1e-14)
        assert_close(together.risk[:, k], alone.risk, rtol=1e-12, atol=1e-14)


def test_online_steps_see_one_window_each_and_several_networks_their_own() -> None:
    over, net = population(), network()
    order = torch.tensor([[2, 0, 1, 3], [3, 3, 0, 2]])
    x, y = over.x[order], over.targets[order]
    path = descend_online([net, net], over, x, y, 0.05, every=2)
    for k in (0, 1):
        here = net
        for i in order[k]:
            one = Population(over.x[i : i + 1], over.targets[i : i + 1], torch.ones(1).double())
            g_a, g_b, g_c = gradients(here, one)
            n = here.width
            here = replace(
                here,
                input=here.input - 0.05 * n * g_a,
                recurrent=here.recurrent - 0.05 * n**2 * g_b,
                readout=here.readout - 0.05 * n * g_c,
            )
        assert_close(path.recurrent[-1, k], here.recurrent, rtol=1e-12, atol=1e-14)
        assert_close(path.risk[-1, k], risk(here, over), rtol=1e-12, atol=1e-14)
    alone = descend_online(net, over, x[1], y[1], 0.05, every=4)
    assert_close(alone.readout[-1], path.readout[-1, 1], rtol=1e-12, atol=1e-14)


def test_degenerate_cases_are_exact() -> None:
    over = population()
    silent = replace(network(), readout=torch.zeros(5).double())
    still = integrate(silent, replace(over, targets=0 * over.targets), 0.5, 3)
    assert torch.equal(still.recurrent[-1], silent.recurrent)
    one = network(width=1)
    assert integrate(one, population(batch=1), 0.1, 2).readout.shape == (3, 1)
    single = Population(over.x[:, -1:], over.targets, over.probabilities)
    path = integrate(network(), single, 0.1, 4)
    assert torch.equal(path.recurrent[-1], path.recurrent[0])  # nothing is heard
    assert path.at_labels(torch.tensor([4, 4]))[0].shape == (5, 2, 2)


def call_integrate(**changes: object) -> object:
    given = {"net": network(), "population": population(), "step": 0.1, "n_steps": 4} | changes
    return integrate(**given)  # type: ignore[arg-type]


@untyped
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: call_integrate(step=0.0), ValueError, "step must be above 0"),
        (lambda: call_integrate(n_steps=2.0), TypeError, "n_steps must be an integer"),
        (lambda: call_integrate(every=3), ValueError, "every must divide"),
        (lambda: call_integrate(net=[]), ValueError, "at least one network"),
        (lambda: call_integrate(net=[network(), network(width=4)]), ValueError, "widths"),
        (
            lambda: call_integrate(net=[network(), replace(network(), activation=SINE)]),
            ValueError,
            "share activation",
        ),
        (
            lambda: call_integrate(
                population=replace(population(), targets=torch.zeros(2, 4).double())
            ),
            ValueError,
            "one target",
        ),
        (
            lambda: call_integrate(
                net=replace(network(), activation=RELU), step=1e200, n_steps=8, method=EULER
            ),
            FloatingPointError,
            "no longer finite",
        ),
        (lambda: solve(network(), population(), [0.0]), ValueError, "at least two"),
        (lambda: solve(network(), population(), [0.0, 1.0], -1.0), ValueError, "tolerance"),
        (lambda: solve(single_precision(), singles(), [0.0, 1.0]), TypeError, "float64"),
        (
            lambda: integrate([network()], population(), 0.1, 2).at(0),
            TypeError,
            "one network",
        ),
        (
            lambda: descend_online(
                network(), population(), torch.zeros(3, 3, 2).double(), torch.zeros(2).double(), 0.1
            ),
            ValueError,
            "numbers of steps",
        ),
        (
            lambda: descend_online(
                [network()],
                population(),
                torch.zeros(2, 3, 3, 2).double(),
                torch.zeros(2, 3).double(),
                0.1,
            ),
            ValueError,
            "networks",
        ),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def single_precision() -> ElmanNet:
    net = network()
    return ElmanNet(
        net.input.float(), net.recurrent.float(), net.readout.float(), net.weights.float()
    )


def singles() -> Population:
    over = population()
    return Population(over.x.float(), over.targets.float(), over.probabilities.float())


def test_single_precision_stays_and_is_close() -> None:
    path = integrate(single_precision(), singles(), 0.1, 5)
    assert path.recurrent.dtype == torch.float32
    double = integrate(network(), population(), 0.1, 5)
    assert_close(path.recurrent.double(), double.recurrent, rtol=1e-4, atol=1e-5)


def test_an_integrator_that_gives_up_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(success=False, message="step size too small")

    monkeypatch.setattr(flow, "solve_ivp", fails)
    with pytest.raises(FloatingPointError, match="step size too small"):
        solve(network(), population(), [0.0, 1.0])
