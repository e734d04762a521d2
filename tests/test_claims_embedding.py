"""One small test for each settled statement about neuronal embeddings; the ledger names them.

The ledger runs each against the library, and once more for each piece of a formula made wrong.
"""

import math

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.testing import assert_close

from rnnlimits.estimate import Estimate, estimate
from rnnlimits.meanfield.embedding import (
    ANTITHETIC,
    INDEPENDENT,
    LATTICE,
    RULES,
    STRATIFIED,
    TWO_VALUES,
    Embedding,
    SamplingRule,
    averages_squared,
    forward_bound,
    independent,
    lattice_constant,
    stratified_constant,
)
from rnnlimits.meanfield.independent_weights import shaken, shaken_moments
from rnnlimits.networks.elman import at_labels, forward, run
from rnnlimits.networks.measures import WeightFunctions, gauss_legendre
from rnnlimits.networks.sampling_error import influence, sampling_variance
from rnnlimits.random import normal, stream

FUNCTIONS = WeightFunctions(
    lambda w: 3 * w - 1,
    lambda w, v: torch.cos(2 * w - v)[..., 0],
    lambda w: torch.exp(w[..., 0]) - 0.5,
)
LINE = gauss_legendre(24)
X = normal(stream(0, "windows"), (1, 3, 1))


def squared_errors(rule: SamplingRule, n: int, networks: int = 300) -> Tensor:
    """Return squared output errors of networks of width n drawn by the rule."""
    embedding = Embedding(FUNCTIONS, rule)
    limit = forward(embedding.limit(LINE), X)
    drawn = [forward(embedding.draw(n, stream(i, rule.name, n)), X) for i in range(networks)]
    return (torch.stack(drawn) - limit).square()[:, 0]


def test_mf_5_one_law_of_labels_and_a_rate_for_each_rule() -> None:
    for rule in RULES.values():  # single labels are uniform
        first = [float(rule.draw(4, stream(i, "first"))[0, 0]) for i in range(500)]
        assert stats.kstest(first, "uniform").pvalue > 1e-5
    line = Embedding(FUNCTIONS, INDEPENDENT)
    psi = influence(line.limit(LINE), X)[0]
    even = (psi + psi.flip(0)) / 2  # the nodes lie evenly about the middle
    constants = {
        INDEPENDENT: (1, sampling_variance(line.limit(LINE), X)),
        ANTITHETIC: (1, 2 * LINE.weights @ (even - LINE.weights @ even).square()),
        STRATIFIED: (3, stratified_constant(line, LINE, X)),
        LATTICE: (2, lattice_constant(line, LINE, X)),
    }
    for rule, (power, constant) in constants.items():
        ratio = estimate(64**power * squared_errors(rule, 64) / float(constant))
        assert abs(float(ratio.z_score(1.0))) < 4.5
    # Example 2.2: a permutation of a finite set of labels is the limit itself
    atoms = line.draw(6, stream(0, "atoms"))
    names = torch.floor(6 * STRATIFIED.draw(6, stream(0))[:, 0]).long()
    assert_close(forward(at_labels(atoms, names), X), forward(atoms, X), rtol=1e-12, atol=0)


def test_mf_6_independent_recurrent_weights_average_out() -> None:
    start = WeightFunctions(
        lambda w: 4 * w[..., :1] - 1,
        lambda w, v: 0 * (w - v)[..., 0],
        lambda w: 4 * w[..., 1] - 1,
    )
    embedding = Embedding(start, independent(2))
    limit = embedding.limit(gauss_legendre(20, 2))
    x = torch.tensor([[[0.9], [0.7]]]).double()
    assert_close(forward(limit, x), forward(limit, x[:, 1:]), rtol=1e-14, atol=0)  # no memory

    h_1, h_0 = run(limit, x).hidden[:, 0]
    p, c, q = limit.weights, limit.readout, limit.weights @ h_1.square()
    slope = 1 - h_0.square()
    found = shaken_moments(limit, 2.0, x)
    assert_close(found.mean[0], q * (p @ (c * -2 * h_0 * slope)), rtol=1e-10, atol=0)
    assert_close(found.variance[0], 2 * q * (p @ (c * slope).square()), rtol=1e-10, atol=0)

    longer = torch.tensor([[[0.9], [0.4], [0.7]]]).double()  # and with a kernel that is not zero
    bare = Embedding(FUNCTIONS, INDEPENDENT).draw(150, stream(0, "labels"))
    expected, before = shaken_moments(bare, 2.0, longer), forward(bare, longer)
    drawn = [forward(shaken(bare, 2.0, stream(i, "noise")), longer) for i in range(400)]
    added = 150 * (torch.stack(drawn) - before)[:, 0]
    spread = float(expected.variance.sqrt())
    mean = estimate(added)
    allowed = 4.5 * float(mean.standard_error) + spread / 150**0.5
    assert abs(float(mean.mean) - float(expected.mean)) < allowed
    square = estimate((added - expected.mean).square() / spread**2)
    assert abs(float(square.mean) - 1) < 4.5 * float(square.standard_error) + 0.1


def test_mf_7_declared_weak_dependence_and_a_rule_without() -> None:
    def even(w: Tensor, v: Tensor) -> Tensor:  # of modulus one, alike at v and 1 - v
        return torch.sign(torch.cos(2 * math.pi * v))[..., 0] + 0 * w[..., 0]

    def resonant(w: Tensor, v: Tensor) -> Tensor:
        return torch.cos(2 * math.pi * 32 * (v - w))[..., 0]

    def smooth(w: Tensor, v: Tensor) -> Tensor:  # |f| and its slope in v at most one
        return (torch.cos(w) * (v - 0.5))[..., 0]

    def sampled(rule: SamplingRule, n: int, which: int) -> Estimate:
        f = (even, resonant, smooth)[which]
        return estimate([averages_squared(rule, f, n, stream(i, "weak")) for i in range(800)])

    def found(rule: SamplingRule, n: int, which: int = 0) -> float:
        return float(sampled(rule, n, which).mean)

    for rule in (INDEPENDENT, ANTITHETIC, STRATIFIED):
        for which in (0, 1):
            some = sampled(rule, 32, which)
            assert some.mean - 4.5 * np.asarray(some.standard_error) <= rule.bounded
    assert found(ANTITHETIC, 32) > 1.4
    assert found(INDEPENDENT, 32) > 0.6
    assert found(LATTICE, 32, 2) <= LATTICE.lipschitz
    assert math.isclose(found(LATTICE, 32, 1), 32)
    assert math.isinf(LATTICE.bounded)
    assert found(TWO_VALUES, 32) > 12
    assert math.isinf(TWO_VALUES.bounded)
    # the bound of the forward error, by hand: 2 sqrt(K/n) |c| (1 + |b| + |b|^2)
    bound = forward_bound(64, 4.0, 3, recurrent=1.0, readout=math.e - 0.5)
    assert math.isclose(bound, 2 * 0.25 * (math.e - 0.5) * 3)
    double = forward_bound(64, 4.0, 3, recurrent=2.0, readout=math.e - 0.5)
    assert math.isclose(double, 2 * 0.25 * (math.e - 0.5) * 7)
    assert float(squared_errors(STRATIFIED, 64, 50).mean()) ** 0.5 < bound
    few, many = (squared_errors(TWO_VALUES, n, 400) for n in (2, 64))
    gap = float(few.mean() - many.mean())
    assert abs(gap) < 4.5 * float((few.var() + many.var()) / 400) ** 0.5
    assert float(many.mean()) > 10 * float(squared_errors(INDEPENDENT, 64).mean())
