"""Register what this distribution brings."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.plugins.hookspecs import deferred, hookimpl
from sp00ky_core.ports import StoreFactory


@hookimpl
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:
    """Register ``mem://`` and ``surrealkv://`` (embedded), ``ws://`` and ``wss://`` (a server)."""
    return dict.fromkeys(
        ("mem", "surrealkv", "ws", "wss"), deferred("sp00ky_store_surreal.store:SurrealStore")
    )
