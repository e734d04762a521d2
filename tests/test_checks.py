"""Argument checks: each refuses what it must, and its message names argument, given and needed."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from rnnlimits._checks import (
    all_finite,
    finite_numbers,
    finite_tensor,
    integer_at_least,
    integer_between,
    non_negative,
    non_negative_weights,
    numpy_generator,
    positive,
    same_kind,
    same_size,
)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integers_of_every_kind_become_an_int(value: object) -> None:
    result = integer_at_least("width", value, 3)
    assert result == 3
    assert type(result) is int


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "bool"),
        (np.True_, "bool"),
        (2.0, "float"),
        ("2", "str"),
        (None, "NoneType"),
        (torch.tensor(2), "Tensor"),
        (Fraction(2), "Fraction"),
    ],
)
def test_no_integer_is_a_type_error(value: object, kind: str) -> None:
    with pytest.raises(TypeError, match=f"width must be an integer, got {kind}"):
        integer_at_least("width", value, 1)


def test_an_integer_below_the_least_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        integer_at_least("width", 0, 1)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2.0), np.int64(2), Fraction(4, 2)])
def test_real_numbers_of_every_kind_become_a_float(value: object) -> None:
    for check in (non_negative, positive):
        result = check("variance", value)
        assert result == 2.0
        assert type(result) is float


@pytest.mark.parametrize("value", [True, "1", None, 1j, torch.tensor(1.0), np.ones(2)])
@pytest.mark.parametrize("check", [non_negative, positive])
def test_no_real_number_is_a_type_error(check, value: object) -> None:
    with pytest.raises(TypeError, match="variance must be a real number, got"):
        check("variance", value)


@pytest.mark.parametrize("value", [-1, -1e-300, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("check", [non_negative, positive])
def test_negative_or_not_finite_is_a_value_error(check, value: float) -> None:
    with pytest.raises(ValueError, match=f"variance must be finite and at least 0, got {value}"):
        check("variance", value)


def test_zero_is_not_negative_and_not_positive() -> None:
    assert non_negative("variance", 0) == 0.0
    with pytest.raises(ValueError, match="variance must be above 0, got 0"):
        positive("variance", 0)


@pytest.mark.parametrize("value", [np.ones(2), [1.0, 2.0], 1.0, None])
def test_what_is_no_tensor_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="x must be a torch tensor, got "):
        finite_tensor("x", value, ("lags",))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex128])
def test_a_dtype_without_a_point_is_a_type_error(dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=f"x must have a floating-point dtype, got {dtype}"):
        finite_tensor("x", torch.ones(2, dtype=dtype), ("lags",))


@pytest.mark.parametrize("shape", [(), (2,), (2, 2, 2)])
def test_a_wrong_number_of_axes_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"x must have the axes \(lags, inputs\), got shape"):
        finite_tensor("x", torch.ones(shape), ("lags", "inputs"))


def test_an_empty_tensor_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"x must not be empty along .*, got shape \(2, 0\)"):
        finite_tensor("x", torch.ones(2, 0), ("lags", "inputs"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_entry_that_is_not_finite_is_a_value_error(value: float) -> None:
    with pytest.raises(ValueError, match="x must be finite, got at least one infinite or NaN"):
        finite_tensor("x", torch.tensor([1.0, value]), ("lags",))


def test_tensors_of_one_kind_pass() -> None:
    same_kind(a=torch.ones(1), b=torch.ones(2, 2), c=torch.zeros(()))
    same_kind(alone=torch.ones(1))


def test_two_dtypes_are_both_named() -> None:
    with pytest.raises(
        TypeError, match=r"a and c must share one dtype, got torch.float32 and torch.float64"
    ):
        same_kind(a=torch.ones(1), b=torch.ones(1), c=torch.ones(1, dtype=torch.float64))


def test_two_devices_are_both_named() -> None:
    with pytest.raises(TypeError, match="a and b must be on one device, got cpu and meta"):
        same_kind(a=torch.ones(1), b=torch.ones(1, device="meta"))


def test_sizes_that_differ_are_both_named() -> None:
    same_size("widths", recurrent=3, input=3)
    with pytest.raises(ValueError, match="widths must agree: recurrent has 3, readout has 4"):
        same_size("widths", recurrent=3, input=3, readout=4)


def test_weights_may_be_zero_but_not_negative() -> None:
    non_negative_weights("rho", torch.tensor([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"rho must be at least 0 at every lag, got -0.5"):
        non_negative_weights("rho", torch.tensor([1.0, -0.5]))
    with pytest.raises(ValueError, match=r"rho must have the axes \(lags\)"):
        non_negative_weights("rho", torch.ones(2, 2))


def test_an_integer_has_bounds_on_both_sides() -> None:
    assert [integer_between("clock", k, 2, 4) for k in (2, 3, 4)] == [2, 3, 4]
    with pytest.raises(ValueError, match="clock must be at most 4, got 5"):
        integer_between("clock", 5, 2, 4)
    with pytest.raises(ValueError, match="clock must be at least 2, got 1"):
        integer_between("clock", 1, 2, 4)


def test_a_generator_is_one_of_numpy() -> None:
    numpy_generator("draw", np.random.default_rng(0))
    with pytest.raises(TypeError, match="draw must be a numpy Generator, got int; see"):
        numpy_generator("draw", 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_one_entry_that_is_not_finite_is_enough(bad: float) -> None:
    entries = torch.zeros(2, 3, 4)
    all_finite("responses", entries)
    entries[1, 2, 3] = bad
    with pytest.raises(ValueError, match="responses must be finite, got at least one"):
        all_finite("responses", entries)


def test_numbers_of_numpy_are_real_and_finite() -> None:
    for good in (np.zeros(0), np.array([True]), np.array([3], np.uint8), np.ones((2, 2))):
        finite_numbers("x", good)
    for bad, got in ((np.array(["a"]), "<U1"), (np.array([1j]), "complex128"), ([1.0], "list")):
        with pytest.raises(ValueError, match=f"x must hold numbers, got {got}"):
            finite_numbers("x", bad)
    for entry in (math.nan, math.inf):
        with pytest.raises(ValueError, match="x must be finite, got an infinite or NaN entry"):
            finite_numbers("x", np.array([1.0, entry]))
