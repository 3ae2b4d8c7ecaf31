"""The checker finds each kind of broken promise, and nothing in a history that breaks none."""

from __future__ import annotations

import attrs
import pytest
from tests.chaos.checker import lost, repeated, violations
from tests.chaos.history import (
    EVERYBODY,
    ROLLED_BACK,
    UNKNOWN,
    Disturbance,
    Enqueue,
    History,
    Move,
    Redrive,
    Report,
    Request,
    Row,
)


def request(number: int, *, at: float, status: int = 200, epoch: int = 1, runner: str = "r1") -> Request:
    return Request(
        number=number, n=1, at=at, runner=runner, epoch=epoch, status=status, answered_at=at, certain=True
    )


def move(before: str, after: str, epoch: int, grows: int = 0, at: float = 3.0) -> Move:
    return Move(
        job_id="job:1",
        at=at,
        before=before,
        after=after,
        epoch_before=epoch,
        epoch_after=epoch + grows,
        runner="r1",
    )


DONE = Row(n=1, job_id="job:1", status="success", retries=0, max_retries=1, epoch=1, result={"request": 1})


def sound() -> History:
    """One job, sent once, answered, written."""
    return History(
        enqueues=[Enqueue(n=1, at=1.0, fate="committed")],
        requests=[request(1, at=2.0)],
        reports=[Report(job_id="job:1", epoch=1, to="success", runner="r1", at=3.0)],
        moves=[move("pending", "processing", 0, 1), move("processing", "success", 1)],
        rows=[DONE],
    )


def reclaimed() -> History:
    """Its first runner died after the answer; another one sent it again."""
    history = sound()
    history.requests.append(request(2, at=9.0, epoch=3, runner="r2"))
    history.reports = [Report(job_id="job:1", epoch=3, to="success", runner="r2", at=9.5)]
    history.moves = [
        move("pending", "processing", 0, 1),
        move("processing", "pending", 1, 1),
        move("pending", "processing", 2, 1),
        move("processing", "success", 3),
    ]
    history.rows = [
        attrs.evolve(
            DONE, epoch=3, retries=1, attempts=(1,), names=("outcome_unknown",), result={"request": 2}
        )
    ]
    history.disturbances = [Disturbance(kind="kill", runner="r1", since=2.5, until=2.5)]
    return history


def the_one(history: History) -> str:
    """The rule that is broken, which must be one only."""
    (found,) = {each.partition(":")[0] for each in violations(history)}
    return found


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert violations(sound()) == []
    assert violations(reclaimed()) == []
    assert [(one.number, two.number) for one, two in repeated(reclaimed())] == [(1, 2)]


@pytest.mark.parametrize("status", ["pending", "processing", None])
def test_a_lost_job_is_found(status: str | None) -> None:
    history = sound()
    history.requests, history.reports, history.moves = [], [], []
    history.rows = [] if status is None else [attrs.evolve(DONE, status=status)]
    assert lost(history) == [1]
    assert the_one(history) == "committed_is_never_lost"


def test_a_job_that_is_there_twice_is_found() -> None:
    history = sound()
    history.rows.append(DONE)
    assert the_one(history) == "committed_is_never_lost"


@pytest.mark.parametrize("status", [500, 0])
def test_a_success_without_a_2xx_is_found(status: int) -> None:
    history = sound()
    history.requests[0].status = status
    assert the_one(history) == "success_was_answered"


def test_a_request_of_what_was_rolled_back_is_found() -> None:
    history = sound()
    history.enqueues[0].fate = ROLLED_BACK
    assert the_one(history) == "only_committed_is_requested"
    history.rows, history.reports, history.moves = [], [], []
    assert the_one(history) == "only_committed_is_requested"
    history.enqueues[0].fate = UNKNOWN
    assert the_one(history) == "only_committed_is_requested"
    history.requests = []
    assert violations(history) == []


def test_a_request_before_the_commit_is_found() -> None:
    history = sound()
    history.enqueues[0].at = 2.5
    assert the_one(history) == "only_committed_is_requested"


@pytest.mark.parametrize("max_retries", [0, 1])
def test_too_many_requests_are_found_unless_it_was_redriven(max_retries: int) -> None:
    history = History(
        enqueues=[Enqueue(n=1, at=1.0, fate="committed")],
        requests=[request(n, at=n, status=500, epoch=n) for n in range(2, max_retries + 4)],
        rows=[
            attrs.evolve(
                DONE,
                status="failed",
                retries=max_retries,
                max_retries=max_retries,
                epoch=9,
                attempts=(*range(1, max_retries + 2), 1),
                result=None,
            )
        ],
    )
    assert "requests_are_limited" in {each.partition(":")[0] for each in violations(history)}
    history.redrives = [Redrive(n=1, at=max_retries + 2.5)]
    history.rows[0].attempts = (*range(1, max_retries + 2), *range(1, max_retries + 2))
    assert violations(history) == []


def test_two_requests_of_one_claim_are_found() -> None:
    history = reclaimed()
    history.requests[1].epoch = history.rows[0].epoch = 1
    assert "a_claim_sends_one_request" in {each.partition(":")[0] for each in violations(history)}


@pytest.mark.parametrize(
    ("runner", "since", "until", "excuses"),
    [
        ("r2", 2.5, 2.5, True),  # another runner's
        ("r1", 0.5, 1.5, True),  # over before the request
        (EVERYBODY, 9.5, 9.9, True),  # after the second request
        ("r1", 2.5, 2.5, False),  # nothing that costs a write
    ],
)
def test_a_repetition_that_nothing_excuses_is_found(
    runner: str, since: float, until: float, excuses: bool
) -> None:
    history = reclaimed()
    history.disturbances = [
        Disturbance(kind="kill", runner=runner, since=since, until=until, excuses=excuses)
    ]
    assert the_one(history) == "answered_is_not_repeated"


def test_an_answer_that_may_not_have_arrived_may_be_repeated() -> None:
    history = reclaimed()
    history.disturbances = []
    history.requests[0].certain = False
    assert violations(history) == []


def test_a_write_by_a_stale_epoch_is_found_in_the_result() -> None:
    history = reclaimed()
    history.rows[0].result = {"request": 1}
    assert the_one(history) == "the_last_claim_has_written"
    history.rows[0].result = {"request": 77}
    assert the_one(history) == "the_last_claim_has_written"


def test_a_write_by_a_stale_epoch_is_found_in_the_moves() -> None:
    history = reclaimed()
    history.moves[-1] = move("processing", "success", 1)
    assert {"illegal_moves", "unfounded_reports"} == {each.partition(":")[0] for each in violations(history)}


@pytest.mark.parametrize(
    "wrong",
    [
        move("pending", "success", 1),
        move("pending", "processing", 0),
        move("processing", "success", 1, 1),
        move("success", "pending", 1),
        move("failed", "pending", 1),
    ],
)
def test_a_move_that_the_state_machine_lacks_is_found(wrong: Move) -> None:
    history = sound()
    history.moves, history.reports = [wrong], []
    assert the_one(history) == "illegal_moves"


def test_a_change_past_the_state_machine_is_found() -> None:
    history = reclaimed()
    del history.moves[1]
    assert the_one(history) == "illegal_moves"


def test_a_report_of_a_write_that_never_was_is_found() -> None:
    history = reclaimed()
    history.reports.append(Report(job_id="job:1", epoch=1, to="success", runner="r1", at=9.9))
    assert the_one(history) == "unfounded_reports"


def test_two_reports_of_one_write_are_found_also_without_moves() -> None:
    history = sound()
    history.reports *= 2
    history.moves = []
    assert the_one(history) == "unfounded_reports"


@pytest.mark.parametrize(
    ("attempts", "retries"), [((), 1), ((1, 2), 1), ((2,), 1), ((1, 1), 1), ((1, 3), 2), ((), 0)]
)
def test_a_missing_or_surplus_error_entry_is_found(attempts: tuple[int, ...], retries: int) -> None:
    history = reclaimed()
    history.rows[0].attempts, history.rows[0].retries = attempts, retries
    assert the_one(history) == "each_failure_is_told"


def test_errors_of_before_a_redrive_are_kept() -> None:
    history = reclaimed()
    history.rows[0].retries = 0
    assert the_one(history) == "each_failure_is_told"
    history.redrives = [Redrive(n=1, at=5.0)]
    assert violations(history) == []
