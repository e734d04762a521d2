"""A function over sizes and seeds, through joblib."""

from collections.abc import Callable, Sequence

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray

from rnnlimits._checks import integer_at_least


def sweep(
    function: Callable[[int, int], ArrayLike], sizes: Sequence[int], n_seeds: int
) -> NDArray[np.float64]:
    """Return ``function(size, seed)`` for all sizes and for seeds 0..n_seeds-1.

    The result has axes (size, seed, ...). Runs one after the other unless a
    ``joblib.parallel_config`` around the call says otherwise. For rates the function must draw
    from a stream of its own at each size and seed: ``stream(seed, "what it is for", size)``.

    Raises:
        TypeError: ``n_seeds`` is no integer.
        ValueError: there is no size, or ``n_seeds`` is below 1.

    Example:
        >>> sweep(lambda size, seed: 10 * size + seed, [1, 2], n_seeds=3).tolist()
        [[10.0, 11.0, 12.0], [20.0, 21.0, 22.0]]
    """
    seeds = range(integer_at_least("n_seeds", n_seeds, 1))
    if not len(sizes):
        raise ValueError("sizes must hold at least one size, got none")
    results = Parallel()(delayed(function)(size, seed) for size in sizes for seed in seeds)
    values = np.asarray(results, dtype=float)
    return values.reshape(len(sizes), n_seeds, *values.shape[1:])
