"""Find when a schedule fires next."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
from tests.core.schedule.situations import NOW, SECOND, config, stored

from sp00ky_core.schedule.clock import brought_back, is_due, next_fire, same_clock


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
