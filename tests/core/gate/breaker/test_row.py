"""Breakers read from rows and written into them, by the database's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sp00ky_core.gate.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.gate.breaker.row import breaker_of, changed, fits

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(seconds=5), NOW - timedelta(seconds=5)


@pytest.mark.parametrize(
    ("row", "breaker"),
    [
        ({}, Breaker()),
        ({"state": "closed", "failures": 2}, Breaker(failures=2)),
        ({"state": "closed", "paused_until": LATER}, Breaker(paused_for=5.0)),
        (
            {"state": "open", "failures": 3, "paused_until": EARLIER},
            Breaker(state=BreakerState.OPEN, failures=3),
        ),
        (
            {"state": "open", "failures": 3, "probe_runner": "r", "probe_until": LATER},
            Breaker(state=BreakerState.HALF_OPEN, failures=3, probe_runner="r", probe_for=5.0),
        ),
        (
            {"state": "open", "failures": 3, "probe_runner": "r", "probe_until": EARLIER},
            Breaker(state=BreakerState.OPEN, failures=3, probe_runner="r"),
        ),
    ],
    ids=["never changed", "closed", "paused", "open", "under a probe", "whose probe got lost"],
)
def test_a_row_is_read(row: dict[str, object], breaker: Breaker) -> None:
    assert breaker_of(row, NOW) == breaker
    assert fits(row, breaker)
    assert not fits({**row, "failures": 9}, breaker)
    assert not fits({**row, "probe_runner": "another"}, breaker)


def change(to: BreakerState, pause: float = 0.0) -> BreakerChange:
    return BreakerChange(backend="api", before=Breaker(), to=to, failures=3, pause=pause)


def test_a_pause_never_gets_shorter() -> None:
    opens = change(BreakerState.OPEN, 1.0)
    assert changed({"paused_until": LATER}, opens, NOW)["paused_until"] == LATER
    assert changed({}, opens, NOW)["paused_until"] == NOW + timedelta(seconds=1)


def test_a_probe_is_kept_while_it_is_under_way() -> None:
    row = {"state": "open", "probe_runner": "r", "probe_until": LATER}
    kept, ended = (changed(row, change(to), NOW) for to in (BreakerState.HALF_OPEN, BreakerState.CLOSED))
    assert (kept["state"], kept["probe_runner"], kept["probe_until"]) == ("open", "r", LATER)
    assert (ended["state"], ended["probe_runner"], ended["probe_until"]) == ("closed", None, None)


@pytest.mark.parametrize("seconds", [61, 86_400, 10**10])
def test_what_is_longer_than_any_was_written_by_a_clock_ahead(seconds: int) -> None:
    ahead = NOW + timedelta(seconds=seconds)
    row = {"state": "open", "failures": 3, "paused_until": ahead, "probe_runner": "r", "probe_until": ahead}
    breaker = breaker_of(row, NOW, longest_pause=60, longest_probe=60)
    assert (breaker.state, breaker.paused_for, breaker.probe_for) == (BreakerState.OPEN, 0, 0)
    values = changed(row, change(BreakerState.OPEN, 1.0), NOW, longest_pause=60)
    assert values["paused_until"] == NOW + timedelta(seconds=1)
