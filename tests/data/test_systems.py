"""Ergodic systems: orbits against stepping, laws against closed forms, orbits and each other."""

import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnlimits.data.logistic import Logistic, random_start
from rnnlimits.data.memory import windows
from rnnlimits.data.subshifts import Sturmian, ThueMorse
from rnnlimits.data.systems import (
    GOLDEN,
    ROOT_THREE,
    ROOT_TWO,
    TURN,
    Odometer,
    SkewProduct,
    System,
    Translation,
    cantor,
    cosines,
    grid,
    last_circle,
    on_circles,
    orbits,
)
from rnnlimits.estimate import estimate
from rnnlimits.random import stream

POINTS = torch.tensor([[0.0, 0.0], [0.125, 0.75], [0.3, 0.7]], dtype=torch.float64)
WHOLE = torch.tensor([0, 5, 2**40 + 12345])
SYSTEMS: list[tuple[Any, torch.Tensor]] = [
    (Translation(), POINTS[:, :1]),
    (Translation(observe=cosines), POINTS[:, :1]),
    (Translation((ROOT_TWO, ROOT_THREE)), POINTS),
    (SkewProduct(), POINTS),
    (SkewProduct(observe=last_circle), POINTS),
    (Sturmian(), POINTS[:, :1]),
    (ThueMorse(), WHOLE),
    (Odometer(), WHOLE),
]
each_system = pytest.mark.parametrize(
    ("system", "starts"), SYSTEMS, ids=lambda each: str(each)[:24]
)


def test_the_angles_are_the_roots_to_64_bits():
    for angle, square, shift in ((GOLDEN, 5, 1), (ROOT_TWO, 2, 1), (ROOT_THREE, 3, 1)):
        root = (2 * angle if angle == GOLDEN else angle) + shift
        assert root**2 < square < (root + Fraction(2, TURN)) ** 2


@each_system
def test_an_orbit_is_the_map_stepped(system: Any, starts: torch.Tensor):
    states, times = starts, torch.arange(1)
    found = orbits(system, starts, 12)
    assert isinstance(system, System)
    for k in range(12):
        here = system.observations(states, times)[:, 0]
        assert torch.allclose(here, found[:, k], rtol=0, atol=1e-13)
        states = system.step(states)


@each_system
def test_a_shifted_orbit_is_the_orbit_of_a_later_start(system: Any, starts: torch.Tensor):
    later = system.step(system.step(starts))
    assert torch.allclose(
        system.observations(later, torch.arange(5)),
        system.observations(starts, torch.arange(2, 7)),
        rtol=0,
        atol=1e-12,
    )


@each_system
def test_laws_are_invariant_under_the_shift(system: Any, starts: torch.Tensor):
    """The first three inputs of a window of four have the law of the last three."""
    if hasattr(system, "nodes"):
        system = replace(system, nodes=24)
    law = system.law(4)
    mix = torch.linspace(0.3, 1.1, 3 * law.windows.shape[2]).double()
    early, late = (law.windows[:, part].flatten(1) @ mix for part in (slice(3), slice(1, 4)))
    whole = system.law(3)
    same = whole.windows.flatten(1) @ mix
    for power in (1, 2, 3, 4):
        expected = whole.average(same**power)
        assert abs(law.average(early**power) - expected) < 1e-9
        assert abs(law.average(late**power) - expected) < 1e-9


@each_system
def test_long_orbits_have_the_averages_of_the_law(system: Any, starts: torch.Tensor):
    law = system.law(2)
    exact = law.average(law.windows.prod(dim=1).sum(dim=1))
    found = orbits(system, starts, 20001)
    products = (found[:, 1:] * found[:, :-1]).sum(dim=2).mean(dim=1)
    # Sums over orbits grow at most like the root of the time, times its logarithm.
    assert float((products - exact).abs().max()) < 3 / 20000**0.5
    if not isinstance(system, SkewProduct):
        assert float((products - exact).abs().max()) < 30 / 20000


def test_moments_of_the_laws_have_closed_forms():
    circle = Translation().law(1)
    cosine = circle.windows[:, 0, 0]
    for power in range(1, 21):
        exact = 0.0 if power % 2 else math.comb(power, power // 2) / 2**power
        assert abs(circle.average(cosine**power) - exact) < 1e-14
    torus = Translation((ROOT_TWO, ROOT_THREE), cosines).law(3).windows
    assert (
        abs(float((torus[:, 2, 0] * torus[:, 0, 0]).mean()) - math.cos(4 * math.pi * 2**0.5) / 2)
        < 1e-14
    )
    assert abs(float((torus[:, 2, 0] * torus[:, 1, 1]).mean())) < 1e-14
    dust = Odometer(16).law(1)
    x = dust.windows[:, 0, 0]
    assert abs(dust.average(x) - 1 / 2) < 1e-14
    assert abs(dust.average((x - 0.5) ** 2) - 1 / 8) < 1e-14
    arcsine = Logistic(16).law(3)
    for power in range(1, 31):
        exact = math.comb(2 * power, power) / 4**power
        assert abs(arcsine.average(arcsine.windows[:, 0, 0] ** power) - exact) < 1e-14
    for later in (1, 2):
        assert abs(arcsine.average(arcsine.windows[:, later, 0] ** 2) - 3 / 8) < 1e-14
    # The correlation of the arcsine law with its image vanishes, the third moment does not.
    assert abs(arcsine.average(arcsine.windows[:, 0, 0] * arcsine.windows[:, 1, 0]) - 1 / 4) < 1e-14


def test_the_trapezoid_rule_converges_spectrally():
    def average(nodes: int) -> float:
        law = Translation(nodes=nodes).law(2)
        return law.average((law.windows[:, 0, 0] + law.windows[:, 1, 1]).exp())

    # The exponent is one cosine of amplitude a, with a^2 = |1 + exp(2 pi i (alpha - 1/4))|^2.
    amplitude = abs(1 + np.exp(2j * np.pi * (float(GOLDEN) - 0.25)))
    exact = float(torch.special.i0(torch.tensor(amplitude).double()))
    errors = [abs(average(nodes) - exact) for nodes in (2, 4, 6, 8, 24)]
    assert all(late < early / 20 for early, late in pairwise(errors[:4]))
    assert errors[-1] < 1e-14


def test_quarter_turns_and_single_nodes_are_exact():
    start = torch.zeros(1, 1, dtype=torch.float64)
    quarter = Translation((Fraction(1, 4),), nodes=1)
    found = orbits(quarter, start, 4)[0]
    exact = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]]).double()
    assert torch.allclose(found, exact, rtol=0, atol=1e-15)
    assert torch.allclose(quarter.law(5).windows[0, :4], exact, rtol=0, atol=1e-15)
    assert torch.equal(grid(1, 2), torch.zeros(1, 2, dtype=torch.float64))


@given(st.integers(0, 2**53 - 1), st.integers(-(10**6), 10**6))
def test_positions_are_exact_at_any_time(place: int, time: int):
    start = Fraction(place, 2**53)
    starts = torch.tensor([[float(start), 0.0]], dtype=torch.float64)
    alpha = Fraction(round(GOLDEN * TURN), TURN)
    x, y = start + time * alpha, time * start + Fraction(time * (time - 1), 2) * alpha
    exact = on_circles(torch.tensor([[[float(x % 1), float(y % 1)]]], dtype=torch.float64))
    found = SkewProduct().observations(starts, torch.tensor([time]))
    assert torch.allclose(found, exact, rtol=0, atol=1e-14)
    turned = Translation().observations(starts[:, :1], torch.tensor([time]))
    assert torch.allclose(turned, exact[..., [0, 2]], rtol=0, atol=1e-14)


def test_the_skew_product_stepped_in_fractions_is_its_closed_form():
    x, y, alpha = Fraction(1, 8), Fraction(3, 4), Fraction(round(GOLDEN * TURN), TURN)
    starts = torch.tensor([[0.125, 0.75]], dtype=torch.float64)
    found = orbits(SkewProduct(observe=lambda p: p), starts, 200)[0]
    for k in range(200):
        assert abs(float(x) - float(found[k, 0])) < 2e-16
        assert abs(float(y) - float(found[k, 1])) < 2e-16
        x, y = (x + alpha) % 1, (y + x) % 1


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 13, 40])
def test_sturmian_frequencies(length: int):
    found = Sturmian().words(length)
    assert len(found) == length + 1
    lengths = {p + q * GOLDEN for p, q in found.values()}
    assert len(lengths) <= 3  # the theorem of the three distances
    assert all(each > 0 for each in lengths)
    assert sum(p for p, _ in found.values()) == 1
    assert sum(q for _, q in found.values()) == 0
    ones = {sum(word) for word in found}
    assert max(ones) - min(ones) <= 1  # balanced
    letters = orbits(Sturmian(), torch.tensor([[0.3]]).double(), 50000 + length - 1)[0]
    seen = Counter(map(tuple, windows(letters, length)[:, :, 0].int().tolist()))
    assert not set(seen) ^ set(found)
    for word, (p, q) in found.items():
        assert abs(seen[word] / 50000 - float(p + q * GOLDEN)) < 2 * length / 50000


def test_sturmian_letters_are_those_of_the_fibonacci_substitution():
    """From the start alpha the letters are the fixed point of 1 -> 10, 0 -> 1, from 1."""
    word = [1]
    while len(word) < 2000:
        word = [x for a in word for x in ((1, 0) if a else (1,))]
    start = torch.tensor([[float(GOLDEN)]], dtype=torch.float64)
    letters = orbits(Sturmian(), start, 1000).flatten().int().tolist()
    assert all(a == b for a, b in zip(letters, word, strict=False))


@pytest.mark.parametrize("angle", [0.5, 0.25, Fraction(1, 3)])
def test_sturmian_takes_other_angles(angle: float):
    letters = orbits(Sturmian(angle), POINTS[2:, :1], 12).flatten()
    assert float(letters.mean()) == float(Fraction(angle).limit_denominator(10))


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 8, 9, 16])
def test_thue_morse_frequencies(length: int):
    found = ThueMorse().words(length)
    assert sum(found.values()) == 1
    for word, frequency in found.items():
        assert found[tuple(1 - a for a in word)] == frequency
        assert found[word[::-1]] == frequency
    letters = orbits(ThueMorse(), torch.tensor([0]), 2**15 + length - 1)[0]
    seen = Counter(map(tuple, windows(letters, length)[:, :, 0].int().tolist()))
    assert not set(seen) ^ set(found)
    for word, frequency in found.items():
        assert abs(seen[word] / 2**15 - float(frequency)) < 2 * length * 15 / 2**15


@pytest.mark.parametrize("length", [2, 3, 5])
def test_thue_morse_frequencies_are_the_eigenvector_of_the_substitution_on_words(length: int):
    found = ThueMorse().words(length)
    place = {word: i for i, word in enumerate(found)}
    matrix = np.zeros((len(found), len(found)))
    for word in found:
        image = [x for a in word for x in (a, 1 - a)]
        for offset in (0, 1):
            matrix[place[tuple(image[offset : offset + length])], place[word]] += 1
    values, vectors = np.linalg.eig(matrix)
    assert abs(np.real(values).max() - 2) < 1e-12
    leading = np.real(vectors[:, np.real(values).argmax()])
    exact = np.array([float(each) for each in found.values()])
    np.testing.assert_allclose(leading / leading.sum(), exact, atol=1e-12)


def test_thue_morse_counts_words_of_the_known_number():
    # One letter, then p(L) = 6 * 2^(n-1) + 4 p or 8 * 2^(n-1) + 2 p at L = 2^n + p + 1.
    for length in range(3, 33):
        n = int(math.log2(length - 1))
        p = length - 1 - 2**n
        exact = 6 * 2 ** (n - 1) + 4 * p if p <= 2 ** (n - 1) else 8 * 2 ** (n - 1) + 2 * p
        assert len(ThueMorse().words(length)) == exact


def test_the_odometer_is_periodic_in_its_last_digits():
    found = orbits(Odometer(), torch.tensor([3]), 64)[0, :, 0]
    # Inputs that are close share their last digits: to 3^-4, numbers that agree mod 16.
    assert float((found[16:] - found[:-16]).abs().max()) < 3.0**-4
    assert len(set(cantor(torch.arange(256), 8).tolist())) == 256
    two = Odometer(1).law(3).windows[..., 0]
    assert torch.allclose(two, torch.tensor([[1, 5, 1], [5, 1, 5]]).double() / 6)


def test_the_odometer_goes_through_minus_one():
    found = Odometer().observations(torch.tensor([-1]), torch.arange(2))[0, :, 0]
    assert abs(float(found[0]) - 1) < 1e-15
    assert float(found[1]) == 0


def test_logistic_orbits_in_fractions():
    system = Logistic()
    found = orbits(system, [Fraction(1, 3), Fraction(1, 5), Fraction(0), Fraction(1, 2)], 6)
    five = (5 - 5**0.5) / 8
    exact = [[0.75] * 6, [five, 1.25 - five] * 3, [0.0] * 6, [1.0] + [0.0] * 5]
    expected = torch.tensor(exact, dtype=torch.float64)
    assert torch.allclose(found[..., 0], expected, rtol=0, atol=1e-15)
    start = [random_start(stream(3, "logistic"), 60)]
    x = orbits(system, start, 60)[0, :, 0]
    assert torch.allclose(system.step(x[:-1]), x[1:], rtol=0, atol=1e-14)
    later = system.observations(start, torch.tensor([59, 0, 7]))[0, :, 0]
    assert torch.equal(later, x[[59, 0, 7]])


def test_cycles_carry_laws_of_their_own():
    two = Logistic().cycle_law(Fraction(1, 5), 2)
    assert len(two.windows) == 4
    assert abs(two.average(two.windows[:, 0, 0]) - 5 / 8) < 1e-15
    assert abs(two.average(two.windows[:, 0, 0] * two.windows[:, 1, 0]) - 20 / 64) < 1e-15
    rest = Logistic().cycle_law(Fraction(0), 3)
    assert rest.windows.tolist() == [[[0.0]] * 3]


def test_random_starts_have_the_arcsine_law(seed: int):
    starts = [random_start(stream(seed, "arcsine", k), 8) for k in range(400)]
    last = orbits(Logistic(), starts, 8)[:, -1, 0]
    for power, exact in ((1, 1 / 2), (2, 3 / 8), (3, 5 / 16)):
        assert abs(estimate((last**power).numpy()).z_score(exact)) < 4.5


def test_doubling_in_floating_point_ends_at_zero():
    theta = stream(0, "doubling").random(100)
    for _ in range(53):
        theta = 2 * theta % 1
    assert not theta.any()


HALF: Any = 0.5
LETTER: Any = "a"


@pytest.mark.parametrize("length", range(1, 9))
@pytest.mark.parametrize("system", [Sturmian(), ThueMorse()], ids=str)
def test_laws_of_words_hold_the_words(system: Any, length: int):
    law = system.law(length)
    words = system.words(length)
    assert law.windows.shape == (len(words), length, 1)
    assert set(map(tuple, law.windows[..., 0].int().tolist())) == set(words)


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Translation(()), ValueError, "angles must hold at least one"),
        (lambda: Translation((1.5,)), ValueError, "angles must lie between 0 and 1, got 1.5"),
        (lambda: Translation((1,)), TypeError, "angles must be a Fraction or a float, got int"),
        (lambda: Translation((True,)), TypeError, "got bool"),
        (lambda: Translation(nodes=0), ValueError, "nodes must be at least 1"),
        (lambda: SkewProduct(0.0), ValueError, "angle must lie between"),
        (lambda: SkewProduct(nodes=HALF), TypeError, "nodes must be an integer"),
        (lambda: Sturmian(LETTER), TypeError, "angle must be"),
        (lambda: Odometer(21), ValueError, "digits must be at most 20, got 21"),
        (lambda: Odometer(0), ValueError, "digits must be at least 1"),
        (lambda: Logistic(0), ValueError, "nodes must be at least 1"),
        (lambda: orbits(Translation(), POINTS, 3), ValueError, "starts must have 1 coordinates"),
        (lambda: orbits(Translation(), POINTS[:, :1] + 1, 3), ValueError, r"lie in \[0, 1\)"),
        (lambda: orbits(Translation(), [[0.0]], 3), TypeError, "starts must be a torch tensor"),
        (lambda: orbits(Translation(), POINTS[:, :1], 0), ValueError, "n_times must be at least 1"),
        (lambda: Translation().law(0), ValueError, "length must be at least 1"),
        (
            lambda: Translation().observations(POINTS[:, :1], torch.arange(2.0)),
            TypeError,
            "times must be a tensor of 64-bit integers",
        ),
        (lambda: orbits(Odometer(), WHOLE.float(), 2), TypeError, "starts must be a tensor of"),
        (lambda: orbits(Odometer(), WHOLE[None], 2), ValueError, "starts must be a vector"),
        (lambda: orbits(ThueMorse(), -WHOLE, 2), ValueError, r"starts must lie in 0..2\^62"),
        (
            lambda: ThueMorse().observations(WHOLE, torch.tensor([-1])),
            ValueError,
            "must not be negative",
        ),
        (lambda: ThueMorse().words(0), ValueError, "length must be at least 1"),
        (lambda: Sturmian().words(0), ValueError, "length must be at least 1"),
        (lambda: orbits(Logistic(), [], 2), ValueError, "starts must hold at least one"),
        (lambda: orbits(Logistic(), [0.3], 2), TypeError, "starts must be Fractions, got float"),
        (lambda: orbits(Logistic(), [Fraction(3, 2)], 2), ValueError, r"must lie in \[0, 1\)"),
        (
            lambda: Logistic().observations([Fraction(1, 3)], torch.tensor([-1])),
            ValueError,
            "times must be at least 0",
        ),
        (lambda: Logistic().cycle_law(Fraction(1, 4), 2), ValueError, "odd denominator, got 1/4"),
        (lambda: random_start(stream(0), 0), ValueError, "steps must be at least 1"),
    ],
)
def test_bad_input(call: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        call()
