"""Diversity is kept: from where training carries a neuron to a given row.

A neuron of mass zero moves in the field of the others and changes
nothing, so that it can be started anywhere.
"""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor
from torch.nn import functional

from rnnlimits._checks import same_size
from rnnlimits.meanfield.flow import integrate
from rnnlimits.networks.elman import ElmanNet, unchecked
from rnnlimits.networks.elman_risk import Population


def carried(
    net: ElmanNet,
    population: Population,
    rows: Float[Tensor, "q k"],
    step: float,
    n_steps: int,
) -> Float[Tensor, "q k"]:
    """Return where the flow of ``net`` carries neurons of mass zero
    that start at the ``rows`` (a, b), with readout and column zero.

    Raises:
        ValueError: the rows have another length than those of ``net``.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> flat = Population(one[:, None, None], one, one)
        >>> rows = torch.tensor([[0.5, -2.0]]).double()
        >>> carried(net, flat, rows, 0.5, 4)[0, 1].item()
        -2.0
    """
    m, d = net.input.shape
    same_size("lengths of rows", rows=rows.shape[1], net=m + d)
    more = (0, len(rows))
    every = unchecked(
        net,
        torch.cat([net.input, rows[:, :d]]),
        functional.pad(torch.cat([net.recurrent, rows[:, d:]]), more),
        functional.pad(net.readout, more),
        functional.pad(net.weights, more),
    )
    path = integrate(every, population, step, n_steps, every=n_steps)
    ends = path.input[-1, m:], path.recurrent[-1, m:, :m]
    return torch.cat(ends, dim=1)


def origin(
    net: ElmanNet,
    population: Population,
    row: Float[Tensor, " k"],
    step: float,
    n_steps: int,
) -> Float[Tensor, " k"]:
    """Return a row that `carried` takes to ``row``.

    Powell's hybrid method, from that row itself, with slopes from
    neighbours carried along; in float64 on the CPU.

    Raises:
        ValueError: as `carried`.
        RuntimeError: the solver found none.

    Example:
        >>> one = torch.ones(1).double()
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> flat = Population(one[:, None, None], one, one)
        >>> row = torch.tensor([0.5, -2.0]).double()
        >>> start = origin(net, flat, row, 0.5, 4)
        >>> end = carried(net, flat, start[None], 0.5, 4)[0]
        >>> bool((end - row).abs().max() < 1e-9)
        True
    """

    def after(rows: Tensor) -> Tensor:
        return carried(net, population, rows, step, n_steps)

    def misfit(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        return (after(torch.from_numpy(flat)[None])[0] - row).numpy()

    def slopes(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = 1e-6 * torch.eye(len(flat) + 1, len(flat)).double()
        ends = after(torch.from_numpy(flat) + moved)
        return ((ends[:-1] - ends[-1]).T / 1e-6).numpy()

    found = optimize.root(misfit, row.numpy(), jac=slopes, tol=1e-12)
    if not np.abs(misfit(found.x)).max() < 1e-9:
        raise RuntimeError(f"no start was found: {found.message}")
    return torch.from_numpy(found.x)
