r"""Dynamical systems of integers and circles, their orbits from any start, and the laws of windows.

Every system offers ``observations(starts, times)``, ``step`` (the map on states), and
``law(length)``, the windows of its invariant measure as weighted points. Positions on a circle are
64-bit integers, in units of :math:`2^{-64}` of a turn: their addition is exact, and so an orbit
is computed at any time without accumulating round-off.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from rnnlimits._checks import finite_tensor, integer_at_least
from rnnlimits.data.memory import WindowLaw

TURN = 2**64
# The golden mean (√5 - 1)/2, √2 - 1 and √3 - 1, each to within 2^-64.
GOLDEN = Fraction(math.isqrt(5 * TURN**2) - TURN, 2 * TURN)
ROOT_TWO = Fraction(math.isqrt(2 * TURN**2) - TURN, TURN)
ROOT_THREE = Fraction(math.isqrt(3 * TURN**2) - TURN, TURN)

Points = Float[Tensor, "*points circles"]
Turns = NDArray[np.uint64]


@runtime_checkable
class System(Protocol):
    """What the systems have in common; what a start is, each says itself."""

    def step(self, states: Any, /) -> Any:
        """Return the images of states under the map."""
        ...

    def observations(
        self, starts: Any, times: Int[Tensor, " times"]
    ) -> Float[Tensor, "starts times channels"]:
        """Return the inputs at the given times along the orbit of each start."""
        ...

    def law(self, length: int) -> WindowLaw:
        """Return the windows of so many inputs under the invariant measure."""
        ...


def orbits(
    system: System, starts: Any, n_times: int
) -> Float[Tensor, "starts times channels"]:
    """Return the inputs at times 0..n_times-1 along the orbit of each start.

    Raises:
        TypeError: ``n_times`` is no integer, or the starts are not of the system's kind.
        ValueError: ``n_times`` is below 1, or a start is not admissible.

    Example:
        >>> quarter = Translation((Fraction(1, 4),), observe=cosines)
        >>> start = torch.zeros(1, 1, dtype=torch.float64)
        >>> orbits(quarter, start, 4).round().flatten().abs().tolist()
        [1.0, 0.0, 1.0, 0.0]
    """
    integer_at_least("n_times", n_times, 1)
    return system.observations(starts, torch.arange(n_times))


def on_circles(points: Points) -> Float[Tensor, "*points channels"]:
    r"""Observe all of each angle: :math:`\cos 2\pi\theta_i` of all, then :math:`\sin 2\pi\theta_i`.

    Example:
        >>> on_circles(torch.tensor([[0.0]])).tolist()
        [[1.0, 0.0]]
    """
    turns = 2 * math.pi * points
    return torch.cat([turns.cos(), turns.sin()], dim=-1)


def cosines(points: Points) -> Float[Tensor, "*points channels"]:
    r"""Observe :math:`\cos 2\pi\theta_i`: an angle and its negative look the same.

    Example:
        >>> cosines(torch.tensor([[0.0]])).tolist()
        [[1.0]]
    """
    return (2 * math.pi * points).cos()


def last_circle(points: Points) -> Float[Tensor, "*points channels"]:
    r"""Observe the last angle alone: :math:`\cos 2\pi y` and :math:`\sin 2\pi y`.

    Example:
        >>> last_circle(torch.tensor([[0.3, 0.0]])).tolist()
        [[1.0, 0.0]]
    """
    return on_circles(points[..., -1:])


@dataclass(frozen=True)
class Translation:
    r"""The translation :math:`\theta \mapsto \theta + \alpha` of a torus; of a circle, a rotation.

    A start is a point of the torus, its coordinates in [0, 1). The law is the trapezoid rule with
    ``nodes`` points on each circle.

    Raises:
        TypeError: an angle is no number, or ``nodes`` no integer.
        ValueError: there is no angle, an angle does not lie in (0, 1), or ``nodes`` is below 1.

    Example:
        >>> Translation().step(torch.tensor([[0.5]])).item()
        0.118...
    """

    angles: tuple[Fraction | float, ...] = (GOLDEN,)
    observe: Callable[[Tensor], Tensor] = on_circles
    nodes: int = 64

    def __post_init__(self) -> None:
        if not self.angles:
            raise ValueError(
                "angles must hold at least one angle, got none"
            )
        for angle in self.angles:
            turns("angles", angle)
        integer_at_least("nodes", self.nodes, 1)

    def step(self, points: Points) -> Points:
        """Return the next states."""
        angles = [float(angle) for angle in self.angles]
        return (points + points.new_tensor(angles)) % 1

    def observations(
        self,
        starts: Float[Tensor, "starts circles"],
        times: Int[Tensor, " times"],
    ) -> Float[Tensor, "starts times channels"]:
        """Return the inputs at the given times along the orbit of each start."""
        theta = on_grid(starts, len(self.angles))[:, None]
        alpha = np.array([turns("angles", a) for a in self.angles])
        return self.observe(off_grid(theta + _integers(times) * alpha))

    def law(self, length: int) -> WindowLaw:
        """Return the law of windows by the trapezoid rule, with nodes at time 0."""
        points = grid(self.nodes, len(self.angles))
        return equal_weights(
            self.observations(points, latest_times(length))
        )


@dataclass(frozen=True)
class SkewProduct:
    r"""Furstenberg's map :math:`(x, y) \mapsto (x + \alpha,\; y + x)` of the torus.

    After k steps :math:`y` has become :math:`y + kx + \tfrac12 k(k-1)\alpha`. Starts, ``observe``
    and ``nodes`` are as for a translation.

    Raises:
        TypeError: the angle is no number, or ``nodes`` no integer.
        ValueError: the angle does not lie in (0, 1), or ``nodes`` is below 1.

    Example:
        >>> SkewProduct(0.5).step(torch.tensor([[0.25, 0.5]])).tolist()
        [[0.75, 0.75]]
    """

    angle: Fraction | float = GOLDEN
    observe: Callable[[Tensor], Tensor] = on_circles
    nodes: int = 32

    def __post_init__(self) -> None:
        turns("angle", self.angle)
        integer_at_least("nodes", self.nodes, 1)

    def step(self, points: Points) -> Points:
        """Return the next states."""
        x, y = points.unbind(dim=-1)
        return torch.stack([x + float(self.angle), y + x], dim=-1) % 1

    def observations(
        self,
        starts: Float[Tensor, "starts circles"],
        times: Int[Tensor, " times"],
    ) -> Float[Tensor, "starts times channels"]:
        """Return the inputs at the given times along the orbit of each start."""
        x, y = on_grid(starts, 2).T[:, :, None]
        alpha, k = turns("angle", self.angle), _integers(times)[:, 0]
        pairs = _integers(times * (times - 1) // 2)[:, 0]
        x_k = x + k * alpha
        y_k = y + k * x + pairs * alpha
        return self.observe(off_grid(np.stack([x_k, y_k], axis=-1)))

    def law(self, length: int) -> WindowLaw:
        """Return the law of windows by the trapezoid rule, with nodes at time 0."""
        points = grid(self.nodes, 2)
        return equal_weights(
            self.observations(points, latest_times(length))
        )


@dataclass(frozen=True)
class Odometer:
    r"""Adding one with carry to a dyadic integer, seen as a point of the Cantor set.

    A start is an integer z, its binary digits :math:`z_0, z_1, \dots` from the last to the first;
    the input is :math:`\sum_i 2 z_i 3^{-i-1}`. Inputs along an orbit use 40 digits. The law gives
    one atom to each value of the last ``digits`` digits, in the middle of its piece of the Cantor
    set: exact for what depends on these digits, and of error :math:`O(9^{-\text{digits}})` for
    smooth functions.

    Raises:
        TypeError: ``digits`` is no integer.
        ValueError: ``digits`` does not lie in 1..20.

    Example:
        >>> Odometer().observations(torch.tensor([0]), torch.arange(3))[0, :, 0]
        tensor([0.0000, 0.6667, 0.2222], dtype=torch.float64)
    """

    digits: int = 12

    def __post_init__(self) -> None:
        if integer_at_least("digits", self.digits, 1) > 20:
            raise ValueError(
                f"digits must be at most 20, got {self.digits}"
            )

    def step(
        self, states: Int[Tensor, " *points"]
    ) -> Int[Tensor, " *points"]:
        """Return the next states."""
        return states + 1

    def observations(
        self,
        starts: Int[Tensor, " starts"],
        times: Int[Tensor, " times"],
    ) -> Float[Tensor, "starts times channels"]:
        """Return the inputs at the given times along the orbit of each start."""
        whole_numbers("starts", starts)
        return cantor(starts[:, None] + times, 40)[..., None]

    def law(self, length: int) -> WindowLaw:
        """Return the law of windows, one atom a value of the last digits."""
        starts = torch.arange(2**self.digits)
        seen = cantor(
            starts[:, None] + first_times(length), self.digits
        )
        return equal_weights(
            (seen + 0.5 * 3.0**-self.digits)[..., None]
        )


def cantor(
    states: Int[Tensor, " *points"], digits: int
) -> Float[Tensor, " *points"]:
    r"""Return :math:`\sum_{i < \text{digits}} 2 z_i 3^{-i-1}` of the binary digits of z.

    Example:
        >>> cantor(torch.tensor([1, 2]), 2)
        tensor([0.6667, 0.2222], dtype=torch.float64)
    """
    found = torch.zeros(states.shape, dtype=torch.float64)
    for i in reversed(range(digits)):
        found = (found + 2.0 * ((states >> i) & 1)) / 3.0
    return found


def turns(name: str, angle: Fraction | float) -> np.uint64:
    """Return an angle in (0, 1) in units of 2^-64, or raise."""
    if isinstance(angle, bool) or not isinstance(
        angle, Fraction | float
    ):
        raise TypeError(
            f"{name} must be a Fraction or a float, got {type(angle).__name__}"
        )
    if not 0 < angle < 1:
        raise ValueError(
            f"{name} must lie between 0 and 1, got {angle}"
        )
    return np.uint64(round(Fraction(angle) * TURN) % TURN)


def on_grid(starts: object, circles: int) -> Turns:
    """Return points of a torus in units of 2^-64, or raise."""
    finite_tensor("starts", starts, ("starts", "circles"))
    assert isinstance(starts, Tensor)
    if starts.shape[1] != circles:
        raise ValueError(
            f"starts must have {circles} coordinates, got {starts.shape[1]}"
        )
    if bool(((starts < 0) | (starts >= 1)).any()):
        raise ValueError("starts must lie in [0, 1), got one outside")
    return (starts.double().numpy() * float(TURN)).astype(np.uint64)


def off_grid(positions: Turns) -> Tensor:
    """Return positions in units of 2^-64 as numbers in [0, 1), cut off after 53 bits."""
    return torch.from_numpy((positions >> np.uint64(11)) * 2.0**-53)


def grid(nodes: int, circles: int) -> Float[Tensor, "points circles"]:
    """Return the points whose coordinates are multiples of 1 / nodes.

    Example:
        >>> grid(2, 1).tolist()
        [[0.0], [0.5]]
    """
    axis = torch.arange(nodes, dtype=torch.float64) / nodes
    return torch.cartesian_prod(*[axis] * circles).reshape(-1, circles)


def whole_numbers(name: str, value: object) -> None:
    """Raise unless ``value`` is a vector of 64-bit integers."""
    if not isinstance(value, Tensor) or value.dtype != torch.int64:
        raise TypeError(f"{name} must be a tensor of 64-bit integers")
    if value.ndim != 1 or not len(value):
        raise ValueError(
            f"{name} must be a vector of at least one, got {tuple(value.shape)}"
        )


def _integers(times: Tensor) -> Turns:
    """Return times as a column whose products with turns wrap at a full turn."""
    whole_numbers("times", times)
    return times.numpy().astype(np.uint64)[:, None]


def first_times(length: int) -> Int[Tensor, " times"]:
    """Return the times 0..length-1, or raise."""
    return torch.arange(integer_at_least("length", length, 1))


def latest_times(length: int) -> Int[Tensor, " times"]:
    """Return the times 1-length..0, or raise."""
    return first_times(length) - (length - 1)


def equal_weights(found: Tensor) -> WindowLaw:
    """Return the law that gives all windows the same weight."""
    return WindowLaw(
        found, found.new_full((len(found),), 1 / len(found))
    )
