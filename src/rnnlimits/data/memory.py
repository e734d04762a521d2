r"""Windows of the latest inputs, their law, and how much of a target they leave unexplained.

A window is :math:`(x_{-L+1}, \dots, x_0)`, oldest input first. A law is a finite set of weighted
windows: exact for words over an alphabet, a quadrature rule for points of a circle.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    non_negative_weights,
    positive,
    same_kind,
    same_size,
)


@dataclass(frozen=True)
class WindowLaw:
    """Weighted windows; an average over the invariant measure is a weighted sum over them.

    Raises:
        TypeError: a field is no floating-point tensor, or dtypes or devices differ.
        ValueError: an axis is wrong or empty, an entry not finite, a weight negative, the numbers
            of windows and weights differ, or the weights do not sum to one.

    Example:
        >>> fair = WindowLaw(torch.tensor([[[0.0]], [[1.0]]]), torch.tensor([0.5, 0.5]))
        >>> fair.average(fair.windows[:, -1, 0])
        0.5
    """

    windows: Float[Tensor, "atoms length channels"]
    weights: Float[Tensor, " atoms"]

    def __post_init__(self) -> None:
        axes = ("atoms", "length", "channels")
        finite_tensor("windows", self.windows, axes)
        non_negative_weights("weights", self.weights)
        same_kind(windows=self.windows, weights=self.weights)
        same_size(
            "numbers of atoms",
            windows=len(self.windows),
            weights=len(self.weights),
        )
        total = float(self.weights.double().sum())
        room = (
            1e-12
            + len(self.weights) * torch.finfo(self.weights.dtype).eps
        )
        if abs(total - 1) > room:
            raise ValueError(f"weights must sum to 1, got {total}")

    @property
    def length(self) -> int:
        """The number of inputs in a window."""
        return self.windows.shape[1]

    def average(self, values: Float[Tensor, " atoms"]) -> float:
        r"""Return :math:`\sum_i w_i v_i`, the average of one value for each window.

        Raises:
            TypeError: dtypes or devices differ.
            ValueError: there is not one finite value for each window.
        """
        finite_tensor("values", values, ("atoms",))
        same_kind(values=values, weights=self.weights)
        same_size(
            "lengths", values=len(values), weights=len(self.weights)
        )
        return float(self.weights @ values)


def windows(
    sequence: Float[Tensor, "time channels"], length: int
) -> Float[Tensor, "count length channels"]:
    r"""Return all windows of a sequence: entry (k, j) is :math:`x_{k+j}`.

    Raises:
        TypeError: ``sequence`` is no floating-point tensor, or ``length`` no integer.
        ValueError: ``length`` is below 1 or above the length of the sequence, or an entry of the
            sequence is not finite.

    Example:
        >>> windows(torch.tensor([[1.0], [2.0], [3.0]]), 2)[:, :, 0].tolist()
        [[1.0, 2.0], [2.0, 3.0]]
    """
    finite_tensor("sequence", sequence, ("time", "channels"))
    if integer_at_least("length", length, 1) > len(sequence):
        raise ValueError(
            "length must be at most the length of the sequence, "
            f"{len(sequence)}, got {length}"
        )
    return sequence.unfold(0, length, 1).mT.contiguous()


def lagged_product(
    inputs: Float[Tensor, "count length channels"],
    lags: tuple[int, ...],
    channel: int = 0,
) -> Float[Tensor, " count"]:
    r"""Return the target :math:`\prod_{\tau \in \text{lags}} x_{-\tau}`, of memory 1 + largest lag.

    Raises:
        TypeError: ``inputs`` is no floating-point tensor, or a lag or the channel no integer.
        ValueError: there is no lag, or a lag or the channel is not in the window.

    Example:
        >>> lagged_product(torch.tensor([[[2.0], [3.0], [5.0]]]), (0, 2)).tolist()
        [10.0]
    """
    finite_tensor("inputs", inputs, ("count", "length", "channels"))
    _, length, channels = inputs.shape
    if not lags:
        raise ValueError("lags must hold at least one lag, got none")
    for lag in lags:
        if integer_at_least("lags", lag, 0) >= length:
            raise ValueError(
                f"lags must be below the length of a window, {length}, "
                f"got {lag}"
            )
    if integer_at_least("channel", channel, 0) >= channels:
        raise ValueError(
            f"channel must be below the number of channels, {channels}, "
            f"got {channel}"
        )
    seen = [length - 1 - lag for lag in lags]
    return inputs[:, seen, channel].prod(dim=1)


def unexplained_variance(
    law: WindowLaw,
    targets: Float[Tensor, " atoms"],
    memory: int,
    tolerance: float = 1e-9,
) -> float:
    r"""Return :math:`\mathbb E\, \mathrm{Var}(F^* \mid x_{-m+1}, \dots, x_0)` with m = ``memory``.

    No predictor that sees only the last m inputs has a smaller mean squared error. Atoms count as
    one where those inputs agree to within ``tolerance``. Exact for laws of words; for points of a
    circle exact at each node if, with a node, the law holds all points that have the same inputs.
    With memory 0 this is the variance.

    Raises:
        TypeError: dtypes or devices differ, ``memory`` is no integer, ``tolerance`` no number.
        ValueError: there is not one finite target for each window, ``memory`` is negative or above
            the length of a window, or ``tolerance`` is not positive.

    Example:
        >>> pairs = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> coins = WindowLaw(pairs[:, :, None], torch.full((4,), 0.25))
        >>> [unexplained_variance(coins, pairs[:, 0], m) for m in (0, 1, 2)]
        [0.25, 0.25, 0.0]
    """
    law.average(targets)
    if integer_at_least("memory", memory, 0) > law.length:
        raise ValueError(
            f"memory must be at most the length of a window, {law.length}, "
            f"got {memory}"
        )
    group = _groups(law, memory, positive("tolerance", tolerance))
    n_groups = int(group.max()) + 1
    share = targets.new_zeros(n_groups).index_add(0, group, law.weights)
    total = targets.new_zeros(n_groups)
    total = total.index_add(0, group, law.weights * targets)
    seen = share > 0
    mean = torch.where(seen, total / share.where(seen, 1.0), 0.0)
    return float(law.weights @ (targets - mean[group]) ** 2)


def _groups(
    law: WindowLaw, memory: int, tolerance: float
) -> Int[Tensor, " atoms"]:
    """Number the windows so that those with the same last inputs share a number."""
    last = law.windows[:, law.length - memory :].flatten(1)
    group = torch.zeros(
        len(last), dtype=torch.int64, device=last.device
    )
    for column in last.unbind(dim=1):
        order = column.argsort()
        jumps = column[order].diff() > tolerance
        ranks = torch.zeros_like(group)
        ranks[order[1:]] = jumps.cumsum(0)
        pairs = torch.stack([group, ranks], dim=1)
        group = torch.unique(pairs, dim=0, return_inverse=True)[1]
    return group


def worst_errors(
    values: Float[Tensor, "starts time"], exact: float
) -> tuple[Int[Tensor, " blocks"], Float[Tensor, " blocks"]]:
    r"""Return N = 1, 2, 4, ... and the worst error of an average of N to 2N - 1 values.

    .. math::

        \max_{N \le n < 2N}\; \max_{\text{starts}}
            \Big| \frac1n \sum_{k<n} v_k - \text{exact} \Big| .

    Raises:
        TypeError: ``values`` is no floating-point tensor.
        ValueError: an entry or ``exact`` is not finite, or an axis empty.

    Example:
        >>> [each.tolist() for each in worst_errors(torch.tensor([[1.0, 0.0, 0.0]]), 0.0)]
        [[1, 2], [1.0, 0.5]]
    """
    finite_tensor("values", values, ("starts", "time"))
    if not math.isfinite(exact):
        raise ValueError(f"exact must be finite, got {exact}")
    n_values = values.shape[1]
    counts = torch.arange(1, n_values + 1, device=values.device)
    running = (values - exact).cumsum(dim=1) / counts
    error = running.abs().amax(dim=0)
    n_blocks = (n_values + 1).bit_length() - 1
    sizes = [2**block for block in range(n_blocks)]
    worst = [error[size - 1 : 2 * size - 1].max() for size in sizes]
    return torch.tensor(sizes), torch.stack(worst)
