"""Instants as operators type them: RFC 3339, or a time from now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from sp00ky_core.cli.arguments.instants import INSTANT, LATER


@pytest.mark.parametrize(
    "written",
    ["2026-01-31T12:00:00Z", "2026-01-31t12:00:00z", "2026-01-31T13:00:00+01:00", "2026-01-31 12:00:00.000Z"],
)
def test_rfc_3339(written: str) -> None:
    assert INSTANT.convert(written, None, None) == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(("written", "age"), [("2h", timedelta(hours=2)), ("1.5m", timedelta(seconds=90))])
def test_an_age_counts_from_now(written: str, age: timedelta) -> None:
    before = datetime.now(UTC)
    found = INSTANT.convert(written, None, None)
    assert before - age <= found <= datetime.now(UTC) - age


def test_where_the_future_is_meant_a_duration_is_from_now() -> None:
    before, hour = datetime.now(UTC), timedelta(hours=1)
    assert before + hour <= LATER.convert("1h", None, None) <= datetime.now(UTC) + hour
    assert LATER.convert("2026-01-31T12:00:00Z", None, None) == datetime(2026, 1, 31, 12, tzinfo=UTC)
    with pytest.raises(click.BadParameter, match="is neither a time from now, such as 2h"):
        LATER.convert("soon", None, None)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("2026-01-31T12:00:00", "has no time zone"),
        ("2026-01-31", "has no time zone"),
        ("yesterday", "is neither an age"),
        ("2", "is neither an age"),
        ("-2h", "is neither an age"),
        ("2y", "is no duration"),
    ],
)
def test_what_is_none(written: str, says: str) -> None:
    with pytest.raises(click.BadParameter, match=says):
        INSTANT.convert(written, None, None)
