"""Explicit Runge-Kutta steps of weights that are three tensors."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Weights = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Method:
    r"""An explicit Runge-Kutta method: stage :math:`i` is taken at
    :math:`w + \epsilon \sum_{j<i} A_{ij}\, \dot w_j`, the step is
    :math:`\epsilon \sum_i B_i\, \dot w_i`.

    Example:
        >>> EULER.order, RUNGE_KUTTA.order
        (1, 4)
    """

    name: str
    order: int
    stages: tuple[tuple[float, ...], ...]
    step: tuple[float, ...]


EULER = Method("gradient descent", 1, ((),), (1.0,))
MIDPOINT = Method("midpoint", 2, ((), (1 / 2,)), (0.0, 1.0))
RUNGE_KUTTA = Method(
    "Runge-Kutta",
    4,
    ((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)),
    (1 / 6, 1 / 3, 1 / 3, 1 / 6),
)


def stepped(
    field: Callable[[Weights], Weights],
    w: Weights,
    step: float,
    method: Method,
) -> Weights:
    r"""Return the weights one step later.

    Example:
        >>> one = torch.ones(1)
        >>> w, _, _ = stepped(lambda w: w, (one, one, one), 0.5, MIDPOINT)
        >>> w.item()
        1.625
    """
    slopes: list[Weights] = []
    for row in method.stages:
        here = w
        for factor, slope in zip(row, slopes, strict=True):
            here = plus(here, slope, step * factor) if factor else here
        slopes.append(field(here))
    for factor, slope in zip(method.step, slopes, strict=True):
        w = plus(w, slope, step * factor) if factor else w
    return w


def plus(w: Weights, change: Weights, factor: float) -> Weights:
    """Return weights plus ``factor`` times a change of them, block by block.

    Example:
        >>> one = torch.ones(1)
        >>> plus((one, one, one), (one, one, one), 2.0)[0].item()
        3.0
    """
    a, b, c = (
        torch.add(here, by, alpha=factor)
        for here, by in zip(w, change, strict=True)
    )
    return a, b, c


def flattened(w: Weights) -> NDArray[np.float64]:
    """Return all weights in one vector: input, recurrent, readout, each by rows.

    Example:
        >>> flattened((torch.ones(1, 2), torch.zeros(1, 1), torch.ones(1))).tolist()
        [1.0, 1.0, 0.0, 1.0]
    """
    return torch.cat([block.flatten() for block in w]).double().numpy()


def unflattened(flat: NDArray[np.float64], like: Weights) -> Weights:
    """Return the weights of such a vector, in shapes and dtype those of ``like``.

    Example:
        >>> like = torch.ones(1, 2), torch.zeros(1, 1), torch.ones(1)
        >>> unflattened(flattened(like), like)[0].tolist()
        [[1.0, 1.0]]
    """
    kinds = [block.numel() for block in like]
    parts = torch.from_numpy(flat).to(like[0].dtype).split(kinds)
    a, b, c = (
        part.view_as(block)
        for part, block in zip(parts, like, strict=True)
    )
    return a, b, c
