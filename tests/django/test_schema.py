"""The tables are what the installed store needs, by its own migrations."""

from typing import Any

import pytest
from django.db import connections
from django.test import override_settings

from sp00ky_core import SchemaError
from sp00ky_django.app_settings import app_settings
from sp00ky_django.schema import bring_up_to_date, lacking


def test_a_second_time_there_is_nothing_to_do(migrated: Any) -> None:
    assert lacking(app_settings()) == []
    assert bring_up_to_date(app_settings()) == []


def test_an_index_that_is_missing_is_made(migrated: Any) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("DROP INDEX job_ready")
    assert [each.table for each in lacking(app_settings())] == ["job"]
    (step,) = bring_up_to_date(app_settings())
    assert "job_ready" in step.statement
    assert lacking(app_settings()) == []


def test_a_table_of_another_application_is_refused(migrated: Any) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("CREATE SCHEMA other; CREATE TABLE other.job (id integer)")
        try:
            with override_settings(SP00KY={"OPTIONS": {"schema": "other"}}), pytest.raises(SchemaError):
                bring_up_to_date(app_settings())
        finally:
            cursor.execute("DROP SCHEMA other CASCADE")


def test_sqlite_in_memory_is_migrated_on_django_s_connection(migrated: Any) -> None:
    with override_settings(SP00KY={"DATABASE": "fresh"}):
        planned = lacking(app_settings())
        made = bring_up_to_date(app_settings())
        assert made == planned
        assert {each.table for each in made} >= {"job", "charge_job", "sp00ky_runner"}
        assert lacking(app_settings()) == []
    with connections["fresh"].cursor() as cursor:
        assert "charge_job" in connections["fresh"].introspection.table_names(cursor)
