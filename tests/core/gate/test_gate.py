"""Whether a backend's jobs may be claimed and started, and what becomes of their attempts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core.config import BackendConfig, BreakerConfig, RetryConfig
from sp00ky_core.gate.breaker import NEW, Breaker, BreakerState
from sp00ky_core.gate.gate import (
    LONGEST_DELAY,
    LONGEST_HELD,
    LONGEST_HOLD,
    LOOK_AGAIN,
    Gate,
    Limit,
    Pause,
    Throttling,
)
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


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["delivered", "throttled", "asked", "told"]),
        st.floats(0, 40),  # seconds since the step before
        st.floats(0, 5),  # seconds that its request took
    ),
    max_size=60,
)


def silent_for(throttling: Throttling, now: float) -> float:
    """Seconds until the next request may be sent."""
    return max(throttling.next_at - now, 0.0)


def taken(throttling: Throttling, now: float, count: int) -> float:
    """So many 2xx, one after the other, a hundredth of a second each; when the last one came."""
    for _ in range(count):
        throttling.delivered(now + 0.01, now)
        now += 0.01
    return now


@given(st.integers(1, 60), STEPS)
def test_there_is_always_room_for_one_and_never_for_more_than_configured(
    concurrency: int, steps: list[tuple[str, float, float]]
) -> None:
    throttling, now = Throttling(concurrency), 100.0
    for what, later, took in steps:
        now += later
        before, was_silent = throttling.limit, silent_for(throttling, now) > 0
        if what == "delivered":
            throttling.delivered(now, now - took)
            assert before <= throttling.limit <= before + 1
        elif what == "told":
            throttling.pause(now, 2.0)
            assert throttling.limit == (before if was_silent else 1)
        else:
            asked = 3.0 if what == "asked" else 0.0
            delay = throttling.throttled(now, now - took, asked)
            assert delay == asked if asked else 1 <= delay <= LONGEST_DELAY
            assert throttling.limit == max(1, before // 2) or silent_for(throttling, now) > 0
        assert 1 <= throttling.limit <= concurrency


def test_a_backend_that_never_throttles_gets_all_that_fits() -> None:
    throttling = Throttling(50)
    taken(throttling, 0.0, 1_000)
    assert (throttling.limit, silent_for(throttling, 10.0)) == (50, 0)


def test_what_is_asked_for_is_a_pause_after_which_there_is_one_at_a_time() -> None:
    throttling = Throttling(50)
    now = taken(throttling, 0.0, 100)
    assert throttling.throttled(now, now, 2.0) == 2
    assert (throttling.limit, silent_for(throttling, now), silent_for(throttling, now + 2)) == (1, 2, 0)


def test_one_more_for_each_2xx_up_to_half_of_what_was_too_much() -> None:
    throttling = Throttling(50)
    now = taken(throttling, 0.0, 100)
    throttling.throttled(now, now, 2.0)
    limits, now = [], now + 2
    for _ in range(30):
        now = taken(throttling, now, 1)
        limits.append(throttling.limit)
    assert limits == [*range(2, 26), *[25] * 6]


def test_beyond_that_only_after_a_while_and_step_by_step() -> None:
    throttling = Throttling(50)
    now = taken(throttling, 0.0, 8)
    throttling.throttled(now, now, 1.0)  # 4 of 8 at once
    taken(throttling, now + 1, 50)
    assert throttling.limit == 4
    limits, now = [], now + 3
    for _ in range(10):
        now = taken(throttling, now, 1)
        limits.append(throttling.limit)
    assert limits == [4, 4, 4, 5, 5, 5, 5, 5, 6, 6]
    taken(throttling, now, 10_000)
    assert throttling.limit == 50


def test_a_hold_has_an_end_however_long_the_pause_was() -> None:
    throttling = Throttling(2)
    throttling.throttled(0.0, 0.0, 3_600.0)
    taken(throttling, 3_600.0 + LONGEST_HOLD, 1)
    assert throttling.limit == 2


def test_what_was_sent_before_the_pause_says_nothing_of_what_came_after() -> None:
    throttling = Throttling(50)
    now = taken(throttling, 10.0, 100)
    throttling.throttled(now, now, 2.0)
    for _ in range(20):
        throttling.delivered(now + 2.5, now - 0.1)
        throttling.throttled(now + 0.1, now - 0.1, 2.0)
    assert throttling.limit == 1
    taken(throttling, now + 3, 30)
    assert throttling.limit == 25  # half of 50, once: it is one burst


def test_without_a_word_the_delays_double_once_a_round() -> None:
    throttling, now, delays = Throttling(8), 0.0, []
    for _ in range(8):
        delays.append([throttling.throttled(now + 0.01 * n, now, 0.0) for n in range(3)])
        now += 100
    assert delays == [[seconds] * 3 for seconds in (1, 2, 4, 8, 16, 30, 30, 30)]
    throttling.delivered(now, now)
    assert throttling.throttled(now, now, 0.0) == 1


def test_without_a_word_there_is_a_pause_only_where_one_at_a_time_is_too_much() -> None:
    throttling = Throttling(8)
    now = taken(throttling, 0.0, 100)
    limits = []
    for _ in range(3):
        throttling.throttled(now, now, 0.0)
        limits.append(throttling.limit)
    assert (limits, silent_for(throttling, now)) == ([4, 2, 1], 0)
    delay = throttling.throttled(now, now, 0.0)
    assert silent_for(throttling, now) == pytest.approx(delay)


def test_a_pause_that_others_were_asked_for_counts_once() -> None:
    throttling = Throttling(50)
    now = taken(throttling, 0.0, 100)
    throttling.pause(now, 2.0)
    throttling.pause(now + 1, 1.5)
    assert silent_for(throttling, now) == pytest.approx(2.5)
    taken(throttling, now + 3, 40)
    assert throttling.limit == 25


@pytest.mark.parametrize(("interval", "later"), [(0.1, 0.1), (1.0, 1.0), (5.0, 5.0), (0.1, 5.0), (0.0, 0.0)])
def test_where_one_at_a_time_is_too_much_requests_are_spaced(interval: float, later: float) -> None:
    """One is taken in each interval, or some, however often they come; beyond that a pause is asked for."""
    throttling, now, taken_at, taken_count, refused = Throttling(50), 100.0, 0.0, 0, 0
    while taken_count < 200:
        now += max(silent_for(throttling, now), 1e-6)
        sent, now = now, now + 0.003
        interval = interval if taken_count < 100 else later
        if sent - taken_at >= interval and (interval or (taken_count + refused) % 10 not in {2, 5, 6}):
            throttling.delivered(now, sent)
            taken_at, taken_count = sent, taken_count + 1
            if taken_count == 50:  # one that was sent before it is answered after it
                throttling.delivered(now, sent - 0.9)
        else:
            throttling.throttled(now, sent, 1.0)
            refused += 1
    assert 0 < refused < taken_count / 2
    assert now < 100 + 200 * max(2 * interval, 1)


def test_spacing_ends_where_nothing_is_refused_any_more() -> None:
    throttling, now = Throttling(4), 100.0
    for _ in range(3):
        throttling.throttled(now, now, 1.0)
        now += 1.1
    assert silent_for(throttling, now) == 0
    throttling.delivered(now + 0.01, now)
    throttling.widen(1)
    throttling.widen(4)
    assert (throttling.limit, silent_for(throttling, now + 0.01) > 0.5) == (1, True)
    for _ in range(200):
        now += silent_for(throttling, now) + 0.01
        throttling.delivered(now, now - 0.01)
    assert (throttling.limit, silent_for(throttling, now)) == (4, 0)


def test_many_throttled_answers_at_once_make_no_gap() -> None:
    """Of a burst that a backend refuses whole, all answers come before there was a pause to measure by."""
    throttling, now = Throttling(50), 1_000.0
    for _ in range(20):
        throttling.throttled(now, now - 1, 0.0)
    assert (throttling.limit, silent_for(throttling, now)) == (1, 1.0)
    throttling.delivered(now + 1.01, now + 1)
    assert silent_for(throttling, now + 1.01) == 0
