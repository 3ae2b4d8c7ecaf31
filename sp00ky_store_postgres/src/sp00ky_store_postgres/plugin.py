"""Register the store with the core."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import Store, StoreFactory, StoreOptions

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg")


@hookimpl
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:
    """``postgresql://``, which libpq lets one write ``postgres://`` too, and SQLAlchemy with a driver."""
    return dict.fromkeys(SCHEMES, postgres_store)


def postgres_store(options: StoreOptions) -> Store:
    """Make the store; asyncpg is imported by then, not by each command that looks for plugins."""
    from sp00ky_store_postgres.store import PostgresStore  # noqa: PLC0415  # see above

    return PostgresStore(options)
