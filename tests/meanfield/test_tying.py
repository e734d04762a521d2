"""Tests of tied and untied networks and of their Gaussian limit."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from draws import untyped
from rnnlimits.estimate import estimate
from rnnlimits.kernel.state_evolution import (
    Recursion,
    RowMap,
    gauss_hermite,
    state_evolution,
)
from rnnlimits.meanfield.tying import (
    GaussianWeights,
    LayeredNet,
    feature_gram,
    gaussian_limit,
    last_states,
    tied,
)
from rnnlimits.networks.activations import ERF, IDENTITY, TANH
from rnnlimits.networks.elman import NTK, ElmanNet, equal_weights, run
from rnnlimits.networks.elman_risk import Population, gram
from rnnlimits.random import normal, stream


def test_tied_is_the_elman_network(seed: int) -> None:
    draw = stream(seed, "net")
    a, b, x = (normal(draw, shape) for shape in ((5, 2), (5, 5), (7, 4, 2)))
    net = ElmanNet(a, b, a[:, 0], equal_weights(5))
    assert_close(last_states(tied(a, b, 4), x), run(net, x).hidden[-1], rtol=1e-13, atol=1e-14)
    law = equal_weights(7)
    data = Population(x, x[:, 0, 0], law)
    assert_close(feature_gram(last_states(tied(a, b, 4), x), law), gram(net, data))
    wide = ElmanNet(a, b, a[:, 0], equal_weights(5), scaling=NTK)
    both = last_states(tied(a, b, 4, factor=5**0.5), x)
    assert_close(both, run(wide, x).hidden[-1], rtol=1e-13, atol=1e-14)


def test_untied_by_hand() -> None:
    a, one = torch.tensor([[1.0], [2.0]]).double(), torch.ones(2, 2).double()
    steps = torch.stack([one, torch.tensor([[0.0, 1.0], [0.0, 0.0]]).double()])
    x = torch.tensor([[[1.0], [2.0], [3.0]]]).double()
    net = LayeredNet(a, steps, IDENTITY)
    # h = (1, 2); then (2, 4) + 3/2; then (3, 6) + (5.5, 0) / 2
    assert last_states(net, x).tolist() == [[5.75, 6.0]]


def test_one_input_needs_no_matrix() -> None:
    x = torch.tensor([[[0.5]]]).double()
    net = GaussianWeights(1.0, 1.0).draw(3, 1, 1, stream(0), tie=True)
    assert_close(last_states(net, x), torch.tanh(0.5 * net.input.T))


def test_ties_and_copies() -> None:
    law = GaussianWeights(1.0, 2.0)
    once = law.draw(40, 4, 2, stream(0), tie=True).steps
    fresh = law.draw(40, 4, 2, stream(0), tie=False).steps
    assert bool((once == once[0]).all())
    assert_close(once[0], fresh[0])
    assert bool((fresh[1] != fresh[0]).all())
    square = estimate(fresh[2].flatten().square())
    assert abs(float(square.z_score(2.0))) < 4.5


def test_the_arcsine_law() -> None:
    """For erf the average is known, and one step of the recursion is done by hand."""
    x = torch.tensor([[[1.0], [0.5]], [[-0.3], [2.0]]]).double()

    def arcsine(cov: Tensor) -> Tensor:
        size = (1 + 2 * cov.diagonal()).sqrt()
        return 2 / math.pi * torch.asin(2 * cov / (size[:, None] * size))

    first = arcsine(0.7 * x[:, 0] @ x[:, 0].T)
    expected = arcsine(0.7 * x[:, 1] @ x[:, 1].T + 0.4 * first)
    found = gaussian_limit(GaussianWeights(0.7, 0.4, ERF), x, 160)
    assert_close(found, expected, rtol=0, atol=1e-11)


def test_a_linear_network_has_powers() -> None:
    x = torch.ones(1, 4, 1).double()
    found = gaussian_limit(GaussianWeights(2.0, 0.5, IDENTITY), x)
    assert found.item() == pytest.approx(2 * (1 + 0.5 + 0.25 + 0.125))


def test_no_input_no_feature() -> None:
    law = GaussianWeights(0.0, 1.0)
    assert float(gaussian_limit(law, torch.ones(2, 3, 1).double()).abs().max()) == 0


@pytest.mark.parametrize("tie", [True, False])
def test_the_limit_is_that_of_state_evolution(tie: bool) -> None:
    """Lemma C.1 with one matrix, or with one for each step; they differ between steps only."""
    own, rec, x = 0.8, 0.6, (1.0, 0.5, -0.8)
    root = own**0.5

    def used(step: int | None) -> RowMap:
        def image(q: Tensor, p: Tensor) -> Tensor:
            now = torch.tanh(q + p[:, :1])
            return now if step is None else now * p[:, 1 + step : 2 + step]

        return image

    def inputs(sources: Tensor, t: int) -> Tensor:
        clock = torch.eye(3).to(sources)[t].expand(len(sources), 3)
        return torch.cat([root * x[t] * sources, clock], dim=1)

    maps = (used(None),) if tie else tuple(used(m) for m in range(3))
    recursion = Recursion(maps, (rec,) * len(maps), lambda s: 0 * s, inputs)
    found = state_evolution(recursion, 3, gauss_hermite(40)).sum(dim=0)[..., 0, 0]
    windows = torch.tensor(x).double()[None, :, None]
    limit = gaussian_limit(GaussianWeights(own, rec), windows, 80).item()
    assert found[2, 2].item() / rec == pytest.approx(limit, abs=1e-6)
    assert (abs(found[0, 1].item()) > 0.05) == tie


@pytest.mark.parametrize("tie", [True, False])
def test_wide_networks_come_near_the_limit(tie: bool, seed: int) -> None:
    x = normal(stream(seed, "x"), (3, 4, 2))
    law = GaussianWeights(1.5, 1.0)
    limit = gaussian_limit(law, x)
    grams = []
    for i in range(60):
        net = law.draw(300, 4, 2, stream(seed, "draw", i, int(tie)), tie=tie)
        h = last_states(net, x)
        grams.append(h @ h.T / 300)
    found = estimate(torch.stack(grams))
    allowed = 4.5 * np.asarray(found.standard_error) + 4 / 300  # and a bias of order 1/n
    assert (abs(np.asarray(found.mean) - limit.numpy()) < allowed).all()


@untyped
def test_wrong_shapes_are_named() -> None:
    a, b = torch.ones(3, 1), torch.ones(3, 3)
    with pytest.raises(ValueError, match="neurons"):
        tied(a, torch.ones(2, 2), 3)
    with pytest.raises(ValueError, match="window"):
        tied(a, b, 0)
    with pytest.raises(ValueError, match="axes"):
        LayeredNet(a, b)
    with pytest.raises(ValueError, match="factor"):
        tied(a, b, 3, TANH, -1.0)
    with pytest.raises(ValueError, match="lengths of windows"):
        last_states(tied(a, b, 3), torch.ones(1, 4, 1))
    with pytest.raises(ValueError, match="inputs"):
        last_states(tied(a, b, 3), torch.ones(1, 3, 2))
    with pytest.raises(TypeError, match="dtype"):
        last_states(tied(a, b, 3), torch.ones(1, 3, 1).double())
    with pytest.raises(ValueError, match="numbers of windows"):
        feature_gram(torch.ones(2, 3), torch.ones(1))
    with pytest.raises(ValueError, match="sum to 1"):
        feature_gram(torch.ones(2, 3), torch.ones(2))
    with pytest.raises(ValueError, match="recurrent"):
        GaussianWeights(1.0, -1.0)
    with pytest.raises(ValueError, match="width"):
        GaussianWeights(1.0, 1.0).draw(0, 2, 1, stream(0), tie=True)
    with pytest.raises(ValueError, match="n_nodes"):
        gaussian_limit(GaussianWeights(1.0, 1.0), torch.ones(1, 2, 1), 0)
