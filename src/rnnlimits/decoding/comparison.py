"""The comparison of decoders on one problem: one protocol for every recording.

Network, scaled and plain convolution descend with one learning rate, from the start of the network
or with that start taken off. Each is read off at one common number of steps, and where its own
error on the validation windows is least; ridge regression at its own best penalty.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rnnlimits._checks import (
    finite_tensor,
    integer_at_least,
    integer_between,
    positive,
    same_size,
)
from rnnlimits.data.reaches import draw_reaches, split_reaches
from rnnlimits.data.recording import Recording
from rnnlimits.decoding.paths import (
    MOST_DOUBLINGS,
    chosen,
    common_rate,
    network_path,
    ridge_path,
    step_grid,
)
from rnnlimits.decoding.problem import (
    Problem,
    decoding_problem,
    r_squared,
)
from rnnlimits.kernel.learning_curves import solve_descent
from rnnlimits.kernel.limit import lag_weights
from rnnlimits.networks.linear import (
    LinearRNN,
    Variances,
    impulse_response,
    initialise,
)
from rnnlimits.random import stream

# Reaches held out, and the ridge penalties tried below the largest.
TEST_SHARE, VALIDATION_SHARE = 1 / 4, 1 / 8
MODELS = ("scaled", "plain")
VARIANCES = Variances(recurrent=0.3, input=1.0, readout=1.0)
DECADES, PENALTIES = 5, 21


@dataclass(frozen=True)
class Protocol:
    """What is fixed before a recording is looked at.

    The common number of steps is ``2**clock``; convolutions, whose path is known in closed form,
    may stop as late as ``2**longest``. The learning rate is the ``share`` of the smaller limit.

    Raises:
        TypeError: ``variances`` is no `Variances`, ``width``, ``clock`` or ``longest`` no integer,
            or ``share`` no number.
        ValueError: the width is below 1, ``clock`` or ``longest`` not between 0 and 53 (see
            `step_grid`), ``longest`` below ``clock``, or ``share`` not in (0, 1).

    Example:
        >>> Protocol().longest
        17
    """

    variances: Variances = VARIANCES
    width: int = 1000
    share: float = 0.25
    clock: int = 10
    longest: int = 17

    def __post_init__(self) -> None:
        if not isinstance(self.variances, Variances):
            raise TypeError(
                "variances must be a Variances, got "
                f"{type(self.variances).__name__}"
            )
        integer_at_least("width", self.width, 1)
        clock, most = self.clock, MOST_DOUBLINGS
        integer_between("clock", clock, 0, most)
        integer_between("longest", self.longest, clock, most)
        if positive("share", self.share) >= 1:
            raise ValueError(
                f"share must lie in (0, 1), got {self.share}"
            )


def three_parts(
    recording: Recording, n_train: int | None, seed: int
) -> tuple[Recording, Recording, Recording]:
    """Split by whole reaches: a quarter to test on, an eighth to choose on, of the rest so many to
    train on, or all.

    With one seed the test and the validation part are the same for every ``n_train``, and smaller
    training parts lie in larger ones.

    Raises:
        TypeError: ``n_train`` or the seed is no integer.
        ValueError: there are too few reaches, ``n_train`` is below 1 or above what is left, or the
            seed is negative.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> pieces = in_pieces(simulated_s1(stream(0), 320), 16)
        >>> [len(part.reaches) for part in three_parts(pieces, 4, seed=0)]
        [4, 2, 4]
    """
    test, rest = split_reaches(
        recording, TEST_SHARE, stream(seed, "test reaches")
    )
    validation, train = split_reaches(
        rest,
        VALIDATION_SHARE / (1 - TEST_SHARE),
        stream(seed, "validation reaches"),
    )
    if n_train is not None:
        integer_between("n_train", n_train, 1, len(train.reaches))
        draw = stream(seed, "training reaches")
        train = draw_reaches(train, n_train, draw)
    return train, validation, test


def split_problem(
    recording: Recording,
    length: int,
    n_train: int | None,
    seed: int,
    judged: int | None = None,
) -> Problem:
    """Return the decoding problem of one split of a recording; see `decoding_problem`.

    Raises:
        TypeError: ``length``, ``n_train``, ``judged`` or the seed is no integer.
        ValueError: the recording has too few reaches, or too short ones, ``n_train`` is below 1 or
            above what is left, ``judged`` is below ``length``, or the seed is negative.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> pieces = in_pieces(simulated_s1(stream(0), 320), 16)
        >>> len(split_problem(pieces, 5, None, seed=0).train.last)
        160
    """
    parts = three_parts(recording, n_train, seed)
    return decoding_problem(*parts, length, judged)


def initial_network(
    problem: Problem, protocol: Protocol, seed: int
) -> LinearRNN:
    """Return the network that all descents of the problem start from.

    Raises:
        TypeError: the seed is no integer.
        ValueError: it is negative.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> pieces = in_pieces(simulated_s1(stream(0), 320), 16)
        >>> problem = split_problem(pieces, 3, None, seed=0)
        >>> tiny = Protocol(width=40, clock=3, longest=4)
        >>> rnn = initial_network(problem, tiny, seed=0)
        >>> rnn.width, rnn.n_inputs, rnn.n_outputs
        (40, 52, 2)
    """
    return initialise(
        protocol.width,
        problem.loss.n_inputs,
        problem.loss.n_outputs,
        protocol.variances,
        stream(seed, "decoding network"),
    )


def learning_rate(problem: Problem, protocol: Protocol) -> float:
    """Return the one learning rate of all descents of the problem.

    Raises:
        ValueError: no count varies, so that nothing can be learned.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> pieces = in_pieces(simulated_s1(stream(0), 320), 16)
        >>> problem = split_problem(pieces, 3, None, seed=0)
        >>> tiny = Protocol(width=40, clock=3, longest=4)
        >>> twice = Protocol(share=0.5)
        >>> learning_rate(problem, twice) / learning_rate(problem, tiny)
        2.0
    """
    return common_rate(
        problem.loss, list(weights(problem, protocol)), protocol.share
    )


def weights(
    problem: Problem, protocol: Protocol
) -> Float[Tensor, "models lags"]:
    r"""Return the lag weights of the two convolutions: :math:`\rho_\tau`, and 1 for every lag.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> pieces = in_pieces(simulated_s1(stream(0), 320), 16)
        >>> problem = split_problem(pieces, 3, None, seed=0)
        >>> tiny = Protocol(width=40, clock=3, longest=4)
        >>> weights(problem, tiny)
        tensor([[2.0000, 1.6000, 0.7800],
                [1.0000, 1.0000, 1.0000]], dtype=torch.float64)
    """
    rho = lag_weights(problem.loss.n_lags, protocol.variances)
    return torch.stack([rho, torch.ones_like(rho)])


class Scores(NamedTuple):
    """Test scores of some models at ``steps``, and where each of them stops.

    ``stops`` are places in ``steps``, chosen on the validation windows.
    """

    steps: tuple[int, ...]
    scores: Float[Tensor, "models steps o"]
    stops: Int[Tensor, " models"]

    @property
    def chosen(self) -> Float[Tensor, "models o"]:
        """The score of each model where it stops."""
        return self.scores[torch.arange(len(self.stops)), self.stops]


def convolution_paths(
    problem: Problem,
    protocol: Protocol,
    start: Float[Tensor, "lags o i"],
) -> Float[Tensor, "models steps lags o i"]:
    r"""Return the responses of both convolutions along their descents, solved.

    Raises:
        TypeError: ``start`` is no floating-point tensor, or dtypes or devices differ.
        ValueError: shapes do not fit, ``start`` is not finite, or ``2**longest`` steps are more
            than `solve_descent` can follow.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> pieces = in_pieces(simulated_s1(stream(0), 320), 16)
        >>> problem = split_problem(pieces, 3, None, seed=0)
        >>> tiny = Protocol(width=40, clock=3, longest=4)
        >>> convolution_paths(problem, tiny, torch.zeros(3, 2, 52).double()).shape
        torch.Size([2, 9, 3, 2, 52])
    """
    finite_tensor("start", start, ("lags", "outputs", "inputs"))
    rate = learning_rate(problem, protocol)
    steps = step_grid(protocol.longest)
    return torch.stack(
        [
            solve_descent(start, each, problem.loss, rate, steps)
            for each in weights(problem, protocol)
        ]
    )


def scores_along(
    responses: Float[Tensor, "models steps lags o i"],
    problem: Problem,
    steps: tuple[int, ...],
) -> Scores:
    r"""Return :math:`R^2` on the test windows along the steps, and where each model stops.

    Raises:
        TypeError: ``responses`` is no floating-point tensor, or dtypes or devices differ.
        ValueError: shapes do not fit, responses are not finite, or test velocities do not vary.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> pieces = in_pieces(simulated_s1(stream(0), 320), 16)
        >>> problem = split_problem(pieces, 3, None, seed=0)
        >>> nothing = torch.zeros(1, 2, 3, 2, 52).double()
        >>> scores_along(nothing, problem, (0, 1)).stops
        tensor([0])
    """
    axes = ("models", "steps", "lags", "outputs", "inputs")
    finite_tensor("responses", responses, axes)
    same_size(
        "numbers of steps",
        responses=responses.shape[1],
        steps=len(steps),
    )
    stops = [chosen(path, problem.validation) for path in responses]
    scores = r_squared(responses, problem.test)
    return Scores(steps, scores, torch.tensor(stops))


def convolution_scores(
    problem: Problem,
    protocol: Protocol,
    start: Float[Tensor, "lags o i"],
) -> Scores:
    r"""Return :math:`R^2` on the test windows along the descents of both convolutions, solved.

    Raises:
        TypeError: ``start`` is no floating-point tensor, or dtypes or devices differ.
        ValueError: shapes do not fit, ``start`` is not finite, test velocities do not vary, or
            ``2**longest`` steps are more than `solve_descent` can follow.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> pieces = in_pieces(simulated_s1(stream(0), 320), 16)
        >>> problem = split_problem(pieces, 3, None, seed=0)
        >>> tiny = Protocol(width=40, clock=3, longest=4)
        >>> start = torch.zeros(3, 2, 52, dtype=torch.float64)
        >>> found = convolution_scores(problem, tiny, start)
        >>> found.steps, found.scores.shape, found.chosen.shape
        ((0, 1, 2, 3, 4, 6, 8, 11, 16), torch.Size([2, 9, 2]), torch.Size([2, 2]))
    """
    responses = convolution_paths(problem, protocol, start)
    return scores_along(responses, problem, step_grid(protocol.longest))


def network_scores(
    problem: Problem,
    protocol: Protocol,
    rnn: LinearRNN,
    start_counts: bool,
) -> Scores:
    r"""Return the same for the network, trained step by step up to the common number of steps.

    Raises:
        TypeError: dtypes or devices differ.
        ValueError: numbers of channels differ, or test velocities do not vary.
        FloatingPointError: training diverges.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> pieces = in_pieces(simulated_s1(stream(0), 320), 16)
        >>> problem = split_problem(pieces, 3, None, seed=0)
        >>> tiny = Protocol(width=40, clock=3, longest=4)
        >>> rnn = initial_network(problem, tiny, seed=0)
        >>> found = network_scores(problem, tiny, rnn, start_counts=False)
        >>> found.steps, found.scores.shape, found.chosen.shape
        ((0, 1, 2, 3, 4, 6, 8), torch.Size([1, 7, 2]), torch.Size([1, 2]))
    """
    steps = step_grid(protocol.clock)
    rate = learning_rate(problem, protocol)
    path = network_path(rnn, problem.loss, rate, steps, start_counts)
    return scores_along(path[None], problem, steps)


def ridge_score(problem: Problem) -> Float[Tensor, " o"]:
    r"""Return :math:`R^2` on the test windows of ridge regression, its penalty chosen on the
    validation windows from :math:`\lambda_{\max}` down to a hundred-thousandth of it.

    Raises:
        ValueError: test velocities do not vary.

    Example:
        >>> from rnnlimits.data.recording import in_pieces
        >>> from rnnlimits.data.simulated import simulated_s1
        >>> pieces = in_pieces(simulated_s1(stream(0), 320), 16)
        >>> problem = split_problem(pieces, 3, None, seed=0)
        >>> ridge_score(problem).shape
        torch.Size([2])
    """
    largest = torch.linalg.eigvalsh(problem.loss.matrix)[-1]
    falling = torch.linspace(0, -DECADES, PENALTIES).to(largest)
    path = ridge_path(problem.loss, largest * 10**falling)
    best = path[chosen(path, problem.validation)]
    return r_squared(best, problem.test)


def starts(
    rnn: LinearRNN, n_lags: int
) -> Float[Tensor, "starts lags o i"]:
    """Return the two starts of a convolution: that of the network, and zero.

    Raises:
        TypeError: ``n_lags`` is no integer.
        ValueError: it is below 1.

    Example:
        >>> rnn = initialise(4, 2, 1, VARIANCES, stream(0))
        >>> starts(rnn, 3).shape
        torch.Size([2, 3, 1, 2])
    """
    response = impulse_response(rnn, n_lags)
    return torch.stack([response, torch.zeros_like(response)])
