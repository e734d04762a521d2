"""Tests of the answers and of the hypotheses that can be asked."""

import math

import pytest
import torch

from draws import untyped
from rnnlimits.meanfield.hypotheses import (
    Answer,
    all_of,
    bends_within,
    bounded_by,
    hears_bias,
    independent_features,
    keeps_past,
    polynomial_misfit,
    separated,
)
from rnnlimits.networks.activations import (
    ACTIVATIONS,
    IDENTITY,
    RELU,
    TANH,
    Activation,
)
from rnnlimits.networks.elman import (
    MEAN_FIELD,
    NTK,
    ElmanNet,
    Scaling,
    equal_weights,
    run,
)
from rnnlimits.random import normal, stream

CLIP = Activation(
    "clip", lambda z: z.clamp(-1, 1), lambda z, h: (z.abs() < 1).to(z), 1.0, True, False
)
LOGISTIC = Activation("logistic", torch.sigmoid, lambda z, h: h * (1 - h), 0.25, True, True)
ZERO = Activation("zero", lambda z: 0 * z, lambda z, h: 0 * z, 0.0, True, True)


def one_neuron(a: float = 1.0, b: float = 1.0) -> ElmanNet:
    one = torch.ones(1, dtype=torch.float64)
    return ElmanNet(a * one[:, None], b * one[:, None], one, one)


@untyped
def test_an_answer_has_one_of_three_states_and_a_reason() -> None:
    assert Answer("holds", "proved").holds
    assert not Answer("undecided", "close").holds
    assert str(Answer("fails", "odd")) == "fails: odd"
    assert str(Answer("fails", "odd", 0.25)) == "fails: odd (0.25)"
    assert math.isnan(Answer("holds", "proved").value)
    with pytest.raises(ValueError, match="holds, fails, undecided"):
        Answer("maybe", "who knows")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reason"):
        Answer("holds", "  ")


def test_all_of_is_the_worst() -> None:
    yes, no, open_ = (Answer(s, s) for s in ("holds", "fails", "undecided"))
    assert all_of([yes, open_, no]) is no
    assert all_of([open_, yes]) is open_
    assert all_of([yes]) is yes
    with pytest.raises(ValueError, match="at least one"):
        all_of([])


def test_a_bound_on_hidden_weights() -> None:
    assert bounded_by(one_neuron(), 1.0).holds
    assert bounded_by(one_neuron(), 1.0).value == 1.0
    assert bounded_by(one_neuron(b=-1.5), 1.0).state == "fails"
    assert bounded_by(one_neuron(a=-1.5), 1.0).state == "fails"
    with pytest.raises(ValueError, match="bound"):
        bounded_by(one_neuron(), 0.0)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"identity"}))
def test_known_activations_bend_however_near(name: str) -> None:
    assert bends_within(ACTIVATIONS[name], 1e-3).holds


def test_polynomials_within_reach_fail() -> None:
    assert bends_within(IDENTITY, 3.0).state == "fails"
    assert bends_within(CLIP, 0.9).state == "fails"
    assert bends_within(CLIP, 1.5).state == "undecided"
    assert bends_within(ZERO, 1.0).state == "fails"


def test_a_smooth_function_on_a_short_interval_is_not_called_a_polynomial() -> None:
    near = bends_within(LOGISTIC, 0.05)
    assert near.value < 1e-13
    assert near.state == "undecided"
    assert bends_within(LOGISTIC, 1.0).state == "undecided"
    square = Activation("square", torch.square, lambda z, h: 2 * z, math.inf, False, True)
    assert bends_within(square, 0.05).state == "fails"


def test_the_misfit_of_the_ninth_power() -> None:
    """T_9 / 2^8 is what degree 8 leaves of z^9, by equioscillation."""
    ninth = Activation("ninth", lambda z: z**9, lambda z, h: 9 * z**8, 9.0, False, True)
    angles = [math.pi * (j + 0.5) / 65 for j in range(65)]
    left = max(abs(math.cos(9 * angle)) for angle in angles) / 2**8
    largest = math.cos(angles[0]) ** 9
    assert polynomial_misfit(ninth, 1.0) == pytest.approx(left / largest)
    assert polynomial_misfit(ninth, 2.0) == pytest.approx(polynomial_misfit(ninth, 1.0))


def test_the_past_is_kept_lost_or_hard_to_see() -> None:
    x = torch.tensor([[[0.0], [0.0]], [[0.5], [0.0]]]).double()
    found = keeps_past(one_neuron(), x)
    assert found.holds
    assert found.value == pytest.approx(math.tanh(0.5))
    assert keeps_past(one_neuron(b=0.0), x).state == "fails"
    assert keeps_past(one_neuron(b=1e-14), x).state == "undecided"
    alone = keeps_past(one_neuron(), torch.tensor([[[0.0]], [[0.5]]]).double())
    assert alone.holds  # a window of one input has no past
    assert alone.value == 0.5


@pytest.mark.parametrize("scaling", [MEAN_FIELD, NTK])
def test_what_is_heard_is_the_current_less_the_input(scaling: Scaling, seed: int) -> None:
    draw = stream(seed, "heard")
    a, b, x = (normal(draw, shape) for shape in ((4, 2), (4, 4), (5, 3, 2)))
    net = ElmanNet(a, b, a[:, 0], equal_weights(4), TANH, scaling)
    heard = run(net, x).currents[-1] - x[:, -1] @ a.T
    expected = separated(torch.cat([x[:, -1], heard], dim=1), x).value
    assert keeps_past(net, x).value == pytest.approx(expected, rel=1e-10)


@untyped
def test_separated_ignores_windows_that_are_equal() -> None:
    x = torch.tensor([[[0.0]], [[0.0]], [[1.0]]])
    assert separated(torch.tensor([[2.0], [2.0], [3.0]]), x).value == 1.0
    with pytest.raises(ValueError, match="two different windows"):
        separated(torch.zeros(2, 1), x[:2])
    with pytest.raises(ValueError, match="numbers of windows"):
        separated(torch.zeros(2, 1), x)
    with pytest.raises(TypeError, match="dtype"):
        separated(torch.zeros(3, 1).double(), x)


def test_a_bias_is_a_constant_that_someone_hears() -> None:
    p = torch.tensor([1.0, 0.0])
    a = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    net = ElmanNet(a, torch.zeros(2, 2), p, p, TANH)
    x = torch.tensor([[[0.5, 1.0]], [[0.2, 1.0]]])
    assert hears_bias(net, x).state == "fails"  # its neuron has no mass
    even = ElmanNet(a, torch.zeros(2, 2), p, torch.tensor([0.5, 0.5]))
    assert hears_bias(even, x).value == 2.0
    assert hears_bias(even, 0 * x).state == "fails"
    assert hears_bias(even, x * torch.tensor([[[1.0, 1.0]], [[1.0, 3.0]]])).state == "fails"
    with pytest.raises(ValueError, match="channels"):
        hears_bias(even, x[..., :1])


def test_independent_features() -> None:
    h = torch.eye(3).double()
    assert independent_features(2 * h).value == pytest.approx(4 / 3)
    assert independent_features(h[:, :2]).state == "fails"
    assert independent_features(h * torch.tensor([1.0, 1.0, 0.0])).reason.endswith("features")
    twice = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    assert independent_features(twice).reason == "two windows with one feature"
    multiples = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    assert independent_features(multiples).state == "undecided"
    assert independent_features(torch.ones(1, 1)).holds
    assert equal_weights(1).item() == 1.0
    assert bends_within(RELU, 1.0).value > 0.01
