r"""Stability of the mean-field flow: the Hessian of the risk at a stationary point, and escape.

In the coordinates

.. math:: y = (\sqrt{p_i}\, a_i,\; \sqrt{p_i p_j}\, b_{ij},\; \sqrt{p_i}\, c_i)

the inner product of :math:`L^2(P)` is the Euclidean one, the flow is
:math:`\dot y = -\partial R/\partial y`, and its linearisation is minus a symmetric matrix.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import finite_tensor, positive, same_size
from rnnlimits.meanfield.flow import Path
from rnnlimits.networks.elman import ElmanNet, unchecked
from rnnlimits.networks.elman_risk import Blocks, Population, risk
from rnnlimits.networks.weights import (
    as_vector,
    from_vector,
    weights_of,
)


def roots(net: ElmanNet) -> Float[Tensor, " k"]:
    r"""Return what turns weights into coordinates: :math:`\sqrt{p_i}` for each input weight, then
    :math:`\sqrt{p_i p_j}` for each recurrent one, then :math:`\sqrt{p_i}` for each readout.

    Raises:
        ValueError: an atom has mass zero, or the scaling is not the mean-field one.

    Example:
        >>> quarter = torch.tensor([0.25, 0.75])
        >>> net = ElmanNet(torch.ones(2, 1), torch.ones(2, 2), torch.ones(2), quarter)
        >>> roots(net)[:2].square().tolist()
        [0.25, 0.75]
    """
    p = net.weights
    if bool((p == 0).any()):
        raise ValueError(
            f"masses of net must be above 0, got {float(p.min())}"
        )
    if not net.scaling.forgets_width:
        raise ValueError(
            f"scaling of net must be MEAN_FIELD, got {net.scaling}"
        )
    inputs = p[:, None].expand_as(net.input)
    squares = (inputs.flatten(), torch.outer(p, p).flatten(), p)
    return torch.cat(squares).sqrt()


def hessian(
    net: ElmanNet, population: Population
) -> Float[Tensor, "k k"]:
    r"""Return :math:`\partial^2 R / \partial y\, \partial y`, by autodiff, in reverse twice.

    Raises:
        TypeError: the dtypes or devices of network and windows differ.
        ValueError: an atom of mass zero, a scaling other than the mean-field one, several
            targets, or a wrong number of input channels.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(0 * one[:, None], 0 * one[:, None], one, one)
        >>> flat = Population(torch.zeros(1, 3, 1).double(), one, one)
        >>> hessian(net, flat).abs().max().item()
        0.0
    """
    root, weights = roots(net), weights_of(net)
    if risk(net, population).ndim:
        raise ValueError(
            "population must have one target, "
            f"got {len(population.targets)}"
        )

    def risk_at(y: Tensor) -> Tensor:
        a, b, c = from_vector(y / root, weights)
        here = unchecked(net, a, b, c, net.weights)
        return risk(here, population)

    at = root * as_vector(weights)
    return torch.func.jacrev(torch.func.grad(risk_at))(at)


@dataclass(frozen=True, eq=False)
class Spectrum:
    r"""Rates :math:`\lambda_1 \ge \lambda_2 \ge \dots` at which deviations from a stationary point
    grow, minus the eigenvalues of the Hessian, and the directions, as weights that change.

    Directions have norm one in :math:`L^2(P)` and are orthogonal there.
    """

    rates: Float[Tensor, " k"]
    directions: Float[Tensor, "k k"]
    net: ElmanNet

    @property
    def growth(self) -> float:
        r"""The largest rate :math:`\lambda = \lambda_1`."""
        return float(self.rates[0])

    def direction(self, index: int = 0) -> Blocks:
        """Return a direction as three functions on neurons; its sign is arbitrary."""
        return Blocks(
            *from_vector(self.directions[index], weights_of(self.net))
        )

    def component(
        self, change: Blocks | Path, index: int = 0
    ) -> Float[Tensor, "*several"]:
        r"""Return the part of a change of weights along a direction,
        :math:`\int \tilde a \cdot u_a + \iint \tilde b\, u_b + \int \tilde c\, u_c`.

        Raises:
            ValueError: the change is that of another number of weights.
        """
        moved = torch.cat(
            [
                change.input.flatten(-2),
                change.recurrent.flatten(-2),
                change.readout,
            ],
            dim=-1,
        )
        along = roots(self.net).square() * self.directions[index]
        same_size(
            "numbers of weights",
            change=moved.shape[-1],
            direction=len(along),
        )
        return moved @ along


def spectrum(net: ElmanNet, population: Population) -> Spectrum:
    """Return growth rates and directions at a stationary point; see `Spectrum`.

    Away from a stationary point the same numbers bound how fast two paths part.

    Raises:
        TypeError: as `hessian`.
        ValueError: as `hessian`.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(0 * one[:, None], 0 * one[:, None], 0 * one, one)
        >>> ones = Population(torch.ones(1, 1, 1).double(), one, one)
        >>> spectrum(net, ones).growth
        1.0
    """
    eigenvalues, vectors = torch.linalg.eigh(hessian(net, population))
    return Spectrum(-eigenvalues, vectors.T / roots(net), net)


def crossing_times(
    times: Float[Tensor, " times"],
    risk: Float[Tensor, "times *several"],
    level: float,
) -> Float[Tensor, "*several"]:
    """Return the first time at which a risk is at or below ``level``, or infinity.

    Between two of the ``times`` the logarithm of the risk is taken as linear.

    Raises:
        TypeError: ``risk`` is no floating-point tensor.
        ValueError: ``level`` is not above zero, a risk is not finite or not one for each time, or
            starts at or below the level.

    Example:
        >>> risk = torch.tensor([4.0, 2.0, 1.0])
        >>> crossing_times(torch.arange(3.0), risk, 2**0.5).item()
        1.5
    """
    positive("level", level)
    finite_tensor("risk", risk.flatten(), ("risks",))
    same_size("numbers of times", times=len(times), risk=len(risk))
    below = risk <= level
    if bool(below[0].any()):
        raise ValueError(
            "level must be below the risk at the start, "
            f"{float(risk[0].min())}, got {level}"
        )
    after = below.to(torch.uint8).argmax(0).clamp(min=1)
    high = risk.gather(0, after[None] - 1)[0]
    low = risk.gather(0, after[None])[0]
    share = (high / level).log() / (high / low).log()
    start, end = times[after - 1], times[after]
    crossed = start + share * (end - start)
    return torch.where(below.any(0), crossed, math.inf)
