"""One small test for each row of the chapter on predictors; each is also run broken."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from rnnlimits.data.logistic import Logistic
from rnnlimits.data.memory import lagged_product, unexplained_variance, windows, worst_errors
from rnnlimits.data.subshifts import Sturmian, ThueMorse
from rnnlimits.data.systems import (
    GOLDEN,
    ROOT_THREE,
    ROOT_TWO,
    Odometer,
    SkewProduct,
    Translation,
    cosines,
    last_circle,
    orbits,
)
from rnnlimits.random import stream


def test_mf_1_named_systems_have_one_invariant_measure_and_the_logistic_map_has_many():
    draw = stream(0, "mf 1")
    u = torch.from_numpy(draw.random((4, 2)))
    whole = torch.from_numpy(draw.integers(2**60, size=4))
    systems: list[tuple[Any, Any, float]] = [
        (Translation(), u[:, :1], 20.0),
        (Translation((ROOT_TWO, ROOT_THREE)), u, 20.0),
        (Sturmian(), u[:, :1], 20.0),
        (ThueMorse(), whole, 60.0),
        (Odometer(), whole, 20.0),
        (SkewProduct(), u, 3 * 4000**0.5),
    ]
    for system, starts, room in systems:
        law = system.law(3)
        assert float(law.windows.abs().max()) <= 1  # so all moments are finite
        seen = orbits(system, starts, 4002)
        for j, k in ((0, 0), (0, 1), (0, 2)):
            exact = float(law.weights @ (law.windows[:, 2 - j] * law.windows[:, 2 - k]).sum(dim=1))
            late, early = seen[:, 2 - j : 4002 - j], seen[:, 2 - k : 4002 - k]
            found = (late * early).sum(dim=2).mean(dim=1)
            assert float((found - exact).abs().max()) < room / 4000
        moments = float(law.weights @ (law.windows[:, 2] ** 4).sum(dim=1))
        assert abs(float((seen**4).sum(dim=2).mean()) - moments) < room / 4000
    cycles = [Fraction(0), Fraction(1, 3), Fraction(1, 5)]
    laws = [Logistic().law(3), *(Logistic().cycle_law(each, 3) for each in cycles)]
    for law, mean in zip(laws, (1 / 2, 0, 3 / 4, 5 / 8), strict=True):
        for k in (0, 1, 2):
            assert abs(law.average(law.windows[:, k, 0]) - mean) < 1e-14
        stepped = Logistic().step(law.windows[:, :-1])
        assert torch.allclose(stepped, law.windows[:, 1:], rtol=0, atol=1e-13)


def test_mf_2_averages_converge_from_every_start_at_rates_that_differ():
    n = 1023
    u = torch.from_numpy(stream(0, "mf 2").random((64, 2)))
    # The circle: the worst start has the error |sin(pi n a) / (n sin(pi a))|, at most 1/n * bound.
    cosine = orbits(Translation(observe=cosines), u[:, :1], n)[..., 0]
    sizes, found = worst_errors(cosine, 0.0)
    alpha = float(GOLDEN)
    k = torch.arange(1, n + 1).double()
    envelope = ((math.pi * k * alpha).sin() / (k * math.sin(math.pi * alpha))).abs()
    for size, error in zip(sizes.tolist(), found.tolist(), strict=True):
        exact = float(envelope[size - 1 : 2 * size - 1].max())
        assert 0.97 * exact < error <= exact + 1e-12
    # Words: bounded sums on the Sturmian subshift, at most logarithmic ones on Thue-Morse.
    letters = orbits(Sturmian(), u[:, :1], n)[..., 0]
    sizes, found = worst_errors(letters, alpha)
    assert float((found * sizes).max()) <= 2
    starts = torch.from_numpy(stream(0, "mf 2").integers(2**60, size=64))
    letters = orbits(ThueMorse(), starts, n + 1)[..., 0]
    pairs = letters[:, 1:] * letters[:, :-1]
    sizes, found = worst_errors(pairs, 1 / 6)
    assert bool((found * sizes <= 2 * (1 + sizes.log2())).all())
    # The skew product: over all starts, the mean square of a sum of n characters is n, as for
    # independent draws; the nodes integrate it exactly.
    nodes = torch.arange(256).double() / 256
    starts = torch.stack([nodes, torch.zeros(256).double()], dim=1)
    seen = orbits(SkewProduct(observe=last_circle), starts, 200)
    square = seen.cumsum(dim=1).square().sum(dim=2).mean(dim=0)
    assert torch.allclose(square, torch.arange(1, 201).double(), rtol=1e-11)
    # The radius squared: one invariant measure, and every start off the circle leaves.
    for radius, limit in ((0.999, 0.0), (1.0, 0.5), (1.001, 1.0)):
        sizes, found = worst_errors(_seen_radius(radius, 2000), limit)
        assert float(found[-1]) < 0.02


def _seen_radius(radius: float, n: int) -> torch.Tensor:
    """Return r^2 / (1 + r^2) along an orbit of the map that squares the radius r."""
    exponent = torch.clamp(
        2.0 ** torch.arange(n).double().clamp(max=60) * math.log(radius), -300, 300
    )
    return torch.sigmoid(2 * exponent)[None]


def test_mf_3_an_injective_observation_needs_no_memory_and_others_do():
    alpha = 2 * math.pi * float(GOLDEN)
    half = Translation(observe=cosines).law(5)
    for lag in (1, 2, 4):
        targets = lagged_product(half.windows, (lag,))
        one = unexplained_variance(half, targets, 1)
        assert abs(one - math.sin(lag * alpha) ** 2 / 2) < 1e-13
        assert unexplained_variance(half, targets, 2) < 1e-20
    whole = Translation().law(5)
    targets = lagged_product(whole.windows, (4, 2))
    assert unexplained_variance(whole, targets, 0) > 0.1
    assert unexplained_variance(whole, targets, 1) < 1e-20
    hidden = SkewProduct(observe=last_circle).law(3)
    targets = lagged_product(hidden.windows, (2,))
    found = [unexplained_variance(hidden, targets, m) for m in (1, 2, 3)]
    assert np.allclose(found, [1 / 2, 0, 0], rtol=0, atol=1e-13)
    # Thue-Morse: the letter before, given one letter, is the other one in two cases of three.
    words = ThueMorse().law(3)
    found = [unexplained_variance(words, lagged_product(words.windows, (1,)), m) for m in (0, 1, 2)]
    assert np.allclose(found, [1 / 4, 2 / 9, 0], rtol=0, atol=1e-14)
    # Sturmian, golden: 0 comes before and after a 1, so only 1 leaves doubt.
    words = Sturmian().law(3)
    a = float(GOLDEN)
    found = [unexplained_variance(words, lagged_product(words.windows, (1,)), m) for m in (0, 1, 2)]
    assert np.allclose(found, [a * (1 - a), (1 - a) * (2 * a - 1) / a, 0], rtol=0, atol=1e-14)
    sequence = orbits(ThueMorse(), torch.tensor([0]), 6)[0]
    assert windows(sequence, 3)[2, :, 0].tolist() == [1, 0, 1]
