r"""Neuronal embeddings: fixed weight functions, and for every width a rule that draws labels.

All rules here have single labels uniform on :math:`[0,1]^k`; they differ in how the labels of one
network depend on each other. A rule is weakly dependent with constant K if, for functions f of two
labels with :math:`\int f(\omega, \cdot)\, dP = 0`,

.. math::

    \frac1n \sum_i \mathbb{E}\Big( \frac1n \sum_j f(\Theta_i, \Theta_j) \Big)^2
    \le \frac{K}{n}\, \|f\|^2 \quad \text{for all } n.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from rnnlimits._checks import (
    integer_at_least,
    non_negative,
    same_size,
)
from rnnlimits.networks.activations import TANH, Activation
from rnnlimits.networks.elman import ElmanNet
from rnnlimits.networks.measures import (
    NeuronMeasure,
    WeightFunctions,
    empirical,
    network,
    with_probes,
)
from rnnlimits.networks.sampling_error import influence


@dataclass(frozen=True)
class SamplingRule:
    r"""For every width a law of n labels, each by itself uniform on :math:`[0,1]^k`.

    ``place(n, generator)`` returns the labels, shape (n, k). ``bounded`` is a K of the weak
    dependence for all bounded f, with the norm :math:`\sup|f|`; ``lipschitz`` one for f that are
    Lipschitz in the second label, with the larger of :math:`\sup|f|` and that constant for a norm;
    infinity says that none serves. ``pair_covariance(n)`` is that of the first coordinates of two
    different labels; ``multiple`` divides every width that the rule can serve.

    Example:
        >>> STRATIFIED.bounded, LATTICE.bounded
        (4.0, inf)
    """

    name: str
    place: Callable[[int, np.random.Generator], NDArray[np.float64]]
    bounded: float
    lipschitz: float
    pair_covariance: Callable[[int], float]
    multiple: int = 1

    def draw(
        self, n: int, generator: np.random.Generator
    ) -> Float[Tensor, "n k"]:
        """Draw the labels of one network of width n.

        Raises:
            TypeError: ``n`` is no integer.
            ValueError: ``n`` is below 1, or no multiple of what the rule needs.

        Example:
            >>> from rnnlimits.random import stream
            >>> w = STRATIFIED.draw(4, stream(0))
            >>> torch.floor(4 * w[:, 0]).sort().values.tolist()
            [0.0, 1.0, 2.0, 3.0]
        """
        integer_at_least("n", n, 1)
        if n % self.multiple:
            raise ValueError(
                f"n must be a multiple of {self.multiple} for the rule "
                f"{self.name!r}, got {n}"
            )
        return torch.from_numpy(self.place(n, generator))


@dataclass(frozen=True)
class Embedding:
    """Weight functions of labels, and a rule that draws the labels of any width.

    Example:
        >>> from rnnlimits.random import stream
        >>> ones = WeightFunctions(
        ...     lambda w: w, lambda w, v: (w * v).sum(-1), lambda w: w[..., 0])
        >>> Embedding(ones, STRATIFIED).draw(5, stream(0)).width
        5
    """

    functions: WeightFunctions
    rule: SamplingRule
    activation: Activation = TANH

    def draw(self, n: int, generator: np.random.Generator) -> ElmanNet:
        """Draw one network of width n.

        Raises:
            TypeError: as `SamplingRule.draw`.
            ValueError: as `SamplingRule.draw`.
        """
        labels = empirical(self.rule.draw(n, generator))
        return network(self.functions, labels, self.activation)

    def limit(self, measure: NeuronMeasure) -> ElmanNet:
        """Return the network of the whole law, on the nodes of a quadrature of it."""
        return network(self.functions, measure, self.activation)


def _independent(
    n: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    return generator.random((n, 1))


def _stratified(
    n: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    strata = generator.permutation(n)[:, None]
    return (strata + generator.random((n, 1))) / n


def _lattice(
    n: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    strata = generator.permutation(n)[:, None]
    return (strata + generator.random()) / n


def _antithetic(
    n: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    half = generator.random((n // 2, 1))
    return generator.permutation(np.concatenate([half, 1 - half]))


def _two_values(
    n: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    two = generator.random((2, 1))
    return generator.permutation(np.repeat(two, n // 2, axis=0))


INDEPENDENT = SamplingRule(
    "independent", _independent, 1.0, 1.0, lambda n: 0.0
)
STRATIFIED = SamplingRule(
    "stratified",
    _stratified,
    4.0,
    4.0,
    lambda n: -(n + 1) / (12 * n**2),
)
LATTICE = SamplingRule(
    "lattice", _lattice, inf, 1.0, lambda n: -1 / (12 * n)
)
ANTITHETIC = SamplingRule(
    "antithetic",
    _antithetic,
    2.0,
    2.0,
    lambda n: -1 / (12 * (n - 1)),
    multiple=2,
)
TWO_VALUES = SamplingRule(
    "two values",
    _two_values,
    inf,
    inf,
    lambda n: (n - 2) / (24 * (n - 1)),
    multiple=2,
)
RULES = {
    each.name: each
    for each in (
        INDEPENDENT,
        ANTITHETIC,
        STRATIFIED,
        LATTICE,
        TWO_VALUES,
    )
}


def independent(n_coordinates: int) -> SamplingRule:
    r"""Return the rule of independent labels on :math:`[0,1]^k`.

    Raises:
        TypeError: ``n_coordinates`` is no integer.
        ValueError: ``n_coordinates`` is below 1.

    Example:
        >>> from rnnlimits.random import stream
        >>> independent(3).draw(5, stream(0)).shape
        torch.Size([5, 3])
    """
    k = integer_at_least("n_coordinates", n_coordinates, 1)
    return replace(
        INDEPENDENT, place=lambda n, draw: draw.random((n, k))
    )


def averages_squared(
    rule: SamplingRule,
    f: Callable[[Tensor, Tensor], Tensor],
    n: int,
    generator: np.random.Generator,
) -> float:
    r"""Draw labels and return :math:`\sum_i \big(\frac1n \sum_j f(\Theta_i, \Theta_j)\big)^2`.

    Its mean is at most :math:`K \|f\|^2` if the rule is weakly dependent with constant K and
    :math:`\int f(\omega, \cdot)\, dP = 0`. ``f`` is called as a recurrent weight function is.

    Raises:
        TypeError: as `SamplingRule.draw`.
        ValueError: as `SamplingRule.draw`.

    Example:
        >>> from rnnlimits.random import stream
        >>> averages_squared(LATTICE, lambda w, v: (w - v)[..., 0] * 0, 4, stream(0))
        0.0
    """
    w = rule.draw(n, generator)
    values = f(w[:, None], w[None]).expand(n, n)
    return float(values.mean(dim=1).square().sum())


def forward_bound(
    width: int,
    constant: float,
    window: int,
    *,
    recurrent: float,
    readout: float,
    state: float = 1.0,
    lipschitz: float = 1.0,
) -> float:
    r"""Return :math:`2 \sqrt{K/n}\, |c|\, |h| \sum_{j<L} (\ell\, |b|)^j`, a bound of the root mean
    square error of the output at width n, for weak dependence with constant K on bounded functions.

    The bars are bounds of the weights and of the states, :math:`\ell` is the Lipschitz constant
    of the activation.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a number is negative or not finite, or a count below 1.

    Example:
        >>> forward_bound(4, 1.0, 3, recurrent=1.0, readout=1.0)
        3.0
    """
    n = integer_at_least("width", width, 1)
    growth = non_negative("recurrent", recurrent) * non_negative(
        "lipschitz", lipschitz
    )
    steps = range(integer_at_least("window", window, 1))
    front = non_negative("readout", readout) * non_negative(
        "state", state
    )
    root = (non_negative("constant", constant) / n) ** 0.5
    return 2 * root * front * sum(growth**j for j in steps)


def influence_at(
    embedding: Embedding,
    measure: NeuronMeasure,
    labels: Float[Tensor, "n k"],
    x: Float[Tensor, "batch window d"],
) -> Float[Tensor, "batch n"]:
    r"""Return the influence :math:`\psi` of the limit at any labels, by atoms of weight zero.

    Raises:
        TypeError: as `rnnlimits.networks.measures.with_probes`.
        ValueError: as `rnnlimits.networks.measures.with_probes`.

    Example:
        >>> from rnnlimits.networks.measures import gauss_legendre
        >>> f = WeightFunctions(
        ...     lambda w: w, lambda w, v: (w - v)[..., 0], lambda w: w[..., 0])
        >>> e = Embedding(f, STRATIFIED)
        >>> w = torch.zeros(3, 1).double()
        >>> influence_at(e, gauss_legendre(4), w, torch.ones(2, 1, 1).double()).shape
        torch.Size([2, 3])
    """
    probed = embedding.limit(with_probes(measure, labels))
    return influence(probed, x)[:, len(measure.weights) :]


def stratified_constant(
    embedding: Embedding,
    measure: NeuronMeasure,
    x: Float[Tensor, "batch window d"],
) -> Float[Tensor, " batch"]:
    r"""Return :math:`\frac1{12} \int_0^1 \psi'^2\, d\omega`, the limit of
    :math:`n^3\, \mathbb{E}(\hat y_n - \hat y)^2` for stratified labels on :math:`[0,1]`.

    The derivative is taken by autodiff, at the labels of ``measure``.

    Raises:
        TypeError: as `influence_at`.
        ValueError: the labels have more than one coordinate.

    Example:
        >>> from rnnlimits.networks.activations import IDENTITY
        >>> from rnnlimits.networks.measures import gauss_legendre
        >>> f = WeightFunctions(
        ...     lambda w: 0 * w + 1, lambda w, v: 0 * (w - v)[..., 0], lambda w: w[..., 0])
        >>> e = Embedding(f, STRATIFIED, IDENTITY)
        >>> x = torch.ones(1, 1, 1).double()
        >>> round(12 * float(stratified_constant(e, gauss_legendre(4), x)), 12)
        1.0
    """
    _on_a_line(measure)
    labels = measure.labels.clone().requires_grad_()
    psi = influence_at(embedding, measure, labels, x)
    slopes = [
        torch.autograd.grad(row.sum(), labels, retain_graph=True)[0]
        for row in psi
    ]
    square = torch.stack(slopes)[..., 0].square()
    return square @ measure.weights / 12


def lattice_constant(
    embedding: Embedding,
    measure: NeuronMeasure,
    x: Float[Tensor, "batch window d"],
) -> Float[Tensor, " batch"]:
    r"""Return :math:`\frac1{12} (\psi(1) - \psi(0))^2`, the limit of
    :math:`n^2\, \mathbb{E}(\hat y_n - \hat y)^2` for a lattice on :math:`[0,1]`, shifted at random.

    Raises:
        TypeError: as `influence_at`.
        ValueError: the labels have more than one coordinate.

    Example:
        >>> from rnnlimits.networks.activations import IDENTITY
        >>> from rnnlimits.networks.measures import gauss_legendre
        >>> f = WeightFunctions(
        ...     lambda w: 0 * w + 1, lambda w, v: 0 * (w - v)[..., 0], lambda w: w[..., 0])
        >>> e = Embedding(f, LATTICE, IDENTITY)
        >>> x = torch.ones(1, 1, 1).double()
        >>> round(12 * float(lattice_constant(e, gauss_legendre(4), x)), 12)
        1.0
    """
    _on_a_line(measure)
    ends = measure.labels.new_tensor([[0.0], [1.0]])
    psi = influence_at(embedding, measure, ends, x)
    return (psi[:, 1] - psi[:, 0]).square() / 12


def _on_a_line(measure: NeuronMeasure) -> None:
    same_size("coordinates", line=1, measure=measure.labels.shape[1])
