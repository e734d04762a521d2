"""Gradient descent of the linearised model, in both forms, against its closed form."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from draws import both_dtypes, distance, network, quick, seeds, sequences, untyped
from rnnlimits.kernel.dynamics import dual_descent, primal_descent
from rnnlimits.kernel.tangent import jacobian, tangent_kernel
from rnnlimits.networks.linear import forward
from rnnlimits.random import normal, stream


def problem(seed: int, data: int, parameters: int) -> tuple[Tensor, Tensor, Tensor, float]:
    """Return a Jacobian, initial outputs, targets and a learning rate at half the limit."""
    generator = stream(seed, "problem")
    J = normal(generator, (data, parameters))
    rate = float(1 / torch.linalg.matrix_norm(J, 2) ** 2)
    return J, normal(generator, (data,)), normal(generator, (data,)), rate


@quick
@given(seeds, st.integers(1, 6), st.integers(1, 8))
def test_both_forms_agree_at_every_step_and_everywhere(seed: int, data: int, p: int) -> None:
    J, f0, y, rate = problem(seed, data, p)
    delta, alpha = primal_descent(J, f0, y, rate, 10), dual_descent(J @ J.T, f0, y, rate, 10)
    assert delta.shape == (11, p)
    assert alpha.shape == (11, data)
    torch.testing.assert_close(delta, alpha @ J, rtol=1e-10, atol=1e-11)
    test_points = normal(stream(seed, "test"), (3, p))
    dual = alpha @ (test_points @ J.T).T
    torch.testing.assert_close(delta @ test_points.T, dual, rtol=1e-10, atol=1e-10)


@quick
@given(seeds, st.integers(1, 5))
def test_dual_coefficients_have_a_closed_form(seed: int, data: int) -> None:
    # α_ℓ = K⁻¹ (I - (I - ηK)^ℓ) (y - f_0); K = Q diag(k) Qᵀ with k in [1, 4] loses no digits.
    generator = stream(seed, "closed form")
    Q = torch.linalg.qr(normal(generator, (data, data)))[0]
    k = torch.linspace(1, 4, data, dtype=torch.float64)
    f0, y = normal(generator, (data,)), normal(generator, (data,))
    alpha = dual_descent(Q @ k.diag() @ Q.T, f0, y, 0.3, 12)
    for step in range(13):
        expected = Q @ ((1 - (1 - 0.3 * k) ** step) / k * (Q.T @ (y - f0)))
        torch.testing.assert_close(alpha[step], expected, rtol=1e-11, atol=1e-12)


def test_many_steps_reach_kernel_regression() -> None:
    J, f0, y, rate = problem(0, 3, 9)
    alpha = dual_descent(J @ J.T, f0, y, rate, 3000)[-1]
    assert distance(alpha, torch.linalg.solve(J @ J.T, y - f0)) < 1e-8


def test_the_linearised_network_at_every_step() -> None:
    rnn, x, x_test = network(0), sequences(1, 2, 4), sequences(2, 3, 4)
    y = sequences(3, 2, 4, 3).flatten()
    J, J_test = jacobian(rnn, x), jacobian(rnn, x_test)
    K = tangent_kernel(rnn, x, x).reshape(len(J), len(J))
    K_test = tangent_kernel(rnn, x_test, x).reshape(len(J_test), len(J))
    f0, f0_test = forward(rnn, x).flatten(), forward(rnn, x_test).flatten()
    rate = float(1 / torch.linalg.eigvalsh(K)[-1])
    delta, alpha = primal_descent(J, f0, y, rate, 20), dual_descent(K, f0, y, rate, 20)
    for primal, dual in zip(delta, alpha, strict=True):
        torch.testing.assert_close(f0 + J @ primal, f0 + K @ dual, rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(
            f0_test + J_test @ primal, f0_test + K_test @ dual, rtol=1e-11, atol=1e-12
        )
    loss = ((f0 + alpha @ K.T - y) ** 2).sum(1)
    assert (loss.diff() < 0).all()


def test_no_step_moves_nothing() -> None:
    J, f0, y, rate = problem(1, 3, 4)
    assert torch.equal(primal_descent(J, f0, y, rate, 0), torch.zeros(1, 4).double())
    assert torch.equal(dual_descent(J @ J.T, f0, y, rate, 0), torch.zeros(1, 3).double())
    assert not dual_descent(J @ J.T, y, y, rate, 5).any()


def test_a_kernel_of_zeros_learns_nothing_at_any_rate() -> None:
    J = torch.zeros(2, 3)
    delta = primal_descent(J, torch.zeros(2), torch.ones(2), 1e6, 3)
    assert not delta.any()


def test_the_stability_limit_is_named() -> None:
    J, zero, one = 2 * torch.eye(2), torch.zeros(2), torch.ones(2)
    for rate in (0.5, 3.0):
        with pytest.raises(ValueError, match=r"below the stability limit .* = 0\.5, got"):
            primal_descent(J, zero, one, rate, 1)
        with pytest.raises(ValueError, match=r"below the stability limit .* = 0\.5, got"):
            dual_descent(J @ J.T, zero, one, rate, 1)
    assert torch.isfinite(dual_descent(J @ J.T, zero, one, 0.4999, 1000)).all()


@both_dtypes
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    J, f0, y, rate = problem(2, 3, 4)
    J, f0, y = J.to(dtype), f0.to(dtype), y.to(dtype)
    assert primal_descent(J, f0, y, rate, 2).dtype == dtype
    assert dual_descent(J @ J.T, f0, y, rate, 2).dtype == dtype


@untyped
def test_what_does_not_fit() -> None:
    J, f0, y, rate = problem(3, 3, 4)
    K = J @ J.T
    both: Any = ((primal_descent, J), (dual_descent, K))
    for descend, first in both:
        with pytest.raises(ValueError, match=r"data sizes must agree: .* initial has 2"):
            descend(first, f0[:2], y, rate, 1)
        with pytest.raises(ValueError, match=r"data sizes must agree: .* target has 2"):
            descend(first, f0, y[:2], rate, 1)
        with pytest.raises(ValueError, match="must have the axes"):
            descend(first[0], f0, y, rate, 1)
        with pytest.raises(ValueError, match="target must be finite"):
            descend(first, f0, y * math.nan, rate, 1)
        with pytest.raises(TypeError, match=r"share one dtype, got torch.float64 and torch.float3"):
            descend(first, f0.float(), y, rate, 1)
        for bad in (0.0, -1.0, math.nan):
            with pytest.raises(ValueError, match="learning_rate must be"):
                descend(first, f0, y, bad, 1)
        with pytest.raises(TypeError, match="learning_rate must be a real number, got str"):
            descend(first, f0, y, "1", 1)
        with pytest.raises(ValueError, match="n_steps must be at least 0, got -1"):
            descend(first, f0, y, rate, -1)
        with pytest.raises(TypeError, match="n_steps must be an integer, got float"):
            descend(first, f0, y, rate, 1.0)
    with pytest.raises(ValueError, match="kernel_rows has 2, kernel_columns has 3"):
        dual_descent(K[:2], f0[:2], y[:2], rate, 1)


def test_a_kernel_that_is_not_symmetric_is_refused() -> None:
    kernel = torch.tensor([[1.0, 0.5], [0.2, 1.0]], dtype=torch.float64)
    zero = torch.zeros(2, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"kernel must be symmetric, .* differ by 0\.3"):
        dual_descent(kernel, zero, zero, 0.1, 2)
