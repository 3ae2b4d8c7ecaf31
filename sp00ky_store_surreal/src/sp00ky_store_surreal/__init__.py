"""Store jobs in SurrealDB: embedded (``mem://``, ``surrealkv://``) or on a server."""

from typing import TYPE_CHECKING

from sp00ky_core.plugins.hookspecs import deferred_names

if TYPE_CHECKING:
    from sp00ky_store_surreal.store import SurrealStore
else:
    __getattr__ = deferred_names(__name__, SurrealStore="store")

__all__ = ["SurrealStore"]
