r"""Independent recurrent weights at initialisation: what is left of them at large width.

Independent centred noise on the recurrent weights moves each current by :math:`n^{-1/2}` and the
output by :math:`1/n`: in the limit only the mean of the weights remains.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import non_negative
from rnnlimits.networks.activations import Activation
from rnnlimits.networks.elman import ElmanNet, adjoint, run
from rnnlimits.random import normal


def shaken(
    net: ElmanNet, variance: float, generator: np.random.Generator
) -> ElmanNet:
    r"""Return the network with independent :math:`N(0, \sigma^2)` added to its recurrent weights.

    Raises:
        TypeError: as `rnnlimits.random.normal`.
        ValueError: as `rnnlimits.random.normal`.

    Example:
        >>> from rnnlimits.random import stream
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> shaken(net, 0.0, stream(0)).recurrent.item()
        1.0
    """
    b = net.recurrent
    shape = (len(b), len(b))
    noise = normal(
        generator, shape, variance, dtype=b.dtype, device=b.device
    )
    return replace(net, recurrent=b + noise)


@dataclass(frozen=True, eq=False)
class Moments:
    """A mean and a variance, one of each for a window."""

    mean: Float[Tensor, " batch"]
    variance: Float[Tensor, " batch"]


def shaken_moments(
    net: ElmanNet, variance: float, x: Float[Tensor, "batch window d"]
) -> Moments:
    r"""Return the limits of mean and variance of n times what independent centred recurrent
    weights of this variance add to the output:

    .. math::

        \tfrac12 \sigma^2 \sum_k \int v_k\, s''(z_k)\, dP \int h_{k-1}^2\, dP, \qquad
        \sigma^2 \iint \Big( \sum_k \delta_k(\omega)\, h_{k-1}(\omega') \Big)^2 dP\, dP.

    Raises:
        TypeError: as `rnnlimits.networks.elman.run`.
        ValueError: as there, or a negative variance.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> shaken_moments(net, 1.0, torch.zeros(1, 3, 1)).variance.tolist()
        [0.0]
    """
    square, p = non_negative("variance", variance), net.weights
    states = run(net, x)
    reads = adjoint(net, states)
    heard, delta = states.hidden[:-1], reads.currents[1:]
    bent = _curvature(net.activation, states.currents[1:])
    mean = (reads.states[1:] * bent) @ p * (heard.square() @ p)
    weighed = torch.einsum("kai,lai,i->akl", delta, delta, p)
    gram = torch.einsum("kai,lai,i->akl", heard, heard, p)
    return Moments(
        square * mean.sum(0) / 2, square * (weighed * gram).sum((1, 2))
    )


def _curvature(s: Activation, z: Tensor) -> Tensor:
    """Return the second derivative of the activation."""

    def slope(u: Tensor) -> Tensor:
        return s.slope(u, s.value(u)).sum()

    return torch.func.grad(slope)(z)
