"""Claims go on where the last one has ended, and pass over nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_core.job.job import Job
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.jobs import claim
from sp00ky_store_postgres.jobs.claim import ClaimCursors, More
from sp00ky_store_postgres.rows import CLAIMED, PRIORITY, RUN_AT

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def row(priority: int, seconds: int) -> list[Any]:
    columns: list[Any] = [None] * (len(CLAIMED) + 1)
    columns[PRIORITY], columns[RUN_AT] = priority, FIRST + timedelta(seconds=seconds)
    return columns


def test_each_priority_has_a_place_of_its_own() -> None:
    cursors = ClaimCursors()
    cursors.reach("job", 3, [row(0, 1), row(0, 2), row(3, 9)])
    later = [FIRST + timedelta(seconds=seconds) for seconds in (9, 2)]
    assert cursors.since("job") == [later[0], BEGINNING, BEGINNING, later[1]]
    assert cursors.is_ahead("job")
    assert not cursors.is_ahead("mail")
    cursors.reach("job", 3, [row(0, 3)])  # there were no more
    assert cursors.since("job") == [BEGINNING] * 4


def seen(keys: int, last: str = "z") -> dict[str, Any]:
    return {"keys": keys, "last": last}


@pytest.fixture
def cursors(monkeypatch: pytest.MonkeyPatch) -> ClaimCursors:
    """Those of a table with ordering keys, of which a claim looks at 10."""
    monkeypatch.setattr(claim, "MOST_KEYS", 10)
    cursors = ClaimCursors()
    assert cursors.look("job", {}, filled=False) is More.AT_ONCE
    return cursors


def test_a_claim_that_learns_of_keys_looks_at_them_at_once() -> None:
    cursors = ClaimCursors()
    assert cursors.look("job", None, filled=False) is More.NO
    assert cursors.keyed == frozenset()
    assert cursors.look("job", {}, filled=False) is More.AT_ONCE
    assert cursors.keyed == {"job"}
    assert cursors.arguments("job", 5) == [5, *[BEGINNING] * 4, ""]
    assert cursors.arguments("mail", 5) == [5, *[BEGINNING] * 4]


def test_a_late_answer_of_a_claim_that_knew_of_no_keys_changes_nothing(cursors: ClaimCursors) -> None:
    """Several claims may be under way."""
    assert cursors.look("job", seen(10, "j"), filled=False) is More.NEXT
    assert cursors.look("job", {}, filled=False) is More.AT_ONCE
    assert cursors.look("job", None, filled=False) is More.NO
    assert cursors.arguments("job", 1)[-1] == "j"


def test_keys_are_forgotten_once_there_are_none(cursors: ClaimCursors) -> None:
    assert cursors.look("job", seen(3), filled=False) is More.NO
    assert cursors.look("job", seen(0), filled=False) is More.NO
    assert cursors.keyed == frozenset()


def test_every_key_is_looked_at_once_where_nothing_can_be_claimed(cursors: ClaimCursors) -> None:
    """Else a runner would claim without end while more keys wait than one claim looks at."""
    for last in ("j", "t"):
        assert cursors.look("job", seen(10, last), filled=False) is More.NEXT
        assert cursors.arguments("job", 1)[-1] == last
    assert cursors.look("job", seen(4), filled=False) is More.NO
    assert cursors.arguments("job", 1)[-1] == ""


def test_what_a_claim_without_places_left_behind_is_claimed_with_the_next_places(
    cursors: ClaimCursors,
) -> None:
    assert cursors.look("job", seen(10, "j"), filled=True) is More.NO
    assert cursors.look("job", seen(4), filled=False) is More.AT_ONCE
    assert cursors.arguments("job", 1)[-1] == ""
    assert cursors.look("job", seen(10, "j"), filled=False) is More.NEXT
    assert cursors.look("job", seen(4), filled=False) is More.NO


def test_an_end_without_keys_begins_anew(cursors: ClaimCursors) -> None:
    assert cursors.look("job", seen(10, "j"), filled=True) is More.NO
    assert cursors.look("job", seen(0), filled=False) is More.AT_ONCE
    assert cursors.keyed == {"job"}


@pytest.mark.parametrize("slots", [3, 7, 50])
async def test_more_keys_than_a_claim_looks_at_are_all_claimed(
    store: PostgresStore, new_job: Any, monkeypatch: pytest.MonkeyPatch, slots: int
) -> None:
    monkeypatch.setattr(claim, "MOST_KEYS", 5)
    jobs = await store.add([new_job(ordering_key=f"k{n:02}") for n in range(23)])
    claimed: list[Job] = []
    for _ in range(20):
        batch = await store.claim({"api": slots}, "r1")
        claimed += batch
        if not batch and batch.retry_in.get("api") is None:
            break
    assert sorted(job.id for job in claimed) == sorted(job.id for job in jobs)
    assert batch.retry_in == {}


async def test_what_is_held_back_asks_for_no_other_claim(
    store: PostgresStore, new_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a runner would claim without end while a backend with many keys is paused."""
    monkeypatch.setattr(claim, "MOST_KEYS", 5)
    await store.add([new_job(ordering_key=f"k{n:02}") for n in range(23)])
    await store.pause("api")
    batch = await store.claim({"api": 3}, "r1")
    assert (list(batch), batch.retry_in) == ([], {})
