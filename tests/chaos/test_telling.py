"""The checker finds error entries that aren't what happened, and retries that weren't made."""

import attrs
import pytest
from chaos.checker import violations
from chaos.histories import (
    BROKEN,
    DONE,
    UNKNOWN_OUTCOME,
    broken,
    failed,
    move,
    reclaimed,
    request,
    retried,
    sound,
    the_one,
    told,
)
from chaos.history import Disturbance, Enqueue, History, Report, Retry

THROTTLED = ("throttled", 429)


@pytest.mark.parametrize(
    ("attempts", "retries"), [((), 1), ((1, 2), 1), ((2,), 1), ((1, 1), 1), ((1, 3), 2), ((), 0)]
)
def test_a_missing_or_surplus_error_entry_is_found(attempts: tuple[int, ...], retries: int) -> None:
    history = reclaimed()
    history.rows = [told(attrs.evolve(history.rows[0], retries=retries), *[UNKNOWN_OUTCOME] * len(attempts))]
    history.rows[0].attempts = attempts
    assert "each_failure_is_told" in broken(history)


def test_a_failure_with_retries_left_is_found_unless_it_is_given_up_on() -> None:
    history = failed(sound())
    history.requests[0].status = 500
    history.rows = [told(attrs.evolve(history.rows[0], max_retries=3), BROKEN)]
    assert the_one(history) == "retries_are_used"
    history.requests[0].status = 400
    history.rows[0].codes = (400,)
    assert violations(history) == []


@pytest.mark.parametrize(
    "attempts",
    [
        tuple(range(1, 61)),  # more than are kept
        (7, 3) * 25,
        (1, *range(31, 75), 60, 61, 62, 63, 64),  # there is a gap in the latest
        (1, *range(31, 80)),  # doesn't end where it should
        tuple(range(2, 52)),  # without the first
    ],
)
def test_entries_that_can_not_be_what_is_kept_are_found(attempts: tuple[int, ...]) -> None:
    row = attrs.evolve(DONE, epoch=61, retries=60, max_retries=100, attempts=attempts, result=None)
    history = History(
        enqueues=[Enqueue(n=1, at=1.0, fate="committed")], requests=[request(1, at=2.0, epoch=61)], rows=[row]
    )
    assert the_one(history) == "each_failure_is_told"
    history.rows[0].attempts = (1, *range(12, 61))
    assert violations(history) == []


def test_an_unknown_outcome_without_a_fault_is_found() -> None:
    history = retried(UNKNOWN_OUTCOME)
    assert the_one(history) == "each_failure_is_told_as_it_was"
    history.moves = []
    assert the_one(history) == "each_failure_is_told_as_it_was"
    history.disturbances = [Disturbance(kind="deploy", runner="r1", since=2.5, until=3.0, excuses=False)]
    assert violations(history) == []


@pytest.mark.parametrize(
    ("behaviour", "status", "error"),
    [
        ("500", 500, ("tls", 0)),
        ("500", 500, ("timeout", 0)),
        ("500", 500, ("http_status", 503)),
        ("reset", 0, ("protocol", 0)),
        ("garbage", 0, ("reset", 0)),
        ("hang", 0, ("reset", 0)),
        ("ok", 200, ("timeout", 0)),
        ("ok", 200, ("http_status", 200)),
    ],
)
def test_an_entry_that_is_not_what_the_backend_did_is_found(
    behaviour: str, status: int, error: tuple[str, int]
) -> None:
    history = retried(error)
    history.requests[0].behaviour, history.requests[0].status = behaviour, status
    history.requests[0].certain = status != 0
    assert "each_failure_is_told_as_it_was" in broken(history)


@pytest.mark.parametrize(
    ("errors", "is_sound"), [((), False), ((THROTTLED,), True), ((THROTTLED, BROKEN), False)]
)
def test_throttled_attempts_that_follow_one_another_share_an_entry(
    errors: tuple[tuple[str, int], ...], *, is_sound: bool
) -> None:
    history = failed(sound())
    history.requests = [request(1, at=2.0, status=429), request(2, at=6.0, status=429, epoch=3)]
    history.retries = [Retry(n=1, at=4.0)]
    history.reports.append(Report(job_id="job:1", epoch=3, to="failed", runner="r1", at=7.0))
    history.moves += [
        move("failed", "pending", 1, 1, at=4.0),
        move("pending", "processing", 2, 1, at=5.0),
        move("processing", "failed", 3, at=7.0),
    ]
    history.rows = [told(attrs.evolve(history.rows[0], max_retries=0, epoch=3), *errors)]
    assert (violations(history) == []) is is_sound
