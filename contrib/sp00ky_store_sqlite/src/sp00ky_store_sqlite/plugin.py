"""Register what this distribution brings."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.plugins.hookspecs import deferred, hookimpl
from sp00ky_core.ports import StoreFactory

__all__ = ["sp00ky_register_stores"]


@hookimpl
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:
    """``sqlite:///PATH``."""
    return {"sqlite": deferred("sp00ky_store_sqlite.store:SqliteStore")}
