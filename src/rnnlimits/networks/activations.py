r"""The activations of the Elman network, each with its derivative and what is known of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import relu


@dataclass(frozen=True)
class Activation:
    r"""An activation :math:`s` and its derivative :math:`s'`, as functions of tensors.

    ``slope(z, h)`` is :math:`s'(z)` and is also given :math:`h = s(z)`, which often makes it
    cheaper. ``lipschitz`` is the least Lipschitz constant; ``bounded`` and ``smooth`` say whether
    :math:`s` is bounded, and whether it is differentiable without end.

    Example:
        >>> TANH.bounded, TANH.lipschitz, RELU.smooth
        (True, 1.0, False)
    """

    name: str
    value: Callable[[Tensor], Tensor] = field(repr=False)
    slope: Callable[[Tensor, Tensor], Tensor] = field(repr=False)
    lipschitz: float
    bounded: bool
    smooth: bool


def _erf_slope(z: Tensor, h: Tensor) -> Tensor:
    return 2 / math.sqrt(math.pi) * torch.exp(-z * z)


def _softplus(z: Tensor) -> Tensor:
    return torch.logaddexp(z, torch.zeros_like(z))


TANH = Activation(
    "tanh", torch.tanh, lambda z, h: 1 - h * h, 1.0, True, True
)
ERF = Activation(
    "erf",
    torch.erf,
    _erf_slope,
    2 / math.sqrt(math.pi),
    True,
    True,
)
SINE = Activation(
    "sine", torch.sin, lambda z, h: torch.cos(z), 1.0, True, True
)
SOFTPLUS = Activation(
    "softplus",
    _softplus,
    lambda z, h: torch.sigmoid(z),
    1.0,
    False,
    True,
)
RELU = Activation(
    "relu",
    relu,
    lambda z, h: (z > 0).to(z.dtype),
    1.0,
    False,
    False,
)
IDENTITY = Activation(
    "identity",
    lambda z: z,
    lambda z, h: torch.ones_like(z),
    1.0,
    False,
    True,
)

ACTIVATIONS = {
    each.name: each
    for each in (TANH, ERF, SINE, SOFTPLUS, RELU, IDENTITY)
}


def activation(name: str) -> Activation:
    """Return the activation of that name.

    Raises:
        ValueError: there is none.

    Example:
        >>> activation("relu").bounded
        False
    """
    if name not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(
            f"activation must be one of {known}, got {name!r}"
        )
    return ACTIVATIONS[name]
