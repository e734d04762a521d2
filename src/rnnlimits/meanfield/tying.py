r"""One recurrent matrix at every step, against a fresh one at each.

A recurrent network is *tied*: it uses the same :math:`b` at every step
of the window. The *untied* network of the same one-layer law has an
independent copy of :math:`b` at each step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    non_negative,
    same_kind,
    same_size,
)
from rnnlimits.networks.activations import TANH, Activation
from rnnlimits.networks.elman import probabilities
from rnnlimits.random import normal


@dataclass(frozen=True, eq=False)
class LayeredNet:
    r"""Weights of all steps: :math:`a`, and the recurrent matrix used at
    each step :math:`k = -L+2, \dots, 0`, earliest first.

    ``factor`` stands before the average over neurons, 1 in the
    mean-field scaling and :math:`\sqrt n` in that of the tangent
    kernel.

    Raises:
        TypeError: an entry is no floating-point tensor, or dtypes or
            devices differ.
        ValueError: a wrong shape, an entry that is not finite, or a
            factor that is negative.

    Example:
        >>> tied(torch.ones(3, 1), torch.ones(3, 3), 5).steps.shape
        torch.Size([4, 3, 3])
    """

    input: Float[Tensor, "m d"]
    steps: Float[Tensor, "uses m m"]
    activation: Activation = TANH
    factor: float = 1.0

    def __post_init__(self) -> None:
        finite_tensor("input", self.input, ("neurons", "inputs"))
        if self.steps.numel() or self.steps.ndim != 3:
            axes = ("steps", "neurons", "neurons")
            finite_tensor("steps", self.steps, axes)
        same_kind(input=self.input, steps=self.steps)
        same_size(
            "neurons",
            input=len(self.input),
            rows=self.steps.shape[1],
            columns=self.steps.shape[2],
        )
        non_negative("factor", self.factor)


def tied(
    a: Float[Tensor, "m d"],
    b: Float[Tensor, "m m"],
    window: int,
    activation: Activation = TANH,
    factor: float = 1.0,
) -> LayeredNet:
    """Return the recurrent network as one with L - 1 equal matrices.

    Raises:
        TypeError: as `LayeredNet`, or ``window`` is no integer.
        ValueError: as `LayeredNet`, or a window below 1.

    Example:
        >>> tied(torch.ones(1, 1), torch.ones(1, 1), 1).steps.shape
        torch.Size([0, 1, 1])
    """
    finite_tensor("b", b, ("neurons", "neurons"))
    uses = integer_at_least("window", window, 1) - 1
    steps = b.expand(uses, *b.shape)
    return LayeredNet(a, steps, activation, factor)


def last_states(
    net: LayeredNet, x: Float[Tensor, "batch window d"]
) -> Float[Tensor, "batch m"]:
    r"""Return the features :math:`h_0` of each window,

    .. math::

        z_k = a\, x_k + \frac{f}{m}\, b_k\, h_{k-1},
        \qquad h_k = s(z_k), \qquad h_{-L} = 0.

    Raises:
        TypeError: ``x`` is no floating-point tensor of the network's
            dtype and device.
        ValueError: windows of another length or number of inputs than
            the network has, or not finite.

    Example:
        >>> net = tied(torch.ones(1, 1), torch.ones(1, 1), 2)
        >>> last_states(net, torch.zeros(3, 2, 1)).shape
        torch.Size([3, 1])
    """
    finite_tensor("x", x, ("batch", "window", "inputs"))
    same_kind(x=x, steps=net.steps)
    same_size(
        "lengths of windows", x=x.shape[1], net=len(net.steps) + 1
    )
    same_size("inputs", x=x.shape[2], net=net.input.shape[1])
    driven = x.transpose(0, 1) @ net.input.T
    h = net.activation.value(driven[0])
    share = net.factor / len(net.input)
    for z, b in zip(driven[1:], net.steps, strict=True):
        h = net.activation.value(z + share * (h @ b.T))
    return h


def feature_gram(
    h: Float[Tensor, "batch m"], weights: Float[Tensor, " batch"]
) -> Float[Tensor, "batch batch"]:
    r"""Return the Gram operator of features on :math:`L^2(\pi)`,
    :math:`\sqrt{w_x w_{x'}}\, \frac1m \sum_i h_i(x)\, h_i(x')`.

    Raises:
        TypeError: a tensor is of a wrong kind.
        ValueError: as many weights as windows are needed, and they must
            be probabilities.

    Example:
        >>> feature_gram(torch.ones(1, 4), torch.ones(1)).tolist()
        [[1.0]]
    """
    finite_tensor("h", h, ("batch", "neurons"))
    probabilities("weights", weights)
    same_kind(h=h, weights=weights)
    same_size("numbers of windows", h=len(h), weights=len(weights))
    scaled = weights.sqrt()[:, None] * h
    return scaled @ scaled.T / h.shape[1]


@dataclass(frozen=True)
class GaussianWeights:
    r"""Independent centred weights: :math:`a_i \sim N(0, \nu_a I)`,
    :math:`b_{ij} \sim N(0, \nu_b)`, with :math:`n^{-1/2}` before b.

    Raises:
        TypeError: a variance is no number.
        ValueError: a variance is negative or not finite.

    Example:
        >>> GaussianWeights(1.0, 0.5).recurrent
        0.5
    """

    input: float
    recurrent: float
    activation: Activation = TANH

    def __post_init__(self) -> None:
        non_negative("input", self.input)
        non_negative("recurrent", self.recurrent)

    def draw(
        self,
        width: int,
        window: int,
        n_inputs: int,
        generator: np.random.Generator,
        *,
        tie: bool,
    ) -> LayeredNet:
        """Draw a network: one matrix for all steps, or one for each.

        Raises:
            TypeError: a size is no integer.
            ValueError: a size is below 1.

        Example:
            >>> from rnnlimits.random import stream
            >>> law = GaussianWeights(1.0, 1.0)
            >>> law.draw(4, 3, 2, stream(0), tie=True).factor
            2.0
        """
        n = integer_at_least("width", width, 1)
        uses = integer_at_least("window", window, 1) - 1
        a = normal(generator, (n, n_inputs), self.input)
        if uses == 0:
            none = a.new_zeros(0, n, n)
            return LayeredNet(a, none, self.activation, n**0.5)
        copies = 1 if tie else uses
        b = normal(generator, (copies, n, n), self.recurrent)
        steps = b.expand(uses, n, n)
        return LayeredNet(a, steps, self.activation, n**0.5)


def gaussian_limit(
    law: GaussianWeights,
    x: Float[Tensor, "batch window d"],
    n_nodes: int = 80,
) -> Float[Tensor, "batch batch"]:
    r"""Return the limit of :math:`\frac1n \sum_i h_0(x) h_0(x')` as the
    width grows, tied and untied alike:

    .. math::

        \Sigma_k = \mathbb{E}\, s(u)\, s(u'), \qquad
        (u, u') \sim N(0, K_k), \qquad
        K_k = \nu_a\, x_k \cdot x'_k + \nu_b\, \Sigma_{k-1},
        \qquad \Sigma_{-L} = 0.

    The averages are taken by Gauss-Hermite quadrature, which needs more
    nodes the larger the variances; compare two numbers of nodes.

    Raises:
        TypeError: ``x`` is no tensor, ``n_nodes`` no integer.
        ValueError: ``x`` has wrong axes or is not finite, or there is
            no node.

    Example:
        >>> law = GaussianWeights(1.0, 1.0)
        >>> gaussian_limit(law, torch.zeros(2, 3, 1).double()).sum().item()
        0.0
    """
    finite_tensor("x", x, ("batch", "window", "inputs"))
    q = integer_at_least("n_nodes", n_nodes, 1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(q)
    g = torch.from_numpy(nodes).to(x)
    p = torch.from_numpy(weights / weights.sum()).to(x)
    sigma = x.new_zeros(len(x), len(x))
    for now in x.transpose(0, 1):
        cov = law.input * now @ now.T + law.recurrent * sigma
        sigma = _moments(law.activation.value, cov, g, p)
    return sigma


def _moments(
    s: Callable[[Tensor], Tensor], cov: Tensor, g: Tensor, p: Tensor
) -> Tensor:
    """Return E s(u) s(u') for each pair under this covariance."""
    deviation = cov.diagonal().clamp(min=0).sqrt()
    outer = deviation[:, None] * deviation
    rho = torch.where(outer > 0, cov / outer, 0.0).clamp(-1, 1)
    first = s(deviation[:, None] * g)
    mixed = rho[..., None, None] * g[:, None]
    mixed = mixed + (1 - rho**2).sqrt()[..., None, None] * g
    second = s(deviation[None, :, None, None] * mixed)
    inner = second @ p
    return torch.einsum("iq,ijq,q->ij", first, inner, p)
