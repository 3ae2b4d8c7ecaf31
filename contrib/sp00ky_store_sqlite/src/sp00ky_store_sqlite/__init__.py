"""Store jobs in an SQLite file: ``sqlite:///PATH``."""

from typing import TYPE_CHECKING

from sp00ky_core.plugins.hookspecs import deferred_names

if TYPE_CHECKING:
    from sp00ky_store_sqlite.store import SqliteStore
else:
    __getattr__ = deferred_names(__name__, SqliteStore="store")

__all__ = ["SqliteStore"]
