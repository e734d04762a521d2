r"""States where gradient flow stands still, each built from a network
that it would otherwise train.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

from rnnlimits.meanfield.optimality import best_outputs
from rnnlimits.networks.elman import (
    ElmanNet,
    at_labels,
    run,
    unchecked,
)
from rnnlimits.networks.elman_risk import Population, gradient
from rnnlimits.networks.weights import (
    as_vector,
    from_vector,
    weights_of,
)


def without_past(net: ElmanNet) -> ElmanNet:
    r"""Return the network with b = 0 and c = 0: stationary wherever the
    target has mean zero given the last input.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> without_past(net).recurrent.item()
        0.0
    """
    b, c = (
        torch.zeros_like(net.recurrent),
        torch.zeros_like(net.readout),
    )
    return replace(net, recurrent=b, readout=c)


def replicated(net: ElmanNet, copies: int) -> ElmanNet:
    """Return the network with each neuron as often as ``copies`` says:
    stationary where ``net`` is.

    Raises:
        ValueError: unequal masses.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> replicated(net, 3).width
        3
    """
    if bool((net.weights != net.weights[0]).any()):
        raise ValueError("net must have equal masses, got unequal ones")
    return at_labels(net, torch.arange(net.width).repeat(copies))


def mirrored(net: ElmanNet) -> ElmanNet:
    """Return the network in which each neuron has a twin with the
    opposite readout: its output is zero.

    With an odd activation, no constant input, windows as likely as
    their negatives and an even target, this is stationary.

    Raises:
        ValueError: unequal masses.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> mirrored(net).readout.tolist()
        [1.0, -1.0]
    """
    both = replicated(net, 2)
    sign = torch.ones_like(both.readout)
    sign[net.width :] = -1
    return replace(both, readout=sign * both.readout)


def silenced(net: ElmanNet, population: Population) -> ElmanNet:
    """Return the network with every neuron's weight on the last input
    channel, a constant, so low that no current is positive.

    Raises:
        ValueError: the last channel is not one.

    Example:
        >>> from rnnlimits.networks.activations import RELU
        >>> one = torch.ones(1)
        >>> net = ElmanNet(one[:, None], one[:, None], one, one, RELU)
        >>> flat = Population(torch.ones(1, 3, 1), one, one)
        >>> silenced(net, flat).input.item()
        -1.0
    """
    x = population.x
    if bool((x[..., -1] != 1).any()):
        raise ValueError("x must have a last channel that is 1")
    driven = x[..., :-1] @ net.input[:, :-1].T
    low = driven.flatten(0, 1).amax(0)
    a = torch.cat([net.input[:, :-1], -(low + 1)[:, None]], dim=1)
    return replace(net, input=a)


def memoryless_fit(net: ElmanNet, population: Population) -> ElmanNet:
    r"""Return the network with b = 0 and the readout of least norm
    among those of least risk.

    Stationary for input and readout weights if its output is the mean
    of the target given the last input, as with enough neurons.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> flat = Population(torch.ones(1, 3, 1), torch.tanh(one), one)
        >>> memoryless_fit(net, flat).readout.round(decimals=5).item()
        1.0
    """
    bare = without_past(net)
    root = bare.weights.sqrt()
    h = run(bare, population.x).hidden[-1] * root
    best = best_outputs(bare, population)
    found = torch.linalg.pinv(h, rtol=1e-12) @ best
    c = torch.where(root > 0, found / root, root)
    return replace(bare, readout=c)


def polished(
    net: ElmanNet, population: Population, tolerance: float = 1e-15
) -> ElmanNet:
    """Return a stationary point near ``net``: least squares for the
    gradient, by its Jacobian from autodiff.

    In float64 on the CPU, for few neurons: all their second derivatives
    are formed.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> flat = Population(one[:, None, None], 0.7 * one, one)
        >>> found = polished(net, flat)
        >>> gradient(found, flat).readout.abs().item() < 1e-14
        True
    """
    start = weights_of(net)

    def field(flat: Tensor) -> Tensor:
        a, b, c = from_vector(flat, start)
        g = gradient(unchecked(net, a, b, c, net.weights), population)
        return as_vector((g.input, g.recurrent, g.readout))

    def values(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        return field(torch.from_numpy(flat)).numpy()

    def slopes(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        return torch.func.jacrev(field)(torch.from_numpy(flat)).numpy()

    accuracy = {"xtol": tolerance, "ftol": tolerance}
    found = optimize.root(
        values,
        as_vector(start).numpy(),
        jac=slopes,
        method="lm",
        options=accuracy,
    )
    a, b, c = from_vector(torch.from_numpy(found.x), start)
    return replace(net, input=a, recurrent=b, readout=c)
