"""Seeds to independent float64 streams; the only place where randomness enters.

Draws are made by numpy on the CPU in float64, then cast and moved, so that one seed gives one set
of weights whatever the dtype, the device or the vector unit of the machine.
"""

import hashlib
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from rnnlimits._checks import integer_at_least, non_negative, numpy_generator


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the stream of ``seed`` that belongs to ``names``.

    Streams of different seeds or different names are independent; the same call gives the same
    stream. Names keep experiments apart without a counter that has to be threaded through them.

    Raises:
        TypeError: ``seed`` is no integer, or a name neither a string nor an integer.
        ValueError: ``seed`` is negative.

    Example:
        >>> stream(0, "weights").integers(10, size=3).tolist()
        [1, 0, 8]
        >>> stream(0, "weights", 1).integers(10, size=3).tolist()
        [1, 4, 6]
    """
    seed = integer_at_least("seed", seed, 0)
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | Integral):
            raise TypeError(f"names must be strings or integers, got {name!r}")
    text = "\x1f".join(f"{'str' if isinstance(name, str) else 'int'}:{name}" for name in names)
    digest = hashlib.sha256(text.encode()).digest()
    key = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def normal(
    generator: np.random.Generator,
    shape: tuple[int, ...],
    variance: float = 1.0,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    r"""Draw independent entries :math:`N(0, \text{variance})`.

    Raises:
        TypeError: ``generator`` is no numpy generator, ``variance`` no real number, or ``dtype``
            no floating-point type.
        ValueError: ``variance`` is negative or not finite, or a size in ``shape`` is below 1.

    Example:
        >>> normal(stream(0), (2, 3)).shape
        torch.Size([2, 3])
    """
    numpy_generator("generator", generator)
    if not dtype.is_floating_point:
        raise TypeError(f"dtype must be a floating-point type, got {dtype}")
    scale = non_negative("variance", variance) ** 0.5
    sizes = tuple(integer_at_least(f"shape[{i}]", size, 1) for i, size in enumerate(shape))
    draws = generator.standard_normal(sizes)
    draws *= scale
    return torch.from_numpy(np.asarray(draws)).to(dtype=dtype, device=device)
