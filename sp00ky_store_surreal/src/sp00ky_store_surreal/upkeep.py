"""Beats, claims given back, jobs deleted: a row that the database refuses to write holds up no other."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection import Connection, Lane, Way
from sp00ky_store_surreal.errors import NO_ROWS_FAULT
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.mapping import duration_text
from sp00ky_store_surreal.queries import quoted, surql
from sp00ky_store_surreal.readiness import Readiness
from sp00ky_store_surreal.reading import Id, Raw, nameable
from sp00ky_store_surreal.refusals import Refusals
from sp00ky_store_surreal.rights import unwritable
from sp00ky_store_surreal.selecting import ids_of

__all__ = ["Upkeep"]

BEAT = Way(lane=Lane.BEAT, alone=False)  # a row that no other statement writes, so it doesn't wait its turn
RELEASE = Way(lane=Lane.CLAIM)
THESE = "(<array<record>>$these)"


@attrs.frozen(kw_only=True)
class _Change:
    """What is done to rows: a statement with a place for their ids, that returns something of each."""

    verb: str
    statement: str
    bindings: Mapping[str, Any] = attrs.field(factory=dict)
    how: Way = attrs.field(factory=Way)


@attrs.frozen(kw_only=True)
class Upkeep:
    """What a store does beside claims and settles."""

    connection: Connection
    tables: Sequence[JobTable]
    refusals: Refusals
    ready: Readiness

    async def beat(self, runner_id: str) -> Mapping[str, datetime]:
        """See ``Store.beat``. Raises ``SchemaError`` where the user may not write."""
        reply = await self.connection.write(
            surql("beat"),
            BEAT,
            id=RecordID("sp00ky_runner", runner_id),
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        beats = _beats_of(reply[-1])
        if runner_id not in beats:
            raise unwritable(self.connection.target.location, "sp00ky_runner")
        return beats

    async def beats(self) -> Mapping[str, datetime]:
        """Each runner's last sign of life."""
        return _beats_of((await self.connection.read(surql("beats")))[-1])

    async def release(self, runner_id: str, keep: Collection[str]) -> list[str]:
        """See ``Store.release``."""
        given_back: list[str] = []
        for table in await self.ready.there(self.tables):
            with self.ready.passing_over():
                given_back += await self._release(table, runner_id, keep)
        return given_back

    async def _release(self, table: JobTable, runner_id: str, keep: Collection[str]) -> list[str]:
        bindings = {"runner": runner_id, "keep": ids_of(table, keep)}
        change = _Change(verb="released", statement="release", bindings=bindings, how=RELEASE)
        rows = await self._all_or_each(change, surql("held", table=quoted(table.table), what="@what@"))
        return list(map(id_text, nameable(row["id"] for row in rows)))

    async def prune(self, limit: int) -> int:
        """See ``Store.prune``; without a retention of their own, jobs are the user's, and kept."""
        count = 0
        for table in await self.ready.there(self.tables):
            kept = {JobStatus.SUCCESS: table.keep_success, JobStatus.FAILED: table.keep_failed}
            for status, keep in kept.items():
                if keep is not None and count < limit:
                    with self.ready.passing_over():
                        count += await self._prune(table, status, keep, limit - count)
        await self.connection.write(surql("prune_runners"))
        return count

    async def _prune(self, table: JobTable, status: JobStatus, keep: float, limit: int) -> int:
        bindings = {"status": status.value, "keep": duration_text(keep), "limit": limit}
        change = _Change(verb="deleted", statement="delete", bindings=bindings)
        old = surql("ended", table=quoted(table.table), what="@what@")
        return len(self._gone(table, await self._all_or_each(change, old)))

    async def delete_ended(self, job_ids: Collection[str]) -> set[str]:
        """Delete those of these jobs that have ended; their ids."""
        change = _Change(verb="deleted", statement="delete")
        deleted: set[str] = set()
        for table in self.tables:
            parts = await self._in_parts(change, ids_of(table, job_ids))
            deleted |= set(map(id_text, nameable(self._gone(table, parts))))
        return deleted

    def _gone(self, table: JobTable, parts: Sequence[Mapping[str, Any]]) -> list[Raw]:
        """What was deleted. Raises ``SchemaError`` where nothing was, and it is still there."""
        gone = [each for part in parts for each in part["gone"]]
        if not gone and any(part["left"] for part in parts):
            raise unwritable(self.connection.target.location, table.table)
        return gone

    async def _all_or_each(self, change: _Change, selecting: str) -> list[Any]:
        """Change the rows that a statement selects, in one go where the database takes all of them."""
        try:
            return await self._write(change, f"({selecting.replace('@what@', 'VALUE id')})")
        except NO_ROWS_FAULT:
            raise
        except StoreError:
            statement = selecting.replace("@what@", surql("id_text"))
            found = (await self.connection.read(statement, **change.bindings))[-1]
        return await self._in_parts(change, nameable(row["id"] for row in found))

    async def _in_parts(self, change: _Change, ids: Sequence[Id]) -> list[Any]:
        """Change rows, as many at once as the database takes; one that it refuses is told, and left out."""
        if not ids:
            return []
        try:
            return await self._write(change, THESE, these=list(ids))
        except NO_ROWS_FAULT:
            raise
        except StoreError as error:
            if len(ids) == 1:
                self.refusals.tell(id_text(ids[0]), change.verb, error)
                return []
        half = len(ids) // 2
        return [*await self._in_parts(change, ids[:half]), *await self._in_parts(change, ids[half:])]

    async def _write(self, change: _Change, ids: str, **these: Any) -> list[Any]:
        statement = surql(change.statement, ids=ids)
        reply = await self.connection.write(statement, change.how, **change.bindings, **these)
        found: list[Any] = reply[-1]
        return found


def _beats_of(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, datetime]:
    return {str(row["id"].id): row["beat_at"] for row in rows}
