"""What a hypothesis answers when it is asked of a model, and some that can be asked."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    positive,
    same_kind,
    same_size,
)
from rnnlimits.networks.activations import Activation
from rnnlimits.networks.elman import ElmanNet, run

State = Literal["holds", "fails", "undecided"]

_ANALYTIC = frozenset({"tanh", "erf", "sine", "softplus"})
_DEGREE = 8


@dataclass(frozen=True)
class Answer:
    """Holds, fails or undecided; the reason; and the number it rests on.

    ``value`` is NaN where the reason is an argument and no number.

    Raises:
        ValueError: the state is none of the three, or there is no
            reason.

    Example:
        >>> print(Answer("fails", "two rows are equal", 0.0))
        fails: two rows are equal (0)
    """

    state: State
    reason: str
    value: float = math.nan

    def __post_init__(self) -> None:
        states = get_args(State)
        if self.state not in states:
            raise ValueError(
                f"state must be one of {', '.join(states)}, "
                f"got {self.state!r}"
            )
        if not self.reason.strip():
            raise ValueError(
                f"reason must say why, got {self.reason!r}"
            )

    def __str__(self) -> str:
        number = (
            "" if math.isnan(self.value) else f" ({self.value:.2g})"
        )
        return f"{self.state}: {self.reason}{number}"

    @property
    def holds(self) -> bool:
        """Whether the answer is yes; undecided is no yes."""
        return self.state == "holds"


def all_of(answers: list[Answer]) -> Answer:
    """Return the first failure, else the first doubt, else the last.

    Raises:
        ValueError: there is no answer.

    Example:
        >>> yes, no = Answer("holds", "proved"), Answer("fails", "odd")
        >>> str(all_of([yes, no]))
        'fails: odd'
    """
    if not answers:
        raise ValueError("answers must hold at least one, got none")
    for state in ("fails", "undecided"):
        for each in answers:
            if each.state == state:
                return each
    return answers[-1]


def bounded_by(net: ElmanNet, bound: float) -> Answer:
    r"""Say whether all hidden weights are at most K.

    Raises:
        ValueError: the bound is not positive.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> bounded_by(net, 0.5).state
        'fails'
    """
    k = positive("bound", bound)
    largest = float(
        torch.maximum(net.input.abs().max(), net.recurrent.abs().max())
    )
    if largest <= k:
        return Answer("holds", f"hidden weights at most {k:g}", largest)
    return Answer("fails", f"a hidden weight above {k:g}", largest)


def polynomial_misfit(activation: Activation, reach: float) -> float:
    """Return how far a polynomial of degree at most 8 stays from the
    activation on [-reach, reach], relative to the activation's size:
    least squares at 65 Chebyshev points, largest deviation there.

    Raises:
        ValueError: the reach is not positive.

    Example:
        >>> from rnnlimits.networks.activations import IDENTITY
        >>> polynomial_misfit(IDENTITY, 2.0) < 1e-14
        True
    """
    nodes = np.cos(np.pi * (np.arange(65) + 0.5) / 65)
    z = torch.from_numpy(positive("reach", reach) * nodes)
    values = activation.value(z).numpy()
    fit = np.polynomial.chebyshev.chebfit(nodes, values, _DEGREE)
    left = values - np.polynomial.chebyshev.chebval(nodes, fit)
    largest = np.abs(values).max()
    return float(np.abs(left).max() / largest) if largest else 0.0


def bends_within(activation: Activation, reach: float) -> Answer:
    """Say whether the activation is no polynomial on (-reach, reach).

    Known of the activations of the library. For another one a misfit
    above round-off is left undecided, since the polynomial may have a
    degree above 8; a misfit at round-off fails, unless the activation
    is smooth and a polynomial of that degree misses it on [-8, 8]: on a
    short interval the logistic function looks like one.

    Raises:
        ValueError: the reach is not positive.

    Example:
        >>> from rnnlimits.networks.activations import TANH
        >>> bends_within(TANH, 0.1).state
        'holds'
    """
    misfit = polynomial_misfit(activation, reach)
    if activation.name in _ANALYTIC:
        why = "analytic and no polynomial"
        return Answer("holds", why, misfit)
    if activation.name == "relu":
        return Answer("holds", "a kink at zero", misfit)
    farther = max(8.0, reach) if activation.smooth else reach
    if polynomial_misfit(activation, farther) < 1e-13:
        why = f"a polynomial of degree at most {_DEGREE}, to round-off"
        return Answer("fails", why, misfit)
    if misfit < 1e-13:
        return Answer("undecided", "it bends farther out", misfit)
    return Answer("undecided", "no polynomial of low degree", misfit)


def keeps_past(
    net: ElmanNet, x: Float[Tensor, "batch window d"]
) -> Answer:
    r"""Say whether the pair of last input and recurrent current,
    :math:`(x_0, \int b\, h_{-1}\, dP)`, tells the windows apart.

    Holds if any two windows differ there by more than round-off; fails
    if two different windows agree exactly; undecided in between. The
    value is the least difference.

    Raises:
        TypeError: as `rnnlimits.networks.elman.run`.
        ValueError: as there; or fewer than two different windows.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> x = torch.tensor([[[0.0], [0.0]], [[0.5], [0.0]]])
        >>> keeps_past(net, x).state
        'holds'
    """
    before, _ = net.scaling.factors(net.width)
    earlier = run(net, x).hidden[:-1][-1:].sum(dim=0)  # or zero
    heard = before * (earlier * net.weights) @ net.recurrent.T
    return separated(torch.cat([x[:, -1], heard], dim=1), x)


def separated(
    numbers: Float[Tensor, "batch q"],
    x: Float[Tensor, "batch window d"],
) -> Answer:
    """Say whether different windows have different numbers.

    Raises:
        TypeError: a tensor is of a wrong kind.
        ValueError: numbers of windows disagree, or no two windows
            differ.

    Example:
        >>> x = torch.tensor([[[0.0]], [[1.0]]])
        >>> separated(torch.zeros(2, 1), x).state
        'fails'
    """
    finite_tensor("numbers", numbers, ("batch", "q"))
    finite_tensor("x", x, ("batch", "window", "inputs"))
    same_kind(numbers=numbers, x=x)
    same_size("numbers of windows", numbers=len(numbers), x=len(x))
    pairs = torch.triu_indices(len(x), len(x), 1)
    flat = x.flatten(1)
    differ = (flat[pairs[0]] != flat[pairs[1]]).any(dim=1)
    if not bool(differ.any()):
        raise ValueError("x must hold two different windows, got none")
    i, j = pairs[:, differ]
    least = float((numbers[i] - numbers[j]).abs().amax(dim=1).min())
    scale = 1 + float(numbers.abs().max())
    round_off = 1000 * torch.finfo(numbers.dtype).eps * scale
    if least > round_off:
        return Answer("holds", "the past is told apart", least)
    if least == 0.0:
        return Answer("fails", "two windows are one", least)
    return Answer("undecided", "a difference like round-off", least)


def hears_bias(
    net: ElmanNet, x: Float[Tensor, "batch window d"]
) -> Answer:
    """Say whether some neuron of positive mass hears an input channel
    that is one and the same number, not zero, at all times of all
    windows. The value is the largest weight on such a channel.

    Raises:
        TypeError: ``x`` is no floating-point tensor of the network's
            dtype and device.
        ValueError: wrong axes, or another number of channels than the
            network has.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(one[:, None], one[:, None], one, one)
        >>> hears_bias(net, torch.ones(2, 3, 1)).state
        'holds'
    """
    finite_tensor("x", x, ("batch", "window", "inputs"))
    same_kind(x=x, input=net.input)
    same_size("input channels", x=x.shape[2], net=net.n_inputs)
    flat = x.flatten(0, 1)
    constant = (flat == flat[0]).all(dim=0) & (flat[0] != 0)
    heard = net.input[net.weights > 0][:, constant].abs()
    largest = float(heard.max()) if heard.numel() else 0.0
    if largest > 0:
        return Answer("holds", "a constant input is heard", largest)
    return Answer("fails", "no constant input is heard", largest)


def independent_features(h: Float[Tensor, "batch m"]) -> Answer:
    r"""Say whether features :math:`h_0` of different windows are
    linearly independent, so that their Gram operator has full rank.

    Holds if the least eigenvalue of :math:`h h^\top / m` exceeds
    round-off; fails with fewer neurons than windows, or if two windows
    have features that are equal or a feature is zero; undecided
    otherwise. The value is the least eigenvalue.

    Raises:
        TypeError: ``h`` is no floating-point tensor.
        ValueError: wrong axes, or not finite.

    Example:
        >>> independent_features(torch.eye(3).double()).state
        'holds'
    """
    finite_tensor("h", h, ("batch", "neurons"))
    singular = torch.linalg.svdvals(h)
    n, m = h.shape
    least = float(singular[-1]) ** 2 / m if m >= n else 0.0
    if m < n:
        return Answer("fails", "fewer neurons than windows", least)
    eps = torch.finfo(h.dtype).eps
    if float(singular[-1]) > 100 * n * eps * float(singular[0]):
        return Answer("holds", "full rank beyond round-off", least)
    if bool((h == 0).all(dim=1).any()):
        return Answer("fails", "a window without features", least)
    i, j = torch.triu_indices(n, n, 1)
    apart = (h[i] - h[j]).abs().amax(dim=1)
    if float(apart.min()) <= 16 * eps * float(h.abs().max()):
        return Answer("fails", "two windows with one feature", least)
    return Answer("undecided", "an eigenvalue like round-off", least)
