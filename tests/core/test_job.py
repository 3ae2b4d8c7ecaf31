"""What a new job may be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job import NewJob

EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize("hours", [-12, 0, 12])
@pytest.mark.parametrize("run_at", [datetime.min, datetime.max, datetime(9999, 12, 30, 13)], ids=str)
def test_an_instant_beyond_every_database_s_calendar_is_refused(run_at: datetime, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    with pytest.raises(OptionInvalid, match="expected an instant from 0001-01-02 to 9999-12-30"):
        NewJob(path="/a", run_at=run_at.replace(tzinfo=zone))


def test_the_first_and_the_last_instant_are_taken() -> None:
    assert NewJob(path="/a", run_at=EARLIEST).run_at == EARLIEST
    assert NewJob(path="/a", run_at=LATEST).run_at == LATEST


@pytest.mark.parametrize("priority", [-1, 4, 1.0, True, "1"])
def test_a_priority_is_one_of_four(priority: Any) -> None:
    with pytest.raises(OptionInvalid, match=r"priority is .*expected a whole number from 0 to 3"):
        NewJob(path="/a", priority=priority)


@pytest.mark.parametrize("key", ["", "k" * 256, "a\0b", 5])
def test_an_ordering_key_is_a_short_text(key: Any) -> None:
    with pytest.raises(OptionInvalid, match="ordering_key"):
        NewJob(path="/a", ordering_key=key)


def test_an_instant_after_which_a_job_is_not_sent_has_a_time_zone() -> None:
    with pytest.raises(OptionInvalid, match=r"expires_at.*expected a datetime with a time zone"):
        NewJob(path="/a", expires_at=datetime(2030, 1, 1))
