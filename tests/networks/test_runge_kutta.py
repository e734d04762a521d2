"""Steps of several tensors: exact on linear equations up to the order of the method."""

import math

import pytest
import torch
from torch.testing import assert_close

from rnnlimits.networks.runge_kutta import (
    EULER,
    MIDPOINT,
    RUNGE_KUTTA,
    Method,
    plus,
    stepped,
)
from rnnlimits.networks.weights import Weights

METHODS = pytest.mark.parametrize(
    "method", [EULER, MIDPOINT, RUNGE_KUTTA], ids=lambda method: method.name
)


def three(value: float) -> Weights:
    one = torch.full((1,), value).double()
    return one, 2 * one[:, None], 3 * one


@METHODS
def test_a_linear_equation_gives_the_exponential_series_up_to_the_order(method: Method) -> None:
    z = 0.7
    found = stepped(lambda w: plus(w, w, 0.0), three(1.0), z, method)
    series = sum(z**k / math.factorial(k) for k in range(method.order + 1))
    for block, start in zip(found, three(1.0), strict=True):
        assert_close(block, series * start, rtol=1e-14, atol=0)


@METHODS
def test_the_order_is_found_by_regression_on_a_nonlinear_equation(method: Method) -> None:
    def field(w: Weights) -> Weights:  # w' = w², solution 1 / (1 - t)
        return tuple(block.square() for block in w)

    errors = []
    for n in (20, 40, 80):
        w = three(1.0)
        for _ in range(n):
            w = stepped(field, w, 0.2 / n, method)
        errors.append(abs(float(w[0]) - 1 / 0.8))
    slopes = [math.log2(errors[k] / errors[k + 1]) for k in (0, 1)]
    assert all(abs(slope - method.order) < 0.1 for slope in slopes)
