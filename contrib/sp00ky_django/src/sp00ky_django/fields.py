"""Read the columns of a job table that databases and Django hold differently."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models

__all__ = ["InstantField", "JsonTextField"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class InstantField(models.DateTimeField):
    """An instant; in SQLite the store keeps microseconds since 1970, of which no ``__date`` can be taken."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        """Return a datetime; None for what is none, as another client may have written it."""
        if not isinstance(value, int):
            return value if isinstance(value, datetime) else None
        try:
            return EPOCH + timedelta(microseconds=value)
        except OverflowError:
            return None

    def get_db_converters(self, connection: Any) -> list[Any]:
        """Convert by ``from_db_value`` alone: Django's own converter of SQLite expects a text."""
        return [self.from_db_value]

    def get_internal_type(self) -> str:
        """Name a type of the field's own, for which no database has a converter."""
        return "InstantField"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Return what the database compares with."""
        instant = self.get_prep_value(value)
        if connection.vendor == "sqlite" and instant is not None:
            return (instant - EPOCH) // MICROSECOND
        return super().get_db_prep_value(value, connection, prepared)


class JsonTextField(models.TextField):
    """JSON as the text that was stored, for drivers would parse it."""

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """Return the expression that is selected."""
        return (f"{sql}::text" if compiler.connection.vendor == "postgresql" else sql), params
