r"""The mean-field dynamics: gradient flow of the risk, on fixed grids and by an adaptive reference.

Weights move, labels and masses stay:

.. math::

    \dot a(\omega) = -g_a(\omega), \qquad \dot b(\omega, \omega') = -g_b(\omega, \omega'),
    \qquad \dot c(\omega) = -g_c(\omega),

the gradient in :math:`L^2(P)`. A network of width n, an atomic limit and a quadrature of a
continuum move by the same lines; they differ in their masses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    positive,
    same_kind,
    same_size,
)
from rnnlimits.networks.elman import (
    ElmanNet,
    adjoint,
    run,
    unchecked,
    unroll,
)
from rnnlimits.networks.elman_risk import Population, pull_back, risk
from rnnlimits.networks.runge_kutta import (
    RUNGE_KUTTA,
    Method,
    plus,
    stepped,
)
from rnnlimits.networks.weights import (
    Weights,
    as_vector,
    from_vector,
    weights_of,
)

Array = NDArray[np.float64]
Data = tuple[Tensor, Tensor, Tensor]
Step = Callable[[int, Weights], Weights]


@dataclass(frozen=True, eq=False)
class Path:
    """Weights at recorded times, of one network or of several side by side.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> path = integrate(net, Population(torch.zeros(1, 3, 1), one, one), 0.1, 4, every=2)
        >>> path.times.tolist(), path.readout.shape
        ([0.0, 0.2..., 0.4...], torch.Size([3, 1]))
    """

    times: Float[Tensor, " times"]
    input: Float[Tensor, "times *several m d"]
    recurrent: Float[Tensor, "times *several m m"]
    readout: Float[Tensor, "times *several m"]
    risk: Float[Tensor, "times *several"]
    net: ElmanNet | tuple[ElmanNet, ...]

    def at(self, index: int) -> ElmanNet:
        """Return the network at a recorded time, given by its index.

        Raises:
            TypeError: the path holds several networks.
        """
        if not isinstance(self.net, ElmanNet):
            raise TypeError(
                f"at needs the path of one network, got {len(self.net)}"
            )
        return replace(
            self.net,
            input=self.input[index],
            recurrent=self.recurrent[index],
            readout=self.readout[index],
        )

    def at_labels(self, labels: Int[Tensor, " n"]) -> Weights:
        r"""Return the weights that neurons with these atoms for labels would have at all times:
        :math:`a_t(\Theta_i)`, :math:`b_t(\Theta_i, \Theta_j)`, :math:`c_t(\Theta_i)`.

        Example:
            >>> one = torch.ones(1)
            >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
            >>> path = integrate(net, Population(torch.zeros(1, 3, 1), one, one), 0.1, 4)
            >>> path.at_labels(torch.zeros(2, dtype=torch.int64))[1].shape
            torch.Size([5, 2, 2])
        """
        return (
            self.input[..., labels, :],
            self.recurrent[..., labels, :][..., labels],
            self.readout[..., labels],
        )


def integrate(
    net: ElmanNet | Sequence[ElmanNet],
    population: Population,
    step: float,
    n_steps: int,
    method: Method = RUNGE_KUTTA,
    every: int = 1,
) -> Path:
    r"""Return the path of one network, or of several of one width at once, on a grid of times.

    The method `rnnlimits.networks.runge_kutta.EULER` is gradient descent: with ``step``
    :math:`\epsilon` its learning rates are :math:`n\epsilon` for a and c, and
    :math:`n^2\epsilon` for b. Weights are recorded every so many steps, from time 0 on.

    Raises:
        TypeError: dtypes or devices differ, or a count is no integer.
        ValueError: a step that is not positive, ``every`` does not divide ``n_steps``, several
            networks differ in size, activation or scaling, several targets, or a wrong number of
            input channels.
        FloatingPointError: a recorded weight is not finite; the step was too long.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> population = Population(torch.ones(1, 3, 1), 0 * one, one)
        >>> bool((integrate(net, population, 0.1, 10).risk.diff() < 0).all())
        True
    """
    start, masses = _start(net, population)
    data = population.x, population.targets, population.probabilities

    def field(w: Weights) -> Weights:
        return _each(net, _velocity)(w, masses, data)

    def advance(_: int, w: Weights) -> Weights:
        return stepped(field, w, step, method)

    recorded = _recorded(advance, start, step, n_steps, every)
    times = [step * every * k for k in range(len(recorded))]
    return _path(net, population, masses, times, recorded)


def solve(
    net: ElmanNet,
    population: Population,
    times: Sequence[float],
    tolerance: float = 1e-12,
) -> Path:
    """Return the path at increasing ``times``, by the adaptive method DOP853 of scipy, of order 8.

    ``tolerance`` bounds the local error, relative and absolute. In float64 on the CPU; the
    reference against which fixed grids are measured.

    Raises:
        TypeError: as `integrate`, or a network that is not float64 on the CPU.
        ValueError: times that do not increase from 0 on, or as `integrate`.
        FloatingPointError: the integrator gave up.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> solve(net, Population(one.expand(1, 3, 1), 0 * one, one), [0.0, 1.0]).risk.shape
        torch.Size([2])
    """
    grid = [float(t) for t in times]
    if len(grid) < 2 or grid[0] != 0 or min(np.diff(grid)) <= 0:
        raise ValueError(
            "times must be at least two and increase from 0 on, "
            f"got {grid}"
        )
    b = net.recurrent
    if b.dtype != torch.float64 or b.device.type != "cpu":
        raise TypeError(
            "net must be torch.float64 on the CPU, "
            f"got {b.dtype} on {b.device}"
        )
    start, masses = _start(net, population)
    data = population.x, population.targets, population.probabilities

    def derivative(_: float, flat: Array) -> Array:
        w = from_vector(torch.from_numpy(flat), start)
        return as_vector(_velocity(net, w, masses, data)).numpy()

    found = solve_ivp(
        derivative,
        (0.0, grid[-1]),
        as_vector(start).numpy(),
        method="DOP853",
        t_eval=grid,
        rtol=positive("tolerance", tolerance),
        atol=tolerance,
    )
    if not found.success:
        raise FloatingPointError(
            f"no solution up to {grid[-1]}: {found.message}"
        )
    columns = torch.from_numpy(found.y.T.copy())
    recorded = [from_vector(column, start) for column in columns]
    return _path(net, population, masses, grid, recorded)


def descend_online(
    net: ElmanNet | Sequence[ElmanNet],
    population: Population,
    x: Float[Tensor, "*several steps window d"],
    targets: Float[Tensor, "*several steps"],
    step: float,
    every: int = 1,
) -> Path:
    r"""Return gradient descent that sees one window a step, in the order given.

    .. math::

        w_{k+1} = w_k - \epsilon\, \nabla \tfrac12 (\hat y_{w_k}(x_k) - F^*(x_k))^2 .

    Several networks see each its own windows. The population serves only to record the risk.

    Raises:
        TypeError: dtypes or devices differ, or a count is no integer.
        ValueError: as `integrate`, or a wrong number of sequences, windows or targets.
        FloatingPointError: a recorded weight is not finite; the step was too long.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> all_of_it = Population(torch.ones(1, 3, 1), 0 * one, one)
        >>> path = descend_online(
        ...     net, all_of_it, torch.ones(8, 3, 1), torch.zeros(8), 0.1, every=4)
        >>> path.times.tolist()
        [0.0, 0.4..., 0.8...]
    """
    start, masses = _start(net, population)
    several = ("networks",) * (masses.ndim - 1)
    finite_tensor("x", x, (*several, "steps", "window", "inputs"))
    finite_tensor("targets", targets, (*several, "steps"))
    same_kind(x=x, targets=targets, net=start[0])
    same_size("input channels", x=x.shape[-1], net=start[0].shape[-1])
    same_size(
        "numbers of steps", x=x.shape[-3], targets=targets.shape[-1]
    )
    if several:
        same_size(
            "networks", net=len(masses), x=len(x), targets=len(targets)
        )
    all_of_it = torch.ones_like(targets[..., :1])

    def advance(k: int, w: Weights) -> Weights:
        seen = (
            x[..., k : k + 1, :, :],
            targets[..., k : k + 1],
            all_of_it,
        )
        return plus(w, _each(net, _velocity, 0)(w, masses, seen), step)

    recorded = _recorded(advance, start, step, targets.shape[-1], every)
    times = [step * every * k for k in range(len(recorded))]
    return _path(net, population, masses, times, recorded)


def _start(
    net: ElmanNet | Sequence[ElmanNet], population: Population
) -> tuple[Weights, Tensor]:
    """Check, and return weights and masses, those of several networks stacked."""
    nets = (net,) if isinstance(net, ElmanNet) else tuple(net)
    if not nets:
        raise ValueError("net must hold at least one network, got none")
    if population.targets.ndim != 1:
        raise ValueError(
            "population must have one target, "
            f"got {len(population.targets)}"
        )
    for each in nets:
        run(each, population.x[:1])  # its checks
        same_size("widths", first=nets[0].width, other=each.width)
        if (each.activation, each.scaling) != (
            nets[0].activation,
            nets[0].scaling,
        ):
            raise ValueError(
                "several networks must share activation and scaling"
            )
    if isinstance(net, ElmanNet):
        return weights_of(net), net.weights
    blocks = zip(*map(weights_of, nets), strict=True)
    weights = tuple(torch.stack(block) for block in blocks)
    return weights, torch.stack([each.weights for each in nets])


def _each(
    net: ElmanNet | Sequence[ElmanNet],
    function: Callable[..., Any],
    data: Literal[0] | None = None,
) -> Callable[..., Any]:
    """Bind the network's kind; for several, map over weights and masses, and with 0 over data."""
    if isinstance(net, ElmanNet):
        return partial(function, net)
    return torch.func.vmap(partial(function, net[0]), (0, 0, data))


def _velocity(
    kind: ElmanNet, w: Weights, p: Tensor, data: Data
) -> Weights:
    """Return the velocity as `rnnlimits.networks.elman_risk.velocity` does, without its checks."""
    (a, b, c), (x, targets, probabilities) = w, data
    net = unchecked(kind, a, b, c, p)
    states = unroll(a, b, c, p, x, kind.activation, kind.scaling)
    residuals = (states.output - targets) * probabilities
    g = pull_back(net, x, states, adjoint(net, states), residuals)
    fast_a, fast_b, fast_c = kind.scaling.clocks(len(p))
    return -fast_a * g.input, -fast_b * g.recurrent, -fast_c * g.readout


def _risk(
    kind: ElmanNet, w: Weights, p: Tensor, population: Population
) -> Tensor:
    a, b, c = w
    return risk(unchecked(kind, a, b, c, p), population)


def _recorded(
    advance: Step, w: Weights, step: float, n_steps: int, every: int
) -> list[Weights]:
    """Advance from step to step; keep the start and the weights after every so many."""
    positive("step", step)
    integer_at_least("n_steps", n_steps, 1)
    if n_steps % integer_at_least("every", every, 1):
        raise ValueError(
            f"every must divide the number of steps, {n_steps}, "
            f"got {every}"
        )
    recorded = [w]
    for k in range(n_steps):
        w = advance(k, w)
        if (k + 1) % every == 0:
            if not all(bool(block.isfinite().all()) for block in w):
                raise FloatingPointError(
                    f"weights are no longer finite at step {k + 1}; "
                    f"step must be shorter than {step}"
                )
            recorded.append(w)
    return recorded


def _path(
    net: ElmanNet | Sequence[ElmanNet],
    population: Population,
    masses: Tensor,
    times: Sequence[float],
    recorded: list[Weights],
) -> Path:
    """Stack what was recorded, with the risk at each time."""
    at = _each(net, _risk)
    risks = [at(w, masses, population) for w in recorded]
    a, b, c = (
        torch.stack(block) for block in zip(*recorded, strict=True)
    )
    return Path(
        a.new_tensor(times),
        a,
        b,
        c,
        torch.stack(risks),
        net if isinstance(net, ElmanNet) else tuple(net),
    )
