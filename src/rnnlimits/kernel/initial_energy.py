r"""How large the impulse response of a random network is, exactly, at every width.

Given :math:`A = n^{-1/2} W` the entries of C and F average to

.. math::

    \mathbb{E}\|L_\tau^0\|_F^2 = n_x n_y\, \nu_C \nu_F\,
        \tfrac1n \mathbb{E} \operatorname{tr} A^\tau (A^\tau)^\top ,

and the mean of the trace is a polynomial in 1/n whose coefficients count pairings.
"""

import math
from collections import Counter

from rnnlimits._checks import integer_at_least

LONGEST_PAIRED_LAG = 7  # 13!! = 135135 pairings, about a second


def energy_polynomial(lag: int) -> tuple[int, ...]:
    r"""Return the integers :math:`c_0, c_1, \dots` of
    :math:`\mathbb{E}\|L_\tau^0\|_F^2 = n_x n_y \nu_C \nu_F \nu_W^\tau \sum_d c_d n^{-d}`, exact at
    every width, by counting all pairings of the factors of A (Wick's rule).

    :math:`\operatorname{tr} A^\tau (A^\tau)^\top` is a sum over two paths of τ edges with common
    ends. Paired edges share their ends; a pairing that leaves c different indices counts as
    :math:`n^{c - \tau - 1}`.

    Raises:
        TypeError: ``lag`` is no integer.
        ValueError: ``lag`` is negative, or so large that there are millions of pairings.

    Example:
        >>> energy_polynomial(2), energy_polynomial(3)
        ((1, 0, 2), (1, 0, 10, 4))
    """
    if integer_at_least("lag", lag, 0) > LONGEST_PAIRED_LAG:
        raise ValueError(
            f"lag must be at most {LONGEST_PAIRED_LAG} for counting pairings, got {lag}"
        )
    back = [0, *range(lag + 1, 2 * lag), lag]
    edges = [(k, k + 1) for k in range(lag)]
    edges += [(back[k], back[k + 1]) for k in range(lag)]
    counts: Counter[int] = Counter()
    _count_pairings(edges, tuple(range(max(2 * lag, 1))), counts)
    return tuple(counts[lag + 1 - d] for d in range(max(lag, 1) + 1))


def _count_pairings(
    edges: list[tuple[int, int]],
    names: tuple[int, ...],
    counts: Counter[int],
) -> None:
    """Pair the first edge with each other one in turn, identify tails and heads, and go on."""
    if not edges:
        counts[len(set(names))] += 1
        return
    (tail, head), *rest = edges
    for k, (other_tail, other_head) in enumerate(rest):
        same = names
        for one, two in ((tail, other_tail), (head, other_head)):
            kept, gone = same[one], same[two]
            same = tuple(kept if x == gone else x for x in same)
        _count_pairings(rest[:k] + rest[k + 1 :], same, counts)


def energy_correction(lag: int) -> int:
    r"""Return :math:`c_2` in :math:`\mathbb{E}\|L_\tau^0\|_F^2 = n_x n_y \nu_C \nu_F \nu_W^\tau
    \big(1 + c_2 n^{-2} + O(n^{-3})\big)`, at any lag:

    .. math::

        c_2 = \binom{\tau+2}{4} + \sum_{p=1}^{\lfloor \tau/2 \rfloor}
            \Big[ m^2 + \binom{m}{2} \Big], \qquad m = \tau - 2p + 1 .

    Raises:
        TypeError: ``lag`` is no integer.
        ValueError: ``lag`` is negative.

    Example:
        >>> [energy_correction(lag) for lag in range(7)]
        [0, 0, 2, 10, 28, 62, 118]
    """
    lag = integer_at_least("lag", lag, 0)
    twisted = range(lag - 1, 0, -2)
    return math.comb(lag + 2, 4) + sum(
        m**2 + math.comb(m, 2) for m in twisted
    )
