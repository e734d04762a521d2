"""One small test for each settled statement on decoding; the ledger names them."""

import torch
from torch import Tensor

from draws import designed, distance, response
from rnnlimits.data.recording import in_pieces
from rnnlimits.data.simulated import draw_tuning, simulated_s1
from rnnlimits.decoding.comparison import (
    Protocol,
    convolution_scores,
    initial_network,
    split_problem,
    starts,
)
from rnnlimits.kernel.learning_curves import descent_limit, solve_descent
from rnnlimits.kernel.loss import SquaredLoss
from rnnlimits.kernel.training import stability_limit
from rnnlimits.random import stream

WEIGHTS = (
    torch.ones(4, dtype=torch.float64),
    torch.tensor([2.0, 1.6, 0.78, 0.33], dtype=torch.float64),
    torch.tensor([0.4, 3.0, 0.5, 1.0], dtype=torch.float64),
)


def after_many_steps(start: Tensor, rho: Tensor, loss: SquaredLoss) -> Tensor:
    """Return the response where nothing moves any more, at two rates."""
    limit = stability_limit(rho, loss)
    slow, fast = (
        solve_descent(start, rho, loss, share * limit, [steps])[0]
        for share, steps in ((0.2, 400_000), (0.9, 100_000))
    )
    assert distance(fast, slow) < 1e-8
    return slow


def rows(L: Tensor) -> Tensor:
    """Return a response as outputs by (lag, input), so that L H is a product of matrices."""
    return L.transpose(0, 1).flatten(1)


def weighted(change: Tensor, rho: Tensor) -> float:
    """Return the weighted size of a change."""
    return float((change.square().sum(dim=(1, 2)) / rho).sum())


def test_own_11_descent_ends_at_least_squares_whatever_the_weights() -> None:
    start = response(11, 4, 2, 2)
    # (a) H positive definite: R H^-1, from every start, with every positive weights
    _, _, loss = designed(11, 8)
    best = rows(loss.cross) @ torch.linalg.inv(loss.matrix)
    for rho in WEIGHTS:
        for L0 in (start, 0 * start):
            assert distance(rows(descent_limit(L0, rho, loss)), best) < 1e-9
            assert distance(rows(after_many_steps(L0, rho, loss)), best) < 1e-8
    # (b) H singular: L H = R holds, and L - L0 = rho Z H for some Z, which is the condition for
    # the least weighted distance
    for rank in (1, 3, 6):
        _, _, loss = designed(rank, rank)
        H = loss.matrix
        values, vectors = torch.linalg.eigh(H)
        unseen = vectors[:, values < 1e-9 * values[-1]]
        assert unseen.shape[1] == 8 - rank
        ends = [descent_limit(start, rho, loss) for rho in WEIGHTS]
        for end, rho in zip(ends, WEIGHTS, strict=True):
            assert float((rows(end) @ H - rows(loss.cross)).abs().max()) < 1e-9
            change = end - start
            assert float((rows(change / rho[:, None, None]) @ unseen).abs().max()) < 1e-9
            assert distance(after_many_steps(start, rho, loss), end) < 1e-8
            # by hand: solve the condition for Z, change = rho Z H with change H = R - L0 H
            D = torch.diag(rho.repeat_interleave(2))
            left = rows(loss.cross) - rows(start) @ H
            Z = left @ torch.linalg.pinv(H @ D @ H, rtol=1e-10, hermitian=True)
            assert distance(rows(start) + Z @ H @ D, rows(end)) < 1e-9
            # another interpolant is farther off, by the weighted size of what it adds
            added = unseen[:, 0].unflatten(0, (4, 1, 2)).expand(4, 2, 2)
            assert float((rows(end + added) @ H - rows(loss.cross)).abs().max()) < 1e-9
            sizes = [weighted(each, rho) for each in (change + added, change, added)]
            assert abs(sizes[0] - sizes[1] - sizes[2]) < 1e-9 < sizes[2]
        for k in range(3):  # the weights decide where it ends
            assert distance(ends[k], ends[k - 1]) > 1e-2
            own = weighted(ends[k] - start, WEIGHTS[k])
            assert own < weighted(ends[k - 1] - start, WEIGHTS[k])
    # two lags of which the data see the sum: what is missing is shared out by weight
    ones = torch.ones(2, 1, 2, 1, dtype=torch.float64)
    both = SquaredLoss(ones, 3 * ones[:, :, 0], 9.0, 1.0, 1)
    found = descent_limit(0 * both.cross, torch.tensor([2.0, 1.0]).double(), both)
    assert distance(found.flatten(), torch.tensor([2.0, 1.0]).double()) < 1e-12
    # a lag of weight zero stays; the others take over what it leaves
    stays = torch.tensor([2.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    _, _, loss = designed(11, 8)
    found = descent_limit(start, stays, loss)
    assert float((found[1] - start[1]).abs().max()) == 0
    slope = rows(found) @ loss.matrix - rows(loss.cross)
    moving = stays.repeat_interleave(2) > 0
    assert float(slope[:, moving].abs().max()) < 1e-9 < float(slope[:, ~moving].abs().max())


def leads(n_train: int) -> Tensor:
    """Return what plain explains more than scaled, axes (recording, start, stop).

    Eight recordings of one population, T = 5; the random start of a network, and zero; after 256
    steps, and where validation stops.
    """
    protocol, found = Protocol(width=200, clock=8), []
    tuning = draw_tuning(stream(0, "lin 19"))
    for seed in range(8):
        made = simulated_s1(stream(seed, "lin 19"), 15_000, tuning)
        problem = split_problem(in_pieces(made, 50), 5, n_train, seed)
        rnn = initial_network(problem, protocol, seed)
        for start in starts(rnn, 5):
            both = convolution_scores(problem, protocol, start)
            clock = both.steps.index(2**protocol.clock)
            for scores in (both.scores[:, clock], both.chosen):
                found.append(scores[1].mean() - scores[0].mean())
    return torch.stack(found).unflatten(0, (8, 2, 2))


def test_lin_19_the_order_turns_at_one_number_of_steps_and_not_at_own_stops() -> None:
    little, much = leads(1), leads(31)  # pieces of fifteen seconds
    z_little, z_much = (
        each.mean(dim=0) / (each.std(dim=0) / len(each) ** 0.5) for each in (little, much)
    )
    # One number of steps: scaled ahead on little data; on much, plain ahead from the random start,
    # and no longer behind from zero.
    assert (z_little[:, 0] < -4.5).all()
    assert z_much[0, 0] > 4.5
    assert z_much[1, 0] > -4.5
    # Own stops: scaled ahead from the random start, plain from zero; on much data neither is.
    assert z_little[0, 1] < -4.5
    assert z_little[1, 1] > 4.5
    assert (z_much[:, 1] > -4.5).all()
    assert float(much[:, :, 1].mean(dim=0).abs().max()) < 0.01
