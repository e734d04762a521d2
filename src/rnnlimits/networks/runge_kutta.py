"""Explicit Runge-Kutta steps of several tensors at once, such as the weights of a network."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from rnnlimits.networks.weights import Weights


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
    pairs = zip(w, change, strict=True)
    return tuple(torch.add(u, v, alpha=factor) for u, v in pairs)
