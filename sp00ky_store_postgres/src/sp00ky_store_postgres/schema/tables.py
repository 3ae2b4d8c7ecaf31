"""Name the job tables in statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sp00ky_core.errors import UnknownBackend
from sp00ky_core.gate.breaker import LONGEST_PAUSE
from sp00ky_core.ports import LONGEST_PROBE, JobTable
from sp00ky_store_postgres.ids import keys_by_table
from sp00ky_store_postgres.sql.loader import fill, quoted, read_sql


class Tables:
    """The store's tables, by backend and by name, and their quoted, qualified names."""

    def __init__(self, tables: Sequence[JobTable], schema: str) -> None:
        self.all: tuple[JobTable, ...] = tuple(tables)
        self.schema = schema
        shared = ("sp00ky_schedule", "sp00ky_breaker", "sp00ky_control")
        self.heard: frozenset[str] = frozenset(
            f"{schema}.{name}" for name in (*(table.table for table in tables), *shared)
        )
        self.by_name: dict[str, JobTable] = {table.table: table for table in tables}
        self._by_backend = {table.backend: table for table in tables}
        self._names = {table.table: quoted(schema, table.table) for table in tables}
        self.runner: str = quoted(schema, "sp00ky_runner")
        self.breaker: str = quoted(schema, "sp00ky_breaker")
        self.control: str = quoted(schema, "sp00ky_control")
        self.audit: str = quoted(schema, "sp00ky_audit")
        self.schedule: str = quoted(schema, "sp00ky_schedule")
        self.schedule_run: str = quoted(schema, "sp00ky_schedule_run")
        self.rollup: str = quoted(schema, "sp00ky_rollup")
        self.migration: str = quoted(schema, "sp00ky_migration")
        self._shared = {
            "runner": self.runner,
            "breaker": self.breaker,
            "control": self.control,
            "audit": self.audit,
            "schedule": self.schedule,
            "schedule_run": self.schedule_run,
            "rollup": self.rollup,
            **{name: read_sql(name) for name in ("paused", "runner_columns")},
            **_breaker_expressions(self.all),
        }

    @property
    def delivered(self) -> tuple[JobTable, ...]:
        """Those whose jobs runners deliver."""
        return tuple(table for table in self.all if table.delivered)

    def name(self, table: JobTable) -> str:
        """Return a table's name in SQL."""
        return self._names[table.table]

    def of(self, backend: str) -> JobTable:
        """Return a backend's table. Raises ``UnknownBackend``."""
        try:
            return self._by_backend[backend]
        except KeyError:
            raise UnknownBackend(backend=backend, known=tuple(self._by_backend)) from None

    def chosen(self, backends: Iterable[str]) -> tuple[JobTable, ...]:
        """Return the tables of some backends, in the order that statements are built in."""
        wanted = {self.of(backend).table for backend in backends}
        return tuple(table for table in self.all if table.table in wanted)

    def named(self, job_ids: Iterable[str]) -> Iterator[tuple[JobTable, list[str]]]:
        """Yield the tables that ids name, each with its keys; what names no table is left out."""
        for name, keys in keys_by_table(job_ids).items():
            if name in self.by_name:
                yield self.by_name[name], keys

    def statement(self, name: str, table: JobTable | None = None, /, **parts: str) -> str:
        """Return a statement of ``sql/``, with names of tables and its own parts filled in."""
        own = {} if table is None else {"table": self.name(table)}
        return fill(read_sql(name), **self._shared, **own, **parts)


def _breaker_expressions(tables: Sequence[JobTable]) -> dict[str, str]:
    """Return how statements read a breaker; no instant of it is believed that no runner can have written."""
    longest_pause = max((table.longest_pause for table in tables), default=LONGEST_PAUSE)
    pause_end = fill(read_sql("breaker_pause_end"), longest_pause=f"{longest_pause!r}::float8")
    probe_end = fill(read_sql("breaker_probe_end"), longest_probe=f"{LONGEST_PROBE!r}::float8")
    read = fill(read_sql("breaker_read"), pause_end=pause_end, probe_end=probe_end)
    return {"pause_end": pause_end, "probe_end": probe_end, "breaker_read": read}


def lease_seconds(table: JobTable) -> str:
    """Write ``JobTable.attempt_timeout`` and the margin as an expression on ``job``, in seconds."""
    if not table.timeout_overridable:
        return f"({table.timeout + table.lease_margin!r}::float8)"
    default = f"{table.timeout!r}::float8"
    own = f"CASE WHEN job.timeout IS NULL THEN {default} ELSE least(greatest(job.timeout, 1), 86400) END"
    return f"({own} + {table.lease_margin!r}::float8)"


def lease_over(table: JobTable, row: str = "job") -> str:
    """Write a condition on a row: its lease has run out, or is none that a claim can have written."""
    return fill(read_sql("lease_over"), row=row, longest_lease=f"{table.longest_lease!r}::float8")


def leased(table: JobTable) -> str:
    """Write a condition on ``job``, which isn't processing: its request may still be under way."""
    return fill(read_sql("leased"), longest_lease=f"{table.longest_lease!r}::float8")
