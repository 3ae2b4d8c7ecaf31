"""Remember which tables have jobs with a priority or an ordering_key: their claims look further."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sp00ky_core.ports import JobTable

__all__ = ["Groups"]


class Groups:
    """Knows what the last claims have seen. A table without such jobs costs a claim one look at an index."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._ordered: set[str] = set()
        self._after: dict[str, str] = {}

    def are_in(self, table: JobTable) -> bool:
        """Whether the last claim has seen a waiting job with a priority or an ordering_key."""
        return table.table in self._seen

    def are_ordered(self, backend: str) -> bool:
        """Whether a claim has ever taken a job that may have an ordering_key."""
        return backend in self._ordered

    def after(self, table: JobTable) -> str:
        """Return the ordering_key behind which the next search begins: each sees other ones first."""
        return self._after.get(table.table, "")

    def note(self, table: JobTable, chosen: Mapping[str, Any]) -> bool:
        """Take note of what a claim has seen; return whether it has left all of it for the next one."""
        is_news = chosen["any"] and table.table not in self._seen
        if chosen["any"]:
            self._seen.add(table.table)
            self._ordered.add(table.backend)
        else:
            self._seen.discard(table.table)
        if chosen.get("after") is not None:
            self._after[table.table] = chosen["after"]
        return bool(is_news)
