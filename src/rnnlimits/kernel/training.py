r"""Full-batch gradient descent in impulse-response space.

The gradient of the loss in :math:`L` is :math:`G = L H - R`, whatever the parameters. A linear
network carries it back to its matrices: with :math:`A = n^{-1/2} W`,
:math:`v_k = n^{-1/2} (A^\top)^k C^\top` and, by Horner's scheme,
:math:`w_k = F G_k^\top + A\, w_{k+1}`,

.. math::

    \partial_C = n^{-1/2}\, w_0^\top, \qquad
    \partial_W = n^{-1/2} \sum_i v_i\, w_{i+1}^\top, \qquad
    \partial_F = \sum_k v_k\, G_k .

W meets only as many columns as there are outputs (or inputs, where these are fewer), and never a
sequence. A convolution, scaled or not, and a network linearised at its start move :math:`L` itself:
:math:`L \leftarrow L - \eta\, \Theta G` with a constant :math:`\Theta`.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import (
    positive,
    same_kind,
    same_size,
    step_numbers,
)
from rnnlimits.kernel.loss import (
    SquaredLoss,
    loss_gradient,
    require_fit,
)
from rnnlimits.kernel.tangent import impulse_kernel
from rnnlimits.networks.linear import (
    LinearRNN,
    impulse_response,
    krylov,
    rows_times,
)


@dataclass(frozen=True)
class Trajectory:
    """Impulse responses at the recorded ``steps``, and the network at the last of them."""

    steps: tuple[int, ...]
    responses: Float[Tensor, "steps lags o i"]
    rnn: LinearRNN


def gradient(rnn: LinearRNN, loss: SquaredLoss) -> LinearRNN:
    r"""Return the exact gradient of the loss in W, F and C, in the fields of the network.

    Equal to back-propagation through time, at a cost that does not know the number of sequences.

    Raises:
        TypeError: dtypes or devices of network and loss differ.
        ValueError: numbers of inputs or outputs differ.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> rnn = LinearRNN(torch.zeros(1, 1), 3 * torch.ones(1, 1), torch.ones(1, 1))
        >>> gradient(rnn, squared_loss(one, one)).readout.item()
        6.0
    """
    _compatible(rnn, loss)
    parts = _pull_back(rnn, loss)
    left, right = parts.recurrent
    return LinearRNN(left @ right, parts.input, parts.readout)


def train(
    rnn: LinearRNN,
    loss: SquaredLoss,
    learning_rate: float,
    steps: Sequence[int],
) -> Trajectory:
    r"""Train W, F and C by full-batch gradient descent up to the last of ``steps``.

    The impulse response is recorded at ``steps``, which increase strictly and start at 0 or later.
    Beyond :math:`2 / \lambda_{\max}` of the kernel at the start a warning names that limit: the
    first steps will then amplify the error, though the network may recover.

    Raises:
        TypeError: dtypes or devices of network and loss differ.
        ValueError: numbers of channels differ, the learning rate is not positive, or ``steps`` do
            not increase.
        FloatingPointError: a number stops being finite; the message names the step.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> rnn = LinearRNN(torch.zeros(1, 1), 0.5 * torch.ones(1, 1), torch.ones(1, 1))
        >>> train(rnn, squared_loss(one, one), 0.5, [0, 20]).responses.flatten()
        tensor([0.5000, 1.0000])
    """
    _compatible(rnn, loss)
    recorded = _checked_steps(steps)
    rate = positive("learning_rate", learning_rate)
    limit = stability_limit(
        impulse_kernel(rnn, loss.n_lags).total, loss
    )
    if rate >= limit:
        warnings.warn(
            f"learning_rate {rate:.3g} is not below the stability limit of the kernel at the "
            f"start, {limit:.3g}",
            RuntimeWarning,
            stacklevel=2,
        )
    rnn = LinearRNN(
        rnn.recurrent.clone(), rnn.input.clone(), rnn.readout.clone()
    )
    responses = []
    for step in range(recorded[-1]):
        parts = _pull_back(rnn, loss)
        _stay_finite(parts.response, step, rate, limit)
        if step in recorded:
            responses.append(parts.response)
        _descend_in_place(rnn, parts, rate)
    response = impulse_response(rnn, loss.n_lags)
    _stay_finite(response, recorded[-1], rate, limit)
    responses = torch.stack([*responses, response])
    return Trajectory(recorded, responses, rnn)


def descend(
    initial: Float[Tensor, "lags o i"],
    kernel: Tensor,
    loss: SquaredLoss,
    learning_rate: float,
    steps: Sequence[int],
) -> Float[Tensor, "steps lags o i"]:
    r"""Return the impulse responses of a model with constant kernel at the recorded ``steps``.

    .. math::

        L^{\ell+1} = L^\ell - \eta\, \Theta\, (L^\ell H - R)

    With ``kernel`` a vector of lag weights this is gradient descent on :math:`\theta` of the scaled
    convolution :math:`L_j = \sqrt{\rho_j}\, \theta_j`; with weights 1, of the plain one; with the
    kernel :math:`\Theta` of a network, axes (lag, output, input) twice, of the network linearised
    at its start.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: shapes do not fit, ``steps`` do not increase, or the learning rate is not below
            the stability limit, which the message names.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> descend(0 * one, torch.ones(1), squared_loss(one, one), 0.5, [1, 2]).flatten()
        tensor([0.5000, 0.7500])
    """
    rate = stable_rate(learning_rate, kernel, loss)
    recorded = _checked_steps(steps)
    response, responses = initial, []
    for step in range(recorded[-1] + 1):
        if step in recorded:
            responses.append(response)
        change = loss_gradient(response, loss)
        response = response - rate * apply_kernel(kernel, change)
    return torch.stack(responses)


def apply_kernel(
    kernel: Tensor, change: Float[Tensor, "lags o i"]
) -> Float[Tensor, "lags o i"]:
    r"""Return :math:`\Theta G`, for lag weights or for a full kernel.

    Example:
        >>> apply_kernel(torch.tensor([2.0]), torch.ones(1, 1, 1)).item()
        2.0
    """
    if kernel.ndim == 1:
        return kernel[:, None, None] * change
    return torch.einsum("koiapj,apj->koi", kernel, change)


def stability_limit(kernel: Tensor, loss: SquaredLoss) -> float:
    r"""Return :math:`2 / \lambda_{\max}(\Theta^{1/2} (H \otimes I) \Theta^{1/2})`: descent with a
    constant kernel converges for smaller learning rates and diverges for larger ones.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: kernel and loss do not fit, or the product vanishes, so that there is no limit.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> stability_limit(torch.ones(1), squared_loss(one, one))
        2.0
    """
    largest = float(
        torch.linalg.eigvalsh(curvature(kernel, loss)[0])[-1]
    )
    if not largest > 0:
        raise ValueError(
            "kernel and loss must have a positive product, got zero: nothing can be learned"
        )
    return 2 / largest


def curvature(
    kernel: Tensor, loss: SquaredLoss
) -> tuple[Float[Tensor, "m m"], Float[Tensor, "m m"]]:
    r"""Return :math:`S^\top H S` and a root :math:`S` of the kernel, :math:`\Theta = S S^\top`.

    For lag weights m counts (lag, input), since outputs do not mix; for a full kernel
    (lag, output, input).

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: kernel and loss do not fit, or a lag weight is negative.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> curvature(torch.tensor([4.0]), squared_loss(one, one))[0].item()
        4.0
    """
    n_lags, n_outputs, n_inputs = loss.cross.shape
    require_fit(kernel, loss)
    if kernel.ndim == 1:
        root = torch.diag(kernel.sqrt().repeat_interleave(n_inputs))
        gram = loss.matrix
    else:
        root = _root(kernel)
        eye = torch.eye(n_outputs).to(loss.gram)
        gram = torch.einsum("kiaj,op->koiapj", loss.gram, eye)
        size = n_lags * n_outputs * n_inputs
        gram = gram.reshape(size, size)
    return root.T @ gram @ root, root


def stable_rate(
    learning_rate: float, kernel: Tensor, loss: SquaredLoss
) -> float:
    """Return the learning rate, or raise a ValueError that names the stability limit.

    Example:
        >>> from rnnlimits.kernel.loss import squared_loss
        >>> one = torch.ones(1, 1, 1)
        >>> stable_rate(0.5, torch.ones(1), squared_loss(one, one))
        0.5
    """
    rate = positive("learning_rate", learning_rate)
    limit = stability_limit(kernel, loss)
    if rate >= limit:
        raise ValueError(
            f"learning_rate must be below the stability limit {limit:.6g}, got {rate:.6g}"
        )
    return rate


@dataclass(frozen=True)
class _Gradient:
    """The gradient by parameter, that of W as two thin factors; and the impulse response."""

    response: Float[Tensor, "lags o i"]
    recurrent: tuple[Float[Tensor, "n k"], Float[Tensor, "k n"]]
    input: Float[Tensor, "n i"]
    readout: Float[Tensor, "o n"]


def _pull_back(rnn: LinearRNN, loss: SquaredLoss) -> _Gradient:
    """Return the gradient of the loss in the parameters, and the impulse response.

    Whichever of readout and input is narrower meets W: the other case is the transposed network.
    """
    W, F, C = rnn.recurrent, rnn.input, rnn.readout
    if rnn.n_inputs >= rnn.n_outputs:

        def slope(response: Tensor) -> Tensor:
            return loss_gradient(response, loss)

        response, left, right, at_F, at_C = _sweep(
            W, F, C, loss.n_lags, slope
        )
        return _Gradient(response, (left, right.T), at_F, at_C.T)

    def mirrored(response: Tensor) -> Tensor:
        return loss_gradient(response.mT, loss).mT

    response, left, right, at_C, at_F = _sweep(
        W.T, C.T, F.T, loss.n_lags, mirrored
    )
    return _Gradient(response.mT, (right, left.T), at_F, at_C.T)


def _sweep(
    W: Tensor,
    F: Tensor,
    C: Tensor,
    n_lags: int,
    slope: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return L, the two factors of the gradient in W, and the gradients in F and in C transposed.

    Two sweeps through W: the readout is carried back, then what it met is carried forward.
    """
    scale = len(W) ** -0.5
    v = scale * krylov(W.T, C.T, n_lags)
    response = torch.einsum("kno,ni->koi", v, F)
    G = slope(response)
    drive = torch.einsum("ni,koi->kno", F, G)
    w = [drive[-1]]
    for k in range(n_lags - 2, -1, -1):
        w.append(drive[k] + scale * rows_times(w[-1].T, W.T).T)
    w = torch.stack(w[::-1])
    left = scale * v[:-1].transpose(0, 1).flatten(1)
    right = w[1:].transpose(0, 1).flatten(1)
    at_F = torch.einsum("kno,koi->ni", v, G)
    return response, left, right, at_F, scale * w[0]


def _descend_in_place(
    rnn: LinearRNN, parts: _Gradient, rate: float
) -> None:
    """Move the network's own tensors; the gradient in W is applied as its two factors."""
    rnn.recurrent.addmm_(*parts.recurrent, alpha=-rate)
    rnn.input.sub_(parts.input, alpha=rate)
    rnn.readout.sub_(parts.readout, alpha=rate)


def _stay_finite(
    response: Tensor, step: int, rate: float, limit: float
) -> None:
    """Raise as soon as a number of the impulse response is not finite."""
    if not bool(torch.isfinite(response).all()):
        raise FloatingPointError(
            f"training left the finite numbers at step {step}: learning_rate {rate:.3g}, "
            f"stability limit at the start {limit:.3g}"
        )


def _compatible(rnn: LinearRNN, loss: SquaredLoss) -> None:
    """Raise unless the network has the channels and the kind of the loss."""
    same_kind(rnn=rnn.recurrent, loss=loss.cross)
    same_size("input channels", rnn=rnn.n_inputs, loss=loss.n_inputs)
    same_size("output channels", rnn=rnn.n_outputs, loss=loss.n_outputs)


def _checked_steps(steps: Sequence[int]) -> tuple[int, ...]:
    """Return the steps as integers, or raise unless they increase strictly from 0 or later."""
    if not len(steps):
        raise ValueError("steps must hold at least one step, got none")
    numbers = step_numbers(steps)
    if any(b <= a for a, b in pairwise(numbers)):
        raise ValueError("steps must increase strictly")
    return numbers


def _root(kernel: Tensor) -> Float[Tensor, "m m"]:
    """Return a root S of a full kernel, S Sᵀ; what round-off made negative counts as zero."""
    matrix = kernel.flatten(3).flatten(0, 2)
    values, vectors = torch.linalg.eigh(matrix)
    noise = 1e3 * torch.finfo(kernel.dtype).eps * float(values[-1])
    if float(values[0]) < -noise or float(
        (matrix - matrix.T).abs().max()
    ) > abs(noise):
        raise ValueError(
            "kernel must be symmetric and positive semidefinite, got smallest eigenvalue "
            f"{float(values[0]):.3g}"
        )
    return vectors * values.clamp(min=0).sqrt()
