"""Filter jobs by backend and by path, with choices from the documents: no table is read for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.admin import SimpleListFilter

from sp00ky_core.backend.backend import Backend
from sp00ky_django.lazy_outbox import outbox

__all__ = ["BackendFilter", "PathFilter", "backends_of"]


def backends_of(table: str) -> Mapping[str, Backend]:
    """Return the backends whose jobs are in a table; the first one has what no document describes."""
    return {name: backend for name, backend in outbox.backends.items() if backend.table.table == table}


class BackendFilter(SimpleListFilter):
    """Choose among the backends that share a table; a job belongs to the one whose document has its path."""

    title = parameter_name = "backend"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Return the backends; none where the table has one only."""
        names = list(backends_of(model_admin.model.table))
        return [(name, name) for name in names] if len(names) > 1 else []

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Choose the jobs of the backend's routes."""
        backends = backends_of(queryset.model.table)
        wanted = backends.get(self.value() or "")
        if wanted is None:
            return queryset
        if wanted.name != wanted.table.backend:
            return queryset.filter(path__in=list(wanted.table.routes))
        others = [
            path for backend in backends.values() if backend is not wanted for path in backend.table.routes
        ]
        return queryset.exclude(path__in=others)


class PathFilter(SimpleListFilter):
    """Choose among the operations that the documents have."""

    title = parameter_name = "path"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Return the operations."""
        backends = backends_of(model_admin.model.table).values()
        return [
            (path, path)
            for path in sorted(
                {
                    path
                    for backend in backends
                    if backend.contract.is_read
                    for path in backend.contract.operations
                }
            )
        ]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Choose the jobs of an operation, in any spelling."""
        path = self.value()
        if path is None:
            return queryset
        backends = backends_of(queryset.model.table).values()
        return queryset.filter(
            path__in={text for backend in backends for text in backend.contract.spellings(path)}
        )
