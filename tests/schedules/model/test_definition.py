"""Find when a schedule fires next."""

from datetime import timedelta

import attrs
import pytest
from tests.schedules.model.situations import NOW, SECOND, config, stored

from sp00ky_schedules.model.definition import brought_back, defined, is_due, next_fire, removed, same_clock
from sp00ky_schedules.model.records import StoredSchedule


def test_every_is_measured_from_a_fire_and_cron_from_the_clock_of_its_zone() -> None:
    assert next_fire(config(every=90.0), NOW) == NOW + timedelta(seconds=90)
    tokyo = config(cron="0 15 * * *", timezone="Asia/Tokyo")
    assert next_fire(tokyo, NOW) == NOW.replace(hour=6, minute=0)
    assert next_fire(config(enabled=False), NOW) is None


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({}, True),
        ({"next_fire_at": NOW + SECOND}, False),
        ({"next_fire_at": None}, False),
        ({"paused": True}, False),
        ({"removed": True}, False),
    ],
)
def test_when_it_is_due(fields: dict[str, object], due: bool) -> None:
    assert is_due(stored(**fields), NOW) is due


def test_whether_two_definitions_fire_at_the_same_times() -> None:
    assert same_clock(config(), config(payload={"a": 1}))
    assert not same_clock(config(), config(every=61.0))
    assert not same_clock(config(), config(enabled=False))


@pytest.mark.parametrize(
    ("definition", "ahead", "expected"),
    [
        ({"every": 10.0}, 10, None),
        ({"every": 10.0}, 70, None),
        ({"every": 10.0}, 86_410, 10),
        ({"cron": "0 6 * * *"}, 55 * 60, None),
        ({"cron": "0 6 * * *"}, 55 * 60 + 86_400, 55 * 60),
        ({"enabled": False}, 86_400, None),
    ],
)
def test_a_next_fire_that_no_clock_can_have_given_is_computed_again(
    definition: dict[str, object], ahead: int, expected: int | None
) -> None:
    row = stored(next_fire_at=NOW + ahead * SECOND)
    found = brought_back(row, config(**definition), NOW)
    assert (found and found.next_fire_at) == (expected and NOW + expected * SECOND)
    assert brought_back(attrs.evolve(row, paused=True), config(**definition), NOW) is None


def new(**fields: object) -> StoredSchedule:
    found = defined(config(**fields), None, NOW)
    assert found is not None
    return found


def test_a_new_schedule_fires_first_after_now() -> None:
    found = new(cron="0 6 * * *")
    assert found.next_fire_at == NOW.replace(hour=6, minute=0)
    assert found.definition == {"cron": "0 6 * * *", "backend": "api", "route": "/report"}
    assert (found.seen, found.revision) == ((found.hash,), 0)


def test_who_defines_it_last_is_who_removes_it() -> None:
    moved = defined(config(), new(), NOW + timedelta(seconds=1), origin="python")
    assert moved is not None
    assert (moved.origin, moved.next_fire_at, moved.seen) == ("python", new().next_fire_at, new().seen)
    assert defined(config(), moved, NOW, only_new=True) is None
    back = defined(config(), moved, NOW)
    assert back is not None
    assert back.origin == "file"


def test_what_was_wrong_with_the_definition_before_is_forgotten() -> None:
    before = attrs.evolve(new(), last_error="the query is refused")
    moved = defined(config(), before, NOW, origin="python")
    changed = defined(config(payload={"a": 1}), before, NOW)
    assert moved is not None
    assert changed is not None
    assert (moved.last_error, changed.last_error) == (before.last_error, None)


def test_a_new_payload_keeps_the_clock_and_the_pause_a_new_clock_does_not() -> None:
    overdue = attrs.evolve(new(), next_fire_at=NOW - timedelta(hours=1), paused=True, revision=3)
    found = defined(config(payload={"a": 1}), overdue, NOW)
    assert found is not None
    assert (found.next_fire_at, found.paused, found.revision) == (overdue.next_fire_at, True, 3)
    assert len(found.seen) == 2
    changed = defined(config(every=90.0), overdue, NOW)
    assert changed is not None
    assert changed.next_fire_at == NOW + timedelta(seconds=90)


def test_a_runner_of_an_older_deploy_changes_nothing_back() -> None:
    older, newer = config(), config(every=90.0)
    row = defined(newer, new(), NOW)
    assert row is not None
    assert defined(older, row, NOW, only_new=True) is None
    rolled_back = defined(older, row, NOW)
    assert rolled_back is not None
    assert rolled_back.hash == row.seen[0]
    assert defined(config(every=95.0), row, NOW, only_new=True) is not None


def test_what_was_removed_comes_back_by_a_deploy_but_not_by_an_older_runner() -> None:
    gone = removed(new())
    assert (gone.removed, gone.next_fire_at) == (True, None)
    assert defined(config(), gone, NOW, only_new=True) is None
    found = defined(config(), gone, NOW)
    assert found is not None
    assert (found.removed, found.next_fire_at) == (False, NOW + timedelta(seconds=60))
