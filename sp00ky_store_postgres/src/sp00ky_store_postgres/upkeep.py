"""What runners do beside claims and settles: beats, and what is lost or stray."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sp00ky_core.errors import RowRefused
from sp00ky_core.ids import job_id as id_of
from sp00ky_core.job import Job
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres.apart import apart
from sp00ky_store_postgres.connections import Connections, Lane, Row
from sp00ky_store_postgres.mapping import WHOLE, keys_by_table, whole_jobs
from sp00ky_store_postgres.refusals import Refusals
from sp00ky_store_postgres.settle import SETTLED
from sp00ky_store_postgres.statements import fill, read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["Upkeep"]


class Upkeep:
    """Looks after the tables."""

    def __init__(self, connections: Connections, tables: Tables, refusals: Refusals) -> None:
        self._connections = connections
        self._tables = tables
        self._refusals = refusals
        self._beat = fill(read_sql("beat"), runner=tables.runner)

    async def beat(self, runner_id: str) -> Mapping[str, datetime]:
        """See ``Store.beat``."""
        place = socket.gethostname(), os.getpid()
        return dict(map(tuple, await self._connections.beat(self._beat, runner_id, *place)))

    async def beats(self) -> Mapping[str, datetime]:
        """Everybody's last beat."""
        statement = fill(read_sql("beats"), runner=self._tables.runner)
        return dict(map(tuple, await self._connections.fetch(Lane.REST, statement)))

    async def release(self, runner_id: str, keep: Collection[str]) -> list[str]:
        """See ``Store.release``; a row that can't go back is left to its lease."""
        kept = keys_by_table(keep)
        released: list[str] = []
        for table in self._tables.all:
            rows = await self._release(table, runner_id, kept.get(table.table, []))
            released += [id_of(table.table, str(row[0])) for row in rows]
        return released

    async def _release(self, table: JobTable, runner_id: str, kept: Sequence[str]) -> list[Row]:
        async def release(keys: list[Any] | None) -> list[Row]:
            return await self._connections.fetch(
                Lane.REST, self._filled("release", table), runner_id, kept, keys
            )

        try:
            return await release(None)
        except RowRefused:
            held = await self._connections.fetch(Lane.REST, self._filled("held", table), runner_id, kept)
        refused: dict[Any, RowRefused] = {}
        rows = await apart([row[0] for row in held], release, refused)
        self._refusals.tell("released", {id_of(table.table, str(key)): refused[key] for key in refused})
        return rows

    async def lost(self, dead_runners: Collection[str], limit: int) -> list[Job]:
        """``processing`` rows whose lease has run out or is missing, or whose runner is dead.

        Those that couldn't be written just now are left out: they would take the others' places.
        """
        resting, jobs = keys_by_table(self._refusals.resting(SETTLED)), list[Job]()
        for table in self._tables.all:
            if len(jobs) < limit:
                arguments = list(dead_runners), limit - len(jobs), resting.get(table.table, [])
                rows = await self._connections.fetch(Lane.REST, self._filled("lost", table), *arguments)
                jobs += whole_jobs(rows, table)
        return jobs

    def _filled(self, name: str, table: JobTable) -> str:
        return fill(read_sql(name), table=self._tables.name(table), columns=WHOLE)
