"""The plugin: registers what this distribution brings."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.hookspecs import hookimpl
from sp00ky_core.ports import StoreFactory
from sp00ky_store_surreal.store import SurrealStore

__all__ = ["sp00ky_register_stores"]


@hookimpl
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:
    """``mem://`` and ``surrealkv://`` (embedded), ``ws://`` and ``wss://`` (a server)."""
    return dict.fromkeys(("mem", "surrealkv", "ws", "wss"), SurrealStore)
