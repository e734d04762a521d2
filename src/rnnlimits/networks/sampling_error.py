r"""How far a network of n sampled neurons is from the network of the whole measure.

Replace :math:`P` by the empirical measure of n independent labels. To first order the output
moves by an average of the influence function :math:`\psi = \sum_k v_k h_k`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits.networks.elman import (
    ElmanNet,
    adjoint,
    run,
    unroll,
)


def influence(
    net: ElmanNet, x: Float[Tensor, "batch window d"]
) -> Float[Tensor, "batch m"]:
    r"""Return :math:`\psi(\omega) = \sum_k v_k(\omega)\, h_k(\omega)`, the derivative of the output
    in the weight of the label :math:`\omega`.

    Raises:
        TypeError: ``x`` is no tensor of the network's dtype and device.
        ValueError: a wrong shape of ``x``, or a scaling that depends on the width.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.zeros(1, 1), one, one)
        >>> torch.equal(influence(net, torch.ones(1, 1, 1))[:, 0], torch.tanh(one))
        True
    """
    _needs_mean_field(net)
    states = run(net, x)
    return (adjoint(net, states).states * states.hidden).sum(0)


def sampling_variance(
    net: ElmanNet, x: Float[Tensor, "batch window d"]
) -> Float[Tensor, " batch"]:
    r"""Return :math:`\operatorname{Var}_P \psi`, the limit of
    :math:`n\,\mathbb{E}(\hat y_n - \hat y)^2` for n independent labels.

    Raises:
        TypeError: as `influence`.
        ValueError: as `influence`.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> sampling_variance(net, torch.ones(1, 3, 1)).tolist()
        [0.0]
    """
    psi = influence(net, x)
    centred = psi - (psi @ net.weights)[:, None]
    return centred.square() @ net.weights


def sampling_bias(
    net: ElmanNet, x: Float[Tensor, "batch window d"]
) -> Float[Tensor, " batch"]:
    r"""Return the limit of :math:`n\,\mathbb{E}(\hat y_n - \hat y)`,

    .. math::

        \tfrac12 \Big( \sum_i p_i K_{ii} - \sum_{ij} p_i p_j K_{ij} \Big), \qquad
        K_{ij} = \frac{\partial^2 \hat y}{\partial p_i\, \partial p_j},

    because the weights drawn have covariance :math:`(\operatorname{diag} p - p p^\top)/n`. The
    second derivatives come from autodiff, a batch of m² numbers.

    Raises:
        TypeError: as `influence`.
        ValueError: as `influence`, or an activation without second derivative.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> sampling_bias(net, torch.ones(1, 3, 1)).tolist()
        [0.0]
    """
    _needs_mean_field(net)
    if not net.activation.smooth:
        raise ValueError(
            "activation must be smooth for the second derivative, "
            f"got {net.activation.name!r}"
        )
    run(net, x)  # its checks

    def output(p: Tensor) -> Tensor:
        parts = (net.input, net.recurrent, net.readout, p, x)
        return unroll(*parts, net.activation, net.scaling).output

    p = net.weights
    second = torch.func.jacrev(torch.func.jacrev(output))(p)
    trace = torch.diagonal(second, dim1=1, dim2=2) @ p
    return (trace - second @ p @ p) / 2


def _needs_mean_field(net: ElmanNet) -> None:
    if not net.scaling.forgets_width:
        raise ValueError(
            "scaling must not depend on the width: only then is the "
            f"output a function of the measure, got {net.scaling}"
        )
