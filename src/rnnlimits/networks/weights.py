"""The weights of a network as three tensors side by side, and as one vector."""

import torch
from jaxtyping import Float
from torch import Tensor

from rnnlimits.networks.elman import ElmanNet

Weights = tuple[Tensor, ...]


def weights_of(net: ElmanNet) -> Weights:
    """Return input, recurrent and readout weights.

    Example:
        >>> one = torch.ones(1)
        >>> net = ElmanNet(torch.ones(1, 1), 2 * torch.ones(1, 1), one, one)
        >>> [block.item() for block in weights_of(net)]
        [1.0, 2.0, 1.0]
    """
    return net.input, net.recurrent, net.readout


def as_vector(w: Weights) -> Float[Tensor, " k"]:
    """Return all entries in one vector, block after block, each by rows.

    Example:
        >>> as_vector((torch.ones(1, 2), torch.zeros(1, 1), torch.ones(1))).tolist()
        [1.0, 1.0, 0.0, 1.0]
    """
    return torch.cat([block.flatten() for block in w])


def from_vector(flat: Float[Tensor, " k"], like: Weights) -> Weights:
    """Return the entries of such a vector in the shapes of ``like``.

    Raises:
        RuntimeError: the vector has another number of entries.

    Example:
        >>> like = torch.ones(1, 2), torch.zeros(1, 1), torch.ones(1)
        >>> from_vector(as_vector(like), like)[0].tolist()
        [[1.0, 1.0]]
    """
    parts = flat.split([block.numel() for block in like])
    pairs = zip(parts, like, strict=True)
    return tuple(part.view_as(block) for part, block in pairs)
