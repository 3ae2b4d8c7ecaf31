"""The plugin: registers what this distribution brings."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.hookspecs import hookimpl
from sp00ky_core.ports import StoreFactory
from sp00ky_store_postgres.store import PostgresStore

__all__ = ["sp00ky_register_stores"]

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg")


@hookimpl
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:
    """``postgresql://``, which libpq lets one write ``postgres://`` too, and SQLAlchemy with a driver."""
    return dict.fromkeys(SCHEMES, PostgresStore)
