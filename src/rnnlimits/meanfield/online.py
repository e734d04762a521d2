r"""The noise of gradient descent that sees one window at a time, to leading order in the step.

With independent windows the weights after :math:`t/\epsilon` steps are Gaussian about the flow,
with covariance :math:`\epsilon\, C_t`.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jacrev, vmap

from rnnlimits._checks import integer_at_least, positive
from rnnlimits.networks.elman import (
    ElmanNet,
    adjoint,
    unchecked,
    unroll,
)
from rnnlimits.networks.elman_risk import Population, pull_back, risk
from rnnlimits.networks.runge_kutta import MIDPOINT, stepped
from rnnlimits.networks.weights import (
    Weights,
    as_vector,
    from_vector,
    weights_of,
)


def noise_covariance(
    net: ElmanNet, population: Population, step: float, n_steps: int
) -> Float[Tensor, "times weights weights"]:
    r"""Return :math:`C_t` on a grid of times, for a, b and c as one vector:

    .. math::

        \dot C = J C + C J^\top + \Sigma, \qquad C_0 = 0,

    with J the derivative of the velocity :math:`F` and :math:`\Sigma` the covariance, over
    windows, of the velocity that each gives by itself, both along the flow.

    Raises:
        TypeError: a count is no integer.
        ValueError: a step that is not positive, or several targets.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> population = Population(torch.zeros(1, 3, 1), one, one)
        >>> noise_covariance(net, population, 0.1, 2).abs().max().item()
        0.0
    """
    dt = positive("step", step)
    integer_at_least("n_steps", n_steps, 1)
    if risk(net, population).ndim:
        raise ValueError("population must have one target, got several")
    w = as_vector(weights_of(net))
    state: Weights = (w, w.new_zeros(len(w), len(w)))
    found = [state[1]]
    pi = population.probabilities

    def each(flat: Tensor) -> Tensor:
        return _of_each_window(net, population, flat)

    def field(state: Weights) -> Weights:
        flat, c = state
        seen = each(flat)
        mean = pi @ seen
        scatter = (seen - mean).T @ (pi[:, None] * (seen - mean))
        turned = jacrev(lambda u: pi @ each(u))(flat) @ c
        return mean, turned + turned.T + scatter

    for _ in range(n_steps):
        state = stepped(field, state, dt, MIDPOINT)
        found.append(state[1])
    return torch.stack(found)


def _of_each_window(
    net: ElmanNet, population: Population, flat: Tensor
) -> Float[Tensor, "batch weights"]:
    """Return the velocity that each window by itself gives to the weights, as one vector."""
    a, b, c = from_vector(flat, weights_of(net))
    here = unchecked(net, a, b, c, net.weights)
    clocks = net.scaling.clocks(net.width)

    def one(x: Tensor, target: Tensor) -> Tensor:
        states = unroll(
            a, b, c, net.weights, x[None], net.activation, net.scaling
        )
        r = states.output - target
        g = pull_back(here, x[None], states, adjoint(here, states), r)
        blocks = zip(
            clocks, (g.input, g.recurrent, g.readout), strict=True
        )
        return as_vector(tuple(-fast * each for fast, each in blocks))

    return vmap(one)(population.x, population.targets)
