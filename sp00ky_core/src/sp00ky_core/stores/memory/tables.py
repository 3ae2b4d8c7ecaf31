"""Keep the memory store's tables, its clock, and its signals; write rows and find them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sp00ky_core.errors import StoreClosed, UnknownBackend
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.ports import AuditEntry, JobFilter, JobQuery, RunnerRecord, StoreCapabilities, StoreOptions
from sp00ky_core.stores.broadcast import Broadcast
from sp00ky_core.stores.filters import matches
from sp00ky_core.stores.ids import job_id, new_key, table_of
from sp00ky_core.stores.memory.breaker import MemoryBreakers
from sp00ky_core.stores.memory.control import MemoryControl
from sp00ky_core.stores.memory.table import MemoryTable
from sp00ky_core.stores.memory.transaction import MemoryTransaction
from sp00ky_core.stores.rows import job_of

__all__ = ["MemoryTables", "utc_now"]


def utc_now() -> datetime:
    """Return the time by this host's clock."""
    return datetime.now(UTC)


class MemoryTables:
    """The state of a memory store; a base of it."""

    capabilities = StoreCapabilities(
        transactions=True, exact_order=True, shared=False, durable=False, ordering=True, limits=True
    )
    location = "memory://"

    def __init__(self, options: StoreOptions, *, now: Callable[[], datetime] = utc_now) -> None:
        self.options = options
        self._now = now
        self._all_tables = {table.table: MemoryTable(table) for table in options.tables}
        self._backends = {table.options.backend: table for table in self._all_tables.values()}
        self._breakers = MemoryBreakers()
        self._controls = {backend: MemoryControl() for backend in self._backends}
        self._runners: dict[str, RunnerRecord] = {}
        self._acts: dict[str, AuditEntry] = {}
        self._transactions: set[MemoryTransaction] = set()
        self._watched: list[OrderedDict[str, None]] = []
        self._work = Broadcast()
        self._changes = Broadcast()

    async def open(self) -> None:
        """See ``Store.open``."""
        if self._work.closed:
            self._work, self._changes = Broadcast(), Broadcast()

    async def close(self) -> None:
        """See ``Store.close``; the jobs stay."""
        self._work.close()
        self._changes.close()

    @property
    def _tables(self) -> Mapping[str, MemoryTable]:
        self._check_open()
        return self._all_tables

    def _check_open(self) -> None:
        if self._work.closed:
            raise StoreClosed(store=self.location)

    def write_row(self, table: str, fields: Mapping[str, Any]) -> str:
        """Write a row as another client might, unchecked: for tests of rows that break the contract.

        Args:
            table: its name.
            fields: columns by name; one that is left out has its default; ``id`` may be a key or an id.

        Returns:
            The row's id.
        """
        now = self._now()
        key = str(fields.get("id") or new_key()).removeprefix(f"{table}:")
        defaults = dict.fromkeys(("created_at", "updated_at", "run_at"), now)
        row = {**defaults, **fields, "id": job_id(table, key)}
        options = self._all_tables[table].options
        job = job_of(
            row,
            backend=options.backend,
            strategies=options.strategies,
            timeout_counts=options.timeout_overridable,
        )
        self._write(job)
        return job.id

    def _write(self, job: Job) -> None:
        self._backends[job.backend].put(job)
        self._changed([job])
        if job.status is JobStatus.PENDING:
            self._work.send()

    def _changed(self, jobs: Iterable[Job]) -> None:
        for watched in self._watched:
            watched.update((job.id, None) for job in jobs)
        self._changes.send()

    def _row(self, job_id: str) -> Job | None:
        table = self._tables.get(table_of(job_id))
        return None if table is None else table.rows.get(job_id)

    def _of_backend(self, backend: str) -> MemoryTable:
        self._check_open()
        try:
            return self._backends[backend]
        except KeyError:
            raise UnknownBackend(backend=backend, known=tuple(self._backends)) from None

    def _control(self, backend: str) -> MemoryControl:
        self._of_backend(backend)
        return self._controls[backend]

    def _each_matching(self, conditions: JobFilter) -> Iterable[Job]:
        if isinstance(conditions, JobQuery) and conditions.ids is not None:
            found: Iterable[Job] = filter(None, map(self._row, dict.fromkeys(conditions.ids)))
        else:
            found = (job for table in self._tables.values() for job in table.of_status(conditions.status))
        return (job for job in found if matches(job, conditions))
