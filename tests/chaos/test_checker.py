"""The checker finds each kind of broken promise, and nothing in a history that breaks none."""

import attrs
import pytest
from chaos.checker import lost, repeated, violations
from chaos.histories import (
    BROKEN,
    DONE,
    NO_ANSWER,
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
from chaos.history import EVERYBODY, ROLLED_BACK, UNKNOWN, Disturbance, Enqueue, History, Move, Retry


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert violations(sound()) == []
    assert violations(reclaimed()) == []
    assert violations(retried()) == []
    assert [(one.number, two.number) for one, two in repeated(reclaimed())] == [(1, 2)]


@pytest.mark.parametrize("status", ["pending", "processing", None])
def test_a_lost_job_is_found(status: str | None) -> None:
    history = sound()
    history.requests, history.reports, history.moves = [], [], []
    history.rows = [] if status is None else [attrs.evolve(DONE, status=status)]
    assert lost(history) == [1]
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


@pytest.mark.parametrize("max_retries", [0, 1])
def test_too_many_requests_are_found_unless_it_was_retried(max_retries: int) -> None:
    history = History(
        enqueues=[Enqueue(n=1, at=1.0, fate="committed")],
        requests=[request(n, at=n, status=500, epoch=n) for n in range(2, max_retries + 4)],
    )
    row = attrs.evolve(DONE, status="failed", retries=max_retries, max_retries=max_retries, epoch=9)
    history.rows = [told(attrs.evolve(row, result=None), *[BROKEN] * (max_retries + 2))]
    assert "requests_are_limited" in broken(history)
    history.retries = [Retry(n=1, at=max_retries + 2.5)]
    history.rows = [told(history.rows[0], *[BROKEN] * (max_retries + 2), *[NO_ANSWER] * max_retries)]
    history.rows[0].attempts = (*range(1, max_retries + 2), *range(1, max_retries + 2))
    assert violations(history) == []


def test_two_requests_of_one_claim_are_found() -> None:
    history = reclaimed()
    history.requests[1].epoch = history.rows[0].epoch = 1
    assert "a_claim_sends_one_request" in broken(history)


@pytest.mark.parametrize(("max_retries", "is_excused"), [(0, False), (1, True)])
def test_a_crash_of_the_database_may_forget_a_claim_with_retries_left(
    max_retries: int, is_excused: bool
) -> None:
    history = reclaimed()
    history.requests[1].epoch = history.rows[0].epoch = 1
    history.rows[0] = attrs.evolve(history.rows[0], max_retries=max_retries)
    history.disturbances.append(Disturbance(kind="database restart", runner=EVERYBODY, since=3.0, until=3.5))
    of_requests = {"a_claim_sends_one_request", "requests_are_limited"}
    assert (not broken(history) & of_requests) is is_excused


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
        Disturbance(kind="freeze", runner=runner, since=since, until=until, excuses=excuses)
    ]
    assert "answered_is_not_repeated" in broken(history)


def test_a_write_by_a_stale_epoch_is_found_in_the_moves() -> None:
    history = reclaimed()
    history.moves[-1] = move("processing", "success", 1)
    assert broken(history) >= {"illegal_moves", "unfounded_reports"}


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
    assert "illegal_moves" in broken(history)


def test_two_reports_of_one_write_are_found_also_without_moves() -> None:
    history = sound()
    history.reports *= 2
    history.moves = []
    assert the_one(history) == "unfounded_reports"


def test_an_answer_that_comes_to_nothing_is_found() -> None:
    history = failed(sound())
    history.rows = [told(history.rows[0], BROKEN)]
    assert "an_answer_is_written" in broken(history)
    history.moves, history.reports = [], []  # as on a database that can't record them
    assert "an_answer_is_written" in broken(history)
    history.rows = [told(history.rows[0], UNKNOWN_OUTCOME)]
    history.rows[0].max_retries = 0
    assert broken(history) == {"an_answer_is_written", "each_failure_is_told_as_it_was"}
    history.disturbances = [Disturbance(kind="freeze", runner="r1", since=2.5, until=9.0)]
    assert violations(history) == []


def test_a_late_failure_under_another_claim_is_found() -> None:
    history = reclaimed()
    history.requests[1].certain = False
    history.rows = [told(attrs.evolve(history.rows[0], status="failed"), UNKNOWN_OUTCOME, NO_ANSWER)]
    history.moves[-1] = move("processing", "failed", 3, at=9.2, runner="r1")
    history.requests[1].answered_at = 9.4
    history.reports = []
    assert broken(history) == {"writes_are_reported", "writes_follow_answers"}
    history.moves[-1].runner = "r2"
    assert broken(history) == {"writes_are_reported", "writes_follow_answers"}
    history.moves[-1].at = 11.1
    assert the_one(history) == "writes_are_reported"
    history.disturbances.append(Disturbance(kind="partition", runner="r2", since=11.0, until=20.0))
    assert violations(history) == []  # it can't know, when it is back, what has become of it
    history.disturbances[-1].kind = "slots full"
    assert the_one(history) == "writes_are_reported"
    history.disturbances.append(Disturbance(kind="kill -9", runner="r2", since=11.2, until=11.2))
    assert violations(history) == []


@pytest.mark.parametrize(
    ("kind", "runner", "since", "until"),
    [
        ("database restart", EVERYBODY, 2.5, 4.0),  # nobody is dead for that
        ("freeze", "r2", 2.5, 7.5),
        ("kill -9", "r1", 8.2, 8.2),
    ],
)
def test_a_live_runner_that_is_held_for_dead_is_found(
    kind: str, runner: str, since: float, until: float
) -> None:
    history = reclaimed()
    history.disturbances = [Disturbance(kind=kind, runner=runner, since=since, until=until)]
    assert "only_the_broken_are_reclaimed" in broken(history)
