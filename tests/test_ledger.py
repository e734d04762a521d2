"""Each settled row's test passes as the library stands, and fails once a piece of it is wrong."""

from pathlib import Path

import pytest

from breaks import broken, run_test
from rnnlimits.claims import Break, Claim, load_ledger

ROOT = Path(__file__).resolve().parents[1]
SETTLED = [claim for claim in load_ledger(ROOT / "book" / "claims.toml") if claim.settled]
BREAKS = [
    pytest.param(claim, wrong, id=f"{claim.id}, {wrong.why}")
    for claim in SETTLED
    for wrong in claim.breaks
]


@pytest.mark.parametrize("claim", SETTLED, ids=lambda claim: claim.id)
def test_the_test_of_a_settled_row_passes(claim: Claim) -> None:
    run_test(ROOT, claim.test)


@pytest.mark.parametrize(("claim", "wrong"), BREAKS)
def test_the_test_of_a_settled_row_notices_a_wrong_formula(claim: Claim, wrong: Break) -> None:
    with (
        broken(wrong.module, wrong.old, wrong.new),
        pytest.raises(AssertionError),
    ):
        run_test(ROOT, claim.test)
