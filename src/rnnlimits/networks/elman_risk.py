r"""The risk of an Elman network, its gradient in :math:`L^2(P)`, and the velocity of its weights.

.. math::

    R = \tfrac12\, \mathbb{E}_\pi (\hat y - F^*)^2, \qquad r = \hat y - F^*.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import finite_tensor, same_kind, same_size
from rnnlimits.networks.elman import (
    Adjoint,
    ElmanNet,
    States,
    adjoint,
    probabilities,
    run,
)


@dataclass(frozen=True, eq=False)
class Population:
    r"""Windows with probabilities :math:`w_a`, a law :math:`\pi`, and one or several targets.

    Raises:
        TypeError: an entry is no floating-point tensor, or dtypes or devices differ.
        ValueError: a wrong shape, an entry that is not finite, or probabilities that are negative
            or do not sum to one.

    Example:
        >>> import torch
        >>> half = torch.full((2,), 0.5)
        >>> Population(torch.ones(2, 3, 1), torch.zeros(4, 2), half).targets.shape
        torch.Size([4, 2])
    """

    x: Float[Tensor, "batch window d"]
    targets: Float[Tensor, "*several batch"]
    probabilities: Float[Tensor, " batch"]

    def __post_init__(self) -> None:
        finite_tensor("x", self.x, ("batch", "window", "inputs"))
        several = isinstance(self.targets, Tensor) and (
            self.targets.ndim == 2
        )
        axes = ("targets", "batch") if several else ("batch",)
        finite_tensor("targets", self.targets, axes)
        probabilities("probabilities", self.probabilities)
        same_kind(
            x=self.x,
            targets=self.targets,
            probabilities=self.probabilities,
        )
        same_size(
            "numbers of windows",
            x=len(self.x),
            targets=self.targets.shape[-1],
            probabilities=len(self.probabilities),
        )


@dataclass(frozen=True, eq=False)
class Blocks:
    """Three functions on neurons, one for each block of weights: gradients, or velocities."""

    input: Float[Tensor, "*several m d"]
    recurrent: Float[Tensor, "*several m m"]
    readout: Float[Tensor, "*several m"]


@dataclass(frozen=True, eq=False)
class BlockNorms:
    """One number for each block of weights (one for each target), and their sum."""

    input: Float[Tensor, "*several"]
    recurrent: Float[Tensor, "*several"]
    readout: Float[Tensor, "*several"]

    @property
    def total(self) -> Float[Tensor, "*several"]:
        """The sum over the three blocks."""
        return self.input + self.recurrent + self.readout


def risk(
    net: ElmanNet, population: Population
) -> Float[Tensor, "*several"]:
    r"""Return :math:`R = \tfrac12 \mathbb{E}_\pi (\hat y - F^*)^2` (mean-field paper, Section 2.2;
    the factor 1/2 is ours and sets the clock).

    Raises:
        TypeError: the dtypes or devices of network and windows differ.
        ValueError: the numbers of input channels differ.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> risk(net, Population(torch.zeros(1, 3, 1), 2 * one, one))
        tensor(2.)
    """
    residual = run(net, population.x).output - population.targets
    return residual.square() @ population.probabilities / 2


def gradient(net: ElmanNet, population: Population) -> Blocks:
    r"""Return the gradient of the risk in :math:`L^2(P)`:

    .. math::

        g_c(\omega) = \mathbb{E}_\pi[r\, h_0(\omega)], \quad
        g_a(\omega) = \mathbb{E}_\pi\big[r \textstyle\sum_k \delta_k(\omega)\, x_k\big], \quad
        g_b(\omega, \omega') =
        \mathbb{E}_\pi\big[r \textstyle\sum_k \delta_k(\omega)\, h_{k-1}(\omega')\big].

    Partial derivatives of the network's own weights are :math:`p_i g_a`, :math:`p_i p_j g_b`,
    :math:`p_i g_c`. One backward pass serves all targets.

    Raises:
        TypeError: as `risk`.
        ValueError: as `risk`.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> gradient(net, Population(torch.zeros(1, 3, 1), one, one)).input.tolist()
        [[0.0]]
    """
    states = run(net, population.x)
    residuals = states.output - population.targets
    return pull_back(
        net,
        population.x,
        states,
        adjoint(net, states),
        residuals * population.probabilities,
    )


def pull_back(
    net: ElmanNet,
    x: Float[Tensor, "batch window d"],
    states: States,
    reads: Adjoint,
    residuals: Float[Tensor, "*several batch"],
) -> Blocks:
    r"""Return the gradient in :math:`L^2(P)` of :math:`\sum_a r_a\, \hat y(x_a)` for fixed numbers
    :math:`r_a`.

    Several rows of residuals cost three matrix products each, and share the backward pass.

    Raises:
        ValueError: there are not as many residuals as windows.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> x = torch.zeros(4, 3, 1)
        >>> states = run(net, x)
        >>> pull_back(net, x, states, adjoint(net, states), torch.eye(4)).readout.shape
        torch.Size([4, 1])
    """
    same_size(
        "numbers of windows", x=len(x), residuals=residuals.shape[-1]
    )
    before_b, before_c = net.scaling.factors(net.width)
    deltas, hidden = reads.currents, states.hidden
    r = residuals[..., None, :, None]
    g_a = _outer(deltas, r * x.transpose(0, 1))
    g_b = before_b * _outer(deltas[1:], r * hidden[:-1])
    g_c = before_c * (residuals @ hidden[-1])
    return Blocks(g_a, g_b, g_c)


def _outer(
    left: Float[Tensor, "window batch m"],
    right: Float[Tensor, "*several window batch k"],
) -> Float[Tensor, "*several m k"]:
    """Sum products over window and batch, as one matrix product for each of several."""
    return left.flatten(0, 1).T @ right.flatten(-3, -2)


def velocity(net: ElmanNet, population: Population) -> Blocks:
    r"""Return the velocity of the weights under gradient flow: minus the gradient in
    :math:`L^2(P)` in the mean-field scaling, and that times the clocks in any other.

    Equal to :math:`-n\,\partial R/\partial a_i`, :math:`-n^2\,\partial R/\partial b_{ij}`,
    :math:`-n\,\partial R/\partial c_i` at width n in the mean-field scaling.

    Raises:
        TypeError: as `risk`.
        ValueError: as `risk`.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> velocity(net, Population(torch.zeros(1, 3, 1), one, one)).recurrent.shape
        torch.Size([1, 1])
    """
    g = gradient(net, population)
    fast_a, fast_b, fast_c = net.scaling.clocks(net.width)
    return Blocks(
        -fast_a * g.input, -fast_b * g.recurrent, -fast_c * g.readout
    )


def squared_norms(net: ElmanNet, blocks: Blocks) -> BlockNorms:
    r"""Return :math:`\int |u_a|^2 dP`, :math:`\int\!\int |u_b|^2 dP\,dP` and
    :math:`\int |u_c|^2 dP`.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> squared_norms(net, Blocks(2 * one[:, None], one[:, None], one)).total
        tensor(6.)
    """
    p = net.weights
    return BlockNorms(
        blocks.input.square().sum(-1) @ p,
        blocks.recurrent.square() @ p @ p,
        blocks.readout.square() @ p,
    )


def dissipation(net: ElmanNet, population: Population) -> BlockNorms:
    r"""Return :math:`\dot R` under gradient flow, by block:

    .. math::

        \dot R = -\int |g_a|^2 dP - \int\!\!\int |g_b|^2 dP\,dP - \int |g_c|^2 dP,

    each term times its clock in a scaling other than the mean-field one.

    Raises:
        TypeError: as `risk`.
        ValueError: as `risk`.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> bool(dissipation(net, Population(torch.ones(1, 3, 1), one, one)).total < 0)
        True
    """
    lost = squared_norms(net, gradient(net, population))
    fast_a, fast_b, fast_c = net.scaling.clocks(net.width)
    return BlockNorms(
        -fast_a * lost.input,
        -fast_b * lost.recurrent,
        -fast_c * lost.readout,
    )


def moved(net: ElmanNet, change: Blocks, step: float) -> ElmanNet:
    """Return the network whose weights are those of ``net`` plus ``step`` times ``change``.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> moved(net, Blocks(one[:, None], one[:, None], one), 0.5).readout.item()
        1.5
    """
    return ElmanNet(
        net.input + step * change.input,
        net.recurrent + step * change.recurrent,
        net.readout + step * change.readout,
        net.weights,
        net.activation,
        net.scaling,
    )


def gram(
    net: ElmanNet, population: Population
) -> Float[Tensor, "batch batch"]:
    r"""Return the feature Gram operator on :math:`L^2(\pi)`,
    :math:`G_{ab} = \sqrt{w_a w_b} \int h_0(x_a)\, h_0(x_b)\, dP`.

    It acts on :math:`\sqrt{w_a}\, r_a`, so that :math:`\int g_c^2\, dP = \langle r, G r \rangle`.

    Raises:
        TypeError: as `risk`.
        ValueError: as `risk`.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> gram(net, Population(torch.zeros(1, 3, 1), one, one)).tolist()
        [[0.0]]
    """
    _, before_c = net.scaling.factors(net.width)
    root = population.probabilities.sqrt()[:, None]
    h = before_c * root * run(net, population.x).hidden[-1]
    return (h * net.weights) @ h.T
