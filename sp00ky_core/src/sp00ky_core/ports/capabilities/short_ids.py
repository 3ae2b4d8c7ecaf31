"""Promise to find ids by how they begin."""

from __future__ import annotations

from typing import Protocol

__all__ = ["ShortIds"]


class ShortIds(Protocol):
    """A store with ``capabilities.short_ids``. Without it ids have to be given whole."""

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """List ids that begin with ``<table>:<first characters of the key>``, by the key's index."""
