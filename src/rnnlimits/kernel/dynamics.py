r"""Gradient descent of a model that is linear in its parameters, in primal and in dual form.

The loss is :math:`\tfrac12 \|f - y\|^2`, summed over sequences, times and outputs; a mean in place
of the sum divides the learning rate by the number of terms.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    positive,
    same_kind,
    same_size,
)


def primal_descent(
    jacobian: Float[Tensor, "data parameters"],
    initial: Float[Tensor, " data"],
    target: Float[Tensor, " data"],
    learning_rate: float,
    n_steps: int,
) -> Float[Tensor, "steps parameters"]:
    r"""Return the displacements of the parameters of the linearised model, step 0 to n_steps.

    .. math::

        \delta_{\ell+1} = \delta_\ell - \eta J^\top (f_0 + J \delta_\ell - y), \qquad \delta_0 = 0.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: sizes differ, or the learning rate is not below the stability limit
            :math:`2 / \lambda_{\max}(J J^\top)`, which the message names.

    Example:
        >>> J, zero, one = torch.eye(2), torch.zeros(2), torch.ones(2)
        >>> primal_descent(J, zero, one, learning_rate=0.5, n_steps=2)[:, 0].tolist()
        [0.0, 0.5, 0.75]
    """
    finite_tensor("jacobian", jacobian, ("data", "parameters"))
    rate = _checked(
        jacobian @ jacobian.T, initial, target, learning_rate
    )
    displacement = [jacobian.new_zeros(jacobian.shape[1])]
    for _ in range(integer_at_least("n_steps", n_steps, 0)):
        residual = initial + jacobian @ displacement[-1] - target
        displacement.append(
            displacement[-1] - rate * (jacobian.T @ residual)
        )
    return torch.stack(displacement)


def dual_descent(
    kernel: Float[Tensor, "data data"],
    initial: Float[Tensor, " data"],
    target: Float[Tensor, " data"],
    learning_rate: float,
    n_steps: int,
) -> Float[Tensor, "steps data"]:
    r"""Return the dual coefficients of the linearised model, step 0 to n_steps.

    .. math::

        \alpha_{\ell+1} = \alpha_\ell - \eta (f_0 + K \alpha_\ell - y), \qquad \alpha_0 = 0,

    so that :math:`f_\ell(x) = f_0(x) + K(x, X)\, \alpha_\ell` (linear paper, eqs. 12-14,
    re-derived).

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: sizes differ, the kernel is not symmetric, or the learning rate is not below
            the stability limit :math:`2 / \lambda_{\max}(K)`, which the message names.

    Example:
        >>> K, zero, one = torch.eye(2), torch.zeros(2), torch.ones(2)
        >>> dual_descent(K, zero, one, learning_rate=0.5, n_steps=2)[:, 0].tolist()
        [0.0, 0.5, 0.75]
    """
    rate = _checked(kernel, initial, target, learning_rate)
    dual = [torch.zeros_like(target)]
    for _ in range(integer_at_least("n_steps", n_steps, 0)):
        residual = initial + kernel @ dual[-1] - target
        dual.append(dual[-1] - rate * residual)
    return torch.stack(dual)


def _checked(
    kernel: Tensor,
    initial: Tensor,
    target: Tensor,
    learning_rate: float,
) -> float:
    """Return the learning rate once all arguments fit together and descent is stable."""
    finite_tensor("kernel", kernel, ("data", "data"))
    finite_tensor("initial", initial, ("data",))
    finite_tensor("target", target, ("data",))
    same_kind(kernel=kernel, initial=initial, target=target)
    rows, columns = kernel.shape
    same_size(
        "data sizes",
        kernel_rows=rows,
        kernel_columns=columns,
        initial=len(initial),
        target=len(target),
    )
    asymmetry = float((kernel - kernel.T).abs().max())
    if asymmetry > 1e3 * torch.finfo(kernel.dtype).eps * float(
        kernel.abs().max()
    ):
        raise ValueError(
            f"kernel must be symmetric, got entries that differ by {asymmetry:.3g} when transposed"
        )
    rate = positive("learning_rate", learning_rate)
    largest = float(torch.linalg.eigvalsh(kernel)[-1])
    if rate * largest >= 2:
        raise ValueError(
            f"learning_rate must be below the stability limit 2 / (largest eigenvalue of the "
            f"kernel) = {2 / largest:.3g}, got {rate:.3g}"
        )
    return rate
