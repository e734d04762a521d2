r"""Recursions with Gaussian matrices and row-wise maps, at finite width and in their limit.

.. math::

    q_{t+1} = \sum_m n^{-1/2} W_m\, G_m(q_t, p_t), \qquad
    (W_m)_{ij} \sim N(0, \nu_m) .

At infinite width the rows of :math:`n^{-1/2} W_m\, G_m(q_t, p_t)` behave like Gaussian
processes :math:`R_{m,t+1}`, independent over :math:`m`, and those of :math:`q_{t+1}` like
:math:`Z_{t+1} = \sum_m R_{m,t+1}`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import qmc
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    non_negative,
    same_kind,
    same_size,
)
from rnnlimits.estimate import Estimate, estimate
from rnnlimits.random import normal

RowMap = Callable[[Tensor, Tensor], Tensor]
Rule = Callable[[int], tuple[Tensor, Tensor]]

CUTOFF = 1e-10  # a variance below this part of its whole is zero
_MOST_NODES = 2**22


def no_input(sources: Tensor, t: int) -> Tensor:
    """Return an input without columns, at every time."""
    return sources.new_zeros(len(sources), 0)


@dataclass(frozen=True)
class Recursion:
    r"""The maps :math:`G_m`, the variances :math:`\nu_m`, and where rows come from.

    Row i of :math:`q_0` and of all inputs :math:`p_t` is a function of row i of a table of
    independent standard normals, the *sources*: ``start(sources)`` and ``inputs(sources, t)``. So
    :math:`q_0` and the inputs may depend on each other, and an input may return. The same functions
    serve the network, with n rows, and the limit, with as many rows as an average has nodes.

    Raises:
        TypeError: a variance is no number, or ``n_sources`` no integer.
        ValueError: no map, numbers of maps and variances that differ, or a negative variance.

    Example:
        >>> walk = Recursion((lambda q, p: torch.tanh(q) + p,), (1.5,), start=lambda s: s[:, :1],
        ...     inputs=lambda s, t: s[:, 1:], n_sources=2)
        >>> walk.n_sources
        2
    """

    maps: tuple[RowMap, ...]
    variances: tuple[float, ...]
    start: Callable[[Tensor], Tensor]
    inputs: Callable[[Tensor, int], Tensor] = no_input
    n_sources: int = 1

    def __post_init__(self) -> None:
        same_size(
            "numbers of matrices",
            maps=len(self.maps),
            variances=len(self.variances),
        )
        integer_at_least("number of maps", len(self.maps), 1)
        integer_at_least("n_sources", self.n_sources, 0)
        for place, variance in enumerate(self.variances):
            non_negative(f"variances[{place}]", variance)


def gauss_hermite(n_nodes: int) -> Rule:
    """Return the rule that averages over standard normals by a grid of Gauss-Hermite nodes.

    Exact for polynomials of degree up to ``2 n_nodes - 1`` in each variable.

    Raises:
        TypeError: ``n_nodes`` is no integer.
        ValueError: ``n_nodes`` is below 1, or, when used, a grid of more than four million nodes.

    Example:
        >>> nodes, weights = gauss_hermite(3)(2)
        >>> round(float(weights @ nodes[:, 0] ** 4), 12)
        3.0
    """
    n_nodes = integer_at_least("n_nodes", n_nodes, 1)
    x, w = np.polynomial.hermite_e.hermegauss(n_nodes)
    line = torch.from_numpy(x), torch.from_numpy(w / w.sum())

    def rule(dimension: int) -> tuple[Tensor, Tensor]:
        if n_nodes**dimension > _MOST_NODES:
            raise ValueError(
                f"a grid of {n_nodes} nodes in {dimension} dimensions must have at most "
                f"{_MOST_NODES} nodes: take fewer, or the rule sobol"
            )
        grid, weights = line[0].new_zeros(1, 0), line[1].new_ones(1)
        for _ in range(dimension):
            old = grid.repeat_interleave(n_nodes, dim=0)
            new = line[0].repeat(len(grid))
            grid = torch.cat([old, new[:, None]], dim=1)
            weights = torch.outer(weights, line[1]).flatten()
        return grid, weights

    return rule


def sobol(log2_points: int, generator: np.random.Generator) -> Rule:
    """Return the rule that averages over standard normals by a scrambled Sobol sequence.

    Every use draws a scramble of its own from ``generator``.

    Raises:
        TypeError: ``log2_points`` is no integer.
        ValueError: ``log2_points`` is below 0.

    Example:
        >>> from rnnlimits.random import stream
        >>> nodes, weights = sobol(10, stream(0))(7)
        >>> nodes.shape, float(weights.sum())
        (torch.Size([1024, 7]), 1.0)
    """
    n_points = 2 ** integer_at_least("log2_points", log2_points, 0)

    def rule(dimension: int) -> tuple[Tensor, Tensor]:
        if dimension == 0:
            return torch.zeros(1, 0).double(), torch.ones(1).double()
        engine = qmc.Sobol(dimension, rng=generator)
        law = qmc.MultivariateNormalQMC(
            np.zeros(dimension), engine=engine
        )
        nodes = torch.from_numpy(law.random(n_points))
        return nodes, nodes.new_full((n_points,), 1 / n_points)

    return rule


def state_evolution(
    recursion: Recursion, horizon: int, rule: Rule
) -> Float[Tensor, "maps time time d d"]:
    r"""Return the limit's covariances, for s, t = 0..horizon-1 (linear paper, Lemma C.1,
    re-derived in covariance form),

    .. math::

        \operatorname{Cov}(R_{m,s+1}, R_{m,t+1})
            = \nu_m\, \mathbb{E}\big[G_m(Z_s, P_s)^\top G_m(Z_t, P_t)\big],
        \qquad Z_0 = Q_0 .

    The average runs over the sources, :math:`Z_s` and :math:`Z_t`: at most
    ``n_sources`` + 2 d dimensions, fewer where their covariance is singular or nothing is put in.
    ``rule`` says how.

    Raises:
        TypeError: ``horizon`` is no integer.
        ValueError: ``horizon`` is below 1, or a function returns a wrong shape or a value that is
            not finite.

    Example:
        >>> linear = Recursion((lambda q, p: q,), (0.5,), start=lambda s: s)
        >>> found = state_evolution(linear, 2, gauss_hermite(4))[0, :, :, 0, 0]
        >>> torch.allclose(found, torch.tensor([[0.5, 0.0], [0.0, 0.25]]).double())
        True
    """
    horizon = integer_at_least("horizon", horizon, 1)
    d = _start(recursion, rule(recursion.n_sources)[0]).shape[1]
    variances = torch.tensor(recursion.variances, dtype=torch.float64)
    R = torch.zeros(len(variances), horizon, horizon, d, d).double()
    for t in range(horizon):
        Z = R.sum(dim=0)
        for s in range(t + 1):
            moment = _moment(recursion, Z, s, t, rule)
            R[:, s, t] = variances[:, None, None] * moment
            R[:, t, s] = R[:, s, t].transpose(1, 2).clone()
    return R


def _moment(
    recursion: Recursion, Z: Tensor, s: int, t: int, rule: Rule
) -> Tensor:
    """Return E[G(Z_s, P_s)ᵀ G(Z_t, P_t)] for every map; Z[t - 1] belongs to Z_t."""
    times = sorted({s, t} - {0})
    past = [time - 1 for time in times]
    d = Z.shape[-1]
    joint = Z[past][:, past].transpose(1, 2).flatten(2).flatten(0, 1)
    factor = _factor(joint)
    # Without an input the sources matter to the start alone.
    needed = s == 0 or recursion.inputs is not no_input
    k = recursion.n_sources if needed else 0
    nodes, weights = rule(k + factor.shape[1])
    rows = nodes[:, k:] @ factor.T
    sources = nodes.new_zeros(len(nodes), recursion.n_sources)
    sources[:, :k] = nodes[:, :k]
    states = dict(zip(times, rows.split(d, dim=1), strict=False))
    if s == 0:
        states[0] = _start(recursion, sources)
    G = {
        time: _images(recursion, states[time], sources, time)
        for time in (s, t)
    }
    return torch.einsum("n,lna,lnb->lab", weights, G[s], G[t])


def sampled_state_evolution(
    recursion: Recursion,
    horizon: int,
    generator: np.random.Generator,
    *,
    log2_points: int = 12,
    n_scrambles: int = 8,
) -> Estimate:
    """Return `state_evolution` by scrambled Sobol points, with its error from independent runs.

    Each run carries its own points through the whole recursion, so that errors handed on from one
    time to the next are in the spread.

    Raises:
        TypeError: a number is no integer.
        ValueError: fewer than two scrambles, or as for `state_evolution`.

    Example:
        >>> from rnnlimits.random import stream
        >>> linear = Recursion((lambda q, p: q,), (0.5,), start=lambda s: s)
        >>> found = sampled_state_evolution(linear, 2, stream(0))
        >>> bool(abs(found.mean[0, 1, 1, 0, 0] - 0.25) < 1e-2)
        True
    """
    integer_at_least("n_scrambles", n_scrambles, 2)
    runs = [
        state_evolution(
            recursion, horizon, sobol(log2_points, generator)
        )
        for _ in range(n_scrambles)
    ]
    return estimate(torch.stack(runs).numpy())


@dataclass(frozen=True)
class Trajectory:
    r"""A recursion run at finite width: sources, states :math:`q_0, \dots, q_T`, and the transforms
    :math:`n^{-1/2} W_m G_m(q_t, p_t)` that sum to :math:`q_{t+1}`.
    """

    sources: Float[Tensor, "n sources"]
    states: Float[Tensor, "times n d"]
    transforms: Float[Tensor, "maps time n d"]

    def second_moments(self) -> Float[Tensor, "maps time time d d"]:
        """The finite-width counterpart of `state_evolution`: averages over rows."""
        r = self.transforms
        return torch.einsum("lsna,ltnb->lstab", r, r) / r.shape[2]


def simulate(
    recursion: Recursion,
    width: int,
    horizon: int,
    generator: np.random.Generator,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Trajectory:
    r"""Draw sources and matrices and run :math:`q_{t+1} = \sum_m n^{-1/2} W_m G_m(q_t,
    p_t)` (linear paper, eq. 68).

    Raises:
        TypeError: ``width`` or ``horizon`` is no integer.
        ValueError: one of them is below 1, or a function returns a wrong shape or a value that is
            not finite.

    Example:
        >>> from rnnlimits.random import stream
        >>> linear = Recursion((lambda q, p: q,), (0.5,), start=lambda s: s)
        >>> simulate(linear, 5, 3, stream(0)).states.shape
        torch.Size([4, 5, 1])
    """
    n = integer_at_least("width", width, 1)
    horizon = integer_at_least("horizon", horizon, 1)
    sources = torch.zeros(n, 0, dtype=dtype, device=device)
    if recursion.n_sources:
        shape = n, recursion.n_sources
        sources = normal(generator, shape, dtype=dtype, device=device)
    matrices = [
        normal(generator, (n, n), variance, dtype=dtype, device=device)
        for variance in recursion.variances
    ]
    A = torch.stack(matrices) / n**0.5
    states, transforms = [_start(recursion, sources)], []
    for t in range(horizon):
        transforms.append(
            A @ _images(recursion, states[-1], sources, t)
        )
        states.append(transforms[-1].sum(dim=0))
    return Trajectory(
        sources, torch.stack(states), torch.stack(transforms, dim=1)
    )


def require_row_wise(
    row_map: RowMap,
    rows: Float[Tensor, "n d"],
    inputs: Float[Tensor, "n k"],
    generator: np.random.Generator,
) -> None:
    """Raise if a map mixes rows: on half of the rows, shuffled, it must do what it does on all.

    A test on the rows given, no proof; it catches means and norms taken over rows, and maps that
    look at a row's position.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: fewer than two rows, numbers of rows that differ, or a map that is not
            row-wise.

    Example:
        >>> from rnnlimits.random import stream
        >>> require_row_wise(lambda q, p: q - q.mean(dim=0), torch.eye(4), torch.eye(4), stream(0))
        Traceback (most recent call last):
        ...
        ValueError: row_map must act row by row, got rows that change by 0.25 with their neighbours
    """
    finite_tensor("rows", rows, ("rows", "columns"))
    same_kind(rows=rows, inputs=inputs)
    same_size("numbers of rows", rows=len(rows), inputs=len(inputs))
    n = integer_at_least("number of rows", len(rows), 2)
    some = torch.from_numpy(generator.permutation(n)[: n // 2])
    whole = _checked("row_map", row_map(rows, inputs), rows.shape)
    part = row_map(rows[some], inputs[some])
    part = _checked("row_map", part, (n // 2, rows.shape[1]))
    change = float((part - whole[some]).abs().max())
    slack = 1e3 * torch.finfo(rows.dtype).eps
    if change > slack * float(whole.abs().max()):
        raise ValueError(
            f"row_map must act row by row, got rows that change by {change:.3g} with their "
            f"neighbours"
        )


def _factor(
    covariance: Float[Tensor, "d d"],
) -> Float[Tensor, "d r"]:
    """Return B with B Bᵀ = covariance: Cholesky, where a coordinate that the earlier ones
    determine, to the cutoff, gets no column. Unlike eigenvectors it leaves no sign to chance.
    """
    left, columns = covariance, []
    for k, own in enumerate(covariance.diagonal()):
        if left[k, k] > CUTOFF * own:
            columns.append(left[:, k] / left[k, k].sqrt())
            left = left - torch.outer(columns[-1], columns[-1])
    if not columns:
        return covariance.new_zeros(len(covariance), 0)
    return torch.stack(columns, dim=1)


def _start(recursion: Recursion, sources: Tensor) -> Tensor:
    q = recursion.start(sources)
    finite_tensor("start(sources)", q, ("rows", "columns"))
    return _checked("start", q, (len(sources), q.shape[1]))


def _images(
    recursion: Recursion, states: Tensor, sources: Tensor, t: int
) -> Tensor:
    """Return G(q_t, p_t) for every map, stacked."""
    side = recursion.inputs(sources, t)
    same_size("numbers of rows", states=len(states), inputs=len(side))
    images = [
        _checked(f"maps[{place}]", G(states, side), states.shape)
        for place, G in enumerate(recursion.maps)
    ]
    return torch.stack(images)


def _checked(
    name: str, value: Tensor, shape: tuple[int, ...]
) -> Tensor:
    """Return what a row-wise function gave, or raise unless it is finite and of this shape."""
    if tuple(value.shape) != tuple(shape):
        raise ValueError(
            f"{name} must return the shape {tuple(shape)}, got {tuple(value.shape)}"
        )
    if not bool(torch.isfinite(value).all()):
        raise ValueError(
            f"{name} must return finite values, got an infinite or NaN entry"
        )
    return value
