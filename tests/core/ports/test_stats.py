"""A queue in numbers: what is said of its breaker."""

from __future__ import annotations

import pytest

from sp00ky_core.gate.breaker import Breaker, BreakerState
from sp00ky_core.ports import BreakerStats, JobTable

OPEN = Breaker(state=BreakerState.OPEN, failures=3, paused_for=5)


@pytest.mark.parametrize(
    ("has_breaker", "breaker", "said"),
    [
        (True, OPEN, BreakerStats(state=BreakerState.OPEN, paused_for_s=5)),
        (True, None, BreakerStats()),
        (False, OPEN, BreakerStats()),
    ],
    ids=["open", "never changed", "turned off"],
)
def test_a_breaker_is_said_as_claims_heed_it(
    has_breaker: bool, breaker: Breaker | None, said: BreakerStats
) -> None:
    table = JobTable(backend="api", table="job", breaker=has_breaker)
    assert BreakerStats.of(table, breaker) == said
