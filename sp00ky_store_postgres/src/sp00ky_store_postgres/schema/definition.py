"""Define what the tables have: versions, columns, names of objects. The statements are in ``migrations/``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from sp00ky_core.gate.breaker import LONGEST_PAUSE
from sp00ky_core.ports import LONGEST_PROBE, ROLES, JobTable, Use
from sp00ky_store_kit import Kind, Table
from sp00ky_store_kit.schema import job_table
from sp00ky_store_postgres.sql.loader import fill, quoted, read_sql

VERSION = 11
"""The last migration's number. A migration only adds; an index, a CHECK or a trigger may be replaced."""

MIN_COMPATIBLE = 3
"""The oldest version whose releases can work on these tables. It stays as it is while migrations only add.

Runners of older versions would break the order of jobs with an ``ordering_key``, and heed no pause.
"""

LONGEST_NAME = 63  # bytes; PostgreSQL cuts longer ones silently


_TYPES = {
    Kind.TEXT: "text",
    Kind.JSON: "json",
    Kind.INTEGER: "integer",
    Kind.REAL: "double precision",
    Kind.INSTANT: "timestamp with time zone",
}
_OWN_TYPES = {"id": "uuid", "lease_epoch": "bigint"}

COLUMNS: Mapping[str, str] = {
    name: _OWN_TYPES.get(name, _TYPES[kind])
    for name, kind in job_table("job").kinds.items()
    if not name.startswith("last_error_")  # which ``errors`` says
}
"""The columns of a job table, with their types as PostgreSQL writes them."""

JOB_KEY = {"id": "uuid", "path": "text", "payload": "json", "status": "text"}

KEY_COLUMNS = {
    "sp00ky_migration": {"table_name": "text", "version": "integer"},
    "sp00ky_runner": {"id": "text", "host": "text", "pid": "integer"},
    "sp00ky_breaker": {"backend": "text", "state": "text"},
    "sp00ky_control": {"backend": "text", "paused": "boolean"},
    "sp00ky_audit": {"id": "bigint", "action": "text", "selection": "json"},
    "sp00ky_schedule": {"name": "text", "definition": "json", "revision": "bigint"},
    "sp00ky_schedule_run": {"schedule": "text", "fired_at": "timestamp with time zone", "key": "text"},
    "sp00ky_rollup": {"minute": "timestamp with time zone", "outcome": "text", "buckets": "bigint[]"},
}
"""The tables that migrations make, those of the extension ``schedules`` among them.

Beside each stand the columns without which a table of that name is another application's."""


def object_name(table: str, suffix: str) -> str:
    """Return the name of an index, a constraint or a trigger of a table, however long the table's is."""
    name = f"{table}_{suffix}"
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(table.encode()).hexdigest()[:8]
    room = LONGEST_NAME - len(f"_{digest}_{suffix}")
    return f"{table.encode()[:room].decode(errors='ignore')}_{digest}_{suffix}"


SHARED = tuple(name for name in KEY_COLUMNS if name != "sp00ky_migration")
"""The columns that calls read and write."""

ROWS = ("SELECT", "INSERT", "UPDATE", "DELETE")
OF_VERSIONS = {"sp00ky_migration": ROWS[:1]}
OPERATED: Mapping[str, tuple[str, ...]] = {
    "sp00ky_breaker": ROWS[:1],
    "sp00ky_rollup": ROWS[:1],
    "sp00ky_runner": ("SELECT", "UPDATE"),
    **dict.fromkeys(("sp00ky_control", "sp00ky_audit", "sp00ky_schedule"), ROWS[:3]),
}
"""What an operator may do to the tables that runners write; to the others it may do what a runner may."""

HEARD = ("sp00ky_breaker", "sp00ky_control")
"""Tables that tell claims when they are written to, as job tables do."""


class Tables:
    """The store's tables, and their quoted, qualified names.

    Attributes:
        by_name: The job tables.
        by_backend: The same; one that has none is an ``UnknownBackend``.
        all: The same.
        schema: Where all are.
        location: Of the store: ``Store.location``.
        heard: As notifications name them.
        extensions: The names of extensions' tables.
        own: The store's own in SQL, by their names without the prefix: ``runner``.
    """

    def __init__(
        self,
        by_name: Mapping[str, JobTable],
        by_backend: Mapping[str, JobTable],
        schema: str,
        location: str,
        extensions: Sequence[Table] = (),
    ) -> None:
        self.by_name = by_name
        self.by_backend = by_backend
        self.all: tuple[JobTable, ...] = tuple(by_name.values())
        self.schema = schema
        self.location = location
        signalling = (table.name for table in extensions if table.signals)
        self.heard: frozenset[str] = frozenset(f"{schema}.{name}" for name in (*by_name, *HEARD, *signalling))
        self.extensions: tuple[str, ...] = tuple(table.name for table in extensions)
        self.own: dict[str, str] = {own.removeprefix("sp00ky_"): quoted(schema, own) for own in KEY_COLUMNS}
        self._filled: dict[tuple[str, str | None], str] = {}
        longest_pause = max((table.longest_pause for table in self.all), default=LONGEST_PAUSE)
        bounds = {"longest_pause": longest_pause, "longest_probe": LONGEST_PROBE}
        self._parts = {**self.own, **{name: f"{seconds!r}::float8" for name, seconds in bounds.items()}}

    def name(self, table: JobTable) -> str:
        """Return a table's name in SQL."""
        return quoted(self.schema, table.table)

    def renew(self) -> None:
        """Have statements lease and limit jobs as the store's tables say by now."""
        self.all = tuple(self.by_name.values())

    def chosen(self, backends: Iterable[str]) -> tuple[JobTable, ...]:
        """Return the tables of some backends, in the order that statements are built in."""
        wanted = {self.by_backend[backend].table for backend in backends}
        return tuple(table for table in self.all if table.table in wanted)

    def statement(self, name: str, table: JobTable | None = None, /, **parts: str) -> str:
        """Return a statement of ``sql/``, with names of tables and its own parts filled in."""
        key = (name, None if table is None else table.table)
        if not parts and key in self._filled:
            return self._filled[key]
        of_table = {}
        if table is not None:
            of_table = {"table": self.name(table), "longest_lease": f"{table.longest_lease!r}::float8"}
        statement = fill(read_sql(name), **self._parts, **of_table, **parts)
        if not parts:
            self._filled[key] = statement
        return statement

    def grants(self) -> list[str]:
        """Return the GRANTs of three roles: one that enqueues, one that runs, one that operates.

        An operator finds, counts, kills, retries, reschedules, copies, redacts, imports and clears jobs,
        pauses backends, asks runners to drain, and defines, fires and pauses schedules; each act is written
        down.
        """
        schema = quoted(self.schema)
        grants = [f"GRANT USAGE ON SCHEMA {schema} TO {', '.join(sorted(ROLES.values()))}"]
        for use, rights in self.rights().items():
            for given in dict.fromkeys(rights.values()):
                names = (quoted(self.schema, name) for name, some in rights.items() if some == given)
                grants.append(f"GRANT {', '.join(given)} ON {', '.join(names)} TO {ROLES[use]}")
        return grants

    def rights(self) -> Mapping[Use, Mapping[str, tuple[str, ...]]]:
        """Return what each use needs to do, by the tables' names."""
        jobs = tuple(self.by_name)
        return {
            Use.ENQUEUE: dict.fromkeys(jobs, ROWS[:2]),
            Use.RUN: {**dict.fromkeys((*jobs, *SHARED, *self.extensions), ROWS), **OF_VERSIONS},
            Use.OPERATE: {
                **dict.fromkeys((*jobs, *SHARED, *self.extensions), ROWS),
                **OPERATED,
                **OF_VERSIONS,
            },
        }
