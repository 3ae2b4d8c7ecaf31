"""Claims go on where the last one has ended, and pass over nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_core.stores.decisions import BEGINNING
from sp00ky_store_postgres.jobs import claim
from sp00ky_store_postgres.jobs.claim import ClaimCursor, More
from sp00ky_store_postgres.selects import CLAIMED, PRIORITY, RUN_AT

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def row(priority: int, seconds: int) -> list[Any]:
    columns: list[Any] = [None] * (len(CLAIMED) + 1)
    columns[PRIORITY], columns[RUN_AT] = priority, FIRST + timedelta(seconds=seconds)
    return columns


def test_each_priority_has_a_place_of_its_own() -> None:
    cursor = ClaimCursor()
    cursor.reach(3, [row(0, 1), row(0, 2), row(3, 9)])
    later = [FIRST + timedelta(seconds=seconds) for seconds in (9, 2)]
    assert cursor.arguments(3) == [3, later[0], BEGINNING, BEGINNING, later[1]]
    assert cursor.reached
    cursor.reach(3, [row(0, 3)])  # there were no more
    assert cursor.arguments(3) == [3, *[BEGINNING] * 4]
    assert not cursor.reached


def seen(keys: int, last: str = "z") -> dict[str, Any]:
    return {"looked_at": keys, "last": last}


@pytest.fixture
def cursor(monkeypatch: pytest.MonkeyPatch) -> ClaimCursor:
    """That of a table with ordering keys, of which a claim looks at 10."""
    monkeypatch.setattr(claim, "MOST_KEYS", 10)
    cursor = ClaimCursor()
    assert cursor.look({}, filled=False) is More.AT_ONCE
    return cursor


def test_a_claim_that_learns_of_keys_looks_at_them_at_once() -> None:
    cursor = ClaimCursor()
    assert cursor.look(None, filled=False) is More.NO
    assert not cursor.keyed
    assert cursor.look({}, filled=False) is More.AT_ONCE
    assert cursor.keyed
    assert cursor.arguments(5) == [5, *[BEGINNING] * 4, ""]
    assert ClaimCursor().arguments(5) == [5, *[BEGINNING] * 4]


def test_a_late_answer_of_a_claim_that_knew_of_no_keys_changes_nothing(cursor: ClaimCursor) -> None:
    """Several claims may be under way."""
    assert cursor.look(seen(10, "j"), filled=False) is More.NEXT
    assert cursor.look({}, filled=False) is More.AT_ONCE
    assert cursor.look(None, filled=False) is More.NO
    assert cursor.arguments(1)[-1] == "j"


def test_keys_are_forgotten_once_there_are_none(cursor: ClaimCursor) -> None:
    assert cursor.look(seen(3), filled=False) is More.NO
    assert cursor.look(seen(0), filled=False) is More.NO
    assert not cursor.keyed


def test_every_key_is_looked_at_once_where_nothing_can_be_claimed(cursor: ClaimCursor) -> None:
    """Else a runner would claim without end while more keys wait than one claim looks at."""
    for last in ("j", "t"):
        assert cursor.look(seen(10, last), filled=False) is More.NEXT
        assert cursor.arguments(1)[-1] == last
    assert cursor.look(seen(4), filled=False) is More.NO
    assert cursor.arguments(1)[-1] == ""


def test_what_a_claim_without_places_left_behind_is_claimed_with_the_next_places(
    cursor: ClaimCursor,
) -> None:
    assert cursor.look(seen(10, "j"), filled=True) is More.NO
    assert cursor.look(seen(4), filled=False) is More.AT_ONCE
    assert cursor.arguments(1)[-1] == ""
    assert cursor.look(seen(10, "j"), filled=False) is More.NEXT
    assert cursor.look(seen(4), filled=False) is More.NO


def test_an_end_without_keys_begins_anew(cursor: ClaimCursor) -> None:
    assert cursor.look(seen(10, "j"), filled=True) is More.NO
    assert cursor.look(seen(0), filled=False) is More.AT_ONCE
    assert cursor.keyed
