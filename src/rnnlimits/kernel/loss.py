r"""The squared loss of an impulse response, by sufficient statistics.

A linear network acts on its data through its impulse response :math:`L` alone, and the squared
loss is a quadratic form in it. With :math:`s = 1` for the half sum of squares and
:math:`s = 2 / (\text{number of terms})` for the mean,

.. math::

    \ell(L) = \tfrac12 \langle L, L H \rangle - \langle L, R \rangle + \tfrac12 E, \qquad
    H = s\, \mathcal{T}\mathcal{T}^\top, \quad R = s\, Y \mathcal{T}^\top, \quad E = s \|Y\|^2,

with the sequences side by side in :math:`\mathcal{T}` and :math:`Y`. Once these three are formed,
nothing depends on the number of sequences.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    non_negative,
    non_negative_weights,
    positive,
    same_kind,
    same_size,
)

NORMALISATIONS = ("half sum", "mean")


@dataclass(frozen=True)
class SquaredLoss:
    r"""The statistics :math:`H, R, E` of a data set, with their common factor :math:`s`.

    ``gram`` is :math:`H` with axes (lag, input) twice, ``cross`` is :math:`R`, ``energy`` is
    :math:`E`, and ``n_terms`` counts the squares: sequences times times outputs.

    Raises:
        TypeError: an entry is no floating-point tensor, or dtypes or devices differ.
        ValueError: shapes do not fit, or an entry is not finite.

    Example:
        >>> one = torch.ones(1, 1, 1)
        >>> squared_loss(one, one).n_terms
        1
    """

    gram: Float[Tensor, "lags i lags i"]
    cross: Float[Tensor, "lags o i"]
    energy: float
    scale: float
    n_terms: int

    def __post_init__(self) -> None:
        finite_tensor("gram", self.gram, ("lags", "inputs") * 2)
        finite_tensor(
            "cross", self.cross, ("lags", "outputs", "inputs")
        )
        same_kind(gram=self.gram, cross=self.cross)
        lags, inputs = self.gram.shape[:2]
        same_size(
            "numbers of lags",
            gram_rows=lags,
            gram_columns=self.gram.shape[2],
            cross=len(self.cross),
        )
        same_size(
            "input channels",
            gram_rows=inputs,
            gram_columns=self.gram.shape[3],
            cross=self.cross.shape[2],
        )
        non_negative("energy", self.energy)
        positive("scale", self.scale)
        integer_at_least("n_terms", self.n_terms, 1)

    @property
    def matrix(self) -> Float[Tensor, "m m"]:
        """The statistic H as a matrix over (lag, input)."""
        return self.gram.flatten(2).flatten(0, 1)

    @property
    def n_lags(self) -> int:
        """The number of lags, which is the horizon of the data."""
        return len(self.cross)

    @property
    def n_outputs(self) -> int:
        """The number of output channels."""
        return self.cross.shape[1]

    @property
    def n_inputs(self) -> int:
        """The number of input channels."""
        return self.cross.shape[2]


def squared_loss(
    x: Float[Tensor, "batch time i"],
    y: Float[Tensor, "batch time o"],
    normalisation: str = "half sum",
) -> SquaredLoss:
    r"""Return the squared loss on sequences: ``"half sum"`` is :math:`\tfrac12 \sum r^2`,
    ``"mean"`` the mean of :math:`r^2`, over sequences, times and outputs.

    Lag pairs are not summed one by one. With time counted backwards, one product of the inputs
    with themselves holds all pairs, and :math:`H_{jk}` is a sum down its diagonals:
    :math:`H_{jk} = H_{j+1,k+1} + \sum x_{T-1-j}\, x_{T-1-k}^\top`.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: numbers of sequences or horizons differ, an entry is not finite, or the
            normalisation is unknown.

    Example:
        >>> x = torch.ones(1, 2, 1)
        >>> squared_loss(x, x).gram[:, 0, :, 0].tolist()
        [[2.0, 1.0], [1.0, 1.0]]
    """
    finite_tensor("x", x, ("batch", "time", "inputs"))
    finite_tensor("y", y, ("batch", "time", "outputs"))
    same_kind(x=x, y=y)
    same_size("numbers of sequences", x=len(x), y=len(y))
    horizon = x.shape[1]
    same_size("horizons", x=horizon, y=y.shape[1])
    backwards = x.flip(1).flatten(1)
    gram = (backwards.T @ backwards).unflatten(1, x.shape[1:])
    gram = gram.unflatten(0, x.shape[1:])
    for lag in range(horizon - 2, -1, -1):
        gram[lag, :, :-1] += gram[lag + 1, :, 1:]
    pairs = (y.flatten(1).T @ x.flatten(1)).unflatten(1, x.shape[1:])
    pairs = pairs.unflatten(0, y.shape[1:])
    cross = torch.stack(
        [
            pairs.diagonal(-lag, dim1=0, dim2=2).sum(dim=-1)
            for lag in range(horizon)
        ]
    )
    scale = _scale(normalisation, y.numel())
    return SquaredLoss(
        gram=scale * gram,
        cross=scale * cross,
        energy=scale * float((y**2).sum()),
        scale=scale,
        n_terms=y.numel(),
    )


def white_loss(
    response: Float[Tensor, "lags o i"],
    noise_variance: float = 0.0,
    normalisation: str = "half sum",
) -> SquaredLoss:
    r"""Return the expected loss on a sequence of white inputs of variance 1, labelled by an impulse
    response :math:`L^*` with noise of the given variance.

    :math:`H` is diagonal: lag :math:`j` acts at :math:`T - j` of the times, so that
    :math:`H_{jk} = s\, (T - j)\, \delta_{jk} I`, and :math:`R = L^* H`.

    Raises:
        TypeError: ``response`` is no floating-point tensor.
        ValueError: the noise variance is negative, or the normalisation is unknown.

    Example:
        >>> white_loss(torch.ones(2, 1, 1)).gram[:, 0, :, 0].tolist()
        [[2.0, 0.0], [0.0, 1.0]]
    """
    finite_tensor("response", response, ("lags", "outputs", "inputs"))
    noise_variance = non_negative("noise_variance", noise_variance)
    horizon, n_outputs, n_inputs = response.shape
    n_terms = horizon * n_outputs
    scale = _scale(normalisation, n_terms)
    times = scale * torch.arange(horizon, 0, -1).to(response)
    gram = torch.diag(times.repeat_interleave(n_inputs))
    cross = times[:, None, None] * response
    energy = (cross * response).sum() + scale * noise_variance * n_terms
    return SquaredLoss(
        gram=gram.reshape(horizon, n_inputs, horizon, n_inputs),
        cross=cross,
        energy=float(energy),
        scale=scale,
        n_terms=n_terms,
    )


def loss_value(
    response: Float[Tensor, "*steps lags o i"], loss: SquaredLoss
) -> Float[Tensor, "*steps"]:
    r"""Return :math:`\tfrac12 \langle L, L H \rangle - \langle L, R \rangle + \tfrac12 E` for one
    impulse response or for a stack of them.

    The terms cancel where the fit is close: the absolute error is of the order of round-off times
    the energy :math:`E`.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit.

    Example:
        >>> one = torch.ones(1, 1, 1)
        >>> loss_value(3 * one, squared_loss(one, one)).item()
        2.0
    """
    _fits(response, loss)
    applied = torch.einsum("...koi,kiaj->...aoj", response, loss.gram)
    terms = response * (applied / 2 - loss.cross)
    return terms.sum(dim=(-3, -2, -1)) + loss.energy / 2


def loss_gradient(
    response: Float[Tensor, "lags o i"], loss: SquaredLoss
) -> Float[Tensor, "lags o i"]:
    r"""Return :math:`G = \partial \ell / \partial L = L H - R`.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit.

    Example:
        >>> one = torch.ones(1, 1, 1)
        >>> loss_gradient(3 * one, squared_loss(one, one)).item()
        2.0
    """
    _fits(response, loss)
    applied = torch.einsum("koi,kiaj->aoj", response, loss.gram)
    return applied - loss.cross


def require_fit(
    kernel: Tensor, loss: SquaredLoss, name: str = "kernel"
) -> None:
    """Raise unless ``kernel``, lag weights or axes (lag, output, input) twice, fits the loss.

    Raises:
        TypeError: no floating-point tensor, or dtypes or devices differ.
        ValueError: shapes do not fit, an entry is not finite, or a lag weight is negative.

    Example:
        >>> require_fit(torch.ones(2), white_loss(torch.ones(1, 1, 1)))
        Traceback (most recent call last):
        ...
        ValueError: numbers of lags must agree: kernel has 2, loss has 1
    """
    if kernel.ndim == 1:
        non_negative_weights(name, kernel)
        same_kind(**{name: kernel, "loss": loss.cross})
        same_size(
            "numbers of lags",
            **{name: len(kernel), "loss": loss.n_lags},
        )
        return
    finite_tensor(name, kernel, ("lags", "outputs", "inputs") * 2)
    same_kind(**{name: kernel, "loss": loss.cross})
    wanted = tuple(loss.cross.shape) * 2
    if tuple(kernel.shape) != wanted:
        raise ValueError(
            f"{name} must have shape {wanted} to fit the loss, got {tuple(kernel.shape)}"
        )


def _fits(response: Tensor, loss: SquaredLoss) -> None:
    """Raise unless the response has the lags, outputs, inputs and kind of the loss."""
    same_kind(response=response, loss=loss.cross)
    for what, axis in (
        ("numbers of lags", -3),
        ("output channels", -2),
        ("input channels", -1),
    ):
        same_size(
            what,
            response=response.shape[axis],
            loss=loss.cross.shape[axis],
        )


def _scale(normalisation: str, n_terms: int) -> float:
    """Return the factor of the normalisation, or raise if it is unknown."""
    if normalisation not in NORMALISATIONS:
        raise ValueError(
            f"normalisation must be one of {NORMALISATIONS}, got {normalisation!r}"
        )
    return 1.0 if normalisation == "half sum" else 2.0 / n_terms
