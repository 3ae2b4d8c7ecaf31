"""Send little to a backend that throttled, then more as it takes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core.gate.throttling import LONGEST_DELAY, LONGEST_HOLD, Throttling

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
