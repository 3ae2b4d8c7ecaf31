"""Histories in which nothing is wrong, for tests to break."""

import attrs

from chaos.checker import violations
from chaos.history import Disturbance, Enqueue, History, Move, Report, Request, Row

__all__ = [
    "BROKEN",
    "DONE",
    "NO_ANSWER",
    "UNKNOWN_OUTCOME",
    "broken",
    "failed",
    "move",
    "reclaimed",
    "request",
    "retried",
    "sound",
    "the_one",
    "told",
]


def request(number: int, *, at: float, status: int = 200, epoch: int = 1, runner: str = "r1") -> Request:
    return Request(
        number=number,
        n=1,
        at=at,
        runner=runner,
        epoch=epoch,
        status=status,
        answered_at=at,
        certain=True,
        begun=at,
    )


def move(before: str, after: str, epoch: int, grows: int = 0, *, at: float = 3.0, runner: str = "r1") -> Move:
    return Move(
        job_id="job:1",
        at=at,
        before=before,
        after=after,
        epoch_before=epoch,
        epoch_after=epoch + grows,
        runner=runner,
    )


DONE = Row(n=1, job_id="job:1", status="success", retries=0, max_retries=1, epoch=1, result={"request": 1})


def told(row: Row, *errors: tuple[str, int]) -> Row:
    """A row with such error entries, numbered from 1."""
    return attrs.evolve(
        row,
        attempts=tuple(range(1, len(errors) + 1)),
        names=tuple(name for name, _ in errors),
        codes=tuple(code for _, code in errors),
    )


UNKNOWN_OUTCOME, NO_ANSWER, BROKEN = ("outcome_unknown", 0), ("timeout", 0), ("http_status", 500)


def sound() -> History:
    """One job, sent once, answered, written."""
    return History(
        enqueues=[Enqueue(n=1, at=1.0, fate="committed")],
        requests=[request(1, at=2.0)],
        reports=[Report(job_id="job:1", epoch=1, to="success", runner="r1", at=3.0)],
        moves=[move("pending", "processing", 0, 1, at=1.5), move("processing", "success", 1)],
        rows=[attrs.evolve(DONE)],
    )


def reclaimed() -> History:
    """Its first runner died after the answer; another one sent it again."""
    history = sound()
    history.requests.append(request(2, at=9.0, epoch=3, runner="r2"))
    history.reports = [Report(job_id="job:1", epoch=3, to="success", runner="r2", at=9.5)]
    history.moves = [
        move("pending", "processing", 0, 1, at=1.5),
        move("processing", "pending", 1, 1, at=8.0),
        move("pending", "processing", 2, 1, at=8.5, runner="r2"),
        move("processing", "success", 3, at=9.5, runner="r2"),
    ]
    row = attrs.evolve(DONE, epoch=3, retries=1, result={"request": 2})
    history.rows = [told(row, UNKNOWN_OUTCOME)]
    history.disturbances = [Disturbance(kind="kill -9", runner="r1", since=2.5, until=2.5)]
    return history


def retried(error: tuple[str, int] = BROKEN) -> History:
    """Its first attempt failed; the second one was answered well."""
    history = sound()
    history.requests = [request(1, at=2.0, status=error[1]), request(2, at=4.0, epoch=2)]
    history.reports = [
        Report(job_id="job:1", epoch=1, to="pending", runner="r1", at=3.0),
        Report(job_id="job:1", epoch=2, to="success", runner="r1", at=5.0),
    ]
    history.moves = [
        move("pending", "processing", 0, 1, at=1.5),
        move("processing", "pending", 1),
        move("pending", "processing", 1, 1, at=3.5),
        move("processing", "success", 2, at=5.0),
    ]
    history.rows = [told(attrs.evolve(DONE, epoch=2, retries=1, result={"request": 2}), error)]
    return history


def failed(history: History) -> History:
    """The same, whose last attempt was written as failed."""
    history.reports[-1].to = history.moves[-1].after = history.rows[0].status = "failed"
    history.rows[0].result = None
    return history


def broken(history: History) -> set[str]:
    """The rules that are broken."""
    return {violation.partition(":")[0] for violation in violations(history)}


def the_one(history: History) -> str:
    """The rule that is broken, which must be one only."""
    (found,) = broken(history)
    return found
