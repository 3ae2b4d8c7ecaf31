"""Check the settings, sp00ky.yml and the tables in ``manage.py check``: one line for each problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  # as Django calls it
from django.db import Error as DatabaseError
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from sp00ky_core import ConfigError, Outbox, Sp00kyError
from sp00ky_django.app_settings import AppSettings, app_settings
from sp00ky_django.schema import lacking
from sp00ky_django.store_url import derived_store_url

__all__ = ["check_settings", "check_tables"]

MOST_NAMED = 3
"""Tables that a warning names."""


def check_settings(**_: Any) -> list[CheckMessage]:
    """Check ``SP00KY``, the file and the documents that it names, and that the database can hold jobs."""
    try:
        app = app_settings()
        outbox = Outbox.open(app.config, store=derived_store_url(app))
    except Sp00kyError as error:
        return [_error(error)]
    return list(_warnings(app, outbox))


def check_tables(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that the tables are there, once the application's migrations have run.

    Those of a backend that was added to sp00ky.yml later aren't, until ``sp00ky migrate`` has run.
    """
    try:
        app = app_settings()
        if app.database not in (databases or ()) or not _has_migrated(app):
            return []
        tables = sorted({step.table for step in lacking(app)})
    except (Sp00kyError, DatabaseError):
        return []  # of the settings: see above; of the database: Django says so
    problem = f"the installed store needs what isn't in the database yet, of {', '.join(tables[:MOST_NAMED])}"
    problem += " and others" if len(tables) > MOST_NAMED else ""
    hint = "run: python manage.py sp00ky migrate"
    return [Warning(problem, hint=hint, id="sp00ky.W003")] if tables else []


def _has_migrated(app: AppSettings) -> bool:
    applied = MigrationRecorder(connections[app.database]).applied_migrations()
    return any(label == "sp00ky_django" for label, _ in applied)


def _error(error: Sp00kyError) -> Error:
    if isinstance(error, ConfigError) and error.file == "Django's settings":
        return Error(f"{error.key}: {error.problem}", hint=error.fix or None, id="sp00ky.E001")
    return Error(str(error), id="sp00ky.E002")


def _warnings(app: AppSettings, outbox: Outbox) -> Iterator[CheckMessage]:
    if outbox.config.store is not None:
        problem = (
            f"`store` in {app.config} has no effect here: DATABASES[{app.database!r}] says where jobs are"
        )
        yield Warning(problem, hint="remove it, if no other program reads the file", id="sp00ky.W001")
    for name, reason in outbox.backends.left_out.items():
        yield Warning(f"the backend {name} is left out: {reason}", hint=None, id="sp00ky.W002")
