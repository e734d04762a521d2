"""Windows, their law, finite-memory targets, unexplained variance, worst errors."""

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
import torch

from rnnlimits.data.logistic import Logistic
from rnnlimits.data.memory import (
    WindowLaw,
    lagged_product,
    unexplained_variance,
    windows,
    worst_errors,
)
from rnnlimits.data.subshifts import Sturmian, ThueMorse
from rnnlimits.data.systems import (
    GOLDEN,
    Odometer,
    SkewProduct,
    Translation,
    cosines,
    last_circle,
    orbits,
)
from rnnlimits.random import normal, stream

ALPHA = 2 * math.pi * float(GOLDEN)


def test_windows_are_slices():
    x = normal(stream(0, "windows"), (9, 2))
    found = windows(x, 4)
    assert found.shape == (6, 4, 2)
    for k in range(6):
        assert torch.equal(found[k], x[k : k + 4])
    assert torch.equal(windows(x, 9)[0], x)
    assert torch.equal(windows(x, 1)[:, 0], x)
    assert windows(x.float(), 2).dtype == torch.float32
    assert found.is_contiguous()


def test_lagged_products():
    x = windows(normal(stream(0, "products"), (30, 2)), 4)
    assert torch.equal(lagged_product(x, (0,)), x[:, 3, 0])
    assert torch.equal(lagged_product(x, (3,), channel=1), x[:, 0, 1])
    assert torch.allclose(lagged_product(x, (0, 1, 3)), x[:, 3, 0] * x[:, 2, 0] * x[:, 0, 0])
    assert torch.allclose(lagged_product(x, (1, 1)), x[:, 2, 0] ** 2)


def brute_force(law: WindowLaw, targets: torch.Tensor, memory: int) -> float:
    """Unexplained variance from a dictionary of the last inputs."""
    last = law.windows[:, law.length - memory :].flatten(1).tolist()
    cells: dict[tuple[float, ...], list[int]] = {}
    for i, inputs in enumerate(last):
        cells.setdefault(tuple(inputs), []).append(i)
    total = 0.0
    for members in cells.values():
        w, f = law.weights[members], targets[members]
        total += float(w @ (f - (w @ f) / w.sum()) ** 2)
    return total


@pytest.mark.parametrize("system", [Sturmian(), ThueMorse()], ids=str)
def test_unexplained_variance_of_words_against_brute_force(system: Any, seed: int):
    law = system.law(7)
    targets = normal(stream(seed, "targets"), (len(law.weights),))
    found = [unexplained_variance(law, targets, m) for m in range(8)]
    assert found == pytest.approx([brute_force(law, targets, m) for m in range(8)], abs=1e-13)
    assert all(late <= early + 1e-14 for early, late in pairwise(found))
    assert found[-1] < 1e-30
    mean = law.average(targets)
    assert abs(found[0] - law.average((targets - mean) ** 2)) < 1e-13


def test_projection_is_the_least_squares_fit_on_words(seed: int):
    """A second derivation: weighted least squares on the indicators of the last three letters."""
    law = ThueMorse().law(6)
    targets = normal(stream(seed, "fit"), (len(law.weights),))
    code = (law.windows[:, 3:, 0] @ torch.tensor([4.0, 2.0, 1.0]).double()).long()
    root = law.weights.sqrt()
    design = root[:, None] * torch.nn.functional.one_hot(code, 8).double()
    fitted = design @ (torch.linalg.pinv(design) @ (root * targets))
    exact = float((root * targets - fitted).square().sum())
    assert abs(unexplained_variance(law, targets, 3) - exact) < 1e-12


def test_a_half_seen_rotation_needs_two_inputs():
    law = Translation(observe=cosines).law(5)
    for lag in range(1, 5):
        targets = lagged_product(law.windows, (lag,))
        assert abs(unexplained_variance(law, targets, 1) - math.sin(lag * ALPHA) ** 2 / 2) < 1e-14
        for memory in (2, 3, 4, 5):
            assert unexplained_variance(law, targets, memory) < 1e-25


def test_a_fully_seen_rotation_needs_one_input():
    for system in (Translation(), replace(Odometer(), digits=8)):
        law = system.law(6)
        for lags in ((5,), (0, 3), (1, 2, 4)):
            targets = lagged_product(law.windows, lags)
            assert unexplained_variance(law, targets, 0) > 1e-3
            assert unexplained_variance(law, targets, 1) < 1e-25


def test_the_hidden_circle_of_a_skew_product_shows_in_two_inputs():
    law = SkewProduct(observe=last_circle).law(4)
    targets = lagged_product(law.windows, (2,))
    # Given y alone, an earlier y is uniform: nothing is explained. Given two, all is known.
    assert abs(unexplained_variance(law, targets, 0) - 1 / 2) < 1e-14
    assert abs(unexplained_variance(law, targets, 1) - 1 / 2) < 1e-14
    assert unexplained_variance(law, targets, 2) < 1e-25


def test_the_logistic_map_forgets():
    """Each input has two equally likely predecessors, (1 ± sqrt(1 - x)) / 2."""
    law = Logistic(512).law(3)
    previous = lagged_product(law.windows, (1,))
    assert abs(unexplained_variance(law, previous, 1) - 1 / 8) < 1e-14
    assert unexplained_variance(law, previous, 2) < 1e-25
    # Two steps back: x = sin^2, four preimages of equal weight with mean 1/2.
    assert abs(unexplained_variance(law, lagged_product(law.windows, (2,)), 1) - 1 / 8) < 1e-14


def test_atoms_without_weight_do_no_harm():
    law = WindowLaw(
        torch.tensor([[[0.0]], [[1.0]], [[2.0]]]).double(), torch.tensor([0.5, 0.5, 0.0]).double()
    )
    assert unexplained_variance(law, torch.tensor([1.0, 3.0, 9.0]).double(), 1) == 0
    assert unexplained_variance(law, torch.tensor([1.0, 3.0, 9.0]).double(), 0) == 1


def test_one_atom_has_no_variance():
    law = Logistic().cycle_law(Fraction(1, 3), 2)
    one = WindowLaw(law.windows[:1], torch.ones(1).double())
    assert one.length == 2
    assert unexplained_variance(one, torch.tensor([3.0]).double(), 0) == 0


def test_worst_errors_by_hand():
    values = torch.tensor([[1.0, -1.0, 1.0, -1.0, 1.0], [0.0, 0.0, 3.0, 0.0, 0.0]]).double()
    sizes, found = worst_errors(values, 0.0)
    assert sizes.tolist() == [1, 2]
    assert found.tolist() == [1.0, 1.0]
    sizes, found = worst_errors(values[:1], 1.0)
    assert found.tolist() == [0.0, 1.0]
    assert worst_errors(torch.ones(2, 8).double(), 1.0)[1].tolist() == [0, 0, 0]
    assert worst_errors(torch.ones(1, 1).double(), 0.0)[1].tolist() == [1]


def test_worst_errors_on_a_rotation_have_their_closed_form():
    """Worst over all starts, the error of a cosine is |sin(pi n a) / (n sin(pi a))|."""
    starts = torch.arange(4096).double()[:, None] / 4096
    values = orbits(Translation(observe=cosines), starts, 127)[..., 0]
    sizes, found = worst_errors(values, 0.0)
    n = torch.arange(1, 128).double()
    exact = ((n * ALPHA / 2).sin() / (n * math.sin(ALPHA / 2))).abs()
    for k, size in enumerate(sizes.tolist()):
        expected = float(exact[size - 1 : 2 * size - 1].max())
        assert expected * (1 - 1e-6) < float(found[k]) <= expected + 1e-12


LAW = WindowLaw(torch.zeros(2, 3, 1).double(), torch.tensor([0.5, 0.5]).double())
TWO = torch.zeros(2).double()


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: WindowLaw(torch.zeros(2, 3), TWO), ValueError, "windows must have the axes"),
        (lambda: WindowLaw(LAW.windows, TWO), ValueError, "weights must sum to 1, got 0"),
        (lambda: WindowLaw(LAW.windows, TWO[:1] + 1), ValueError, "numbers of atoms must agree"),
        (
            lambda: WindowLaw(LAW.windows, torch.tensor([1.5, -0.5]).double()),
            ValueError,
            "weights must be at least 0",
        ),
        (lambda: WindowLaw(LAW.windows, LAW.weights.float()), TypeError, "share one dtype"),
        (lambda: LAW.average(torch.zeros(3).double()), ValueError, "lengths must agree"),
        (lambda: LAW.average(TWO.float()), TypeError, "share one dtype"),
        (lambda: windows(torch.zeros(3), 1), ValueError, r"axes \(time, channels\)"),
        (
            lambda: windows(torch.zeros(3, 1), 4),
            ValueError,
            "length of the sequence, 3",
        ),
        (lambda: windows(torch.zeros(3, 1), 0), ValueError, "length must be at least 1"),
        (lambda: lagged_product(LAW.windows, ()), ValueError, "at least one lag"),
        (lambda: lagged_product(LAW.windows, (3,)), ValueError, "below the length of a window, 3"),
        (lambda: lagged_product(LAW.windows, (-1,)), ValueError, "lags must be at least 0"),
        (lambda: lagged_product(LAW.windows, (0,), 1), ValueError, "number of channels, 1, got 1"),
        (lambda: unexplained_variance(LAW, TWO, 4), ValueError, "length of a window, 3, got 4"),
        (lambda: unexplained_variance(LAW, TWO, -1), ValueError, "memory must be at least 0"),
        (lambda: unexplained_variance(LAW, TWO[:1], 1), ValueError, "lengths must agree"),
        (lambda: unexplained_variance(LAW, TWO, 1, 0.0), ValueError, "tolerance must be above 0"),
        (lambda: worst_errors(TWO, 0.0), ValueError, r"axes \(starts, time\)"),
        (lambda: worst_errors(TWO[None], math.nan), ValueError, "exact must be finite"),
    ],
)
def test_bad_input(call: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        call()
