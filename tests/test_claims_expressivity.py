"""One small test for each settled statement on what recurrence costs; the ledger names them.

The ledger runs each against the library, and once more for each piece of a formula made wrong.
"""

import math
from itertools import product

import torch
from numpy.polynomial.legendre import Legendre
from torch import Tensor
from torch.testing import assert_close

from rnnlimits.estimate import estimate
from rnnlimits.meanfield.duplex import HalfDuplex, OpenEar
from rnnlimits.meanfield.expressivity import (
    best_error,
    delay_net,
    features,
    lag_price,
    price,
    price_exponent,
)
from rnnlimits.meanfield.hypotheses import (
    bends_within,
    bounded_by,
    hears_bias,
    independent_features,
    keeps_past,
    separated,
)
from rnnlimits.meanfield.tying import GaussianWeights, gaussian_limit, last_states
from rnnlimits.networks.activations import ERF, SOFTPLUS, TANH, Activation
from rnnlimits.networks.elman_risk import Population
from rnnlimits.networks.measures import gauss_legendre
from rnnlimits.random import stream

CUBE = gauss_legendre(8, 3)
U = 2 * CUBE.labels - 1  # oldest input first
X = torch.stack([U, torch.ones_like(U)], dim=-1)


def readers(n: int) -> Tensor:
    return torch.from_numpy(2 * stream(0, "readers").random((n, 4)) - 1)


def test_mf_13_bounded_hidden_weights_approximate() -> None:
    target = torch.exp(U[:, 2]) * torch.cos(2 * U[:, 1] - U[:, 0])
    data = Population(X, target, CUBE.weights)
    for bound in (1.0, 0.5):
        nets = {n: delay_net(readers(256)[:n], bound) for n in (8, 256)}
        for net in nets.values():
            assert bounded_by(net, bound).holds
            assert keeps_past(net, X).holds
            assert bends_within(net.activation, bound).holds
            assert hears_bias(net, X).holds
        errors = {n: best_error(features(net, data)) for n, net in nets.items()}
        assert errors[256] < 0.05 < 0.2 < errors[8]
    # an odd activation without bias misses the even part at every width
    even = (target + target.flip(0)) / 2
    missed = float((even.square() @ CUBE.weights / (target.square() @ CUBE.weights)).sqrt())
    mute = delay_net(readers(256), 1.0, bias=False)
    assert hears_bias(mute, X).state == "fails"
    assert missed * (1 - 1e-12) <= best_error(features(mute, data)) < missed + 0.05
    # an activation that is affine within reach gives the distance from affine functions
    clip = Activation(
        "clip", lambda z: z.clamp(-1, 1), lambda z, h: (z.abs() < 1).to(z), 1.0, True, False
    )
    root = CUBE.weights.sqrt()[:, None]
    basis, _ = torch.linalg.qr(root * torch.cat([U, torch.ones_like(U[:, :1])], dim=1))
    y = root[:, 0] * target / (root[:, 0] * target).norm()
    distance = float((y - basis @ (basis.T @ y)).norm())
    for n in (8, 256):
        found = best_error(features(delay_net(readers(n), 1 / 3, clip), data))
        assert math.isclose(found, distance, rel_tol=1e-9)
    assert bends_within(clip, 1.0).state == "fails"
    # the readout pays a power of 1/K: lag plus degree, or one more
    for s in (TANH, SOFTPLUS):
        for lag, degree in ((0, 1), (0, 2), (0, 3), (2, 1)):
            content = torch.from_numpy(Legendre.basis(degree)(U[:, 2 - lag].numpy()))
            wanted = Population(X, content, CUBE.weights)
            paid = [
                price(features(delay_net(readers(200), bound, s), wanted), 0.1)
                for bound in (1 / 16, 1 / 32)
            ]
            assert abs(math.log2(paid[1] / paid[0]) - price_exponent(s, degree, lag)) < 0.1
            if degree == 1:
                norm = float((content.square() @ CUBE.weights).sqrt())
                assert norm * paid[1] > lag_price(s, 1 / 32, lag, 0.1)
    assert math.isclose(lag_price(TANH, 1 / 32, 2, 0.1), 0.9 * 2**15)


def test_mf_14_tied_against_untied() -> None:
    letters = torch.tensor(list(product((0.0, 1.0), repeat=4))).double()
    words = torch.stack([letters, torch.ones_like(letters)], dim=-1)
    # independent weights: one limit, known for erf, for both
    gauss = GaussianWeights(0.5, 1.0, ERF)
    some, limit = words[3:6], torch.zeros(3, 3).double()
    for now in some.transpose(0, 1):
        cov = 0.5 * now @ now.T + limit
        size = (1 + 2 * cov.diagonal()).sqrt()
        limit = torch.asin(2 * cov / torch.outer(size, size)) * 2 / math.pi
    assert_close(gaussian_limit(gauss, some), limit, rtol=0, atol=1e-10)
    for tie in (True, False):
        drawn = []
        for i in range(100):
            net = gauss.draw(200, 4, 2, stream(i, "gauss", int(tie)), tie=tie)
            h = last_states(net, some)
            drawn.append((h @ h.T / 200)[0, 1] - limit[0, 1])
        found = estimate(torch.stack(drawn))
        assert abs(float(found.mean)) < 4.5 * float(found.standard_error) + 1 / 200
    # listeners that never speak: two letters, tied; all, untied
    law = HalfDuplex(3.0)
    for tie in (True, False):
        h = last_states(law.draw(200, 4, stream(0), tie=tie), words)
        answer = independent_features(h)
        endings = h.reshape(4, 4, 200)
        spread = float((endings - endings[:1]).abs().max())
        assert (answer.state, spread < 1e-14) == (("fails", True) if tie else ("holds", False))
    # in the limit, with K = 1/3, letters are digits of what is heard
    now = letters[:, -1:]
    for tie, state in ((True, "fails"), (False, "holds")):
        heard = HalfDuplex(1 / 3).memories(letters[..., None], tie=tie)
        assert separated(torch.cat([now, heard], dim=1), words).state == state
    heard = OpenEar(1 / 3).memories(letters[..., None])
    assert separated(torch.cat([now, heard], dim=1), words).holds
    # a word of one letter before the present, by hand: E s(a x + b) over the box
    cube = gauss_legendre(20, 2)
    a, b = cube.labels[:, 0] / 3, (2 * cube.labels[:, 1] - 1) / 3
    once = float(torch.tanh(a + b) @ cube.weights)
    two = letters[1:3, -2:, None]  # 01 and 10
    assert_close(OpenEar(1 / 3).memories(two)[:, 0], torch.tensor([0, once]).double())
    half = HalfDuplex(1 / 3).memories(two, tie=False)[:, 0]
    assert_close(half, torch.tensor([0, once / 2]).double())
