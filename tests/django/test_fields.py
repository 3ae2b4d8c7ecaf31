"""Columns that databases and Django hold differently; test_models.py reads them from PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections

from sp00ky_django.fields import InstantField

INSTANT = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MICROSECONDS = 1893553445678901


def test_sqlite_has_instants_as_numbers() -> None:
    lite = connections["lite"]
    assert InstantField().from_db_value(MICROSECONDS) == INSTANT
    assert InstantField().get_db_prep_value(INSTANT, lite) == MICROSECONDS
    assert InstantField().get_db_prep_value(None, lite) is None


@pytest.mark.parametrize("other", [None, "yesterday", 10**20, b"x"])
def test_what_is_no_instant_is_none(other: Any) -> None:
    assert InstantField().from_db_value(other) is None
