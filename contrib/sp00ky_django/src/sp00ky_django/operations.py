"""Make the job tables in a Django migration."""

from __future__ import annotations

from typing import Any

from django.db import router
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

from sp00ky_django.app_settings import app_settings
from sp00ky_django.models import job_models
from sp00ky_django.schema import bring_up_to_date, lacking

__all__ = ["MigrateStore"]


class MigrateStore(Operation):
    """Run what the store's own numbered migrations have and the database lacks.

    Only on the database that ``SP00KY["DATABASE"]`` names. Backwards nothing is done: the tables hold jobs,
    and a later ``migrate`` finds them as they are.

    Args:
        postgres: The number of the last migration of the store in PostgreSQL when this one was written.
        transactional: Likewise of the tables of the other stores, such as SQLite.
    """

    reduces_to_sql = True
    reversible = True
    atomic = False

    def __init__(self, *, postgres: int, transactional: int) -> None:
        self.postgres = postgres
        self.transactional = transactional

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Add the models of sp00ky.yml's tables, so that ``makemigrations`` finds nothing to make."""
        for model in job_models():
            if (app_label, model._meta.model_name) not in state.models:
                state.add_model(ModelState.from_model(model, exclude_rels=True))

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Migrate; or for ``sqlmigrate`` only list the statements that the database lacks."""
        alias, app = schema_editor.connection.alias, app_settings()
        if alias != app.database or not router.allow_migrate(alias, app_label):
            return
        if not schema_editor.collect_sql:
            bring_up_to_date(app)
            return
        for step in lacking(app):
            schema_editor.collected_sql += [f"-- {step.table}: {step.why}", f"{step.statement.strip()};"]

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Leave the tables: they hold jobs."""

    def describe(self) -> str:
        """Describe it for ``migrate --plan``."""
        versions = f"version {self.postgres} in PostgreSQL, {self.transactional} in SQLite"
        return f"Bring the outbox's tables to the installed store's version (at least {versions})"
