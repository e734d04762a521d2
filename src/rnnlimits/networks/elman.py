r"""The Elman network over a measure on neurons: forward pass, adjoint, and the two scalings.

A neuron has a label :math:`\omega`, drawn from :math:`P`; its weights are :math:`a(\omega)`,
:math:`b(\omega, \omega')` and :math:`c(\omega)`. Over a window :math:`x_{-L+1}, \dots, x_0`,

.. math::

    z_k(\omega) = a(\omega) \cdot x_k + \int b(\omega, \omega')\, h_{k-1}(\omega')\, P(d\omega'),
    \qquad h_k = s(z_k), \qquad \hat y = \int c\, h_0\, dP, \qquad h_{-L} = 0.

Here :math:`P` has finitely many atoms with weights :math:`p_i`. A network of width n has n atoms
of weight 1/n; a finite set of labels has its own weights; a continuum has quadrature nodes.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    same_kind,
    same_size,
)
from rnnlimits.networks.activations import TANH, Activation


@dataclass(frozen=True)
class Scaling:
    r"""Five exponents of the width n: two factors in front, three clocks.

    .. math::

        z_k = a x_k + n^{-\text{recurrent}} b\, h_{k-1}, \qquad
        \hat y = n^{-\text{readout}} c \cdot h_0, \\
        \dot a = -n^{\text{input\_clock}}\, \partial R / \partial a, \quad
        \dot b = -n^{\text{recurrent\_clock}}\, \partial R / \partial b, \quad
        \dot c = -n^{\text{readout\_clock}}\, \partial R / \partial c.

    Raises:
        TypeError: an exponent is no real number.
        ValueError: an exponent is not finite.

    Example:
        >>> MEAN_FIELD.forgets_width, NTK.forgets_width
        (True, False)
    """

    recurrent: float
    readout: float
    input_clock: float
    recurrent_clock: float
    readout_clock: float

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, bool) or not isinstance(
                value, int | float
            ):
                raise TypeError(
                    f"{each.name} must be a real number, got {value!r}"
                )
            if not abs(value) < float("inf"):
                raise ValueError(
                    f"{each.name} must be finite, got {value}"
                )

    @property
    def forgets_width(self) -> bool:
        """Whether n cancels everywhere, so that only the measure is left."""
        return self == MEAN_FIELD

    def factors(self, width: int) -> tuple[float, float]:
        r"""Return what stands before the two averages: :math:`n^{1-\text{recurrent}}`,
        :math:`n^{1-\text{readout}}`.

        >>> NTK.factors(16)
        (4.0, 4.0)
        """
        n = float(width)
        return n ** (1 - self.recurrent), n ** (1 - self.readout)

    def clocks(self, width: int) -> tuple[float, float, float]:
        r"""Return how fast input, recurrent and readout weights move down their :math:`L^2(P)`
        gradients.

        >>> NTK.clocks(16)
        (0.0625, 0.00390625, 0.0625)
        """
        n = float(width)
        return (
            n ** (self.input_clock - 1),
            n ** (self.recurrent_clock - 2),
            n ** (self.readout_clock - 1),
        )


MEAN_FIELD = Scaling(1.0, 1.0, 1.0, 2.0, 1.0)
NTK = Scaling(0.5, 0.5, 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class ElmanNet:
    r"""Weights :math:`a_i, b_{ij}, c_i` on atoms of a measure with weights :math:`p_i`.

    Raises:
        TypeError: an entry is no floating-point tensor, or dtypes or devices differ.
        ValueError: a wrong shape, an entry that is not finite, a negative weight, weights that do
            not sum to one, or unequal weights under a scaling that depends on the width.

    Example:
        >>> half = torch.full((2,), 0.5)
        >>> ElmanNet(torch.ones(2, 1), torch.ones(2, 2), torch.ones(2), half).width
        2
    """

    input: Float[Tensor, "m d"]
    recurrent: Float[Tensor, "m m"]
    readout: Float[Tensor, " m"]
    weights: Float[Tensor, " m"]
    activation: Activation = TANH
    scaling: Scaling = MEAN_FIELD

    def __post_init__(self) -> None:
        finite_tensor("input", self.input, ("atoms", "inputs"))
        finite_tensor("recurrent", self.recurrent, ("atoms", "atoms"))
        finite_tensor("readout", self.readout, ("atoms",))
        probabilities("weights", self.weights)
        same_kind(
            input=self.input,
            recurrent=self.recurrent,
            readout=self.readout,
            weights=self.weights,
        )
        rows, columns = self.recurrent.shape
        same_size(
            "atoms",
            input_rows=len(self.input),
            recurrent_rows=rows,
            recurrent_columns=columns,
            readout=len(self.readout),
            weights=len(self.weights),
        )
        equal = bool((self.weights == self.weights[0]).all())
        if not (equal or self.scaling.forgets_width):
            raise ValueError(
                "weights must all be equal under a scaling that depends "
                "on the width, got unequal ones"
            )

    @property
    def width(self) -> int:
        """The number of atoms; for equal weights, the number of neurons n."""
        return len(self.weights)

    @property
    def n_inputs(self) -> int:
        """The number of input channels."""
        return self.input.shape[1]


@dataclass(frozen=True, eq=False)
class States:
    """What a forward pass leaves: currents, states (earliest first) and outputs."""

    currents: Float[Tensor, "window batch m"]
    hidden: Float[Tensor, "window batch m"]
    output: Float[Tensor, " batch"]


@dataclass(frozen=True, eq=False)
class Adjoint:
    r"""How the output reads each state, :math:`v_k`, and each current, :math:`\delta_k`."""

    states: Float[Tensor, "window batch m"]
    currents: Float[Tensor, "window batch m"]


def probabilities(name: str, value: Tensor) -> None:
    """Raise unless ``value`` is a vector of weights at or above zero that sum to one.

    Example:
        >>> probabilities("weights", torch.ones(2))
        Traceback (most recent call last):
        ValueError: weights must sum to 1, got 2.0
    """
    finite_tensor(name, value, ("atoms",))
    if bool((value < 0).any()):
        raise ValueError(
            f"{name} must be at least 0, got {float(value.min())}"
        )
    total = float(value.sum())
    if abs(total - 1) > 1000 * torch.finfo(value.dtype).eps:
        raise ValueError(f"{name} must sum to 1, got {total}")


def equal_weights(
    width: int,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Float[Tensor, " m"]:
    """Return the weights 1/n of a network of n neurons.

    Raises:
        TypeError: ``width`` is no integer.
        ValueError: ``width`` is below 1.

    Example:
        >>> equal_weights(4).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    n = integer_at_least("width", width, 1)
    return torch.full((n,), 1 / n, dtype=dtype, device=device)


def at_labels(net: ElmanNet, labels: Int[Tensor, " n"]) -> ElmanNet:
    """Return the network of n neurons whose labels are these atoms of ``net``.

    Labels drawn at random sample the measure; each label repeated duplicates neurons; a
    permutation renames them. The weights of the atoms do not enter: they say how to draw.

    Raises:
        TypeError: ``labels`` is no integer tensor.
        ValueError: ``labels`` is no vector, is empty, or names an atom that does not exist.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> at_labels(net, torch.tensor([0, 0])).weights.tolist()
        [0.5, 0.5]
    """
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
        raise TypeError(
            "labels must be a tensor of int64 indices, got "
            f"{getattr(labels, 'dtype', type(labels).__name__)}"
        )
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(
            "labels must be a vector with at least one label, "
            f"got shape {tuple(labels.shape)}"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= net.width:
        raise ValueError(
            f"labels must lie in 0..{net.width - 1}, got {low}..{high}"
        )
    here = net.weights
    return ElmanNet(
        net.input[labels],
        net.recurrent[labels][:, labels],
        net.readout[labels],
        equal_weights(
            len(labels), dtype=here.dtype, device=here.device
        ),
        net.activation,
        net.scaling,
    )


def unchecked(
    kind: ElmanNet,
    a: Float[Tensor, "m d"],
    b: Float[Tensor, "m m"],
    c: Float[Tensor, " m"],
    p: Float[Tensor, " m"],
) -> ElmanNet:
    """Return a network with these weights and masses, and the activation and scaling of ``kind``.

    Nothing is checked: for the inside of a flow, and for transforms of torch.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> unchecked(net, net.input, net.recurrent, 2 * one, one).readout.tolist()
        [2.0]
    """
    net = object.__new__(ElmanNet)
    weights = {"input": a, "recurrent": b, "readout": c, "weights": p}
    shared = {"activation": kind.activation, "scaling": kind.scaling}
    for name, value in (weights | shared).items():
        object.__setattr__(net, name, value)
    return net


def run(net: ElmanNet, x: Float[Tensor, "batch window d"]) -> States:
    r"""Run the network over windows and keep currents :math:`z_k` and states :math:`h_k`.

    Raises:
        TypeError: ``x`` is no tensor of the network's dtype and device.
        ValueError: ``x`` has wrong axes, a wrong number of inputs, or is not finite.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> run(net, torch.zeros(5, 3, 1)).hidden.shape
        torch.Size([3, 5, 1])
    """
    finite_tensor("x", x, ("batch", "window", "inputs"))
    same_kind(x=x, recurrent=net.recurrent)
    same_size("input channels", x=x.shape[2], net=net.n_inputs)
    return unroll(
        net.input,
        net.recurrent,
        net.readout,
        net.weights,
        x,
        net.activation,
        net.scaling,
    )


def forward(
    net: ElmanNet, x: Float[Tensor, "batch window d"]
) -> Float[Tensor, " batch"]:
    r"""Return :math:`\hat y(x) = \int c\, h_0\, dP` for each window (mean-field paper, Section 2.3,
    reconstructed).

    Raises:
        TypeError: as `run`.
        ValueError: as `run`.

    Example:
        >>> from rnnlimits.networks.activations import IDENTITY
        >>> one = torch.ones(1)
        >>> net = ElmanNet(one[:, None], one[:, None] / 2, one, one, IDENTITY)
        >>> forward(net, torch.ones(1, 3, 1)).tolist()
        [1.75]
    """
    return run(net, x).output


def unroll(
    a: Float[Tensor, "m d"],
    b: Float[Tensor, "m m"],
    c: Float[Tensor, " m"],
    p: Float[Tensor, " m"],
    x: Float[Tensor, "batch window d"],
    activation: Activation = TANH,
    scaling: Scaling = MEAN_FIELD,
) -> States:
    r"""The forward pass as a function of weights and measure, unchecked, for autodiff to take.

    Example:
        >>> one = torch.ones(1)
        >>> unroll(one[:, None], one[:, None], one, one, torch.zeros(2, 3, 1)).output
        tensor([0., 0.])
    """
    before_b, before_c = scaling.factors(len(p))
    driven = x.transpose(0, 1) @ a.T
    currents, hidden = [driven[0]], [activation.value(driven[0])]
    for input_k in driven[1:]:
        h = hidden[-1]
        z = torch.addmm(input_k, h * p, b.T, alpha=before_b)
        currents.append(z)
        hidden.append(activation.value(z))
    output = before_c * ((hidden[-1] * p) @ c)
    return States(torch.stack(currents), torch.stack(hidden), output)


def adjoint(net: ElmanNet, states: States) -> Adjoint:
    r"""Return how the output reads the states, :math:`v_k`, and the currents, :math:`\delta_k`:

    .. math::

        v_0 = c, \qquad \delta_k = v_k\, s'(z_k), \qquad
        v_{k-1}(\omega') = \int b(\omega, \omega')\, \delta_k(\omega)\, P(d\omega).

    Nothing here knows the target: a residual multiplies all of it, sequence by sequence.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), torch.ones(1, 1), one, one)
        >>> adjoint(net, run(net, torch.zeros(1, 3, 1))).states.flatten().tolist()
        [1.0, 1.0, 1.0]
    """
    before_b, before_c = net.scaling.factors(net.width)
    v = (before_c * net.readout).expand_as(states.hidden[-1])
    slopes = net.activation.slope(states.currents, states.hidden)
    reads, deltas = [v], [v * slopes[-1]]
    for slope in slopes[:-1].flip(0):
        weighed = deltas[-1] * net.weights
        v = before_b * (weighed @ net.recurrent)
        reads.append(v)
        deltas.append(v * slope)
    return Adjoint(torch.stack(reads[::-1]), torch.stack(deltas[::-1]))
