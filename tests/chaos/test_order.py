"""The checker finds each way in which the jobs of a key aren't sent in order, one at a time."""

import attrs
import pytest
from chaos.checker import violations
from chaos.histories import BROKEN, DONE, broken, request, the_one, told
from chaos.history import COMMITTED, UNKNOWN, Disturbance, Enqueue, History, Request, Retry

KEYED = attrs.evolve(DONE, max_retries=9, key="k")


def sent(number: int, n: int, *, at: float, until: float, status: int = 200, epoch: int = 1) -> Request:
    """A request of a job that the backend had between two instants."""
    made = request(number, at=at, status=status, epoch=epoch, runner=f"r{number}")
    return attrs.evolve(made, n=n, answered_at=until, gone_at=until)


def moved(request: Request, at: float) -> None:
    """Let a request come at another instant, for as long as it did."""
    by = at - request.at
    request.at, request.begun = at, request.begun + by
    request.answered_at, request.gone_at = request.answered_at + by, request.gone_at + by


def in_turn() -> History:
    """Three jobs of a key and one of another, each sent once and answered, one after the other."""
    numbers = (1, 2, 3, 4)
    rows = [attrs.evolve(KEYED, n=n, job_id=f"job:{n}", place=n, result={"request": n}) for n in numbers]
    rows[3].key = "other"
    return History(
        enqueues=[
            Enqueue(n=n, begun=n / 10, at=n / 10, done=n / 10 + 0.05, fate=COMMITTED, batch=n)
            for n in numbers
        ],
        requests=[
            *(sent(n, n, at=2.0 * n, until=2.0 * n + 1) for n in (1, 2, 3)),
            sent(4, 4, at=2.1, until=6.9),
        ],
        rows=rows,
    )


def retried() -> History:
    """The first job failed, and is sent again after the third."""
    history = in_turn()
    history.requests[0].status = 500
    history.requests.append(sent(5, 1, at=9.0, until=9.5, epoch=3))
    again = attrs.evolve(history.rows[0], epoch=3, result={"request": 5}, retries=1)
    history.rows[0] = told(again, BROKEN)
    return history


def test_nothing_is_found_in_what_is_in_turn() -> None:
    assert violations(in_turn()) == []


def test_a_later_job_that_comes_first_is_found() -> None:
    history = in_turn()
    moved(history.requests[1], 0.9)
    assert the_one(history) == "keys_are_in_order"


def test_a_later_job_that_passes_a_retry_is_found() -> None:
    assert the_one(retried()) == "keys_are_in_order"


@pytest.mark.parametrize(("at", "is_found"), [(0.5, True), (7.5, False), (9.2, True)])
def test_a_retry_takes_the_old_place_from_then_on(at: float, is_found: bool) -> None:
    history = retried()
    history.retries = [Retry(n=1, at=at)]
    assert ("keys_are_in_order" in broken(history)) is is_found


def test_a_place_that_is_not_in_the_order_of_enqueueing_is_found() -> None:
    history = in_turn()
    history.rows[1].place = history.rows[0].place - 0.01
    assert the_one(history) == "places_follow_enqueues"
    history.enqueues[0].fate = UNKNOWN
    assert violations(history) == []


def test_two_at_once_are_found() -> None:
    history = in_turn()
    history.requests[0].answered_at = 3.9
    moved(history.requests[1], 3.8)
    assert the_one(history) == "keys_exclude_each_other"


@pytest.mark.parametrize(("since", "is_lost"), [(2.5, True), (3.5, False), (1.5, False)])
def test_a_key_that_comes_too_soon_after_a_kill_is_found(since: float, is_lost: bool) -> None:
    history = in_turn()
    history.disturbances = [Disturbance(kind="kill -9", runner="r1", since=since, until=since)]
    assert ("lost_keys_wait" in broken(history)) is is_lost
    for late in history.requests[1:3]:
        moved(late, late.at + history.lease)
    assert violations(history) == []
