"""The SurrealDB store of Sp00ky outbox: embedded (``mem://``, ``surrealkv://``) or on a server."""

from sp00ky_store_surreal.store import SurrealStore

__all__ = ["SurrealStore"]
