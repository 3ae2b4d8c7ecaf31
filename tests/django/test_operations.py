"""The migration that makes the tables, through Django's own commands."""

import importlib
import io
import re
from typing import Any

from django.core.management import call_command
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.test import override_settings
from tests.django.configuration import PROJECT

import sp00ky_store_kit.schema as transactional
import sp00ky_store_postgres.schema.definition as postgres
from sp00ky_django.operations import MigrateStore


def said(command: str, *arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, no_color=True, **options)
    return out.getvalue()


def tables() -> set[str]:
    with connections["default"].cursor() as cursor:
        return set(connections["default"].introspection.table_names(cursor))


def modules() -> list[Any]:
    loader = MigrationLoader(None)
    names = sorted(name for label, name in loader.disk_migrations if label == "sp00ky_django")
    return [importlib.import_module(f"sp00ky_django.migrations.{name}") for name in names]


def latest() -> MigrateStore:
    (operation,) = modules()[-1].Migration.operations
    assert isinstance(operation, MigrateStore)
    return operation


def test_the_latest_migration_is_of_the_stores_latest_version() -> None:
    """Where this fails, the tables have changed: add a migration, for ``manage.py migrate`` to run."""
    assert (latest().postgres, latest().transactional) == (postgres.VERSION, transactional.VERSION)


def test_a_migration_says_the_versions_that_it_makes() -> None:
    for module in modules():
        (operation,) = module.Migration.operations
        numbers = [int(number) for number in re.findall(r"\d+", module.__doc__ or "")]
        assert numbers == [operation.postgres, operation.transactional]


def test_migrating_makes_the_tables(migrated: Any) -> None:
    assert {"job", "charge_job", "sp00ky_runner", "sp00ky_audit"} <= tables()
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT table_name, version FROM sp00ky_migration ORDER BY 1")
        versions = dict(cursor.fetchall())
    assert {name: versions[name] for name in ("charge_job", "job")} == dict.fromkeys(
        ("charge_job", "job"), postgres.VERSION
    )


def test_makemigrations_finds_nothing_to_make(migrated: Any) -> None:
    assert said("makemigrations", check_changes=True, dry_run=True) == "No changes detected\n"


def test_its_statements_can_be_printed(migrated: Any) -> None:
    """Those that the database lacks: they can be given to whoever may change it."""
    assert "CREATE TABLE" not in said("sqlmigrate", "sp00ky_django", "0001")
    with override_settings(SP00KY={"OPTIONS": {"schema": "elsewhere"}}):
        printed = said("sqlmigrate", "sp00ky_django", "0001")
    assert 'CREATE SCHEMA IF NOT EXISTS "elsewhere";' in printed
    assert re.search(r'^CREATE TABLE IF NOT EXISTS "elsewhere"."job" \(', printed, re.MULTILINE)
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'elsewhere'")
        assert cursor.fetchone() == (0,)


def test_a_database_that_holds_no_jobs_gets_no_tables(migrated: Any) -> None:
    call_command("migrate", "sp00ky_django", database="other", verbosity=0)
    with override_settings(SP00KY={"OPTIONS": {"schema": "elsewhere"}}):  # there would be something to do
        assert "CREATE" not in said("sqlmigrate", "sp00ky_django", "0001", database="other")


class NotThere:
    """A router that keeps the outbox from every database."""

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return False if app_label == "sp00ky_django" else None


@override_settings(DATABASE_ROUTERS=[f"{__name__}.NotThere"])
def test_a_router_is_heeded(migrated: Any) -> None:
    with override_settings(SP00KY={"OPTIONS": {"schema": "elsewhere"}}):
        assert "CREATE" not in said("sqlmigrate", "sp00ky_django", "0001")


def test_the_models_of_the_migrations_are_those_of_the_file(migrated: Any) -> None:
    state = MigrationLoader(connections["default"]).project_state().apps
    assert {model.__name__ for model in state.get_app_config("sp00ky_django").get_models()} == {
        "Job",
        "ChargeJob",
    }
    assert PROJECT.is_dir()
