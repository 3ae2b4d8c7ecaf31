"""A session's table goes between its markers in docs/guarantees.md, and nothing else changes."""

from __future__ import annotations

import pytest
from tests.chaos.databases import DATABASES
from tests.chaos.document import DEPLOYS, DOCUMENT, OUTAGES, RECEIVER, Record, table, with_text
from tests.chaos.figures import figures_of
from tests.chaos.history import Disturbance, History, Move


def record(history: History) -> Record:
    return Record(
        seed=7,
        minutes=1,
        runners=2,
        figures=figures_of(history),
        left_out={"disk full": "no room"},
        violations=[],
    )


def move(before: str, after: str, *, at: float, epoch: int, grows: int, job: str = "job:1") -> Move:
    return Move(
        job_id=job,
        at=at,
        before=before,
        after=after,
        epoch_before=epoch,
        epoch_after=epoch + grows,
        runner="r1",
    )


def test_the_document_has_a_place_for_each_session() -> None:
    document = DOCUMENT.read_text()
    for place in (*DATABASES, DEPLOYS, OUTAGES, RECEIVER):
        written = with_text(document, place, "all is well")
        assert written != document
        assert with_text(written, place, "or not").count("all is well") == 0
        assert written.count("<!-- chaos:") == document.count("<!-- chaos:")
    with pytest.raises(ValueError, match="no place for nowhere"):
        with_text(document, "nowhere", "")


def test_a_killed_runners_jobs_are_timed_until_the_last_is_given_back() -> None:
    history = History(
        disturbances=[Disturbance(kind="kill -9", runner="r1", since=100.0, until=100.0)],
        moves=[
            move("pending", "processing", at=98.0, epoch=0, grows=1),
            move("pending", "processing", at=99.0, epoch=0, grows=1, job="job:2"),
            move("processing", "pending", at=106.0, epoch=1, grows=1),
            move("processing", "failed", at=107.5, epoch=1, grows=1, job="job:2"),
        ],
    )
    (kind,) = figures_of(history).kinds
    assert (kind.kind, kind.count, kind.recovery) == ("kill -9", 1, [7.5])
    text = table(record(history))
    assert "| kill -9 | 1 | 0 | 7.5 / 7.5 |" in text
    assert "| disk full | 0: no room | - | - |" in text


def test_where_more_was_broken_a_kill_is_not_timed() -> None:
    history = History(
        disturbances=[
            Disturbance(kind="kill -9", runner="r1", since=100.0, until=100.0),
            Disturbance(kind="disk full", runner="*", since=102.0, until=103.0),
        ],
        moves=[
            move("pending", "processing", at=98.0, epoch=0, grows=1),
            move("processing", "pending", at=112.0, epoch=1, grows=1),
        ],
    )
    assert [kind.recovery for kind in figures_of(history).kinds] == [[], []]


def test_a_restart_is_timed_until_every_runner_has_claimed_again() -> None:
    history = History(
        disturbances=[Disturbance(kind="database restart", runner="*", since=100.0, until=103.0)],
        moves=[
            move("pending", "processing", at=99.0, epoch=0, grows=1),
            move("pending", "processing", at=104.5, epoch=0, grows=1, job="job:2"),
        ],
    )
    assert [kind.recovery for kind in figures_of(history).kinds] == [[1.5]]
