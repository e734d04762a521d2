"""The test of each settled row fails once a piece of the library is wrong.

As the library stands these tests pass: they are tests of this folder, and run with it.
"""

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


# Without the run-time type check: it remembers unions of classes by name, and a broken package
# brings classes of the same names.
@pytest.mark.untyped
@pytest.mark.parametrize(("claim", "wrong"), BREAKS)
def test_the_test_of_a_settled_row_notices_a_wrong_formula(claim: Claim, wrong: Break) -> None:
    with (
        broken(wrong.module, wrong.old, wrong.new),
        pytest.raises(AssertionError),
    ):
        run_test(ROOT, claim.test)
