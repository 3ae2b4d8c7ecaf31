"""Register the store with the core."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.plugins.hookspecs import deferred, hookimpl
from sp00ky_core.ports import StoreFactory

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg")


@hookimpl
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:
    """``postgresql://``, which libpq lets one write ``postgres://`` too, and SQLAlchemy with a driver."""
    return dict.fromkeys(SCHEMES, deferred("sp00ky_store_postgres.store:PostgresStore"))
