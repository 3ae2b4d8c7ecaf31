"""Claims go on where the last one has ended, and pass over nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_core.stores.filters import BEGINNING
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
    assert cursors.arguments("job", 3) == [3, later[0], BEGINNING, BEGINNING, later[1]]
    assert cursors.is_ahead("job")
    assert not cursors.is_ahead("mail")
    cursors.reach("job", 3, [row(0, 3)])  # there were no more
    assert cursors.arguments("job", 3) == [3, *[BEGINNING] * 4]


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
