"""Give the parts of the store what all of them stand on: its connection, its tables, its signals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sp00ky_core.errors import UnknownBackend
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.observe.notifications import Signals
from sp00ky_store_surreal.row_changes import RowChanges
from sp00ky_store_surreal.schema.readiness import Readiness

if TYPE_CHECKING:
    from sp00ky_store_surreal.jobs.claim import Claimer


class StorePart:
    """A base of ``SurrealStore`` that answers some calls of the port; it is made by the store alone."""

    _connection: Connection
    _ready: Readiness
    _signals: Signals
    _tables: tuple[JobTable, ...]
    _by_backend: Mapping[str, JobTable]
    _changes: RowChanges
    _claimer: Claimer

    @property
    def _delivered(self) -> tuple[JobTable, ...]:
        """The tables whose jobs runners deliver."""
        return tuple(table for table in self._tables if table.delivered)

    def _wake(self, ids: Iterable[str], *, work: bool) -> None:
        self._signals.changed(ids)
        if work:
            self._signals.work()

    def _of_backend(self, backend: str) -> JobTable:
        try:
            return self._by_backend[backend]
        except KeyError:
            raise UnknownBackend(backend=backend, known=tuple(self._by_backend)) from None
