"""One small test for each settled statement about Elman networks; the ledger names them.

The ledger runs each against the library, and once more for each piece of a formula made wrong.
"""

import math
from dataclasses import replace

import torch
from scipy.stats import binom
from torch import Tensor
from torch.testing import assert_close

from rnnlimits.networks.elman import ElmanNet, at_labels, equal_weights, forward
from rnnlimits.networks.elman_risk import Population, velocity
from rnnlimits.networks.sampling_error import influence, sampling_variance
from rnnlimits.random import normal, stream

SHARES = torch.tensor([0.25, 0.75], dtype=torch.float64)


def two_atoms() -> tuple[ElmanNet, Tensor]:
    """Return a network of two unequal atoms, and windows of four inputs."""
    draw = stream(0, "two atoms")
    parts = [normal(draw, shape) for shape in ((2, 2), (2, 2), (2,))]
    return ElmanNet(parts[0], parts[1], parts[2], SHARES), normal(draw, (3, 4, 2))


def sum_over_neurons(net: ElmanNet, window: Tensor) -> float:
    """Return the output of a width-n network, sums written out."""
    n, h = net.width, [0.0] * net.width
    for x in window:
        fed = [sum(float(net.recurrent[i, j]) * h[j] for j in range(n)) / n for i in range(n)]
        h = [math.tanh(float(net.input[i] @ x) + fed[i]) for i in range(n)]
    return sum(float(net.readout[i]) * h[i] for i in range(n)) / n


def test_mf_4_one_formula_read_with_two_measures() -> None:
    limit, x = two_atoms()
    labels = torch.tensor([0, 1, 1, 1])
    finite = at_labels(limit, labels)  # four neurons, drawn as often as the atoms weigh
    y = forward(finite, x)
    assert_close(y, torch.tensor([sum_over_neurons(finite, each) for each in x]).double())
    assert_close(forward(limit, x), y, rtol=1e-12, atol=1e-13)
    over = Population(x, torch.ones(3).double(), equal_weights(3))
    slow, fast = velocity(limit, over), velocity(finite, over)
    assert_close(fast.input, slow.input[labels], rtol=1e-11, atol=1e-13)
    assert_close(fast.recurrent, slow.recurrent[labels][:, labels], rtol=1e-11, atol=1e-13)

    parts = [t.clone().requires_grad_() for t in (finite.input, finite.recurrent)]
    value = forward(replace(finite, input=parts[0], recurrent=parts[1]), x)
    risk = (value - over.targets).square().mean() / 2
    d_a, d_b = torch.autograd.grad(risk, parts)
    assert_close(fast.input, -4 * d_a, rtol=1e-11, atol=1e-13)
    assert_close(fast.recurrent, -16 * d_b, rtol=1e-11, atol=1e-13)

    # Labels drawn independently: every number of draws of the first atom, by its probability.
    gaps = []
    for n in (128, 256):
        k = torch.arange(n + 1).double()
        chances = torch.from_numpy(binom.pmf(k.numpy(), n, 0.25))
        drawn = [replace(limit, weights=torch.stack([j / n, 1 - j / n])) for j in k]
        errors = torch.stack([forward(each, x) for each in drawn]) - y
        gaps.append(n * chances @ errors.square() - sampling_variance(limit, x))
    assert_close(gaps[0], 2 * gaps[1], rtol=0.1, atol=1e-9)  # the rest is of order 1/n
    heavier = replace(limit, weights=SHARES + torch.tensor([1e-6, -1e-6]).double())
    psi = influence(limit, x)
    moved = (forward(heavier, x) - y) / 1e-6
    assert_close(moved, psi[:, 0] - psi[:, 1], rtol=1e-4, atol=1e-6)
