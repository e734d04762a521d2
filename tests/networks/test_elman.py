"""The Elman network over a measure: forward, adjoint, flow, sampling error; every measure alike."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from torch import Tensor
from torch.testing import assert_close

from draws import both_dtypes, channels, distance, horizons, network, quick, seeds, untyped, widths
from rnnlimits.estimate import estimate, fit_rate, root_mean_square
from rnnlimits.networks import linear
from rnnlimits.networks.activations import (
    ACTIVATIONS,
    IDENTITY,
    RELU,
    SINE,
    TANH,
    Activation,
    activation,
)
from rnnlimits.networks.elman import (
    MEAN_FIELD,
    NTK,
    ElmanNet,
    Scaling,
    adjoint,
    at_labels,
    equal_weights,
    forward,
    run,
    unroll,
)
from rnnlimits.networks.elman_risk import (
    Blocks,
    Population,
    dissipation,
    gradient,
    gram,
    moved,
    pull_back,
    risk,
    squared_norms,
    velocity,
)
from rnnlimits.networks.measures import (
    NeuronMeasure,
    WeightFunctions,
    empirical,
    gauss_legendre,
    with_probes,
)
from rnnlimits.networks.measures import network as network_on
from rnnlimits.networks.sampling_error import influence, sampling_bias, sampling_variance
from rnnlimits.random import normal, stream

BLOCKS = ("input", "recurrent", "readout")
every_activation = pytest.mark.parametrize("s", ACTIVATIONS.values(), ids=ACTIVATIONS)
windows = st.integers(1, 5)


def weights_of(seed: int, m: int) -> Tensor:
    """Return unequal weights that sum to one."""
    return torch.from_numpy(stream(seed, "weights").dirichlet(np.full(m, 3.0)))


def elman(
    seed: int,
    m: int = 6,
    d: int = 2,
    s: Activation = TANH,
    *,
    p: Tensor | None = None,
    scaling: Scaling = MEAN_FIELD,
    dtype: torch.dtype = torch.float64,
) -> ElmanNet:
    """Return a network drawn from the seed, of equal weights unless told."""
    draw = stream(seed, "elman")
    a, b, c = (normal(draw, shape, 1.0, dtype=dtype) for shape in ((m, d), (m, m), (m,)))
    return ElmanNet(a, b, c, equal_weights(m, dtype=dtype) if p is None else p, s, scaling)


def population(
    seed: int, batch: int = 5, window: int = 4, d: int = 2, several: tuple[int, ...] = ()
) -> Population:
    """Return windows of unequal probability with targets."""
    draw = stream(seed, "population")
    x, targets = normal(draw, (batch, window, d)), normal(draw, (*several, batch))
    return Population(x, targets, weights_of(seed + 1, batch))


def by_hand(net: ElmanNet, x: Tensor, value: Callable[[float], float]) -> Tensor:
    """Return the outputs of the defining formula, one number at a time."""
    m, outputs = net.width, []
    a, b, c, p = (t.numpy() for t in (net.input, net.recurrent, net.readout, net.weights))
    feedback, gain = m ** (1 - net.scaling.recurrent), m ** (1 - net.scaling.readout)
    for window in x.numpy():
        h = [0.0] * m
        for x_k in window:
            fed = [sum(b[i, j] * h[j] * p[j] for j in range(m)) for i in range(m)]
            h = [value(float(a[i] @ x_k + feedback * fed[i])) for i in range(m)]
        outputs.append(gain * sum(c[i] * h[i] * p[i] for i in range(m)))
    return torch.tensor(outputs, dtype=torch.float64)


def partial_derivatives(net: ElmanNet, over: Population) -> tuple[Tensor, Tensor, Tensor]:
    """Return the derivatives of the risk in the network's own weights, by autodiff."""
    a, b, c = (t.clone().requires_grad_() for t in (net.input, net.recurrent, net.readout))
    output = unroll(a, b, c, net.weights, over.x, net.activation, net.scaling).output
    value = (output - over.targets).square() @ over.probabilities / 2
    found = torch.autograd.grad(value, (a, b, c), materialize_grads=True)
    return found[0], found[1], found[2]


def close(a: Tensor, b: Tensor, rtol: float = 1e-12) -> None:
    """Compare within ``rtol`` of the largest entry."""
    scale = float(b.abs().max())
    assert_close(a, b, rtol=0, atol=rtol * max(scale, 1e-300))


# Activations -------------------------------------------------------------------------------------


@every_activation
def test_the_slope_is_the_derivative(s: Activation) -> None:
    z = torch.linspace(-30, 30, 400, dtype=torch.float64).requires_grad_()
    h = s.value(z)
    (slope,) = torch.autograd.grad(h.sum(), z)
    close(s.slope(z, h), slope, 1e-14)


@every_activation
def test_what_an_activation_declares(s: Activation) -> None:
    z = torch.linspace(-50, 50, 100_001, dtype=torch.float64)
    h = s.value(z)
    slopes = h.diff().abs() / z.diff()
    assert slopes.max() <= s.lipschitz * (1 + 1e-9)
    assert slopes.max() >= s.lipschitz * (1 - 1e-5)
    assert bool(h.abs().max() <= 1) == s.bounded
    second = h.diff(n=2).abs().max() / 1e-6
    assert bool(second < 10) == s.smooth  # a kink has a second difference of 1/step
    assert activation(s.name) is s


# The forward pass --------------------------------------------------------------------------------

VALUES = {
    "tanh": math.tanh,
    "erf": math.erf,
    "sine": math.sin,
    "softplus": lambda z: math.log1p(math.exp(z)),
    "relu": lambda z: max(z, 0.0),
    "identity": lambda z: z,
}


@every_activation
def test_forward_is_the_formula(s: Activation) -> None:
    for seed, window, d in [(0, 1, 1), (1, 4, 2), (2, 6, 3)]:
        x = normal(stream(seed, "x"), (3, window, d))
        weighted = elman(seed, 5, d, s, p=weights_of(seed, 5))
        close(forward(weighted, x), by_hand(weighted, x, VALUES[s.name]))
        plain = elman(seed, 5, d, s, scaling=Scaling(0.7, 0.2, 0.0, 0.0, 0.0))
        close(forward(plain, x), by_hand(plain, x, VALUES[s.name]))


@quick
@given(seeds, widths, channels, horizons)
def test_identity_in_the_ntk_scaling_is_the_linear_network(
    seed: int, n: int, d: int, horizon: int
) -> None:
    rnn, x = network(seed, n, d, 1), normal(stream(seed, "x"), (2, horizon, d))
    net = ElmanNet(rnn.input, rnn.recurrent, rnn.readout[0], equal_weights(n), IDENTITY, NTK)
    assert_close(forward(net, x), linear.forward(rnn, x)[:, -1, 0], rtol=1e-12, atol=1e-13)


def test_one_atom_is_a_scalar_recursion() -> None:
    one = torch.ones(1, dtype=torch.float64)
    net = ElmanNet(2 * one[:, None], one[:, None] / 2, 3 * one, one, IDENTITY)
    x = torch.tensor([[[1.0], [0.0], [0.0]]], dtype=torch.float64)
    assert forward(net, x).item() == 3 * 2 * 0.25
    for scaling in (MEAN_FIELD, NTK):  # at n = 1 every power of n is one
        assert forward(replace(net, scaling=scaling), x).item() == 1.5


def test_without_recurrence_only_the_last_input_counts() -> None:
    net = elman(0)
    net = replace(net, recurrent=torch.zeros_like(net.recurrent))
    over = population(0)
    assert torch.equal(forward(net, over.x), forward(net, over.x[:, -1:]))
    assert torch.equal(adjoint(net, run(net, over.x)).states[:-1], torch.zeros(3, 5, 6).double())


def test_a_window_of_one_has_no_recurrent_gradient() -> None:
    net, over = elman(0), population(0, window=1)
    assert torch.equal(velocity(net, over).recurrent, torch.zeros(6, 6).double())
    a_x = over.x[:, 0] @ net.input.T
    close(forward(net, over.x), torch.tanh(a_x) @ net.readout / 6, 1e-15)


def test_a_batch_of_one_is_a_row_of_the_batch() -> None:
    net, x = elman(0), population(0).x
    assert_close(forward(net, x[2:3]), forward(net, x)[2:3], rtol=1e-14, atol=1e-15)


@both_dtypes
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    net = elman(0, dtype=dtype)
    over = population(0)
    over = Population(over.x.to(dtype), over.targets.to(dtype), over.probabilities.to(dtype))
    moves = velocity(net, over)
    found = [forward(net, over.x), risk(net, over), gram(net, over), influence(net, over.x)]
    found += [getattr(moves, name) for name in BLOCKS] + [dissipation(net, over).total]
    assert {t.dtype for t in found} == {dtype}
    assert gauss_legendre(3, dtype=dtype).labels.dtype == dtype


# The gradient and the flow -----------------------------------------------------------------------


@every_activation
@pytest.mark.parametrize("window", [1, 2, 5])
def test_the_flow_is_autodiff_under_the_mean_field_scalings(s: Activation, window: int) -> None:
    over = population(window, window=window)
    n = 7
    net = elman(window, n, s=s)
    d_a, d_b, d_c = partial_derivatives(net, over)
    moves = velocity(net, over)
    close(moves.input, -n * d_a)
    close(moves.recurrent, -(n**2) * d_b)
    close(moves.readout, -n * d_c)


@every_activation
def test_weighted_atoms_have_their_own_scalings(s: Activation) -> None:
    over, p = population(3), weights_of(3, 6)
    net = elman(3, s=s, p=p)
    d_a, d_b, d_c = partial_derivatives(net, over)
    moves = velocity(net, over)
    close(moves.input, -d_a / p[:, None])
    close(moves.recurrent, -d_b / torch.outer(p, p))
    close(moves.readout, -d_c / p)


@quick
@given(seeds, widths, windows, st.tuples(*[st.floats(-0.5, 2.5)] * 5))
def test_any_scaling_is_autodiff_times_its_clocks(
    seed: int, n: int, window: int, exponents: tuple[float, ...]
) -> None:
    scaling = Scaling(*exponents)
    over, net = population(seed, window=window), elman(seed, n, scaling=scaling)
    moves = velocity(net, over)
    clocks = (scaling.input_clock, scaling.recurrent_clock, scaling.readout_clock)
    for name, derivative, clock in zip(BLOCKS, partial_derivatives(net, over), clocks, strict=True):
        close(getattr(moves, name), -(n**clock) * derivative, 1e-11)


def test_in_the_ntk_scaling_the_flow_is_plain_gradient_flow() -> None:
    net, over = elman(4, scaling=NTK), population(4)
    moves = velocity(net, over)
    for name, derivative in zip(BLOCKS, partial_derivatives(net, over), strict=True):
        close(getattr(moves, name), -derivative)


def test_several_targets_share_one_backward_pass() -> None:
    net, over = elman(5, p=weights_of(5, 6)), population(5, several=(3,))
    together, risks = velocity(net, over), risk(net, over)
    lost = dissipation(net, over)
    for k in range(3):
        alone = replace(over, targets=over.targets[k])
        close(risks[k], risk(net, alone))
        close(lost.total[k], dissipation(net, alone).total)
        for name in BLOCKS:
            close(getattr(together, name)[k], getattr(velocity(net, alone), name))


def test_unit_residuals_give_the_jacobian_of_the_output() -> None:
    net, over = elman(6), population(6)
    states = run(net, over.x)
    eye = torch.eye(5, dtype=torch.float64)
    rows = pull_back(net, over.x, states, adjoint(net, states), eye)

    def output(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return unroll(a, b, c, net.weights, over.x).output

    parts = (net.input, net.recurrent, net.readout)
    jacobian = torch.func.jacrev(output, argnums=(0, 1, 2))(*parts)
    for name, power, exact in zip(BLOCKS, (1, 2, 1), jacobian, strict=True):
        close(getattr(rows, name), 6**power * exact)


def test_the_adjoint_is_the_derivative_in_the_states() -> None:
    net, over = elman(7, p=weights_of(7, 6)), population(7)
    states = run(net, over.x)
    nudged = states.hidden[1].clone().requires_grad_()
    z = over.x[:, 2] @ net.input.T + (nudged * net.weights) @ net.recurrent.T
    z = over.x[:, 3] @ net.input.T + (torch.tanh(z) * net.weights) @ net.recurrent.T
    output = (torch.tanh(z) * net.weights) @ net.readout
    (derivative,) = torch.autograd.grad(output.sum(), nudged)
    close(adjoint(net, states).states[1] * net.weights, derivative)


def test_the_flow_goes_down_as_fast_as_said() -> None:
    over = population(8)
    for scaling, p in [(MEAN_FIELD, weights_of(8, 6)), (NTK, None)]:
        net = elman(8, p=p, scaling=scaling)
        moves, lost = velocity(net, over), dissipation(net, over)
        derivatives = partial_derivatives(net, over)
        for name, d in zip(BLOCKS, derivatives, strict=True):
            close(getattr(lost, name), (d * getattr(moves, name)).sum())
        ahead, behind = (risk(moved(net, moves, e), over) for e in (1e-4, -1e-4))
        assert_close((ahead - behind) / 2e-4, lost.total, rtol=1e-5, atol=0)
        close(lost.total, lost.input + lost.recurrent + lost.readout, 1e-15)


def test_norms_are_averages_over_the_measure() -> None:
    net = elman(9, 3, p=weights_of(9, 3))
    u, p = gradient(net, population(9)), net.weights.tolist()
    found = squared_norms(net, u)
    pairs = itertools.product(range(3), repeat=2)
    assert found.recurrent.item() == pytest.approx(
        sum(p[i] * p[j] * u.recurrent[i, j].item() ** 2 for i, j in pairs), rel=1e-13
    )
    assert found.input.item() == pytest.approx(
        sum(p[i] * float(u.input[i] @ u.input[i]) for i in range(3)), rel=1e-13
    )
    assert found.readout.item() == pytest.approx(
        sum(p[i] * u.readout[i].item() ** 2 for i in range(3)), rel=1e-13
    )


@pytest.mark.parametrize("scaling", [MEAN_FIELD, NTK])
def test_the_gram_operator_gives_the_readout_part(scaling: Scaling) -> None:
    net, over = elman(10, 9, scaling=scaling), population(10)
    G = gram(net, over)
    weighed = over.probabilities.sqrt() * (forward(net, over.x) - over.targets)
    g_c = gradient(net, over)
    close(weighed @ G @ weighed, squared_norms(net, g_c).readout)
    lowest = torch.linalg.eigvalsh(G)[0]
    assert lowest > 0
    if scaling == MEAN_FIELD:
        assert dissipation(net, over).total <= -2 * lowest * risk(net, over)


def test_the_gram_operator_has_at_most_the_rank_of_the_width() -> None:
    eigenvalues = torch.linalg.eigvalsh(gram(elman(11, 3), population(11, batch=8)))
    assert eigenvalues[:5].abs().max() < 1e-14
    assert eigenvalues[5] > 1e-6


# One formula, several measures -------------------------------------------------------------------


@quick
@given(seeds, st.lists(st.integers(1, 4), min_size=1, max_size=5), windows)
def test_duplicated_neurons_are_one_atom(seed: int, copies: list[int], window: int) -> None:
    counts = torch.tensor(copies)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    few = elman(seed, len(counts), p=counts / counts.sum().double())
    many, over = at_labels(few, labels), population(seed, window=window)
    close(forward(many, over.x), forward(few, over.x))
    once, often = velocity(few, over), velocity(many, over)
    close(often.input, once.input[labels], 1e-11)
    close(often.recurrent, once.recurrent[labels][:, labels], 1e-11)
    close(often.readout, once.readout[labels], 1e-11)


@pytest.mark.parametrize("scaling", [MEAN_FIELD, NTK])
def test_the_names_of_neurons_do_not_matter(scaling: Scaling) -> None:
    net, over = elman(12, 8, scaling=scaling), population(12)
    order = torch.from_numpy(stream(12, "order").permutation(8))
    renamed = at_labels(net, order)
    close(forward(renamed, over.x), forward(net, over.x), 1e-14)
    moves, others = velocity(net, over), velocity(renamed, over)
    close(others.recurrent, moves.recurrent[order][:, order], 1e-13)
    close(others.input, moves.input[order], 1e-13)
    close(others.readout, moves.readout[order], 1e-13)


@pytest.mark.parametrize("changed", range(5))
def test_only_the_mean_field_scaling_forgets_the_width(changed: int) -> None:
    exponents = [1.0, 1.0, 1.0, 2.0, 1.0]
    exponents[changed] -= 0.25
    net, over = elman(13, 3, scaling=Scaling(*exponents)), population(13)
    labels = torch.arange(3).repeat(2)
    twice = at_labels(net, labels)
    moves, others = velocity(net, over), velocity(twice, over)
    gaps = [
        distance(forward(twice, over.x), forward(net, over.x)),
        distance(others.input, moves.input[labels]),
        distance(others.recurrent, moves.recurrent[labels][:, labels]),
        distance(others.readout, moves.readout[labels]),
    ]
    assert not net.scaling.forgets_width
    if changed >= 2:  # a clock changes the velocity of its block, by a known factor
        blocks = [gap > 1e-12 for gap in gaps[1:]]
        assert gaps[0] < 1e-12
        assert blocks == [changed == 2, changed == 3, changed == 4]
        assert max(gaps) == pytest.approx(1 - 2**-0.25, rel=1e-9)
    else:
        assert gaps[0] > 1e-3


FUNCTIONS = WeightFunctions(
    lambda w: torch.cat([2 * torch.cos(math.pi * w[:, :1]), w[:, :1] - 0.5], dim=1),
    lambda w, v: 2 * torch.cos(math.pi * (w - v / 2))[..., 0] + v[..., -1],
    lambda w: 2 * torch.exp(-w[:, -1]) - 0.5,
)


@pytest.mark.parametrize("k", [1, 2])
def test_quadrature_converges_geometrically(k: int) -> None:
    x = torch.cos(population(14).x)
    limit = forward(network_on(FUNCTIONS, gauss_legendre(40, k)), x)
    nodes = [6, 12, 18, 24]
    gaps = [distance(forward(network_on(FUNCTIONS, gauss_legendre(q, k)), x), limit) for q in nodes]
    assert all(b < a / 10 for a, b in itertools.pairwise(gaps))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_gauss_legendre_nodes_integrate_polynomials(k: int) -> None:
    measure = gauss_legendre(4, k)
    assert measure.labels.shape == (4**k, k)
    for power in range(8):
        value = (measure.labels**power).prod(dim=1) @ measure.weights
        assert value.item() == pytest.approx((1 / (power + 1)) ** k, rel=1e-13)


def test_probes_hear_and_are_not_heard() -> None:
    over = population(15)
    nodes = gauss_legendre(5)
    plain = network_on(FUNCTIONS, nodes)
    probed = network_on(FUNCTIONS, with_probes(nodes, nodes.labels[:2]))
    assert_close(forward(probed, over.x), forward(plain, over.x), rtol=1e-14, atol=1e-15)
    psi = influence(probed, over.x)
    close(psi[:, :5], influence(plain, over.x), 1e-14)
    close(psi[:, 5:], psi[:, :2], 1e-14)
    close(velocity(probed, over).input[5:], velocity(plain, over).input[:2], 1e-13)


# The sampling error ------------------------------------------------------------------------------


@every_activation
def test_the_influence_is_the_derivative_in_the_measure(s: Activation) -> None:
    net, x = elman(16, s=s, p=weights_of(16, 6)), population(16).x

    def output(p: Tensor) -> Tensor:
        return unroll(net.input, net.recurrent, net.readout, p, x, s).output

    close(influence(net, x), torch.func.jacrev(output)(net.weights))


def moments(net: ElmanNet, x: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return n E(y_n - y) and n E(y_n - y)² of networks drawn from two atoms, by enumeration."""
    counts = torch.arange(n + 1).double()
    chances = torch.from_numpy(binom.pmf(counts.numpy(), n, net.weights[0].item()))
    shares = [torch.stack([k / n, 1 - k / n]) for k in counts]
    errors = torch.stack([forward(replace(net, weights=p), x) - forward(net, x) for p in shares])
    return n * chances @ errors, n * chances @ errors.square()


def test_bias_and_variance_are_the_limits_of_exact_moments() -> None:
    p = torch.tensor([0.3, 0.7], dtype=torch.float64)
    for s in (TANH, SINE):
        net, x = elman(17, 2, s=s, p=p), population(17, batch=3).x
        sizes = [128, 256, 512]
        found = [moments(net, x, n) for n in sizes]
        limits = (sampling_bias(net, x), sampling_variance(net, x))
        for which, limit in enumerate(limits):
            gaps = torch.stack([pair[which] - limit for pair in found])
            # Twice the width, half the gap: a wrong limit would leave a gap that stays.
            assert_close(gaps[:-1], 2 * gaps[1:], rtol=0.1, atol=1e-9)


def test_an_affine_output_has_no_bias() -> None:
    net = elman(18, s=IDENTITY, p=weights_of(18, 6))
    one = population(18, window=1).x
    assert sampling_bias(net, one).abs().max() == 0
    two = population(18, window=2).x  # then the output is quadratic in the measure
    p, a_x = net.weights, two[:, 0] @ net.input.T
    c, b = net.readout, net.recurrent
    diagonal = a_x @ (p * c * b.diagonal())
    close(sampling_bias(net, two), diagonal - a_x @ (p * (b.T @ (c * p))))


def test_sampled_networks_err_as_predicted(seed: int) -> None:
    p = weights_of(19, 4)
    net, x = elman(19, 4, p=p), population(19, batch=4).x
    n, runs = 4000, 1500
    draws = stream(seed, "labels").multinomial(n, p.numpy(), size=runs)
    shares = torch.from_numpy(draws / n)
    outputs = torch.stack([forward(replace(net, weights=share), x) for share in shares])
    labels = torch.repeat_interleave(torch.arange(4), torch.from_numpy(draws[0]))
    close(forward(at_labels(net, labels), x), outputs[0])
    errors = (outputs - forward(net, x)).numpy()
    variance = estimate(n * errors**2)
    # At order 1/n the squared error leaves its limit by far less than a standard error.
    assert np.abs(variance.z_score(sampling_variance(net, x).numpy())).max() < 4.5 + 0.5


def test_the_error_falls_like_the_root_and_its_remainder_like_the_width(seed: int) -> None:
    x = population(20, batch=4).x
    nodes = gauss_legendre(32)
    limit = forward(network_on(FUNCTIONS, nodes), x)
    sizes, errors, remainders = [64, 128, 256, 512], [], []
    for n in sizes:
        draw, found = stream(seed, "smooth", n), []
        for _ in range(60):
            labels = torch.from_numpy(draw.random((n, 1)))
            probed = network_on(FUNCTIONS, with_probes(nodes, labels))
            psi = influence(probed, x)
            first = psi[:, 32:].mean(1) - psi[:, :32] @ nodes.weights
            error = forward(network_on(FUNCTIONS, empirical(labels)), x) - limit
            found.append(torch.stack([error, error - first]))
        pair = torch.stack(found).square().mean(-1).sqrt().numpy()
        errors.append(pair[:, 0])
        remainders.append(pair[:, 1])
    # The next order still bends the slopes: by about 0.1 from width 32 on, half of that from 64 on.
    for values, exponent in ((errors, -0.5), (remainders, -1.0)):
        rate = fit_rate(sizes, root_mean_square(np.array(values), axis=1))
        assert abs(rate.slope - exponent) < 4.5 * rate.standard_error + 0.05


# Wrong input -------------------------------------------------------------------------------------

ONE = torch.ones(1, dtype=torch.float64)
TWO = torch.full((2,), 0.5, dtype=torch.float64)
NET = ElmanNet(torch.ones(2, 1).double(), torch.ones(2, 2).double(), 2 * TWO, TWO)
X = torch.zeros(2, 3, 1, dtype=torch.float64)


def changed(**parts: Any) -> Callable[[], object]:
    """Return a call that makes NET with other parts."""
    return lambda: replace(NET, **parts)


BAD: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "unknown activation": (lambda: activation("gelu"), ValueError, "activation must be one of"),
    "exponent no number": (lambda: Scaling("1", 1.0, 1.0, 2.0, 1.0), TypeError, "recurrent"),  # type: ignore[arg-type]
    "exponent a bool": (lambda: Scaling(True, 1.0, 1.0, 2.0, 1.0), TypeError, "recurrent"),
    "exponent infinite": (lambda: Scaling(1.0, math.inf, 1.0, 2.0, 1.0), ValueError, "readout"),
    "weights that sum to two": (changed(weights=2 * TWO), ValueError, "sum to 1, got 2.0"),
    "a negative weight": (
        changed(weights=torch.tensor([1.5, -0.5]).double()),
        ValueError,
        "weights must be at least 0, got -0.5",
    ),
    "recurrent not square": (changed(recurrent=torch.ones(2, 3).double()), ValueError, "atoms"),
    "input of another size": (changed(input=torch.ones(3, 1).double()), ValueError, "atoms"),
    "readout a matrix": (changed(readout=torch.ones(2, 1).double()), ValueError, "readout"),
    "mixed dtypes": (changed(readout=torch.ones(2)), TypeError, "dtype"),
    "an infinite entry": (changed(readout=math.inf * TWO), ValueError, "readout must be finite"),
    "unequal weights at a width": (
        changed(weights=torch.tensor([0.25, 0.75]).double(), scaling=NTK),
        ValueError,
        "weights must all be equal",
    ),
    "width zero": (lambda: equal_weights(0), ValueError, "width must be at least 1"),
    "labels of floats": (lambda: at_labels(NET, TWO), TypeError, "int64"),
    "labels a list": (lambda: at_labels(NET, [0]), TypeError, "int64 indices, got list"),  # type: ignore[arg-type]
    "no label": (lambda: at_labels(NET, torch.arange(0)), ValueError, "at least one label"),
    "a label too high": (lambda: at_labels(NET, torch.tensor([2])), ValueError, "0..1, got 2..2"),
    "windows with other inputs": (
        lambda: run(NET, torch.zeros(2, 3, 2).double()),
        ValueError,
        "input channels must agree: x has 2, net has 1",
    ),
    "windows without an axis": (lambda: run(NET, X[0]), ValueError, "(batch, window, inputs)"),
    "windows of another dtype": (lambda: run(NET, X.float()), TypeError, "dtype"),
    "targets of another number": (
        lambda: Population(X, torch.zeros(3).double(), TWO),
        ValueError,
        "numbers of windows",
    ),
    "probabilities off": (lambda: Population(X, TWO, 3 * TWO), ValueError, "sum to 1"),
    "residuals of another number": (
        lambda: pull_back(NET, X, run(NET, X), adjoint(NET, run(NET, X)), ONE),
        ValueError,
        "numbers of windows",
    ),
    "influence at a width": (
        lambda: influence(replace(NET, scaling=NTK), X),
        ValueError,
        "scaling must not depend on the width",
    ),
    "bias at a width": (
        lambda: sampling_bias(replace(NET, scaling=NTK), X),
        ValueError,
        "scaling must not depend on the width",
    ),
    "bias of a kink": (
        lambda: sampling_bias(replace(NET, activation=RELU), X),
        ValueError,
        "activation must be smooth",
    ),
    "labels and weights of two lengths": (
        lambda: NeuronMeasure(torch.zeros(3, 1).double(), TWO),
        ValueError,
        "atoms",
    ),
    "labels without coordinates": (lambda: empirical(TWO), ValueError, "coordinates"),
    "probes elsewhere": (
        lambda: with_probes(gauss_legendre(2), torch.zeros(2, 2).double()),
        ValueError,
        "coordinates must agree",
    ),
    "no node": (lambda: gauss_legendre(0), ValueError, "n_nodes"),
    "no coordinate": (lambda: gauss_legendre(2, 0), ValueError, "n_coordinates"),
}


@untyped
@pytest.mark.parametrize("name", BAD)
def test_wrong_input_is_named(name: str) -> None:
    call, error, words = BAD[name]
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def test_moving_by_a_block_moves_each_weight() -> None:
    change = Blocks(NET.input, NET.recurrent, NET.readout)
    assert torch.equal(moved(NET, change, 2.0).recurrent, 3 * NET.recurrent)
    assert torch.equal(moved(NET, change, 2.0).input, 3 * NET.input)
    assert torch.equal(moved(NET, change, -1.0).readout, torch.zeros(2).double())
