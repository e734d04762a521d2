r"""Sequences of two letters, 0 and 1, with the exact frequencies of their words.

*Sturmian* sequences code a rotation, *Thue-Morse* sequences come from the substitution
:math:`0 \mapsto 01,\; 1 \mapsto 10`. In both, every word occurs along every sequence with one and
the same frequency, and that is the invariant measure of the word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rnnlimits._checks import integer_at_least
from rnnlimits.data.memory import WindowLaw
from rnnlimits.data.systems import (
    GOLDEN,
    TURN,
    Turns,
    on_grid,
    turns,
    whole_numbers,
)

Word = tuple[int, ...]


@dataclass(frozen=True)
class Sturmian:
    r"""Letters of a rotation: 1 while :math:`\theta \in [1 - \alpha, 1)`, 0 elsewhere.

    A start is a position in [0, 1), given as one coordinate; ``step`` is the shift of the letters,
    on positions the rotation by ``angle``.

    Raises:
        TypeError: the angle is no number.
        ValueError: the angle does not lie in (0, 1).

    Example:
        >>> start = torch.zeros(1, 1, dtype=torch.float64)
        >>> Sturmian().observations(start, torch.arange(8)).flatten().int().tolist()
        [0, 1, 0, 1, 1, 0, 1, 0]
    """

    angle: Fraction | float = GOLDEN

    def __post_init__(self) -> None:
        turns("angle", self.angle)

    def step(
        self, points: Float[Tensor, "*points circles"]
    ) -> Float[Tensor, "*points circles"]:
        """Return the next states."""
        return (points + float(self.angle)) % 1

    def observations(
        self,
        starts: Float[Tensor, "starts circles"],
        times: Int[Tensor, " times"],
    ) -> Float[Tensor, "starts times channels"]:
        """Return the letters at the given times along the sequence of each start."""
        whole_numbers("times", times)
        letters = self._letters(on_grid(starts, 1), times.numpy())
        return torch.from_numpy(letters.astype(float))[..., None]

    def words(self, length: int) -> Mapping[Word, tuple[int, int]]:
        r"""Return integers (p, q) for each word: its frequency is :math:`p + q \alpha`.

        A word of L letters is seen from an interval between neighbours among the L + 1 points
        :math:`-k\alpha`, k = 0..L; its frequency is the length of that interval.

        Example:
            >>> Sturmian().words(2)
            {(0, 1): (1, -1), (1, 0): (1, -1), (1, 1): (-1, 2)}
        """
        k = np.arange(integer_at_least("length", length, 1) + 1)
        alpha = turns("angle", self.angle)
        cuts = (-k).astype(np.uint64) * alpha
        order = np.argsort(cuts)
        words = self._letters(cuts[order, None], k[:-1]).tolist()
        q = (k[order] - np.roll(k[order], -1)).tolist()
        p = [-(each * int(alpha) // TURN) for each in q]
        return dict(
            zip(map(tuple, words), zip(p, q, strict=True), strict=True)
        )

    def law(self, length: int) -> WindowLaw:
        """Return the exact law of words."""
        alpha = Fraction(int(turns("angle", self.angle)), TURN)
        found = self.words(length).items()
        return _word_law(
            {word: p + q * alpha for word, (p, q) in found}
        )

    def _letters(
        self, positions: Turns, times: np.ndarray
    ) -> np.ndarray:
        alpha = turns("angle", self.angle)
        theta = positions + times.astype(np.uint64) * alpha
        return (theta + alpha < theta).astype(np.int64)


@dataclass(frozen=True)
class ThueMorse:
    r"""Letters :math:`x_k = t_{m+k}`, with :math:`t_j` the parity of the ones in binary j.

    A start is an integer m from 0 to :math:`2^{62}`. Every word of every sequence of the system
    is met from one of these starts.

    Example:
        >>> ThueMorse().observations(torch.tensor([0]), torch.arange(8)).flatten().int().tolist()
        [0, 1, 1, 0, 1, 0, 0, 1]
    """

    def step(
        self, states: Int[Tensor, " *points"]
    ) -> Int[Tensor, " *points"]:
        """Return the next states."""
        return states + 1

    def observations(
        self,
        starts: Int[Tensor, " starts"],
        times: Int[Tensor, " times"],
    ) -> Float[Tensor, "starts times channels"]:
        """Return the letters at the given times along the sequence of each start.

        Raises:
            TypeError: starts or times are no 64-bit integers.
            ValueError: a start is not admissible, or a time goes back beyond zero.
        """
        whole_numbers("starts", starts)
        whole_numbers("times", times)
        if bool(((starts < 0) | (starts > 2**62)).any()):
            raise ValueError(
                "starts must lie in 0..2^62, got one outside"
            )
        places = starts[:, None] + times
        if bool((places < 0).any()):
            raise ValueError("starts + times must not be negative")
        ones = np.bitwise_count(places.numpy().astype(np.uint64))
        return torch.from_numpy((ones & 1).astype(float))[..., None]

    def words(self, length: int) -> Mapping[Word, Fraction]:
        r"""Return the frequency of each word, a rational number.

        Every sequence is an image of another, cut into pairs, so a word of L letters is met
        inside the image of a word u of :math:`\lfloor L/2 \rfloor + 1` letters, half of the time
        from its first and half of the time from its second letter on.

        Example:
            >>> {word: str(f) for word, f in ThueMorse().words(2).items()}
            {(0, 0): '1/6', (0, 1): '1/3', (1, 0): '1/3', (1, 1): '1/6'}
        """
        if integer_at_least("length", length, 1) == 1:
            return {(0,): Fraction(1, 2), (1,): Fraction(1, 2)}
        if length == 2:
            return {
                (a, b): Fraction(1 + (a != b), 6)
                for a in (0, 1)
                for b in (0, 1)
            }
        found: dict[Word, Fraction] = {}
        for shorter, frequency in self.words(length // 2 + 1).items():
            image = tuple(x for a in shorter for x in (a, 1 - a))
            for offset in (0, 1):
                word = image[offset : offset + length]
                found[word] = (
                    found.get(word, Fraction(0)) + frequency / 2
                )
        return found

    def law(self, length: int) -> WindowLaw:
        """Return the exact law of words."""
        return _word_law(self.words(length))


def _word_law(frequencies: Mapping[Word, Fraction]) -> WindowLaw:
    """Return words as windows of one channel, with their frequencies as weights."""
    letters = torch.tensor(list(frequencies), dtype=torch.float64)
    weights = [float(frequency) for frequency in frequencies.values()]
    return WindowLaw(
        letters[..., None], torch.tensor(weights, dtype=torch.float64)
    )
