r"""A decoding problem: windows of counts in, the velocity at their last bin out.

A linear decoder with :math:`T` lags predicts

.. math::

    \hat y_t = \sum_{\tau=0}^{T-1} L_\tau\, x_{t-\tau} ,

with :math:`x` the counts and :math:`y` the velocity, both standardised on the training part alone.
A decoder is judged by the share of variance that it explains,

.. math::

    R^2_o = 1 - \frac{\sum_t (\hat y_{to} - y_{to})^2}{\sum_t (y_{to} - \bar y_o)^2} ,

for each component of the velocity, with the sums and the mean over the windows it is judged on.
"""

from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rnnlimits._checks import (
    all_finite,
    integer_at_least,
    same_kind,
    same_size,
)
from rnnlimits.data.reaches import (
    Standardisation,
    lagged_moments,
    last_bins,
    standardisation,
)
from rnnlimits.data.recording import Recording
from rnnlimits.kernel.loss import SquaredLoss


@dataclass(frozen=True)
class Windows:
    """Standardised counts and velocities, and the last bins of the windows in question.

    ``length`` bins make a window. Windows are not copied out: bins are looked up.
    """

    inputs: Float[Tensor, "bins i"]
    targets: Float[Tensor, "bins o"]
    last: Int[Tensor, " windows"]
    length: int


@dataclass(frozen=True)
class Problem:
    """The loss on the training windows, the windows of all three parts, and the scalings.

    The loss is the mean of squares, over windows and components, in standardised units.
    """

    loss: SquaredLoss
    train: Windows
    validation: Windows
    test: Windows
    input_scaling: Standardisation
    target_scaling: Standardisation


def decoding_problem(
    train: Recording,
    validation: Recording,
    test: Recording,
    length: int,
    judged: int | None = None,
) -> Problem:
    """Return the problem of decoding ``test`` by windows of so many bins, learned on ``train``.

    Validation and test windows end where windows of ``judged`` bins (by default ``length``) would,
    so that decoders of several lengths can be judged on the same bins. Scalings are fitted on the
    training reaches: of counts on all bins, of velocities on last bins, where they are predicted.

    Raises:
        TypeError: ``length`` or ``judged`` is no integer.
        ValueError: ``length`` is below 1 or above the longest training reach, ``judged`` below
            ``length`` or above another part's, neurons differ in number, or two parts of equal
            length hold the same counts and velocities in all bins that are in reaches of both.

    Example:
        >>> from rnnlimits.data.simulated import draw_tuning, simulated_s1
        >>> from rnnlimits.random import stream
        >>> neurons = draw_tuning(stream(0))
        >>> parts = [simulated_s1(stream(k), 50 * k, neurons) for k in (3, 1, 2)]
        >>> problem = decoding_problem(*parts, 5)
        >>> problem.loss.n_lags, problem.loss.n_inputs, len(problem.test.last)
        (5, 52, 96)
    """
    parts = {"train": train, "validation": validation, "test": test}
    same_size(
        "numbers of neurons",
        **{name: part.n_neurons for name, part in parts.items()},
    )
    for first, second in combinations(parts, 2):
        _apart(first, parts[first], second, parts[second])
    integer_at_least("length", length, 1)
    late = length if judged is None else judged
    integer_at_least("judged", late, length)
    last = last_bins(train.reach, length)
    input_scaling = standardisation(train.counts, train.reach)
    target_scaling = standardisation(
        train.velocities[last], torch.zeros_like(last)
    )
    windows = {
        name: Windows(
            input_scaling.applied(part.counts),
            target_scaling.applied(part.velocities),
            last if part is train else last_bins(part.reach, late),
            length,
        )
        for name, part in parts.items()
    }
    loss = _mean_loss(windows["train"], train.reach)
    return Problem(
        loss=loss,
        **windows,
        input_scaling=input_scaling,
        target_scaling=target_scaling,
    )


def _mean_loss(
    windows: Windows, reach: Int[Tensor, " bins"]
) -> SquaredLoss:
    """Return the mean of squares over all windows of the reaches, by their moments."""
    moments = lagged_moments(
        windows.inputs, windows.targets, windows.length, reach, "mean"
    )
    return SquaredLoss(**moments._asdict())


def _apart(
    name: str, one: Recording, other_name: str, other: Recording
) -> None:
    """Raise if two parts that carry all bins of one recording keep a bin in common.

    So `split_reaches` and `draw_reaches` give them. Copies of other lengths are not compared.
    """
    if one.counts.shape != other.counts.shape:
        return
    both = one.within & other.within
    if bool(both.any()) and all(
        torch.equal(mine[both], theirs[both])
        for mine, theirs in (
            (one.counts, other.counts),
            (one.velocities, other.velocities),
        )
    ):
        raise ValueError(
            f"{name} and {other_name} must share no reach, got "
            f"{int(both.sum())} bins that are in both"
        )


def predicted(
    responses: Float[Tensor, "*many lags o i"], windows: Windows
) -> Float[Tensor, "*many windows o"]:
    r"""Return :math:`\hat y_t = \sum_\tau L_\tau x_{t-\tau}` at the last bins of the windows.

    Memory holds one lag at a time.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: numbers of lags, inputs or outputs differ from those of the windows, or a
            response is not finite.

    Example:
        >>> inputs = torch.tensor([[1.0], [10.0], [100.0]])
        >>> windows = Windows(inputs, inputs, torch.tensor([1, 2]), 2)
        >>> predicted(torch.tensor([[[1.0]], [[2.0]]]), windows).flatten()
        tensor([ 12., 120.])
    """
    _require_fit(responses, windows)
    kept = len(windows.last), responses.shape[-2]
    total = responses.new_zeros(*responses.shape[:-3], *kept)
    for lag in range(windows.length):
        seen = windows.inputs[windows.last - lag]
        total += seen @ responses[..., lag, :, :].mT
    return total


def _require_fit(responses: Tensor, windows: Windows) -> None:
    """Raise unless responses are finite, with the lags and channels of the windows."""
    same_kind(responses=responses, inputs=windows.inputs)
    for what, axis, size in (
        ("numbers of lags", -3, windows.length),
        ("output channels", -2, windows.targets.shape[1]),
        ("input channels", -1, windows.inputs.shape[1]),
    ):
        same_size(what, responses=responses.shape[axis], windows=size)
    all_finite("responses", responses)


def squared_error(
    responses: Float[Tensor, "*many lags o i"], windows: Windows
) -> Float[Tensor, "*many o"]:
    """Return the sum over windows of the squared error, for each component.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: numbers of lags, inputs or outputs differ from those of the windows, or a
            response is not finite.

    Example:
        >>> ones = torch.ones(3, 1)
        >>> squared_error(3 * torch.ones(1, 1, 1), Windows(ones, ones, torch.arange(3), 1))
        tensor([12.])
    """
    error = (
        predicted(responses, windows) - windows.targets[windows.last]
    )
    return error.square().sum(dim=-2)


def r_squared(
    responses: Float[Tensor, "*many lags o i"], windows: Windows
) -> Float[Tensor, "*many o"]:
    r"""Return :math:`R^2` of each component: 1 for every velocity met, 0 for their mean, negative
    for worse than their mean.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: numbers of lags, inputs or outputs differ from those of the windows, a response
            is not finite, or a component does not vary, so that there is nothing to explain.

    Example:
        >>> x = torch.tensor([[-1.0], [0.0], [1.0]])
        >>> r_squared(torch.tensor([[[1.0]], [[0.0]]])[:, None], Windows(x, x, torch.arange(3), 1))
        tensor([[1.],
                [0.]])
    """
    targets = windows.targets[windows.last]
    spread = (targets - targets.mean(dim=0)).square().sum(dim=0)
    if bool((spread == 0).any()):
        raise ValueError(
            "targets must vary over the windows in every component, "
            f"got sums of squares {spread.tolist()}"
        )
    return 1 - squared_error(responses, windows) / spread
