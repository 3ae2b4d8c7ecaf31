"""Describe the job tables to Django, for the admin and for queries: the store makes and writes them.

There is one model for each table that sp00ky.yml names; that of the table ``job`` is called ``Job``.
"""

from __future__ import annotations

import re
from typing import Any

import attrs
from django.db import connections, models
from django.utils.connection import ConnectionDoesNotExist

from sp00ky_core import Sp00kyError, load_config
from sp00ky_core.job.job import JobStatus
from sp00ky_django.app_settings import AppSettings, app_settings
from sp00ky_django.fields import InstantField, JsonTextField

__all__ = ["AbstractJob", "job_models"]


@attrs.frozen(kw_only=True)
class _Place:
    """Describe where the tables are; by default where nothing is configured yet."""

    alias: str = "default"
    schema: str = "public"
    is_postgres: bool = False
    tables: tuple[str, ...] = ("job",)


class JobManager(models.Manager):
    """Read from the database that holds the jobs."""

    def get_queryset(self) -> Any:
        """Return all jobs of the table."""
        return super().get_queryset().using(_PLACE.alias)


class AbstractJob(models.Model):
    """A job, to be read; an outbox changes it."""

    table = ""

    path = models.TextField()
    status = models.TextField(choices=[(status.value, status.value) for status in JobStatus])
    retries = models.IntegerField()
    max_retries = models.IntegerField()
    retry_strategy = models.TextField()
    priority = models.IntegerField()
    timeout = models.FloatField(null=True)
    assigned_to = models.TextField(null=True)
    dedup_key = models.TextField(null=True)
    ordering_key = models.TextField(null=True)
    traceparent = models.TextField(null=True)
    created_at = InstantField()
    updated_at = InstantField()
    run_at = InstantField()
    expires_at = InstantField(null=True)
    deferred_since = InstantField(null=True)
    lease_until = InstantField(null=True)
    lease_epoch = models.BigIntegerField()
    runner_id = models.TextField(null=True)
    request_id = models.TextField(null=True)
    redacted_at = InstantField(null=True)
    copied_from = models.TextField(null=True)
    claimed_at = InstantField(null=True)
    payload = JsonTextField()
    errors = JsonTextField()
    result = JsonTextField(null=True)

    objects = JobManager()

    class Meta:
        """Make no table of it."""

        abstract = True

    def __str__(self) -> str:
        """Return the id that every interface of the outbox has."""
        return self.job_id

    @property
    def job_id(self) -> str:
        """As in ``outbox.get(job_id)``."""
        return f"{self.table}:{self.pk}"


def job_models() -> list[type[AbstractJob]]:
    """Return the models, one for each table, in the order of sp00ky.yml."""
    return list(_MODELS)


def _place() -> _Place:
    """Read where the tables are; what is wrong with that, the system checks say."""
    try:
        app = app_settings()
        is_postgres = connections[app.database].vendor == "postgresql"
    except (Sp00kyError, ConnectionDoesNotExist):
        return _Place()
    schema = app.options.get("schema", "public")
    return _Place(alias=app.database, schema=schema, is_postgres=is_postgres, tables=_tables(app))


def _tables(app: AppSettings) -> tuple[str, ...]:
    try:
        backends = load_config(app.config).backends.values()
    except Sp00kyError:
        return ("job",)
    return tuple(dict.fromkeys(backend.table for backend in backends)) or ("job",)


def _model(table: str, place: _Place) -> type[AbstractJob]:
    name = "".join(word[:1].upper() + word[1:] for word in re.split(r"\W|_", table))
    kind: type[models.Field] = models.UUIDField if place.is_postgres else models.CharField
    length = {} if place.is_postgres else {"max_length": 255}
    suffix = "" if table == "job" else f" in {table}"
    meta = {
        "managed": False,
        "db_table": _quoted(place.schema, table) if place.is_postgres else table,
        "verbose_name": f"job{suffix}",
        "verbose_name_plural": f"jobs{suffix}",
        # Keys of PostgreSQL begin with the time; there the index of created_at leaves out what is processing.
        "ordering": ["-id"] if place.is_postgres else ["-created_at", "-id"],
        "default_permissions": ("view", "change"),
    }
    members = {
        "__module__": __name__,
        "__doc__": AbstractJob.__doc__,
        "table": table,
        "id": kind(primary_key=True, editable=False, **length),
        "Meta": type("Meta", (), meta),
    }
    return type(name, (AbstractJob,), members)


def _quoted(schema: str, table: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in (schema, table))


_PLACE = _place()
_MODELS = [_model(table, _PLACE) for table in _PLACE.tables]
globals().update({model.__name__: model for model in _MODELS})
