"""The PostgreSQL store of Sp00ky outbox."""

from sp00ky_store_postgres.store import PostgresStore

__all__ = ["PostgresStore"]
