"""A breaker as one runner sees it: its own news count at once, and are written over what the store says."""

from __future__ import annotations

import pytest

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.backend_breaker import TOO_OLD, SeenBreaker
from sp00ky_core.gate.breaker import (
    NEW,
    Answered,
    Breaker,
    BreakerState,
    Failed,
    ProbeAnswered,
    ProbeFailed,
    ProbeWithoutNews,
)
from sp00ky_core.testing.perform import FakeClock

ME = "runner-1"
POLL = 5.0
OPEN = Breaker(state=BreakerState.OPEN, failures=3, paused_for=2.0)
PROBING = Breaker(state=BreakerState.HALF_OPEN, failures=3, probe_runner=ME, probe_for=3.0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def seen(clock: FakeClock) -> SeenBreaker:
    return SeenBreaker("api", BreakerConfig(failures=3, interval=1), clock.monotonic, POLL)


def read(seen: SeenBreaker, breaker: Breaker) -> None:
    seen.claiming()
    seen.claimed(breaker)


def test_one_that_never_failed_has_nothing_to_tell(seen: SeenBreaker) -> None:
    assert not seen.note(Answered())
    assert (seen.view is NEW, seen.lets_through, seen.silent_for, seen.has_unwritten) == (
        True,
        True,
        0,
        False,
    )


def test_failures_count_here_before_they_are_written(seen: SeenBreaker) -> None:
    assert [(seen.note(Failed()), seen.lets_through) for _ in range(3)] == [
        (True, True),
        (True, True),
        (True, False),
    ]
    assert (seen.stored, seen.silent_for) == (NEW, float("inf"))  # a claim would still be let through


def test_what_has_gathered_is_one_change(seen: SeenBreaker) -> None:
    for _ in range(3):
        seen.note(Failed(retry_after=7))
    change = seen.change()
    assert change is not None
    assert (change.before, change.to, change.failures, change.pause) == (NEW, BreakerState.OPEN, 3, 7)
    assert change.opens
    seen.written(OPEN, is_written=True)
    assert (seen.stored, seen.has_unwritten, seen.change()) == (OPEN, False, None)


def test_where_others_were_faster_it_counts_on_from_theirs(seen: SeenBreaker) -> None:
    seen.note(Failed())
    seen.change()
    seen.written(Breaker(failures=2), is_written=False)
    assert not seen.lets_through
    change = seen.change()
    assert change is not None
    assert (change.before.failures, change.to) == (2, BreakerState.OPEN)


def test_what_comes_while_it_is_being_written_is_for_the_next_change(seen: SeenBreaker) -> None:
    seen.note(Failed())
    seen.change()
    seen.note(Failed())
    seen.written(Breaker(failures=1), is_written=True)
    change = seen.change()
    assert change is not None
    assert (change.before.failures, change.failures) == (1, 2)


def test_what_could_not_be_written_comes_again_as_it_was_before_what_came_since(seen: SeenBreaker) -> None:
    seen.note(Failed())
    first = seen.change()
    seen.note(Failed())
    seen.failed()
    read(seen, Breaker(failures=1))  # it may well be written
    assert seen.change() is first
    assert seen.written(Breaker(failures=1), is_written=True)
    change = seen.change()
    assert change is not None
    assert (change.before.failures, change.failures) == (1, 2)


@pytest.mark.parametrize(
    ("reply_was_lost", "found", "is_written"),
    [
        (True, Breaker(failures=1), True),
        (True, Breaker(failures=2), False),
        (True, OPEN, False),
        (False, Breaker(failures=1), False),  # somebody else's
    ],
)
def test_a_change_that_is_repeated_knows_what_it_has_written(
    seen: SeenBreaker, reply_was_lost: bool, found: Breaker, is_written: bool
) -> None:
    seen.note(Failed())
    seen.change()
    if reply_was_lost:
        seen.failed()
        seen.change()
    assert seen.written(found, is_written=False) is is_written
    assert seen.has_unwritten is not is_written
    if is_written:
        assert seen.view == found  # counted once


def test_a_change_whose_replies_stay_lost_is_no_news_in_the_end(seen: SeenBreaker, clock: FakeClock) -> None:
    seen.note(Failed())
    seen.change()
    seen.failed()
    clock.advance(TOO_OLD + 1)
    assert (seen.change(), seen.has_unwritten, seen.view is NEW) == (None, False, True)


def test_a_claim_that_was_sent_before_a_change_was_written_is_no_news(seen: SeenBreaker) -> None:
    seen.claiming()
    for _ in range(3):
        seen.note(Failed())
    seen.change()
    seen.claimed(NEW)  # the change is on its way
    assert not seen.lets_through
    seen.written(OPEN, is_written=True)
    seen.claimed(NEW)
    assert (seen.stored, seen.lets_through) == (OPEN, False)
    read(seen, NEW)
    assert seen.lets_through


def test_it_is_asked_for_again_when_its_pause_is_over(seen: SeenBreaker, clock: FakeClock) -> None:
    read(seen, OPEN)
    clock.advance(1.5)
    assert seen.silent_for == pytest.approx(0.5)
    clock.advance(0.5)
    assert (seen.silent_for, seen.lets_through) == (0, False)  # but for the probe, which the claim brings


def test_it_is_asked_for_again_when_a_probe_of_somebody_elses_takes_too_long(
    seen: SeenBreaker, clock: FakeClock
) -> None:
    read(seen, PROBING)
    assert seen.silent_for == 3
    clock.advance(3)
    assert seen.silent_for == 0


@pytest.mark.parametrize(
    ("event", "to"),
    [
        (ProbeAnswered(runner_id=ME), BreakerState.CLOSED),
        (ProbeFailed(runner_id=ME), BreakerState.OPEN),
        (ProbeWithoutNews(runner_id=ME), BreakerState.OPEN),
    ],
)
def test_a_probes_end_is_written_even_if_its_lease_is_over(
    seen: SeenBreaker,
    clock: FakeClock,
    event: ProbeAnswered | ProbeFailed | ProbeWithoutNews,
    to: BreakerState,
) -> None:
    read(seen, PROBING)
    clock.advance(4)
    assert seen.note(event)
    change = seen.change()
    assert change is not None
    assert (change.to, change.before.probe_runner) == (to, ME)
