r"""What training by gradient flow cannot change.

For any invertible :math:`X` the networks :math:`(W, F, C)` and :math:`(X W X^{-1}, X F, C X^{-1})`
compute the same. A loss that sees the network through its outputs is therefore constant along these
changes of state coordinates, and the quadratic form

.. math::

    Q(W, F, C) = F F^\top - C^\top C + W W^\top - W^\top W

is conserved by the gradient flow. A step of gradient descent moves it by
:math:`\eta^2 Q(\partial_W, \partial_F, \partial_C)` and by nothing else.
"""

from jaxtyping import Float
from torch import Tensor

from rnnlimits._checks import same_kind, same_size
from rnnlimits.networks.linear import LinearRNN


def conserved_quantity(rnn: LinearRNN) -> Float[Tensor, "n n"]:
    r"""Return :math:`Q = F F^\top - C^\top C + W W^\top - W^\top W`, symmetric, constant under the
    gradient flow of every differentiable loss of the outputs.

    Applied to a gradient it gives, times :math:`\eta^2`, what one step of descent adds to Q.

    Example:
        >>> import torch
        >>> rnn = LinearRNN(torch.eye(1), 2 * torch.ones(1, 1), torch.ones(1, 1))
        >>> conserved_quantity(rnn).item()
        3.0
    """
    W, F, C = rnn.recurrent, rnn.input, rnn.readout
    return F @ F.T - C.T @ C + W @ W.T - W.T @ W


def symmetry_defect(
    rnn: LinearRNN, gradient: LinearRNN
) -> Float[Tensor, "n n"]:
    r"""Return :math:`\partial_F F^\top - C^\top \partial_C + \partial_W W^\top
    - W^\top \partial_W`, zero for the gradient of every loss of the outputs.

    Entry (i, j) is the derivative of the loss along the change of coordinates
    :math:`X = I + \varepsilon e_i e_j^\top`.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: widths or numbers of channels differ.

    Example:
        >>> import torch
        >>> rnn = LinearRNN(torch.eye(1), 2 * torch.ones(1, 1), torch.ones(1, 1))
        >>> symmetry_defect(rnn, LinearRNN(torch.eye(1), torch.ones(1, 1), 2 * torch.ones(1, 1)))
        tensor([[0.]])
    """
    same_kind(rnn=rnn.recurrent, gradient=gradient.recurrent)
    for what in ("width", "n_inputs", "n_outputs"):
        same_size(
            f"values of {what}",
            rnn=getattr(rnn, what),
            gradient=getattr(gradient, what),
        )
    W, F, C = rnn.recurrent, rnn.input, rnn.readout
    return (
        gradient.input @ F.T
        - C.T @ gradient.readout
        + gradient.recurrent @ W.T
        - W.T @ gradient.recurrent
    )
