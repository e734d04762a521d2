r"""Measures on neurons: labels with weights, and the network that weight functions have on them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    same_kind,
    same_size,
)
from rnnlimits.networks.activations import TANH, Activation
from rnnlimits.networks.elman import (
    MEAN_FIELD,
    ElmanNet,
    Scaling,
    equal_weights,
    probabilities,
)


@dataclass(frozen=True, eq=False)
class NeuronMeasure:
    r"""Labels :math:`\omega_i \in \mathbb{R}^k` with weights :math:`p_i` that sum to one.

    Raises:
        TypeError: an entry is no floating-point tensor, or dtypes or devices differ.
        ValueError: a wrong shape, an entry that is not finite, or weights that are negative or do
            not sum to one.

    Example:
        >>> len(NeuronMeasure(torch.zeros(2, 1), torch.full((2,), 0.5)).labels)
        2
    """

    labels: Float[Tensor, "m k"]
    weights: Float[Tensor, " m"]

    def __post_init__(self) -> None:
        finite_tensor("labels", self.labels, ("atoms", "coordinates"))
        probabilities("weights", self.weights)
        same_kind(labels=self.labels, weights=self.weights)
        same_size(
            "atoms", labels=len(self.labels), weights=len(self.weights)
        )


@dataclass(frozen=True)
class WeightFunctions:
    r"""The functions :math:`a(\omega) \in \mathbb{R}^d`, :math:`b(\omega, \omega')` and
    :math:`c(\omega)`, of labels on the last axis.

    ``recurrent`` is called with labels of shapes (m, 1, k) and (1, m, k), and returns (m, m).

    Example:
        >>> ones = WeightFunctions(
        ...     lambda w: w, lambda w, v: (w * v).sum(-1), lambda w: w[..., 0])
        >>> network(ones, gauss_legendre(4)).width
        4
    """

    input: Callable[[Tensor], Tensor]
    recurrent: Callable[[Tensor, Tensor], Tensor]
    readout: Callable[[Tensor], Tensor]


def network(
    functions: WeightFunctions,
    measure: NeuronMeasure,
    activation: Activation = TANH,
    scaling: Scaling = MEAN_FIELD,
) -> ElmanNet:
    """Return the network whose weights are the functions' values at the measure's labels.

    Raises:
        ValueError: a function returns values of a wrong shape, or values that are not finite.

    Example:
        >>> functions = WeightFunctions(
        ...     lambda w: w, lambda w, v: (w - v)[..., 0], lambda w: w[..., 0])
        >>> network(functions, empirical(torch.ones(3, 1))).recurrent.sum().item()
        0.0
    """
    labels = measure.labels
    return ElmanNet(
        functions.input(labels),
        functions.recurrent(labels[:, None], labels[None]),
        functions.readout(labels),
        measure.weights,
        activation,
        scaling,
    )


def empirical(labels: Float[Tensor, "n k"]) -> NeuronMeasure:
    """Return the measure of a network of n neurons: each label has weight 1/n.

    Raises:
        TypeError: ``labels`` is no floating-point tensor.
        ValueError: ``labels`` is no matrix, or is empty or not finite.

    Example:
        >>> empirical(torch.zeros(4, 2)).weights.tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    finite_tensor("labels", labels, ("atoms", "coordinates"))
    weights = equal_weights(
        len(labels), dtype=labels.dtype, device=labels.device
    )
    return NeuronMeasure(labels, weights)


def with_probes(
    measure: NeuronMeasure, labels: Float[Tensor, "n k"]
) -> NeuronMeasure:
    """Return the measure with further labels of weight zero, after its own.

    Such neurons hear the others and are heard by none: states, adjoint and velocity can be read at
    any label, and nothing changes.

    Raises:
        TypeError: ``labels`` is no floating-point tensor of the measure's dtype and device.
        ValueError: ``labels`` has another number of coordinates, or is empty or not finite.

    Example:
        >>> with_probes(gauss_legendre(1), torch.zeros(2, 1).double()).weights.tolist()
        [1.0, 0.0, 0.0]
    """
    finite_tensor("labels", labels, ("atoms", "coordinates"))
    same_kind(labels=labels, measure=measure.labels)
    same_size(
        "coordinates",
        labels=labels.shape[1],
        measure=measure.labels.shape[1],
    )
    silent = labels.new_zeros(len(labels))
    return NeuronMeasure(
        torch.cat([measure.labels, labels]),
        torch.cat([measure.weights, silent]),
    )


def gauss_legendre(
    n_nodes: int,
    n_coordinates: int = 1,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> NeuronMeasure:
    r"""Return the uniform law on :math:`[0,1]^k` as ``n_nodes``:sup:`k` Gauss-Legendre nodes.

    Exact for polynomials of degree below twice ``n_nodes`` in each coordinate.

    Raises:
        TypeError: a number is no integer.
        ValueError: a number is below 1.

    Example:
        >>> measure = gauss_legendre(2)
        >>> torch.round(measure.labels[:, 0] ** 3 @ measure.weights, decimals=12).item()
        0.25
    """
    nodes, weights = np.polynomial.legendre.leggauss(
        integer_at_least("n_nodes", n_nodes, 1)
    )
    k = integer_at_least("n_coordinates", n_coordinates, 1)
    grid = np.meshgrid(*[(nodes + 1) / 2] * k, indexing="ij")
    products = np.meshgrid(*[weights / 2] * k, indexing="ij")
    labels = np.stack(grid, axis=-1).reshape(-1, k)
    p = np.prod(products, axis=0).reshape(-1)
    return NeuronMeasure(
        torch.from_numpy(labels).to(dtype=dtype, device=device),
        torch.from_numpy(p).to(dtype=dtype, device=device),
    )
