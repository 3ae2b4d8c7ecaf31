"""A breaker's state, and what a change does to it."""

from __future__ import annotations

import pytest

from sp00ky_core.gate.breaker import Breaker, BreakerChange, BreakerState

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


@pytest.mark.parametrize(
    ("breaker", "lets_through", "wants_probe"),
    [
        (Breaker(), True, False),
        (Breaker(paused_for=0.1), False, False),
        (Breaker(state=OPEN, failures=5, paused_for=1), False, False),
        (Breaker(state=OPEN, failures=5), False, True),
        (Breaker(state=HALF_OPEN, failures=5, probe_runner="a", probe_for=9), False, False),
    ],
)
def test_what_is_claimed(breaker: Breaker, lets_through: bool, wants_probe: bool) -> None:
    assert (breaker.lets_through, breaker.wants_probe) == (lets_through, wants_probe)


@pytest.mark.parametrize(
    ("before", "to", "opens", "closes", "ends_probe"),
    [
        (Breaker(), CLOSED, False, False, False),
        (Breaker(failures=4), OPEN, True, False, False),
        (Breaker(state=HALF_OPEN, probe_runner="a"), OPEN, False, False, True),
        (Breaker(state=HALF_OPEN, probe_runner="a"), HALF_OPEN, False, False, False),
        (Breaker(state=HALF_OPEN, probe_runner="a"), CLOSED, False, True, True),
    ],
)
def test_what_a_change_does(
    before: Breaker, to: BreakerState, opens: bool, closes: bool, ends_probe: bool
) -> None:
    change = BreakerChange(backend="api", before=before, to=to, failures=0)
    assert (change.opens, change.closes, change.ends_probe) == (opens, closes, ends_probe)


def test_a_change_knows_its_own_work() -> None:
    before = Breaker(state=HALF_OPEN, failures=5, probe_runner="a")
    kept = BreakerChange(backend="api", before=before, to=HALF_OPEN, failures=5)
    ended = BreakerChange(backend="api", before=before, to=OPEN, failures=6)
    assert kept.has_made(before)
    assert not ended.has_made(before)
    assert ended.has_made(Breaker(state=OPEN, failures=6, paused_for=9))
    assert not ended.has_made(Breaker(state=OPEN, failures=6, probe_runner="b"))


def test_time_ends_pauses_and_probes() -> None:
    breaker = Breaker(state=HALF_OPEN, failures=5, paused_for=2, probe_runner="a", probe_for=9)
    assert breaker.silent_for == 9
    later = breaker.after(8)
    assert (later.state, later.paused_for, later.silent_for) == (HALF_OPEN, 0, 1)
    assert later.after(1) == Breaker(state=OPEN, failures=5, probe_runner="a")


@pytest.mark.parametrize("to", BreakerState)
def test_a_change_is_made_of_what_it_finds(to: BreakerState) -> None:
    before = Breaker(state=HALF_OPEN, failures=5, paused_for=3, probe_runner="a", probe_for=9)
    after = BreakerChange(backend="api", before=before, to=to, failures=6, pause=2).of(before)
    assert (after.state, after.failures, after.paused_for) == (to, 6, 3)
    assert (after.probe_runner, after.probe_for) == (("a", 9) if to is HALF_OPEN else (None, 0))
