"""Argument checks: every message names the argument, what was given and what is needed."""

import math
from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
import torch
from torch import Tensor


def integer_at_least(name: str, value: object, least: int) -> int:
    """Return ``value`` as an int, or raise if it is no integer or below ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {type(value).__name__} {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def integer_between(name: str, value: object, least: int, most: int) -> int:
    """Return ``value`` as an int, or raise if it is no integer or lies outside the two bounds."""
    number = integer_at_least(name, value, least)
    if number > most:
        raise ValueError(f"{name} must be at most {most}, got {number}")
    return number


def numpy_generator(name: str, value: object) -> None:
    """Raise a TypeError unless ``value`` is a generator of random numbers of numpy."""
    if not isinstance(value, np.random.Generator):
        kind = type(value).__name__
        raise TypeError(f"{name} must be a numpy Generator, got {kind}; see rnnlimits.random")


def non_negative(name: str, value: object) -> float:
    """Return ``value`` as a float, or raise if it is not a finite number at or above zero."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, got {type(value).__name__} {value!r}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be finite and at least 0, got {value}")
    return float(value)


def step_numbers(steps: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of steps as integers, or raise unless all are integers of at least 0."""
    return tuple(integer_at_least(f"steps[{k}]", step, 0) for k, step in enumerate(steps))


def positive(name: str, value: object) -> float:
    """Return ``value`` as a float, or raise if it is not a finite number above zero."""
    number = non_negative(name, value)
    if number == 0:
        raise ValueError(f"{name} must be above 0, got {value}")
    return number


def finite_numbers(name: str, value: object) -> None:
    """Raise unless ``value`` is a numpy array of real numbers or booleans, all finite."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        kind = getattr(value, "dtype", type(value).__name__)
        raise ValueError(f"{name} must hold numbers, got {kind}")
    if not np.isfinite(value).all():
        raise ValueError(f"{name} must be finite, got an infinite or NaN entry")


def finite_tensor(name: str, value: object, axes: tuple[str, ...]) -> None:
    """Raise unless ``value`` is a finite floating-point tensor with one dimension per axis name."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch tensor, got {type(value).__name__}")
    if not value.dtype.is_floating_point:
        raise TypeError(f"{name} must have a floating-point dtype, got {value.dtype}")
    wanted = f"({', '.join(axes)})"
    if value.ndim != len(axes):
        raise ValueError(f"{name} must have the axes {wanted}, got shape {tuple(value.shape)}")
    if value.numel() == 0:
        raise ValueError(f"{name} must not be empty along {wanted}, got shape {tuple(value.shape)}")
    all_finite(name, value)


def all_finite(name: str, value: Tensor) -> None:
    """Raise unless every entry of ``value`` is finite, whatever its axes."""
    if not bool(torch.isfinite(value).all()):
        raise ValueError(f"{name} must be finite, got at least one infinite or NaN entry")


def same_kind(**tensors: Tensor) -> None:
    """Raise a TypeError that names both sides if two tensors differ in dtype or device."""
    (first, reference), *others = tensors.items()
    for name, tensor in others:
        if tensor.dtype != reference.dtype:
            raise TypeError(
                f"{first} and {name} must share one dtype, got {reference.dtype} and {tensor.dtype}"
            )
        if tensor.device != reference.device:
            raise TypeError(
                f"{first} and {name} must be on one device, "
                f"got {reference.device} and {tensor.device}"
            )


def same_size(what: str, **sizes: int) -> None:
    """Raise a ValueError that names both sides if the given sizes differ."""
    (first, reference), *others = sizes.items()
    for name, size in others:
        if size != reference:
            raise ValueError(f"{what} must agree: {first} has {reference}, {name} has {size}")


def non_negative_weights(name: str, value: Tensor) -> None:
    """Raise unless ``value`` is a finite vector of weights, one a lag, at or above zero."""
    finite_tensor(name, value, ("lags",))
    if bool((value < 0).any()):
        raise ValueError(f"{name} must be at least 0 at every lag, got {float(value.min())}")


def sequence_pair(x: Tensor, x2: Tensor) -> None:
    """Raise unless the two batches hold sequences of one horizon, channel count and kind."""
    finite_tensor("x", x, ("batch", "time", "inputs"))
    finite_tensor("x2", x2, ("batch", "time", "inputs"))
    same_kind(x=x, x2=x2)
    same_size("horizons", x=x.shape[1], x2=x2.shape[1])
    same_size("input channels", x=x.shape[2], x2=x2.shape[2])
