"""Keep the jobs of Sp00ky outbox in PostgreSQL."""

from typing import TYPE_CHECKING

from sp00ky_core.plugins.hookspecs import deferred_names

if TYPE_CHECKING:
    from sp00ky_store_postgres.store import PostgresStore
else:
    __getattr__ = deferred_names(__name__, PostgresStore="store")

__all__ = ["PostgresStore"]
