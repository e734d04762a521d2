r"""Finite networks beside their limit: same labels, same clock, and the distance between them.

A network of n neurons whose labels are atoms of a finite set moves as the atoms do, with the masses
:math:`\hat p_i` = share of neurons with label i: neurons that start equal stay equal. So any width
costs what the atoms cost, and the width enters through :math:`\hat p` alone.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rnnlimits._checks import finite_tensor, same_size
from rnnlimits.meanfield.flow import Path, integrate
from rnnlimits.networks.elman import ElmanNet, run, unchecked, unroll
from rnnlimits.networks.elman_risk import Population
from rnnlimits.networks.runge_kutta import RUNGE_KUTTA, Method
from rnnlimits.networks.weights import Weights


def with_shares(net: ElmanNet, counts: Int[Tensor, " m"]) -> ElmanNet:
    r"""Return the network on the same atoms with masses :math:`\hat p_i = N_i / n`, the width-n
    network in which :math:`N_i` neurons have the label i.

    Raises:
        TypeError: ``counts`` is no tensor of integers.
        ValueError: not one count for each atom, a negative one, or all zero.

    Example:
        >>> half = torch.full((2,), 0.5)
        >>> net = ElmanNet(torch.ones(2, 1), torch.ones(2, 2), torch.ones(2), half)
        >>> with_shares(net, torch.tensor([3, 1])).weights.tolist()
        [0.75, 0.25]
    """
    if not isinstance(counts, Tensor) or counts.dtype != torch.int64:
        raise TypeError(
            "counts must be a tensor of int64 numbers, got "
            f"{getattr(counts, 'dtype', type(counts).__name__)}"
        )
    same_size("atoms", net=net.width, counts=counts.numel())
    n = int(counts.sum())
    if n < 1 or bool((counts < 0).any()):
        raise ValueError(
            "counts must be at least 0 and not all 0, "
            f"got {counts.tolist()}"
        )
    return replace(net, weights=counts.to(net.weights) / n)


@dataclass(frozen=True, eq=False)
class Distance:
    r"""How far two paths have been apart up to each time, at any atom, by block of weights.

    .. math:: D_T = \sup_{t \le T}\; \max_i |w_t(i) - \bar w_t(i)|,

    Euclidean over the inputs for the block a.

    Example:
        >>> Distance(torch.ones(2), torch.ones(2), 3 * torch.ones(2)).largest.tolist()
        [3.0, 3.0]
    """

    input: Float[Tensor, "times *several"]
    recurrent: Float[Tensor, "times *several"]
    readout: Float[Tensor, "times *several"]

    @property
    def largest(self) -> Float[Tensor, "times *several"]:
        """The largest of the three blocks."""
        return torch.maximum(
            torch.maximum(self.input, self.recurrent), self.readout
        )


def distance(path: Path | Weights, limit: Path | Weights) -> Distance:
    r"""Return :math:`D_T` for every recorded time T, for each of several networks.

    The second argument may hold one network where the first holds several. Weights at the labels
    of the neurons come from `rnnlimits.meanfield.flow.Path.at_labels`.

    Raises:
        ValueError: the paths have different numbers of times.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> path = integrate(net, Population(torch.zeros(1, 3, 1), one, one), 0.1, 4)
        >>> distance(path, path).largest.tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0]
    """
    (a, b, c), (a_, b_, c_) = _blocks(path), _blocks(limit)
    same_size("recorded times", path=len(a), limit=len(a_))
    if a.ndim > a_.ndim:
        a_, b_, c_ = a_[:, None], b_[:, None], c_[:, None]
    gaps = (
        (a - a_).norm(dim=-1).amax(-1),
        (b - b_).abs().amax((-2, -1)),
        (c - c_).abs().amax(-1),
    )
    return Distance(*(gap.cummax(0).values for gap in gaps))


def _blocks(path: Path | Weights) -> Weights:
    if isinstance(path, Path):
        return path.input, path.recurrent, path.readout
    return path


def mass_derivative(
    net: ElmanNet,
    population: Population,
    directions: Float[Tensor, "several m"],
    step: float,
    n_steps: int,
    method: Method = RUNGE_KUTTA,
    every: int = 1,
) -> Path:
    r"""Return how the path moves to first order when the masses do: the derivative of
    `rnnlimits.meanfield.flow.integrate` in :math:`p`, along each direction.

    With directions of sum zero; the weights at the start stay. Exact for the grid of the method,
    by forward autodiff. The recorded risk is the derivative of the risk.

    Raises:
        TypeError: as `rnnlimits.meanfield.flow.integrate`.
        ValueError: as there, or directions that do not fit the atoms.

    Example:
        >>> half = torch.full((2,), 0.5)
        >>> net = ElmanNet(torch.ones(2, 1), torch.ones(2, 2), torch.ones(2), half)
        >>> population = Population(torch.ones(1, 3, 1), torch.zeros(1), torch.ones(1))
        >>> shift = torch.tensor([[1.0, -1.0]])
        >>> mass_derivative(net, population, shift, 0.1, 4).risk[-1].abs().tolist()
        [0.0]
    """
    finite_tensor("directions", directions, ("several", "atoms"))
    same_size("atoms", net=net.width, directions=directions.shape[1])

    def moved(p: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        here = unchecked(net, net.input, net.recurrent, net.readout, p)
        path = integrate(here, population, step, n_steps, method, every)
        return path.input, path.recurrent, path.readout, path.risk

    a, b, c, r = _along(moved, net.weights, directions)
    times = step * every * torch.arange(len(a), dtype=a.dtype)
    return Path(times, a, b, c, r, (net,) * len(directions))


def outputs_along(
    path: Path, x: Float[Tensor, "batch window d"]
) -> Float[Tensor, "times *several batch"]:
    """Return the outputs at all recorded times, for one network or several.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> population = Population(torch.zeros(1, 3, 1), one, one)
        >>> outputs_along(integrate(net, population, 0.1, 4), population.x).shape
        torch.Size([5, 1])
    """
    alone = isinstance(path.net, ElmanNet)
    kind = path.net if isinstance(path.net, ElmanNet) else path.net[0]

    def output(a: Tensor, b: Tensor, c: Tensor, p: Tensor) -> Tensor:
        return unroll(
            a, b, c, p, x, kind.activation, kind.scaling
        ).output

    if isinstance(path.net, ElmanNet):
        masses = path.net.weights
    else:
        masses = torch.stack([each.weights for each in path.net])
    each = output if alone else torch.func.vmap(output)
    recorded = zip(
        path.input, path.recurrent, path.readout, strict=True
    )
    return torch.stack([each(*w, masses) for w in recorded])


def trained_influence(
    net: ElmanNet,
    population: Population,
    x: Float[Tensor, "batch window d"],
    step: float,
    n_steps: int,
    method: Method = RUNGE_KUTTA,
    every: int = 1,
) -> Float[Tensor, "times batch m"]:
    r"""Return the influence of each label on the output of the trained network,

    .. math::

        \Psi_t(\omega) = \frac{d}{d\eta}\, \hat y_t\big[P + \eta\,(\delta_\omega - P)\big]
        \Big|_{\eta = 0} ,

    where the output at time t depends on P through the whole training up to t. At time 0 it is
    the influence :math:`\psi` of `rnnlimits.networks.sampling_error.influence`, less its mean.

    Raises:
        TypeError: as `rnnlimits.meanfield.flow.integrate`.
        ValueError: as `rnnlimits.meanfield.flow.integrate`.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> population = Population(torch.zeros(1, 3, 1), one, one)
        >>> trained_influence(net, population, population.x, 0.1, 4).shape
        torch.Size([5, 1, 1])
    """
    run(net, x)  # its checks

    def outputs(p: Tensor) -> Tensor:
        here = unchecked(net, net.input, net.recurrent, net.readout, p)
        path = integrate(here, population, step, n_steps, method, every)
        return outputs_along(path, x)

    labels = torch.eye(net.width).to(net.weights)
    moved = _along(outputs, net.weights, labels - net.weights)
    return moved.movedim(1, -1)


def _along(
    function: Callable[[Tensor], Any],
    point: Tensor,
    directions: Float[Tensor, "several m"],
) -> Any:
    """Return the derivative along each direction, on axis 1 of each result."""

    def derivative(direction: Tensor) -> Any:
        return torch.func.jvp(function, (point,), (direction,))[1]

    with quietly():
        return torch.func.vmap(derivative, out_dims=1)(directions)


@contextmanager
def quietly() -> Iterator[None]:
    """Hold back a warning that torch gives, about a name of its own, when it loads its forward
    derivatives.

    Example:
        >>> with quietly():
        ...     warnings.warn("`torch.jit.script` is deprecated", DeprecationWarning)
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", ".*torch.jit", DeprecationWarning
        )
        yield
