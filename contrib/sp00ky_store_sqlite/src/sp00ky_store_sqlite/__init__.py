"""Store jobs in an SQLite file: ``sqlite:///PATH``."""

from sp00ky_store_sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
