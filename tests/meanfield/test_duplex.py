"""Tests of the laws in which tying costs the memory, and does not."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from draws import untyped
from rnnlimits.estimate import estimate
from rnnlimits.meanfield.duplex import HalfDuplex, OpenEar
from rnnlimits.meanfield.tying import last_states, tied
from rnnlimits.networks.activations import IDENTITY, SINE, TANH
from rnnlimits.random import stream


def words(length: int) -> Tensor:
    letters = torch.tensor(list(product((0.0, 1.0), repeat=length))).double()
    return torch.stack([letters, torch.ones_like(letters)], dim=-1)


def test_tied_squares_to_zero_and_untied_does_not(seed: int) -> None:
    law = HalfDuplex(0.7)
    once = law.draw(30, 4, stream(seed), tie=True).steps
    fresh = law.draw(30, 4, stream(seed), tie=False).steps
    assert float((once[1] @ once[0]).abs().max()) == 0
    assert float((fresh[1] @ fresh[0]).abs().max()) > 0
    for b in (once, fresh):
        assert float(b.min()) >= 0
        assert float(b.max()) <= 0.7
        assert torch.linalg.matrix_rank(b[0]).item() == 1


@pytest.mark.parametrize("activation", [TANH, SINE, IDENTITY])
def test_tied_features_know_two_letters(activation, seed: int) -> None:  # type: ignore[no-untyped-def]
    x = words(5)
    net = HalfDuplex(2.0, activation).draw(40, 5, stream(seed), tie=True)
    h = last_states(net, x).reshape(8, 4, 40)
    assert_close(h, h[:1].expand_as(h), rtol=0, atol=1e-14)
    free = HalfDuplex(2.0, activation).draw(40, 5, stream(seed), tie=False)
    g = last_states(free, x).reshape(8, 4, 40)
    assert float((g[1:] - g[:1]).abs().amax(dim=(1, 2)).min()) > 1e-6


def test_memories_of_a_linear_network_in_closed_form() -> None:
    """With s the identity f_x(M) is (K/2)(x/2 + M/4) untied, (K/2)(x/2) tied, (K/2)(x + M) open."""
    k, x = 0.6, words(4)[..., :1]
    untied, open_ = torch.zeros(16).double(), torch.zeros(16).double()
    for t in range(3):
        untied = k / 2 * (x[:, t, 0] / 2 + untied / 4)
        open_ = k / 2 * (x[:, t, 0] + open_)
    law = HalfDuplex(k, IDENTITY)
    assert_close(law.memories(x, tie=False)[:, 0], untied)
    assert_close(law.memories(x, tie=True)[:, 0], k / 4 * x[:, 2, 0])
    assert_close(OpenEar(k, IDENTITY).memories(x)[:, 0], open_)


@pytest.mark.parametrize("tie", [True, False])
def test_memories_are_those_of_wide_networks(tie: bool, seed: int) -> None:
    x = torch.tensor([[[1.0, 1.0], [0.0, 1.0], [1.0, 1.0], [0.0, 1.0]]]).double()
    law, found = HalfDuplex(1.5), []
    for i in range(40):
        net = law.draw(400, 4, stream(seed, i, int(tie)), tie=tie)
        earlier = last_states(type(net)(net.input, net.steps[:-1], TANH), x[:, :-1])
        speaks = (net.steps[-1] > 0).any(dim=0).double()
        found.append((speaks * earlier[0]).mean())
    z = estimate(torch.stack(found)).z_score(law.memories(x[..., :1], tie=tie).item())
    assert abs(float(z)) < 5  # a bias of order 1/n is below half a standard error


def test_the_open_ear_is_a_wide_network(seed: int) -> None:
    x, k = words(3)[5:6], 1.5
    found = []
    for i in range(40):
        u = torch.from_numpy(stream(seed, "ear", i).random((3, 400)))
        a = k * torch.stack([u[0], 2 * u[1] - 1], dim=1)
        net = tied(a, (k * u[2])[:, None].expand(400, 400), 2)
        found.append(last_states(net, x[:, :2])[0].mean())
    z = estimate(torch.stack(found)).z_score(OpenEar(k).memories(x[..., :1]).item())
    assert abs(float(z)) < 5


@pytest.mark.parametrize("length", [2, 4, 6])
def test_the_theorem_tells_all_words_apart(length: int) -> None:
    """K = 1/3 and all binary words: letters are digits, the last one first."""
    x = words(length)[..., :1]
    k, slope = 1 / 3, 1 - math.tanh(5 / 6) ** 2
    for memory, gap in (
        (HalfDuplex(k).memories(x, tie=False)[:, 0], k / 4 * (slope - 0.25)),
        (OpenEar(k).memories(x)[:, 0], k / 2 * (1 - math.tanh(11 / 15) ** 2 - 0.2)),
    ):
        past = x[:, :-1, 0] @ 2.0 ** torch.arange(length - 1).double()
        order = memory[past.argsort()].reshape(-1, 2)[:, 0]  # the present does not matter
        assert bool((order.diff() > 0).all())
        last = x[:, -2, 0] == 1
        assert float(memory[last].min() - memory[~last].max()) > gap
        assert float(memory.min()) >= -1e-15
    tie = HalfDuplex(k).memories(x, tie=True)[:, 0]
    assert len(tie.round(decimals=12).unique()) == 2


@untyped
def test_wrong_input_is_named() -> None:
    for law in (HalfDuplex, OpenEar):
        with pytest.raises(ValueError, match="bound"):
            law(0.0)
    with pytest.raises(ValueError, match="window"):
        HalfDuplex(1.0).draw(4, 1, stream(0), tie=True)
    with pytest.raises(ValueError, match="width"):
        HalfDuplex(1.0).draw(0, 2, stream(0), tie=True)
    with pytest.raises(ValueError, match="channels"):
        OpenEar(1.0).memories(torch.ones(1, 3, 2))
    with pytest.raises(ValueError, match="length"):
        HalfDuplex(1.0).memories(torch.ones(1, 1, 1), tie=True)
