"""A session's table goes between its markers in docs/guarantees.md, and nothing else changes."""

from __future__ import annotations

from tests.chaos.databases import DATABASES
from tests.chaos.document import DOCUMENT, Record, with_table
from tests.chaos.figures import figures_of
from tests.chaos.history import Disturbance, Enqueue, History, Move


def record(store: str, history: History) -> Record:
    return Record(
        store=store,
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


def test_the_document_has_a_place_for_each_store() -> None:
    document = DOCUMENT.read_text()
    for store in DATABASES:
        written = with_table(document, record(store, History(enqueues=[Enqueue(n=1, at=0.0)])))
        assert written != document
        assert "1 with the reply to the commit lost" in written
        assert with_table(written, record(store, History())).count("Seed 7") == written.count("Seed 7")


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
    text = with_table(DOCUMENT.read_text(), record("postgres", history))
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
