"""Whether a backend's jobs may be claimed and started, and what becomes of their attempts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core.config import BackendConfig, BreakerConfig, RetryConfig
from sp00ky_core.gate.breaker import NEW, Breaker, BreakerState
from sp00ky_core.gate.gate import LONGEST_HELD, LOOK_AGAIN, Gate, Limit, Pause
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import CONNECT, HTTP_STATUS, SNOOZED, THROTTLED, Delivered, Undelivered
from sp00ky_core.job.state_machine import Deferred
from sp00ky_core.testing import FakeClock

ME, POLL = "runner-1", 5.0
JOB = Job(id="job:1", backend="api", path="/a", payload_json=b"{}", status=JobStatus.PROCESSING)
RETRY = RetryConfig(jitter=0.0)
REFUSED = Undelivered(name=CONNECT)
AWAY = Undelivered(name=HTTP_STATUS, code=503, counts_as="unavailable")
PROBED = Breaker(state=BreakerState.HALF_OPEN, failures=2, probe_runner=ME, probe_for=30.0)


@attrs.define(kw_only=True)
class Held:
    """A claimed job."""

    job: Job = JOB
    claimed_at: float
    received_at: float
    started_at: float | None = None
    is_probe: bool = False
    waited: float = 0.0
    retry: RetryConfig = RETRY


@attrs.define
class Door:
    """A gate with its clock, and how often it had news."""

    gate: Gate
    clock: FakeClock
    news: list[None]

    def held(self) -> Held:
        now = self.clock.monotonic()
        return Held(claimed_at=now, received_at=now)

    def claim(
        self, *jobs: Held, breaker: Breaker = NEW, paused: float | None = None, retry_in: float | None = None
    ) -> None:
        self.gate.claiming()
        self.gate.claimed(jobs, breaker, paused=paused, retry_in=retry_in)

    def write(self) -> None:
        seen = self.gate.breaker
        assert seen is not None
        change = seen.change()
        assert change is not None
        seen.written(change.of(seen.stored), is_written=True)


def door(**keys: Any) -> Door:
    limited = keys.pop("is_limited", False)
    config = BackendConfig(
        name="api",
        spec=Path(),
        base_url="http://unset.invalid",
        **{"breaker": BreakerConfig(failures=2, interval=1.0)} | keys,
    )
    clock, news = FakeClock(), list[None]()
    gate = Gate(
        config=config,
        runner_id=ME,
        clock=clock.monotonic,
        random=lambda: 0.5,
        poll=POLL,
        news=lambda: news.append(None),
        is_limited=limited,
    )
    return Door(gate, clock, news)


def test_nothing_holds_back_a_backend_that_answers() -> None:
    made = door()
    held = made.held()
    made.claim(held)
    assert (made.gate.may_claim(), made.gate.may_start(held, 1), made.gate.deferred(held)) == (
        True,
        True,
        None,
    )
    delivered = Delivered()
    assert made.gate.note(held, delivered) is delivered
    assert not made.news


def test_one_that_is_away_is_not_claimed_for_and_one_probe_is_sent() -> None:
    made = door()
    for _ in range(2):
        assert made.gate.note(made.held(), AWAY) is AWAY
    assert (made.gate.silent_for(), made.gate.may_start(made.held(), 1)) == (math.inf, False)
    made.write()
    assert made.gate.silent_for() == pytest.approx(1.0)
    made.clock.advance(1.0)
    assert made.gate.may_claim()
    probe, other = made.held(), made.held()
    made.claim(probe, other, breaker=PROBED)
    assert (made.gate.may_start(probe, 1), made.gate.may_start(other, 1)) == (True, False)
    assert made.gate.note(probe, Delivered()) == Delivered()
    assert made.gate.may_start(other, 1)


def test_a_probe_that_could_not_connect_is_given_back() -> None:
    made = door()
    probe = made.held()
    made.claim(probe, breaker=PROBED)
    assert made.gate.note(probe, REFUSED) is None
    assert (probe.is_probe, len(made.news)) == (False, 1)


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_probe_without_news_is_handed_on(is_lost: bool) -> None:
    made = door()
    probe = made.held()
    if is_lost:
        made.claim(breaker=PROBED)  # the reply of the claim that took it never came
    else:
        made.claim(probe, breaker=PROBED)
        made.gate.unsent(probe)
    assert len(made.news) == 1
    made.write()
    assert made.gate.may_claim()


def test_what_a_frozen_runner_met_says_nothing_of_its_backend() -> None:
    made = door()
    for _ in range(5):
        assert made.gate.note(made.held(), AWAY, is_sure=False) is AWAY
    assert made.gate.may_claim()


@pytest.mark.parametrize("breaker", [None, BreakerConfig()])
def test_retry_after_defers_the_job_and_holds_back_the_rest(breaker: BreakerConfig | None) -> None:
    made = door(breaker=breaker)
    outcome = Undelivered(name=THROTTLED, code=503, counts_as="unavailable", retry_after=4.0)
    event = made.gate.note(made.held(), outcome)
    assert isinstance(event, Deferred)
    assert (event.delay, event.outcome) == (4.0, outcome)
    assert not made.gate.may_start(made.held(), 1)
    made.clock.advance(4.0)
    assert made.gate.throttling.limit == 1
    assert len(made.news) == 1
    assert made.gate.shown is not None
    change = made.gate.shown.change()
    assert change is not None
    assert (change.to, change.pause) == (BreakerState.CLOSED, 4.0)


def test_a_job_that_asks_for_it_waits_alone() -> None:
    one = door()
    held = one.held()
    one.claim(held)
    outcome = Undelivered(name=SNOOZED, again_in=40.0)
    assert one.gate.note(held, outcome) == Deferred(delay=40.0, outcome=outcome)
    assert one.gate.may_claim()
    assert one.gate.may_start(one.held(), RETRY.max_retries)


def test_a_backend_that_another_runner_was_asked_to_leave_alone_is_approached_anew() -> None:
    made = door(concurrency=8)
    made.claim(breaker=Breaker(paused_for=2.0))
    assert made.gate.silent_for() == 2.0
    assert made.gate.throttling.limit == 1


def test_what_waited_too_long_under_a_limit_is_not_started() -> None:
    limited, free = door(is_limited=True), door()
    for made in (limited, free):
        held = made.held()
        made.clock.advance(LONGEST_HELD / 2)
        assert made.gate.may_start(held, 1)
        made.clock.advance(LONGEST_HELD)
        assert made.gate.may_start(held, 1) is (made is free)


def test_limits_hold_back_claims_until_they_leave_something() -> None:
    made = door()
    made.claim(retry_in=0.5)
    assert (made.gate.may_claim(), made.gate.silent_for(), made.gate.limited_for()) == (False, 0, 0.5)
    made.clock.advance(0.5)
    assert made.gate.may_claim()


def test_a_paused_backend_is_neither_claimed_for_nor_started() -> None:
    made = door()
    made.claim(paused=math.inf)
    assert (made.gate.silent_for(), made.gate.may_start(made.held(), 1)) == (POLL, False)
    made.gate.signal()
    assert 0 < made.gate.silent_for() < 0.1


def test_a_claim_that_had_to_pass_ends_no_pause() -> None:
    made = door()
    made.claim(paused=math.inf)
    made.claim(retry_in=0.02)
    assert made.gate.pause.is_on
    made.claim()
    assert not made.gate.pause.is_on


def test_places_are_limited() -> None:
    made = door(concurrency=3)
    assert made.gate.may_start(made.held(), 3)
    assert not made.gate.may_start(made.held(), 4)


def test_it_is_news_when_it_begins_and_when_it_ends() -> None:
    pause = Pause()
    found = [pause.claimed(1.0, seconds, POLL) for seconds in (None, math.inf, 2.0, None, None)]
    assert found == [False, True, False, True, False]
    assert (pause.is_on, pause.until) == (False, 0)


def test_it_is_looked_at_again_after_the_poll_or_its_end() -> None:
    pause = Pause()
    pause.claimed(1.0, math.inf, POLL)
    assert pause.until == 1 + POLL
    pause.claimed(2.0, 3.0, POLL)
    assert pause.until == 5


def test_a_signal_makes_it_looked_at_but_not_again_and_again() -> None:
    pause = Pause()
    pause.claimed(1.0, math.inf, POLL)
    pause.signal()
    assert pause.until == 1 + LOOK_AGAIN
    pause.claimed(1.1, math.inf, POLL)
    assert pause.until == 1.1 + POLL
    assert pause.is_on, "a claim hasn't found it resumed"


def test_a_signal_holds_back_nothing_that_is_not_paused() -> None:
    pause = Pause()
    pause.signal()
    assert (pause.is_on, pause.until) == (False, 0)


def test_until_the_next_token_nothing_is_claimed() -> None:
    limit = Limit()
    limit.claimed(10.0, 0.5, is_served=True)
    assert limit.until == 10.5
    limit.claimed(10.5, None, is_served=False)
    assert limit.until == 10.5


def test_where_a_job_has_ended_another_may_be_claimed() -> None:
    limit = Limit()
    limit.claimed(10.0, 0.25, is_served=True)
    limit.forget()
    assert limit.until == 0


def test_a_claim_that_was_cut_off_is_repeated_at_once_as_long_as_it_finds_jobs() -> None:
    limit = Limit()

    def wait(*, is_served: bool) -> float:
        limit.claimed(10.0, 0.0, is_served=is_served)
        return limit.until - 10.0

    assert wait(is_served=True) == 0
    waits = [wait(is_served=False) for _ in range(12)]
    assert waits[:3] == pytest.approx([0.001, 0.002, 0.004])
    assert waits[-1] == 0.25
    assert wait(is_served=True) == 0
    assert wait(is_served=False) == pytest.approx(0.001)
