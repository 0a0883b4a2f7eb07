"""The short form of run_keeping: backends that misbehave, a gateway that is killed, and nothing lost or doubled."""
import contextlib
import time

import pytest

from harness import postfix
from harness.keeping import Keeping, Stage

SECONDS, ROUNDS = 45, 12


@pytest.mark.parametrize("seed", [5])
def test_imap_holds_what_clients_were_told(certificates, seed):
    with contextlib.closing(Stage(certificates, seed, postfix.available())) as stage:
        keeping = Keeping(stage, seed)
        done = keeping.rounds(ROUNDS, time.monotonic() + SECONDS)
        keeping.finish()
        assert done and keeping.counts["operations"] >= 4 * done and keeping.counts["kills"] + keeping.counts["faults"], keeping.counts
        keeping.close()
