"""Sampled numbers with their uncertainty, and limits as rates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from rnnlimits._checks import integer_at_least, positive

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A sampled number, or an array of them: mean, standard error and number of samples.

    Raises:
        ValueError: shapes differ, an entry is not finite, an error is negative, or n < 2.

    Example:
        >>> Estimate(1.0, 0.1, 50).interval()
        (0.799..., 1.200...)
    """

    mean: Array | float
    standard_error: Array | float
    n: int

    def __post_init__(self) -> None:
        mean, error = np.asarray(self.mean, float), np.asarray(self.standard_error, float)
        integer_at_least("n", self.n, 2)
        if mean.shape != error.shape:
            raise ValueError(
                f"mean and standard_error must share one shape, got {mean.shape} and {error.shape}"
            )
        if not (np.isfinite(mean).all() and np.isfinite(error).all()):
            raise ValueError("mean and standard_error must be finite, got a NaN or infinite entry")
        if (error < 0).any():
            raise ValueError(f"standard_error must be at least 0, got {error.min()}")

    def interval(self, level: float = 0.95) -> tuple[Array | float, Array | float]:
        """Return the two-sided Student interval of the mean at ``level``."""
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level}")
        half = stats.t.ppf(0.5 + level / 2, self.n - 1) * self.standard_error
        return _plain(self.mean - half), _plain(self.mean + half)

    def z_score(self, expected: ArrayLike | float) -> Array | float:
        """Return (mean - expected) / standard error.

        Raises:
            ValueError: the standard error is zero, so that no score exists.
        """
        error = np.asarray(self.standard_error)
        if (error == 0).any():
            raise ValueError("z_score needs a standard error above 0, got 0")
        return _plain((np.asarray(self.mean) - np.asarray(expected, float)) / error)

    def __str__(self) -> str:
        if np.ndim(self.mean):
            return f"Estimate of shape {np.shape(self.mean)}, n = {self.n}"
        return f"{self.mean:.3g} ± {self.standard_error:.1g} (n = {self.n})"


def estimate(samples: ArrayLike, axis: int = 0) -> Estimate:
    """Return mean and standard error of independent samples along ``axis``.

    Raises:
        ValueError: fewer than two samples, or an entry is not finite.

    Example:
        >>> estimate([1.0, 2.0, 3.0])
        Estimate(mean=2.0, standard_error=0.577..., n=3)
    """
    values = np.asarray(samples, float)
    if values.ndim == 0:
        raise ValueError("samples must have at least one axis, got a single number")
    if not np.isfinite(values).all():
        raise ValueError("samples must be finite, got a NaN or infinite entry")
    values = np.moveaxis(values, axis, 0)
    n = len(values)
    if n < 2:
        raise ValueError(f"samples must hold at least 2 along axis {axis}, got {n}")
    error = values.std(axis=0, ddof=1) / np.sqrt(n)
    return Estimate(_plain(values.mean(axis=0)), _plain(error), n)


def root_mean_square(samples: ArrayLike, axis: int = 0) -> Estimate:
    """Return the root mean square along ``axis``; its standard error by the delta method.

    Raises:
        ValueError: fewer than two samples, a non-finite entry, or all samples zero.

    Example:
        >>> root_mean_square([3.0, 4.0, 5.0]).mean
        4.082...
    """
    square = estimate(np.square(np.asarray(samples, float)), axis)
    if (np.asarray(square.mean) == 0).any():
        raise ValueError("samples must not all be zero: the root has no standard error there")
    root = np.sqrt(square.mean)
    return Estimate(_plain(root), _plain(square.standard_error / (2 * root)), square.n)


def over_splits(
    samples: ArrayLike,
    test_to_train: float,
    axis: int = 0,
) -> Estimate:
    r"""Return the mean over random splits of one data set into training and test parts, with the
    standard error of Nadeau and Bengio (2003),

    .. math::

        s \sqrt{\frac1J + \frac{n_{\text{test}}}{n_{\text{train}}}}

    for :math:`J` splits of standard deviation :math:`s`. Splits share data, so that more of them
    do not shrink the error without limit; the second term is a correction, not an exact variance.

    Raises:
        TypeError: ``test_to_train`` is no number.
        ValueError: fewer than two samples, an entry is not finite, or ``test_to_train`` is not
            positive.

    Example:
        >>> over_splits([1.0, 2.0, 3.0], 2 / 3)
        Estimate(mean=2.0, standard_error=1.0, n=3)
    """
    share = positive("test_to_train", test_to_train)
    plain = estimate(samples, axis)
    error = plain.standard_error * np.sqrt(1 + plain.n * share)
    return Estimate(plain.mean, _plain(error), plain.n)


@dataclass(frozen=True)
class Rate:
    """An exponent: error ~ size^slope, with its standard error and interval.

    ``misfit`` is the probability, were the power law exact, of residuals at least this large;
    ``local`` holds the slopes between neighbouring sizes and ``local_error`` their errors.
    """

    slope: float
    standard_error: float
    low: float
    high: float
    misfit: float
    local: Array
    local_error: Array

    def __str__(self) -> str:
        return f"{self.slope:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def fit_rate(sizes: ArrayLike, errors: Estimate, level: float = 0.95) -> Rate:
    r"""Fit :math:`\log \text{error} = a + \text{slope} \cdot \log \text{size}`.

    Least squares with equal weights, the errors of the estimates carried through; sizes must be
    sampled independently of each other. Weights taken from the same sample would favour the sizes
    that came out low, since a skewed sample that is low also has a small standard error.

    Raises:
        ValueError: fewer than three sizes, shapes that differ, a size or error that is not
            positive, a size that occurs twice, an estimate without uncertainty, or a level that
            does not lie between 0 and 1.

    Example:
        >>> errors = Estimate(np.array([1.0, 0.5, 0.25]), np.array([0.1, 0.05, 0.025]), 30)
        >>> print(fit_rate([10, 20, 40], errors))
        -1.00 [-1.20, -0.80]
    """
    x, mean, error = _curve(sizes, errors)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    log_x, log_y, spread = np.log(x), np.log(mean), error / mean
    fit = _least_squares(np.stack([np.ones_like(x), log_x], axis=1), log_y, spread)
    slope, standard_error = fit.coefficients[1], fit.errors[1]
    half = float(stats.norm.ppf(0.5 + level / 2)) * standard_error
    steps = np.diff(log_x)
    local_error = np.sqrt(spread[1:] ** 2 + spread[:-1] ** 2) / np.abs(steps)
    local = np.diff(log_y) / steps
    return Rate(slope, standard_error, slope - half, slope + half, fit.misfit, local, local_error)


@dataclass(frozen=True)
class TwoOrders:
    """A squared error ~ first / size + second / size², with standard errors.

    ``misfit`` is the probability, were the form exact, of residuals at least this large.
    """

    first: float
    first_error: float
    second: float
    second_error: float
    misfit: float


def fit_two_orders(sizes: ArrayLike, squares: Estimate) -> TwoOrders:
    r"""Fit :math:`\text{mean square} = a / \text{size} + b / \text{size}^2`.

    For errors of order size^-1/2 whose local slopes still drift: ``first`` is the constant of the
    leading order. Least squares of size · mean square on 1 / size with equal weights, as in
    :func:`fit_rate`.

    Raises:
        ValueError: fewer than three sizes, shapes that differ, a size that occurs twice, or a size,
            mean or standard error that is not above zero.

    Example:
        >>> squares = Estimate(np.array([0.3, 0.125, 0.05625]), np.full(3, 0.001), 30)
        >>> round(fit_two_orders([10, 20, 40], squares).first, 6)
        2.0
    """
    x, mean, error = _curve(sizes, squares)
    fit = _least_squares(np.stack([np.ones_like(x), 1 / x], axis=1), x * mean, x * error)
    (first, second), (first_error, second_error) = fit.coefficients, fit.errors
    return TwoOrders(first, first_error, second, second_error, fit.misfit)


@dataclass(frozen=True)
class _Fit:
    coefficients: tuple[float, ...]
    errors: tuple[float, ...]
    misfit: float


def _least_squares(design: Array, y: Array, error: Array) -> _Fit:
    """Fit y = design @ coefficients with equal weights; ``error`` are standard errors of y.

    The misfit is that of the best fit under these errors: for the residuals it does not matter
    which weights made them, once their covariance is divided out.
    """
    solve = np.linalg.pinv(design)
    coefficients, errors = solve @ y, np.sqrt(solve**2 @ error**2)
    whitened = design / error[:, None]
    best = np.linalg.lstsq(whitened, y / error, rcond=None)[0]
    chi_square = float(np.sum((y / error - whitened @ best) ** 2))
    misfit = float(stats.chi2.sf(chi_square, len(y) - design.shape[1]))
    return _Fit(tuple(map(float, coefficients)), tuple(map(float, errors)), misfit)


def _curve(sizes: ArrayLike, errors: Estimate) -> tuple[Array, Array, Array]:
    """Return sizes, means and standard errors as vectors fit for a regression, or raise."""
    x, mean = np.asarray(sizes, float), np.asarray(errors.mean, float)
    error = np.asarray(errors.standard_error, float)
    if x.ndim != 1 or x.shape != mean.shape or len(x) < 3:
        raise ValueError(
            f"sizes and errors must be vectors of one length of at least 3, "
            f"got shapes {x.shape} and {mean.shape}"
        )
    if not (np.isfinite(x) & (x > 0) & (mean > 0) & (error > 0)).all():
        raise ValueError("sizes, errors and their standard errors must be finite and above 0")
    if len(np.unique(x)) < len(x):
        raise ValueError(f"sizes must be distinct, got {x.tolist()}")
    return x, mean, error


def _plain(value: Array | float) -> Array | float:
    """Return a float for a zero-dimensional array, the array otherwise."""
    return float(value) if np.ndim(value) == 0 else value
