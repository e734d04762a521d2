r"""Two bounded laws of recurrent weights: in one tying costs the memory
of all but two inputs, in the other it costs nothing.

A neuron that either speaks or listens never passes on what it has
heard, if it keeps its part for the whole window.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    positive,
    same_size,
)
from rnnlimits.meanfield.tying import LayeredNet
from rnnlimits.networks.activations import TANH, Activation
from rnnlimits.networks.measures import gauss_legendre


@dataclass(frozen=True)
class HalfDuplex:
    r"""A law of bounded recurrent matrices: each neuron either speaks or
    listens, by a fair coin :math:`\chi`, and hears with a gain
    :math:`\kappa`,

    .. math::

        b(\omega, \omega') = \kappa(\omega)\, (1 - \chi(\omega))\,
            \chi(\omega').

    Input weight uniform on [0, K], bias on [-K, K], gain on [0, K]; all
    independent. Untied, coins and gains are drawn afresh at each step.

    Raises:
        ValueError: the bound is not positive.

    Example:
        >>> HalfDuplex(1 / 3).bound < 0.34
        True
    """

    bound: float
    activation: Activation = TANH

    def __post_init__(self) -> None:
        positive("bound", self.bound)

    def draw(
        self,
        width: int,
        window: int,
        generator: np.random.Generator,
        *,
        tie: bool,
    ) -> LayeredNet:
        """Draw a network for windows with channels x and 1.

        Raises:
            TypeError: a size is no integer.
            ValueError: a width below 1, or a window below 2.

        Example:
            >>> from rnnlimits.random import stream
            >>> net = HalfDuplex(0.5).draw(8, 4, stream(0), tie=True)
            >>> (net.steps[0] @ net.steps[0]).abs().max().item()
            0.0
        """
        n = integer_at_least("width", width, 1)
        uses = integer_at_least("window", window, 2) - 1
        copies = 1 if tie else uses
        u = torch.from_numpy(generator.random((2, n)))
        a = self.bound * torch.stack([u[0], 2 * u[1] - 1], dim=1)
        gain = torch.from_numpy(generator.random((copies, n)))
        coins = generator.integers(2, size=(copies, n))
        speaks = torch.from_numpy(coins).double()
        hears = self.bound * gain * (1 - speaks)
        steps = hears[:, :, None] * speaks[:, None, :]
        return LayeredNet(a, steps.expand(uses, n, n), self.activation)

    def memories(
        self,
        x: Float[Tensor, "batch window 1"],
        *,
        tie: bool,
        n_nodes: int = 12,
    ) -> Float[Tensor, "batch 1"]:
        r"""Return what listeners hear at the last step when the network
        is infinitely wide,
        :math:`M_{-1} = \int \chi\, h_{-1}\, dP`. Untied

        .. math::

            M_k = \tfrac14 \mathbb{E}\big[ s(a x_k + \beta)
                + s(a x_k + \beta + \kappa M_{k-1}) \big],

        and tied :math:`M_k = \frac12 \mathbb{E}\, s(a x_k + \beta)`: who
        speaks has heard nothing.

        Raises:
            TypeError: ``x`` is no tensor.
            ValueError: ``x`` has wrong axes, another number of channels
                than one, or fewer than two inputs.

        Example:
            >>> x = torch.tensor([[[1.0], [0.0], [1.0]]]).double()
            >>> HalfDuplex(0.3).memories(x, tie=True).abs() < 1e-12
            tensor([[True]])
        """
        heard = [1.0] if tie else [0.5, 0.5]
        return _memories(self, x, heard, 0.5, n_nodes)


@dataclass(frozen=True)
class OpenEar:
    r"""The bounded recurrent kernel :math:`b(\omega, \omega') =
    \kappa(\omega)`: all speak and all listen, each with a gain of its
    own. Labels as those of `HalfDuplex`.

    Raises:
        ValueError: the bound is not positive.

    Example:
        >>> OpenEar(1 / 3).bound < 0.34
        True
    """

    bound: float
    activation: Activation = TANH

    def __post_init__(self) -> None:
        positive("bound", self.bound)

    def memories(
        self, x: Float[Tensor, "batch window 1"], n_nodes: int = 12
    ) -> Float[Tensor, "batch 1"]:
        r"""Return :math:`M_{-1} = \int h_{-1}\, dP`, from
        :math:`M_k = \mathbb{E}\, s(a x_k + \beta + \kappa M_{k-1})`.

        Raises:
            TypeError: as `HalfDuplex.memories`.
            ValueError: as `HalfDuplex.memories`.

        Example:
            >>> x = torch.tensor([[[1.0], [0.0], [1.0]]]).double()
            >>> OpenEar(0.3).memories(x).item() > 0.001
            True
        """
        return _memories(self, x, [0.0, 1.0], 1.0, n_nodes)


def _memories(
    law: HalfDuplex | OpenEar,
    x: Tensor,
    heard: list[float],
    spoken: float,
    n_nodes: int,
) -> Tensor:
    """Iterate M = spoken * (heard[0] E s(ax + β) + heard[1] E s(ax + β + κM))."""
    finite_tensor("x", x, ("batch", "window", "inputs"))
    same_size("input channels", x=x.shape[2], law=1)
    integer_at_least("length of windows", x.shape[1], 2)
    cube = gauss_legendre(n_nodes, 3, dtype=x.dtype, device=x.device)
    u, p = law.bound * cube.labels, cube.weights
    shares = [*heard, 0.0][:2]
    memory = x.new_zeros(len(x), 1)
    for now in x.transpose(0, 1)[:-1]:
        bare = now * u[:, 0] + 2 * u[:, 1] - law.bound
        s = law.activation.value
        deaf, open_ = s(bare), s(bare + memory * u[:, 2])
        mixed = shares[0] * deaf + shares[1] * open_
        memory = spoken * (mixed * p).sum(dim=1, keepdim=True)
    return memory
