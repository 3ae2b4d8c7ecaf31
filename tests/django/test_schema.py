"""The tables are what the installed store needs, by its own migrations."""

from typing import Any

from django.db import connections
from django.test import override_settings

from sp00ky_django.app_settings import app_settings
from sp00ky_django.schema import bring_up_to_date, lacking


def test_a_second_time_there_is_nothing_to_do(migrated: Any) -> None:
    assert lacking(app_settings()) == []
    assert bring_up_to_date(app_settings()) == []


def test_sqlite_in_memory_is_migrated_on_django_s_connection(migrated: Any) -> None:
    with override_settings(SP00KY={"DATABASE": "fresh"}):
        planned = lacking(app_settings())
        made = bring_up_to_date(app_settings())
        assert made == planned
        assert {step.table for step in made} >= {"job", "charge_job", "sp00ky_runner"}
        assert lacking(app_settings()) == []
    with connections["fresh"].cursor() as cursor:
        assert "charge_job" in connections["fresh"].introspection.table_names(cursor)
