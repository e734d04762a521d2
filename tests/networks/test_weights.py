"""Blocks survive being one vector."""

import pytest
import torch

from draws import both_dtypes
from rnnlimits.networks.elman import ElmanNet, equal_weights
from rnnlimits.networks.weights import as_vector, from_vector, weights_of


@both_dtypes
def test_blocks_survive_being_one_vector(dtype: torch.dtype) -> None:
    parts = torch.rand(3, 2), torch.rand(3, 3), torch.rand(3)
    a, b, c = (part.to(dtype) for part in parts)
    w = weights_of(ElmanNet(a, b, c, equal_weights(3, dtype=dtype)))
    flat = as_vector(w)
    assert flat.shape == (18,)
    assert flat[7] == w[1][0, 1]
    for block, again in zip(w, from_vector(flat, w), strict=True):
        assert torch.equal(block, again)


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(RuntimeError):
        from_vector(torch.ones(3), (torch.ones(2),))
