"""What is said of a schedule as it is now."""

from __future__ import annotations

from typing import Any

import pytest

from sp00ky_core.config.schedules import parse_schedule
from sp00ky_core.ports import StoredSchedule
from sp00ky_core.scheduler.records import ScheduleRecord

TICK: dict[str, Any] = {"every": "1m", "backend": "api", "route": "/a"}


@pytest.mark.parametrize(("most", "keys"), [({"quarantineAfter": 3}, ("b", "c")), ({}, ())])
def test_keys_that_failed_often_enough_are_quarantined(most: dict[str, int], keys: tuple[str, ...]) -> None:
    definition = TICK | most
    record = ScheduleRecord(
        stored=StoredSchedule(
            name="tick", definition=definition, hash="1", failures={"c": 4, "a": 2, "b": 3}
        ),
        definition=parse_schedule("tick", definition),
        last_run=None,
    )
    assert record.quarantined == keys


def test_what_a_later_version_wrote_has_no_quarantine() -> None:
    stored = StoredSchedule(name="tick", definition=TICK, hash="1", failures={"a": 99})
    record = ScheduleRecord(stored=stored, definition=None, last_run=None)
    assert (record.name, record.quarantined) == ("tick", ())
