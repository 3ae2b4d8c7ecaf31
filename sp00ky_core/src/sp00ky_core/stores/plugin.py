"""Register what this distribution brings."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import StoreFactory
from sp00ky_core.stores.memory.store import MemoryStore


@hookimpl
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:
    """Register ``memory://``."""
    return {"memory": MemoryStore}
