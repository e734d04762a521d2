"""Coupled networks: shares, distances, and the derivative of training in the masses."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from draws import untyped
from rnnlimits.meanfield.coupling import (
    distance,
    mass_derivative,
    outputs_along,
    trained_influence,
    with_shares,
)
from rnnlimits.meanfield.flow import integrate
from rnnlimits.networks.elman import (
    ElmanNet,
    at_labels,
    equal_weights,
    forward,
    unchecked,
)
from rnnlimits.networks.elman_risk import Population
from rnnlimits.networks.runge_kutta import EULER, MIDPOINT, Method
from rnnlimits.networks.sampling_error import influence
from rnnlimits.random import normal, stream

DRAW = stream(0, "four atoms")
FOUR = ElmanNet(
    normal(DRAW, (4, 2)),
    normal(DRAW, (4, 4)),
    normal(DRAW, (4,)),
    torch.tensor([1.0, 2.0, 3.0, 2.0]).double() / 8,
)
X = normal(DRAW, (5, 3, 2))
OVER = Population(X, torch.cos(X[:, 1, 1]), equal_weights(5))


@pytest.mark.parametrize("method", [EULER, MIDPOINT], ids=lambda method: method.name)
def test_neurons_with_few_labels_move_as_their_shares_do(method: Method) -> None:
    counts = torch.tensor([3, 0, 4, 1])
    labels = torch.repeat_interleave(torch.arange(4), counts)
    merged = integrate(with_shares(FOUR, counts), OVER, 0.2, 10, method)
    neurons = integrate(at_labels(FOUR, labels), OVER, 0.2, 10, method)
    gap = distance(neurons, merged.at_labels(labels))
    assert float(gap.largest.max()) < 1e-13
    assert_close(outputs_along(neurons, X), outputs_along(merged, X), rtol=0, atol=1e-13)


def test_distance_is_the_largest_so_far_by_block() -> None:
    a = torch.zeros(3, 2, 2).double()
    b, c = torch.zeros(3, 2, 2).double(), torch.zeros(3, 2).double()
    a[1, 0] = torch.tensor([3.0, 4.0])
    b[2, 1, 0] = -7.0
    c[0, 1] = 1.0
    zero = (0 * a, 0 * b, 0 * c)
    found = distance((a, b, c), zero)
    assert found.input.tolist() == [0.0, 5.0, 5.0]
    assert found.recurrent.tolist() == [0.0, 0.0, 7.0]
    assert found.readout.tolist() == [1.0, 1.0, 1.0]
    assert found.largest.tolist() == [1.0, 5.0, 7.0]
    several = distance((a[:, None], b[:, None], c[:, None]), zero)
    assert several.largest[:, 0].tolist() == [1.0, 5.0, 7.0]


def shifted(eta: float, direction: torch.Tensor) -> ElmanNet:
    p = FOUR.weights + eta * direction
    return unchecked(FOUR, FOUR.input, FOUR.recurrent, FOUR.readout, p)


def test_the_mass_derivative_is_a_difference_quotient() -> None:
    directions = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.5, 0.5, -1.0]]).double()
    found = mass_derivative(FOUR, OVER, directions, 0.2, 10, every=5)
    for k, direction in enumerate(directions):
        up, down = (integrate(shifted(e, direction), OVER, 0.2, 10, every=5) for e in (1e-5, -1e-5))
        for what in ("input", "recurrent", "readout", "risk"):
            quotient = (getattr(up, what) - getattr(down, what)) / 2e-5
            assert_close(getattr(found, what)[:, k], quotient, rtol=1e-6, atol=1e-8)
    assert float(found.recurrent[0].abs().max()) == 0.0


def test_the_trained_influence_is_a_difference_quotient_and_centred() -> None:
    found = trained_influence(FOUR, OVER, X, 0.2, 10, every=5)
    psi = influence(FOUR, X)
    centred = psi - (psi @ FOUR.weights)[:, None]
    assert_close(found[0], centred, rtol=1e-12, atol=1e-13)
    assert_close(found @ FOUR.weights, torch.zeros(3, 5).double(), rtol=0, atol=1e-12)
    toward = torch.eye(4).double() - FOUR.weights
    for i in range(4):
        ends = [
            outputs_along(integrate(shifted(e, toward[i]), OVER, 0.2, 10, every=5), X)
            for e in (1e-5, -1e-5)
        ]
        assert_close(found[..., i], (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=1e-8)


def test_outputs_along_several_paths_are_those_of_their_networks() -> None:
    nets = [with_shares(FOUR, torch.tensor(k)) for k in ([1, 1, 1, 1], [5, 0, 0, 1])]
    path = integrate(nets, OVER, 0.2, 4, every=4)
    found = outputs_along(path, X)
    for k, net in enumerate(nets):
        parts = (path.input[-1, k], path.recurrent[-1, k], path.readout[-1, k])
        end = replace(net, input=parts[0], recurrent=parts[1], readout=parts[2])
        assert_close(found[-1, k], forward(end, X), rtol=1e-13, atol=1e-14)


@untyped
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: with_shares(FOUR, torch.ones(4)), TypeError, "int64"),
        (lambda: with_shares(FOUR, [1, 2]), TypeError, "list"),  # type: ignore[arg-type]
        (lambda: with_shares(FOUR, torch.tensor([1, 2])), ValueError, "atoms"),
        (lambda: with_shares(FOUR, torch.tensor([1, 2, -1, 0])), ValueError, "at least 0"),
        (lambda: with_shares(FOUR, torch.zeros(4, dtype=torch.int64)), ValueError, "not all 0"),
        (
            lambda: mass_derivative(FOUR, OVER, torch.ones(1, 3).double(), 0.1, 2),
            ValueError,
            "atoms",
        ),
        (
            lambda: distance(integrate(FOUR, OVER, 0.1, 2), integrate(FOUR, OVER, 0.1, 4)),
            ValueError,
            "recorded times",
        ),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
