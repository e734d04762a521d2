r"""Decoders along a path: gradient descent by its steps, ridge regression by its penalty.

All descents of a problem use one learning rate. The network, the scaled convolution and the plain
one can start at one response :math:`L^0`, that of the network; or their start can be taken off:
they then learn :math:`y + L^0 x` and answer with :math:`L - L^0`, which begins at 0.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_between,
    non_negative_weights,
    positive,
    same_kind,
)
from rnnlimits.decoding.problem import Windows, squared_error
from rnnlimits.kernel.loss import (
    SquaredLoss,
    loss_gradient,
    loss_value,
)
from rnnlimits.kernel.training import stability_limit, train
from rnnlimits.networks.linear import LinearRNN, impulse_response

# Solved descents take steps as floats, which hold every integer as far
# as 2**53 and not farther.
MOST_DOUBLINGS = 53


def common_rate(
    loss: SquaredLoss,
    weights: Sequence[Float[Tensor, " lags"]],
    share: float,
) -> float:
    r"""Return one learning rate for several convolutions: the share of their smallest limit
    :math:`2/\lambda_{\max}`.

    Raises:
        TypeError: dtypes or devices differ, or ``share`` is no number.
        ValueError: no weights are given, they do not fit the loss, nothing can be learned with
            them, or ``share`` is not positive.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1).double()
        >>> weights = torch.ones(1).double()
        >>> round(common_rate(squared_loss(one, one), [weights, 2 * weights], 0.25), 9)
        0.25
    """
    if not len(weights):
        raise ValueError("weights must hold at least one, got none")
    limits = [stability_limit(each, loss) for each in weights]
    return positive("share", share) * min(limits)


def step_grid(doublings: int) -> tuple[int, ...]:
    """Return step numbers from 0 to ``2**doublings``, two to every doubling, rounded to integers.

    Raises:
        TypeError: ``doublings`` is no integer.
        ValueError: it is negative or above 53, where floats stop holding every integer.

    Example:
        >>> step_grid(3)
        (0, 1, 2, 3, 4, 6, 8)
    """
    most = MOST_DOUBLINGS
    last = 2 * integer_between("doublings", doublings, 0, most)
    return tuple(
        sorted({0, *(round(2 ** (k / 2)) for k in range(last + 1))})
    )


def without_start(
    loss: SquaredLoss, start: Float[Tensor, "lags o i"]
) -> SquaredLoss:
    r"""Return the loss for the targets :math:`y + L^0 x`:

    .. math::

        H' = H, \qquad R' = R + L^0 H, \qquad E' = E + 2\langle L^0, R\rangle
            + \langle L^0, L^0 H\rangle .

    Raises:
        TypeError: ``start`` is no floating-point tensor, or dtypes or devices differ.
        ValueError: shapes do not fit, or ``start`` is not finite.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> loss_value(4 * one, without_start(squared_loss(one, one), 3 * one)).item()
        0.0
    """
    finite_tensor("start", start, ("lags", "outputs", "inputs"))
    flipped = replace(loss, cross=-loss.cross)
    # A sum of squares; round-off may leave it just below 0.
    energy = max(0.0, 2 * float(loss_value(start, flipped)))
    cross = loss_gradient(start, flipped)
    return replace(loss, cross=cross, energy=energy)


def network_path(
    rnn: LinearRNN,
    loss: SquaredLoss,
    learning_rate: float,
    steps: Sequence[int],
    start_counts: bool,
) -> Float[Tensor, "steps lags o i"]:
    """Train the network, and return its responses at the given steps.

    Unless the start counts, its response is taken off, before training and after.

    Raises:
        TypeError: dtypes or devices of network and loss differ.
        ValueError: numbers of channels differ, the learning rate is not positive, or ``steps`` do
            not increase.
        FloatingPointError: a number stops being finite.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> rnn = LinearRNN(torch.zeros(1, 1), torch.ones(1, 1), torch.ones(1, 1))
        >>> network_path(rnn, squared_loss(one, one), 0.1, [0, 40], False).flatten()
        tensor([0.0000, 1.0000])
    """
    if start_counts:
        return train(rnn, loss, learning_rate, steps).responses
    start = impulse_response(rnn, loss.n_lags)
    shifted = without_start(loss, start)
    return train(rnn, shifted, learning_rate, steps).responses - start


def ridge_path(
    loss: SquaredLoss, penalties: Float[Tensor, " penalties"]
) -> Float[Tensor, "penalties lags o i"]:
    r"""Return ridge regression at every penalty: the minimum of
    :math:`\ell(L) + \tfrac{\lambda}{2} \|L\|^2`,

    .. math::

        L = R\, (H + \lambda I)^{-1} .

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: a penalty is negative or not finite, or within round-off of the largest
            eigenvalue of H where the data do not determine L.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> ridge_path(squared_loss(one, one), torch.tensor([1.0, 3.0])).flatten()
        tensor([0.5000, 0.2500])
    """
    non_negative_weights("penalties", penalties)
    same_kind(penalties=penalties, loss=loss.gram)
    values, vectors = torch.linalg.eigh(loss.matrix)
    damped = values.clamp(min=0) + penalties[:, None]
    noise = len(values) * torch.finfo(values.dtype).eps * values[-1]
    if bool((damped <= noise).any()):
        raise ValueError(
            "penalties must be above 0 where the data do not determine "
            f"the response, got {float(penalties.min()):.3g}"
        )
    cross = loss.cross.transpose(1, 2).flatten(0, 1)
    projected = (vectors.T @ cross) / damped[..., None]
    rows = vectors @ projected
    return rows.unflatten(1, (loss.n_lags, loss.n_inputs)).mT


def chosen(
    path: Float[Tensor, "places lags o i"], validation: Windows
) -> int:
    """Return the place on the path with the least squared error on the validation windows.

    Raises:
        TypeError: ``path`` is no floating-point tensor, or dtypes or devices differ.
        ValueError: numbers of lags, inputs or outputs differ from those of the windows, or ``path``
            is empty or not finite.

    Example:
        >>> x = torch.tensor([[-1.0], [1.0]])
        >>> windows = Windows(x, x, torch.arange(2), 1)
        >>> chosen(torch.tensor([0.0, 0.9, 3.0])[:, None, None, None], windows)
        1
    """
    axes = ("places", "lags", "outputs", "inputs")
    finite_tensor("path", path, axes)
    return int(squared_error(path, validation).sum(dim=-1).argmin())
