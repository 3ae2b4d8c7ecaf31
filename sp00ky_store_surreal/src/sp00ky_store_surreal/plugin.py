"""Register what this distribution brings."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import Store, StoreFactory, StoreOptions


@hookimpl
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:
    """Register ``mem://`` and ``surrealkv://`` (embedded), ``ws://`` and ``wss://`` (a server)."""
    return dict.fromkeys(("mem", "surrealkv", "ws", "wss"), surreal_store)


def surreal_store(options: StoreOptions) -> Store:
    """Make the store; the SDK is imported by then, not by each command that looks for plugins."""
    from sp00ky_store_surreal.store import SurrealStore  # noqa: PLC0415  # see above

    return SurrealStore(options)
