"""Scores on the law itself, against enumeration and against simulated counts."""

import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from draws import designed, quick, response, seeds, untyped
from rnnlimits.data.reaches import Standardisation, lagged_moments
from rnnlimits.decoding.problem import Windows, r_squared
from rnnlimits.decoding.truth import bias_and_variance, explained, population_loss
from rnnlimits.estimate import estimate
from rnnlimits.kernel.loss import SquaredLoss, loss_value, squared_loss
from rnnlimits.random import normal, stream

BINS, NEURONS, LENGTH = 14, 2, 3


def setting(seed: int) -> tuple[Tensor, Tensor, Standardisation, Standardisation]:
    """Return mean counts, velocities, and two scalings that fit neither."""
    draw = stream(seed, "setting")
    expected = torch.from_numpy(draw.uniform(0.2, 4, (BINS, NEURONS)))
    inputs, targets = (
        Standardisation(normal(draw, (size,)), torch.from_numpy(draw.uniform(0.5, 2, size)))
        for size in (NEURONS, 2)
    )
    return expected, normal(draw, (BINS, 2)), inputs, targets


def second_moment(one: float, other: float, same: bool) -> float:
    """Return E[c c'] of Poisson counts by their probabilities."""
    weights = [[math.exp(-m) * m**k / math.factorial(k) for k in range(60)] for m in (one, other)]
    if same:
        return sum(weight * k**2 for k, weight in enumerate(weights[0]))
    first, second = (sum(weight * k for k, weight in enumerate(row)) for row in weights)
    return first * second


def test_the_small_case_by_enumeration() -> None:
    expected, velocities, inputs, targets = setting(0)
    found = population_loss(expected, velocities, LENGTH, inputs, targets)
    m, d = inputs.mean, inputs.deviation
    ends = range(LENGTH - 1, BINS)
    gram = torch.zeros(LENGTH, NEURONS, LENGTH, NEURONS).double()
    cells = product(range(LENGTH), range(NEURONS), range(LENGTH), range(NEURONS))
    for j, i, k, o in cells:
        for t in ends:
            a, b = float(expected[t - j, i]), float(expected[t - k, o])
            raw = second_moment(a, b, (j, i) == (k, o))
            # E[(c - m)(c' - m')], term by term
            moment = raw - a * float(m[o]) - b * float(m[i]) + float(m[i] * m[o])
            gram[j, i, k, o] += moment / float(d[i] * d[o]) / len(ends)
    torch.testing.assert_close(found.gram, gram, rtol=1e-11, atol=1e-12)
    y = (velocities - targets.mean) / targets.deviation
    x = (expected - m) / d
    cross = sum(torch.stack([torch.outer(y[t], x[t - j]) for j in range(LENGTH)]) for t in ends)
    torch.testing.assert_close(found.cross, cross / len(ends), rtol=1e-12, atol=1e-12)
    assert found.energy == pytest.approx(float((y[LENGTH - 1 :] ** 2).sum()) / len(ends))
    assert (found.scale, found.n_terms) == (1 / len(ends), 2 * len(ends))


def sampled_loss(counts: Tensor, at: tuple[Any, ...]) -> SquaredLoss:
    """Return the loss on counts that were drawn."""
    _, velocities, inputs, targets = at
    reach = torch.zeros(BINS, dtype=torch.int64)
    x, y = inputs.applied(counts), targets.applied(velocities)
    return SquaredLoss(**lagged_moments(x, y, LENGTH, reach, "mean")._asdict())


def test_the_mean_over_simulated_counts(seed: int) -> None:
    at = setting(seed)
    exact = population_loss(at[0], at[1], LENGTH, *at[2:])
    draw = stream(seed, "counts")
    responses = torch.stack([response(seed + k, LENGTH, 2, NEURONS) for k in range(2)])
    losses, grams, crosses = [], [], []
    for _ in range(1500):
        drawn = sampled_loss(torch.from_numpy(draw.poisson(at[0]).astype(np.float64)), at)
        losses.append(loss_value(responses, drawn).numpy())
        grams.append(drawn.gram[1, 0, 1].numpy())
        crosses.append(drawn.cross[2, 0].numpy())
    for samples, expected in (
        (losses, loss_value(responses, exact)),
        (grams, exact.gram[1, 0, 1]),
        (crosses, exact.cross[2, 0]),
    ):
        scores = estimate(np.stack(samples)).z_score(expected.numpy())
        assert float(np.abs(scores).max()) < 4.5


def test_counts_without_chance_leave_the_moments_alone() -> None:
    # The noise is expected / deviation²: with an endless deviation nothing is left of it.
    expected, velocities, _, targets = setting(1)
    size = torch.full((NEURONS,), 1e8).double()
    far = Standardisation(torch.zeros(NEURONS).double(), size)
    exact = population_loss(1e8 * expected, velocities, LENGTH, far, targets)
    reach = torch.zeros(BINS, dtype=torch.int64)
    y = targets.applied(velocities)
    plain = lagged_moments(expected, y, LENGTH, reach, "mean")
    torch.testing.assert_close(exact.gram, plain.gram, rtol=1e-6, atol=1e-6)
    silent = population_loss(0 * expected, velocities, LENGTH, far, targets)
    assert float(silent.gram.abs().max()) == 0


@untyped
def test_laws_are_refused() -> None:
    expected, velocities, inputs, targets = setting(2)
    run: Any = population_loss
    with pytest.raises(ValueError, match="numbers of bins must agree"):
        run(expected, velocities[:-1], LENGTH, inputs, targets)
    with pytest.raises(ValueError, match="inputs must be finite"):
        run(torch.nan * expected, velocities, LENGTH, inputs, targets)
    with pytest.raises(ValueError, match="longest reach, 14, got 15"):
        run(expected, velocities, 15, inputs, targets)
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        run(expected, velocities, 0, inputs, targets)
    with pytest.raises(TypeError, match="length must be an integer"):
        run(expected, velocities, 1.5, inputs, targets)
    with pytest.raises(ValueError, match="numbers of columns must agree: values has 3"):
        run(torch.ones(BINS, 3).double(), velocities, LENGTH, inputs, targets)
    single = Standardisation(inputs.mean.float(), inputs.deviation.float())
    with pytest.raises(TypeError, match="share one dtype"):
        run(expected.float(), velocities, LENGTH, single, targets)


@quick
@given(seeds)
def test_what_is_explained_is_r_squared_on_the_windows(seed: int) -> None:
    # On the sample's own loss, with targets of mean 0 and one mean square in both components.
    draw = stream(seed)
    x, y = normal(draw, (20, 3)), normal(draw, (20, 2))
    y = (y - y.mean(dim=0)) / y.std(dim=0, correction=0)
    responses = normal(draw, (4, 1, 2, 3), 0.1)
    found = explained(responses, squared_loss(x[:, None], y[:, None], "mean"))
    scores = r_squared(responses, Windows(x, y, torch.arange(20), 1))
    torch.testing.assert_close(found, scores.mean(dim=1), rtol=1e-11, atol=1e-11)


def test_nothing_and_everything_explained() -> None:
    X, Y, loss = designed(0, 8)
    assert explained(torch.zeros(4, 2, 2).double(), loss).item() == 0
    rows = torch.linalg.lstsq(X, Y).solution
    best = rows.T.unflatten(1, (4, 2)).transpose(0, 1)
    left = float(((X @ rows - Y) ** 2).sum() / (Y**2).sum())
    assert explained(best, loss).item() == pytest.approx(1 - left, rel=1e-11)
    with pytest.raises(ValueError, match="numbers of lags must agree"):
        explained(torch.zeros(3, 2, 2).double(), loss)
    with pytest.raises(TypeError, match="share one dtype"):
        explained(torch.zeros(4, 2, 2), loss)


def best_of(loss: SquaredLoss) -> Tensor:
    """Return the best response of a loss of full rank, by explicit inversion."""
    rows = torch.linalg.solve(loss.matrix, loss.cross.transpose(1, 2).flatten(0, 1))
    return rows.unflatten(0, (loss.n_lags, loss.n_inputs)).mT


@quick
@given(seeds, st.integers(2, 6))
def test_bias_and_variance_add_up_to_the_mean_excess(seed: int, samples: int) -> None:
    _, _, loss = designed(seed, 8)
    best, responses = best_of(loss), normal(stream(seed, "many"), (samples, 4, 2, 2))
    parts = bias_and_variance(responses, best, loss)
    excess = float((loss_value(responses, loss) - loss_value(best, loss)).mean())
    assert parts.squared_bias + parts.variance == pytest.approx(excess, rel=1e-9)
    # the variance is half the mean over pairs of half their squared distance
    pairs = [
        float(((a - b) * torch.einsum("koi,kiaj->aoj", a - b, loss.gram)).sum()) / 4
        for k, a in enumerate(responses)
        for b in responses[:k]
    ]
    assert parts.variance == pytest.approx(sum(pairs) / len(pairs), rel=1e-9)


def test_bias_and_variance_are_estimated_without_bias(seed: int) -> None:
    _, _, loss = designed(seed, 8)
    draw, best = stream(seed, "decoders"), best_of(loss)
    off, spread = normal(draw, (4, 2, 2), 0.05), 0.3
    found = [
        bias_and_variance(best + off + normal(draw, (4, 4, 2, 2), spread), best, loss)
        for _ in range(800)
    ]
    bias = float((off * torch.einsum("koi,kiaj->aoj", off, loss.gram)).sum()) / 2
    variance = spread * loss.n_outputs * float(loss.matrix.trace()) / 2
    scores = np.asarray(estimate(np.array(found)).z_score([bias, variance]))
    assert float(np.abs(scores).max()) < 4.5


def test_equal_decoders_have_no_variance() -> None:
    _, _, loss = designed(3, 8)
    L, best = response(3, 4, 2, 2), best_of(loss)
    bias, variance = bias_and_variance(torch.stack([L, L]), best, loss)
    assert variance == 0
    assert bias == pytest.approx(float(loss_value(L, loss) - loss_value(best, loss)), rel=1e-9)
    assert bias_and_variance(torch.stack([best, best]), best, loss) == (0, 0)


@untyped
def test_samples_are_refused() -> None:
    _, _, loss = designed(4, 8)
    L = response(4, 4, 2, 2)
    with pytest.raises(ValueError, match="responses must hold at least 2 samples, got 1"):
        bias_and_variance(L[None], L, loss)
    with pytest.raises(ValueError, match="numbers of lags must agree"):
        bias_and_variance(torch.stack([L, L])[:, :3], L[:3], loss)
    with pytest.raises(ValueError, match=r"best must have the shape .* \(4, 2, 2\), got"):
        bias_and_variance(torch.stack([L, L]), L[:1], loss)
    with pytest.raises(TypeError, match="share one dtype"):
        bias_and_variance(torch.stack([L, L]), L.float(), loss)
    with pytest.raises(ValueError, match="responses must be finite"):
        bias_and_variance(torch.stack([L, torch.nan * L]), L, loss)
    with pytest.raises(ValueError, match="best must be finite"):
        bias_and_variance(torch.stack([L, L]), torch.inf * L, loss)
    with pytest.raises(ValueError, match="responses must be finite"):
        explained(torch.stack([L, torch.nan * L]), loss)
    with pytest.raises(ValueError, match="energy of the targets must be above 0, got 0"):
        explained(L, replace(loss, energy=0.0))
    with pytest.raises(TypeError, match="share one dtype"):
        bias_and_variance(torch.stack([L, L]).float(), L.float(), loss)
