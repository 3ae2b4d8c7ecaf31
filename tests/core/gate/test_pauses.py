"""A backend that an operator has paused is looked at again."""

from __future__ import annotations

import math

from sp00ky_core.gate.pauses import Pauses
from sp00ky_core.ports import Claim
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.testing import FakeClock


class Looking:
    """Pauses as a claimer sees them, by a clock that the test sets."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.pauses = Pauses(RunnerOptions(clock=self.clock.monotonic, poll=5.0))

    def claim(self, **paused: float) -> None:
        self.pauses.claimed(["api", "other"], Claim(paused=paused))


def test_a_claim_that_had_to_pass_ends_no_pause() -> None:
    looking = Looking()
    looking.claim(api=math.inf)
    looking.pauses.claimed(["api"], Claim(retry_in={"api": 0.02}))
    assert "api" in looking.pauses.paused
    looking.pauses.claimed(["api"], Claim())
    assert "api" not in looking.pauses.paused


def test_it_is_looked_at_again_after_the_poll_or_its_end() -> None:
    looking = Looking()
    looking.claim(api=math.inf, other=2.0)
    assert (looking.pauses.seconds("api"), looking.pauses.seconds("other")) == (5.0, 2.0)
    assert looking.pauses.shortest() == 2.0
    looking.clock.advance(2)
    looking.claim(api=math.inf)
    assert "other" not in looking.pauses.paused
    assert looking.pauses.shortest() == 5.0


def test_a_signal_makes_it_looked_at_but_not_again_and_again() -> None:
    looking = Looking()
    looking.claim(api=math.inf)
    looking.pauses.signal()
    assert 0 < looking.pauses.seconds("api") < 0.1
    looking.clock.advance(0.1)
    assert looking.pauses.seconds("api") <= 0
    assert "api" in looking.pauses.paused, "a claim hasn't found it resumed"
    assert looking.pauses.shortest() == math.inf
