r"""Windows, splits and scalings of a recording that keep to its reaches.

A window is a stretch of bins of one reach; its target is the velocity at its last bin. A linear
predictor sees windows through second moments alone, and these are summed without a window being
formed.
"""

from dataclasses import dataclass, replace
from numbers import Real
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    numpy_generator,
    same_kind,
    same_size,
)
from rnnlimits.data.recording import NO_REACH, Recording, spans


class Moments(NamedTuple):
    r"""What the squared loss at the last bins of windows depends on, :math:`x` inputs, :math:`y`
    targets, :math:`e` the last bins, :math:`j, k` lags, :math:`s` the scale:

    .. math::

        H_{jk} = s \sum_e x_{e-j}\, x_{e-k}^\top, \qquad
        R_j = s \sum_e y_e\, x_{e-j}^\top, \qquad E = s \sum_e \|y_e\|^2 .
    """

    gram: Float[Tensor, "lags i lags i"]
    cross: Float[Tensor, "lags o i"]
    energy: float
    scale: float
    n_terms: int


@dataclass(frozen=True)
class Standardisation:
    r"""Columns to mean 0 and deviation 1: :math:`x \mapsto (x - \text{mean}) / \text{deviation}`.

    A column that does not vary where it was fitted has the deviation 1, so that it is 0 there.

    Raises:
        TypeError: a field is no floating-point tensor, or dtypes or devices differ.
        ValueError: lengths differ, an entry is not finite, or a deviation is not positive.

    Example:
        >>> fitted = standardisation(torch.tensor([[0.0], [2.0], [9.0]]), torch.tensor([0, 0, -1]))
        >>> fitted.applied(torch.tensor([[1.0], [3.0]])).tolist()
        [[0.0], [2.0]]
    """

    mean: Float[Tensor, " columns"]
    deviation: Float[Tensor, " columns"]

    def __post_init__(self) -> None:
        finite_tensor("mean", self.mean, ("columns",))
        finite_tensor("deviation", self.deviation, ("columns",))
        same_kind(mean=self.mean, deviation=self.deviation)
        same_size(
            "numbers of columns",
            mean=len(self.mean),
            deviation=len(self.deviation),
        )
        if bool((self.deviation <= 0).any()):
            raise ValueError(
                "deviation must be above 0, got "
                f"{float(self.deviation.min())}"
            )

    def applied(
        self, values: Float[Tensor, "*rows columns"]
    ) -> Float[Tensor, "*rows columns"]:
        """Return the values in units of the deviation, from the mean.

        Raises:
            ValueError: numbers of columns differ.
        """
        self._fits(values)
        return (values - self.mean) / self.deviation

    def undone(
        self, values: Float[Tensor, "*rows columns"]
    ) -> Float[Tensor, "*rows columns"]:
        """Return the values whose standardisation is given.

        Raises:
            ValueError: numbers of columns differ.
        """
        self._fits(values)
        return values * self.deviation + self.mean

    def _fits(self, values: Tensor) -> None:
        """Raise unless the values have a column for each fitted."""
        same_size(
            "numbers of columns",
            values=values.shape[-1],
            fitted=len(self.mean),
        )


def standardisation(
    values: Float[Tensor, "bins columns"], reach: Int[Tensor, " bins"]
) -> Standardisation:
    """Fit a standardisation on the bins that belong to a reach, and on no other.

    With the ``reach`` of the training part of `split_reaches`, nothing of the other part enters.

    Raises:
        TypeError: ``values`` is no floating-point tensor, or ``reach`` no int64 tensor.
        ValueError: numbers of bins differ, an entry is not finite, or no bin is in a reach.

    Example:
        >>> fitted = standardisation(torch.tensor([[5.0], [5.0]]), torch.tensor([0, 0]))
        >>> fitted.mean.item(), fitted.deviation.item()
        (5.0, 1.0)
    """
    finite_tensor("values", values, ("bins", "columns"))
    same_size("numbers of bins", values=len(values), reach=len(reach))
    if len(spans(reach)) == 0:
        raise ValueError("reach must hold at least one reach, got none")
    kept = values[reach != NO_REACH]
    still = (kept == kept[0]).all(dim=0)
    deviation = kept.std(dim=0, correction=0)
    return Standardisation(
        torch.where(still, kept[0], kept.mean(dim=0)),
        torch.where(still, 1.0, deviation),
    )


def split_reaches(
    recording: Recording,
    fraction: float,
    generator: np.random.Generator,
) -> tuple[Recording, Recording]:
    """Split a recording by whole reaches, drawn at random: so large a fraction of them, the others.

    Both parts keep all bins; those of the other part carry the reach -1. The number of reaches in
    the first part is rounded to the nearest, and both parts get at least one.

    Raises:
        TypeError: ``fraction`` is no number, or ``generator`` no numpy generator.
        ValueError: ``fraction`` is not between 0 and 1, or there are fewer than two reaches.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> from rnnlimits.random import stream
        >>> pieces = in_pieces(simulated_s1(stream(0), 40), 8)
        >>> [len(part.reaches) for part in split_reaches(pieces, 0.75, stream(1))]
        [6, 2]
    """
    if isinstance(fraction, bool) or not isinstance(fraction, Real):
        raise TypeError(f"fraction must be a number, got {fraction!r}")
    if not 0 < fraction < 1:
        raise ValueError(
            f"fraction must lie between 0 and 1, got {fraction}"
        )
    reaches = recording.reaches
    n_reaches = len(reaches)
    if n_reaches < 2:
        raise ValueError(
            "recording must have at least 2 reaches to be split, got "
            f"{n_reaches}"
        )
    n_first = min(max(1, round(fraction * n_reaches)), n_reaches - 1)
    order = _permutation(reaches, generator)
    return (
        _only(recording, order[:n_first]),
        _only(recording, order[n_first:]),
    )


def draw_reaches(
    recording: Recording, number: int, generator: np.random.Generator
) -> Recording:
    """Return the recording with so many of its reaches, drawn at random; the others become -1.

    Equal generators give nested draws: the reaches of a smaller number are among those of a larger.

    Raises:
        TypeError: ``number`` is no integer, or ``generator`` no numpy generator.
        ValueError: ``number`` is below 1 or above the number of reaches.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> from rnnlimits.random import stream
        >>> pieces = in_pieces(simulated_s1(stream(0), 40), 8)
        >>> len(draw_reaches(pieces, 3, stream(1)).reaches)
        3
    """
    reaches = recording.reaches
    if integer_at_least("number", number, 1) > len(reaches):
        raise ValueError(
            "number must be at most the number of reaches, "
            f"{len(reaches)}, got {number}"
        )
    order = _permutation(reaches, generator)
    return _only(recording, order[:number])


def _permutation(
    reaches: Int[Tensor, " reaches"], generator: np.random.Generator
) -> Int[Tensor, " reaches"]:
    """Return the reaches in random order."""
    numpy_generator("generator", generator)
    order = torch.from_numpy(generator.permutation(len(reaches)))
    return reaches[order.to(reaches.device)]


def _only(
    recording: Recording, reaches: Int[Tensor, " some"]
) -> Recording:
    """Return the recording with the given reaches alone."""
    kept = torch.isin(recording.reach, reaches)
    return replace(
        recording, reach=recording.reach.where(kept, NO_REACH)
    )


def last_bins(
    reach: Int[Tensor, " bins"], length: int
) -> Int[Tensor, " windows"]:
    """Return the last bins of all windows of so many bins that lie within one reach.

    Raises:
        TypeError: ``reach`` is no int64 tensor, or ``length`` no integer.
        ValueError: ``length`` is below 1 or above the length of every reach.

    Example:
        >>> last_bins(torch.tensor([0, 0, 0, 1, -1, -1, 4, 4]), 2).tolist()
        [1, 2, 7]
    """
    return _last_bins(_long_enough(reach, length), length)


def _long_enough(
    reach: Int[Tensor, " bins"], length: int
) -> Int[Tensor, "reaches 2"]:
    """Return the spans of the reaches that hold a window."""
    every = spans(reach)
    sizes = every[:, 1] - every[:, 0]
    longest = int(sizes.max()) if len(sizes) else 0
    if integer_at_least("length", length, 1) > longest:
        raise ValueError(
            "length must be at most the length of the longest reach, "
            f"{longest}, got {length}"
        )
    return every[sizes >= length]


def _last_bins(
    kept: Int[Tensor, "reaches 2"], length: int
) -> Int[Tensor, " windows"]:
    """Return the last bins of the windows in the spans."""
    device = kept.device
    return torch.cat(
        [
            torch.arange(start + length - 1, stop, device=device)
            for start, stop in kept.tolist()
        ]
    )


def windows_of(
    recording: Recording, length: int
) -> tuple[
    Float[Tensor, "windows length neurons"], Float[Tensor, "windows 2"]
]:
    """Return the counts in all windows of so many bins, oldest bin first, and the velocity at the
    last bin of each; no window crosses from one reach into another.

    This holds every count up to ``length`` times; sums over windows are had from
    `lagged_moments` without.

    Raises:
        TypeError: ``length`` is no integer.
        ValueError: ``length`` is below 1 or above the length of every reach.

    Example:
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> from rnnlimits.random import stream
        >>> windows, velocities = windows_of(simulated_s1(stream(0), 40), 15)
        >>> windows.shape, velocities.shape
        (torch.Size([26, 15, 52]), torch.Size([26, 2]))
    """
    ends = last_bins(recording.reach, length)
    every = recording.counts.unfold(0, length, 1)
    return every[ends - length + 1].mT, recording.velocities[ends]


def lagged_moments(
    inputs: Float[Tensor, "bins i"],
    targets: Float[Tensor, "bins o"],
    length: int,
    reach: Int[Tensor, " bins"],
    normalisation: str = "half sum",
) -> Moments:
    r"""Return the moments of all windows within reaches, without forming a window.

    Only the first row of lag pairs is a product over all windows. Down a diagonal the sum moves
    back by one bin: a product enters at the start of every reach, and one leaves at its end,

    .. math::

        H_{j+1,k+1} = H_{jk} + s \sum_{\text{reaches}}
            \big( x_{f-j}\, x_{f-k}^\top - x_{l-j}\, x_{l-k}^\top \big) ,

    with :math:`f` the bin before the first window's last bin, :math:`l` the last bin of the reach.
    :math:`s = 1` for ``"half sum"``, and 2 over the number of terms for ``"mean"``.

    Raises:
        TypeError: dtypes or devices differ, or ``length`` is no integer.
        ValueError: numbers of bins differ, an entry is not finite, ``length`` is below 1 or above
            the length of every reach, or the normalisation is unknown.

    Example:
        >>> ones = torch.ones(3, 1)
        >>> lagged_moments(ones, ones, 2, torch.zeros(3, dtype=torch.int64)).gram[:, 0, :, 0]
        tensor([[2., 2.],
                [2., 2.]])
    """
    finite_tensor("inputs", inputs, ("bins", "inputs"))
    finite_tensor("targets", targets, ("bins", "outputs"))
    same_kind(inputs=inputs, targets=targets)
    same_size(
        "numbers of bins",
        inputs=len(inputs),
        targets=len(targets),
        reach=len(reach),
    )
    if normalisation not in ("half sum", "mean"):
        raise ValueError(
            "normalisation must be 'half sum' or 'mean', got "
            f"{normalisation!r}"
        )
    kept = _long_enough(reach, length)
    ends = _last_bins(kept, length)
    held = targets[ends]
    scale = 1.0 if normalisation == "half sum" else 2 / held.numel()
    cross = [held.T @ inputs[ends - lag] for lag in range(length)]
    return Moments(
        gram=scale * _gram(inputs, ends, kept, length),
        cross=scale * torch.stack(cross),
        energy=scale * float((held**2).sum()),
        scale=scale,
        n_terms=held.numel(),
    )


def _gram(
    inputs: Float[Tensor, "bins i"],
    ends: Int[Tensor, " windows"],
    kept: Int[Tensor, "reaches 2"],
    length: int,
) -> Float[Tensor, "lags i lags i"]:
    """Return the sums of products at two lags, along diagonals."""
    n_inputs = inputs.shape[1]
    gram = inputs.new_zeros(length, n_inputs, length, n_inputs)
    latest = inputs[ends]
    before, last = kept[:, 0] + length - 2, kept[:, 1] - 1
    for gap in range(length):
        total = latest.T @ inputs[ends - gap]
        gram[0, :, gap] = total
        gram[gap, :, 0] = total.T
        for lag in range(length - gap - 1):
            enter, leave = before - lag, last - lag
            total = total + inputs[enter].T @ inputs[enter - gap]
            total = total - inputs[leave].T @ inputs[leave - gap]
            gram[lag + 1, :, lag + 1 + gap] = total
            gram[lag + 1 + gap, :, lag + 1] = total.T
    return gram
