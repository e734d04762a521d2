r"""The contrast: the logistic map, which has many invariant measures.

.. math::

    x_{k+1} = 4 x_k (1 - x_k), \qquad x_k = \sin^2(\pi \theta_k), \qquad
    \theta_{k+1} = 2 \theta_k \bmod 1 .

In floating point the doubling of :math:`\theta` ends at zero after some fifty steps, and the
logistic map itself leaves the orbit that it began. Here :math:`\theta_0` is a fraction, and the
orbit is computed in whole numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rnnlimits._checks import integer_at_least
from rnnlimits.data.memory import WindowLaw
from rnnlimits.data.systems import (
    equal_weights,
    first_times,
    whole_numbers,
)


@dataclass(frozen=True)
class Logistic:
    r"""The map :math:`x \mapsto 4x(1-x)` of [0, 1] onto itself.

    A start is the fraction :math:`\theta_0` in [0, 1). The law is that of the arcsine measure, by
    Gauss-Chebyshev quadrature: exact for polynomials in the first input of the window of degree
    below 2 · ``nodes``; the later inputs are such polynomials, :math:`x_j` of degree
    :math:`2^j`.

    Raises:
        TypeError: ``nodes`` is no integer.
        ValueError: ``nodes`` is below 1.

    Example:
        >>> Logistic().observations([Fraction(1, 3)], torch.arange(3)).flatten()
        tensor([0.7500, 0.7500, 0.7500], dtype=torch.float64)
    """

    nodes: int = 1024

    def __post_init__(self) -> None:
        integer_at_least("nodes", self.nodes, 1)

    def step(
        self, states: Float[Tensor, "*points"]
    ) -> Float[Tensor, "*points"]:
        """Return the next inputs."""
        return 4 * states * (1 - states)

    def observations(
        self, starts: Sequence[Fraction], times: Int[Tensor, " times"]
    ) -> Float[Tensor, "starts times channels"]:
        """Return the inputs at the given times along the orbit of each start.

        Raises:
            TypeError: a start is no fraction, or times are no 64-bit integers.
            ValueError: there is no start, one lies outside [0, 1), or a time is negative.
        """
        whole_numbers("times", times)
        if bool((times < 0).any()):
            raise ValueError(
                "times must be at least 0: the map is not invertible"
            )
        angles = [
            _doubled(start, times.tolist())
            for start in _checked(starts)
        ]
        x = (
            torch.sin(
                torch.pi * torch.tensor(angles, dtype=torch.float64)
            )
            ** 2
        )
        return x[..., None]

    def law(self, length: int) -> WindowLaw:
        """Return the law of windows under the arcsine measure."""
        points = [
            Fraction(2 * j + 1, 4 * self.nodes)
            for j in range(self.nodes)
        ]
        return equal_weights(
            self.observations(points, first_times(length))
        )

    def cycle_law(self, start: Fraction, length: int) -> WindowLaw:
        r"""Return the law of windows under the measure carried by a periodic orbit.

        Raises:
            TypeError: the start is no fraction, or ``length`` no integer.
            ValueError: the start lies outside [0, 1), its denominator is even, so that it is not
                periodic, or ``length`` is below 1.

        Example:
            >>> Logistic().cycle_law(Fraction(1, 5), 1).average(torch.ones(4).double())
            1.0
        """
        (start,) = _checked([start])
        if start.denominator % 2 == 0:
            raise ValueError(
                f"start must have an odd denominator, got {start}"
            )
        points = [start]
        while (following := 2 * points[-1] % 1) != start:
            points.append(following)
        return equal_weights(
            self.observations(points, first_times(length))
        )


def random_start(
    generator: np.random.Generator, steps: int
) -> Fraction:
    r"""Draw :math:`\theta_0` uniformly, with binary digits enough for so many steps.

    Raises:
        TypeError: ``steps`` is no integer.
        ValueError: ``steps`` is below 1.

    Example:
        >>> from rnnlimits.random import stream
        >>> random_start(stream(0), 100).denominator > 2**100
        True
    """
    n_bytes = integer_at_least("steps", steps, 1) // 8 + 9
    drawn = int.from_bytes(generator.bytes(n_bytes), "big")
    return Fraction(2 * drawn + 1, 2 ** (8 * n_bytes + 1))


def _checked(starts: Sequence[object]) -> list[Fraction]:
    """Return the starts, or raise."""
    if not len(starts):
        raise ValueError("starts must hold at least one, got none")
    found = []
    for start in starts:
        if not isinstance(start, Fraction):
            raise TypeError(
                f"starts must be Fractions, got {type(start).__name__}"
            )
        if not 0 <= start < 1:
            raise ValueError(f"starts must lie in [0, 1), got {start}")
        found.append(start)
    return found


def _doubled(start: Fraction, times: list[int]) -> list[float]:
    """Return 2^k start mod 1 at the given times, each rounded once."""
    p, q = start.numerator, start.denominator
    path = []
    for _ in range(max(times, default=-1) + 1):
        path.append(p / q)
        p = 2 * p % q
    return [path[k] for k in times]
