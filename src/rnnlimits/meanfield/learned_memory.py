r"""Training from independent recurrent weights: what their noise still does to the output later.

Independent centred noise on the recurrent weights at the start moves the output of the trained
network by :math:`1/n`, as it does before training, with constants that training changes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jacrev, jvp

from rnnlimits._checks import integer_at_least, non_negative
from rnnlimits.meanfield.coupling import outputs_along, quietly
from rnnlimits.meanfield.flow import integrate
from rnnlimits.networks.elman import ElmanNet, run, unchecked
from rnnlimits.networks.elman_risk import Population
from rnnlimits.networks.runge_kutta import RUNGE_KUTTA, Method


@dataclass(frozen=True, eq=False)
class NoiseMoments:
    """A mean and a variance, one of each for a recorded time and a window."""

    mean: Float[Tensor, "times batch"]
    variance: Float[Tensor, "times batch"]


def trained_noise(
    net: ElmanNet,
    population: Population,
    x: Float[Tensor, "batch window d"],
    variance: float,
    step: float,
    n_steps: int,
    method: Method = RUNGE_KUTTA,
    every: int = 1,
    width: int = 10**4,
) -> NoiseMoments:
    r"""Return the limits of mean and variance, at each recorded time, of n times what independent
    centred noise on the recurrent weights at the start adds to the output:

    .. math::

        \frac{\sigma^2}2 \sum_{ij} p_i\, p_j\, \Big( n^3\, \frac{\partial^2 \hat y_t}
        {\partial \xi^2} \Big)_{ij} , \qquad
        \sigma^2 \sum_{ij} \frac1{p_i\, p_j}
        \Big( \frac{\partial \hat y_t}{\partial b_{ij}} \Big)^2 .

    Second derivatives are in one recurrent weight, between neurons of labels i and j, in a network
    of ``width`` neurons; first derivatives move all weights between two labels.

    Raises:
        TypeError: as `rnnlimits.meanfield.flow.integrate`.
        ValueError: as there, or a negative variance, a width below 2, or a label without mass.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.zeros(1, 1), one, one)
        >>> population = Population(torch.zeros(1, 3, 1), one, one)
        >>> trained_noise(net, population, population.x, 1.0, 0.1, 2).variance.shape
        torch.Size([3, 1])
    """
    square = non_negative("variance", variance)
    n = integer_at_least("width", width, 2)
    run(net, x)  # its checks
    p = net.weights
    if bool((p * n < 1).any()):
        raise ValueError(
            f"net must have masses of at least 1/{n}, got {float(p.min())}"
        )

    train = partial(
        _outputs_after,
        population=population,
        x=x,
        step=step,
        n_steps=n_steps,
        method=method,
        every=every,
    )

    return NoiseMoments(
        square * _curvature(net, n, train) / 2,
        square * _spread(net, train),
    )


def _spread(
    net: ElmanNet, train: Callable[[Any], Tensor]
) -> Float[Tensor, "times batch"]:
    """Return the sum of squares of the first derivatives."""
    p = net.weights

    def outputs(b: Tensor) -> Tensor:
        return train(unchecked(net, net.input, b, net.readout, p))

    first = jacrev(outputs)(net.recurrent)
    return (first.square() / torch.outer(p, p)).sum((-1, -2))


def _curvature(
    net: ElmanNet, n: int, train: Callable[[Any], Tensor]
) -> Float[Tensor, "times batch"]:
    """Return the weighted sum of the second derivatives."""
    p, atoms = net.weights, range(net.width)

    def each_pair(noise: Tensor) -> Tensor:
        return train(
            [_apart(net, i, j, n, noise) for i in atoms for j in atoms]
        )

    second = n**3 * _second(each_pair, p.new_zeros(()))
    return torch.einsum(
        "tqb,q->tb", second, torch.outer(p, p).flatten()
    )


def _outputs_after(
    net: ElmanNet | list[ElmanNet],
    *,
    population: Population,
    x: Tensor,
    step: float,
    n_steps: int,
    method: Method,
    every: int,
) -> Tensor:
    path = integrate(net, population, step, n_steps, method, every)
    return outputs_along(path, x)


def _second(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Return the second derivative of a function of one number."""
    one = torch.ones_like(at)

    def slope(value: Tensor) -> Tensor:
        return jvp(function, (value,), (one,))[1]

    with quietly():
        return jvp(slope, (at,), (one,))[1]


def _apart(
    net: ElmanNet, i: int, j: int, n: int, noise: Tensor
) -> ElmanNet:
    """Return the net with one neuron of label i and one of j apart, noise on the weight between."""
    labels = [*range(net.width), i, j]
    p = torch.cat([net.weights, net.weights.new_full((2,), 1 / n)])
    p[i] -= 1 / n
    p[j] -= 1 / n
    b = net.recurrent[labels][:, labels]
    here = torch.zeros_like(b)
    here[-2, -1] = 1
    return unchecked(
        net, net.input[labels], b + noise * here, net.readout[labels], p
    )
