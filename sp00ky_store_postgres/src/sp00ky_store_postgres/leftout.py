"""Pending rows that the database refuses to write, by a user's CHECK or trigger: claims go around them.

One such row would make every claim fail. Which one it is is found by trial, and it is left out for a while:
then it gets another chance, for the rule may have been mended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sp00ky_core.errors import RowRefused
from sp00ky_core.ids import job_id as id_of
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres.connections import Connections, Lane
from sp00ky_store_postgres.errors import is_refusal, translated
from sp00ky_store_postgres.statements import fill, read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["LeftOut"]

logger = logging.getLogger(__name__)

LEFT_OUT_SECONDS = 30.0
MOST = 1_000
"""Rows that are left out at most: they stand in each statement."""


class LeftOut:
    """The rows that claims leave out now."""

    def __init__(self, connections: Connections, tables: Tables, location: str) -> None:
        self._connections = connections
        self._tables = tables
        self._location = location
        self._keys: dict[str, list[str]] = {}  # by table
        self._until = 0.0
        self._told: set[str] = set()
        self._news: RowRefused | None = None

    def is_over(self) -> bool:
        """Whether there are some, and they have been left out for long enough; forgets them if so."""
        over = bool(self._keys) and time.monotonic() > self._until
        if over:
            self._keys.clear()
        return over

    def condition(self, table: JobTable, row: str) -> str:
        """What a statement adds to its WHERE."""
        keys = ",".join(self._keys.get(table.table, ()))
        return f"AND {row}.id <> ALL ('{{{keys}}}'::uuid[])" if keys else ""

    def take_news(self) -> RowRefused | None:
        """What hasn't been told yet."""
        news, self._news = self._news, None
        return news

    async def find(self, table: JobTable, since: datetime, limit: int) -> bool:
        """Look for refused rows among the first ones that a claim would take; whether there was one."""
        found: dict[str, RowRefused] = {}

        async def work(connection: Any) -> None:
            found.clear()
            trial = connection.transaction()
            await trial.start()
            try:
                await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                found.update(await self._try_each(connection, table, since, limit))
            finally:
                await trial.rollback()

        await self._connections.run(Lane.REST, work)
        keys = self._keys.setdefault(table.table, [])
        room = MOST - len(keys)
        keys += list(found)[:room]
        if found:
            self._tell(table, found)
        self._until = time.monotonic() + LEFT_OUT_SECONDS
        return bool(found) and room > 0

    async def _try_each(
        self, connection: Any, table: JobTable, since: datetime, limit: int
    ) -> dict[str, RowRefused]:
        name, left_out = self._tables.name(table), self.condition(table, "due")
        statement = fill(read_sql("claim_trial_rows"), table=name, left_out=left_out)
        refused: dict[str, RowRefused] = {}
        for (key,) in await connection.fetch(statement, since, limit):
            try:
                async with connection.transaction():
                    done = await connection.execute(fill(read_sql("claim_trial"), table=name), key)
                if done == "UPDATE 0":  # it is locked here, so it was there to be written
                    problem = "a trigger returns NULL for it"
                    refused[str(key)] = RowRefused(store=self._location, problem=problem)
            except Exception as error:
                if not is_refusal(error):
                    raise
                problem = str(translated(error, self._location)).removeprefix(f"{self._location}: ")
                refused[str(key)] = RowRefused(store=self._location, problem=problem)
        return refused

    def _tell(self, table: JobTable, found: Mapping[str, RowRefused]) -> None:
        key, error = next(iter(found.items()))
        job_id = id_of(table.table, key)
        more = f" and {len(found) - 1} more" if found.keys() - {key} else ""
        problem = f"job {job_id}{more} can't be claimed, pending as before: {error.problem}; mend row or rule"
        self._news = RowRefused(store=self._location, problem=problem)
        logger.log(logging.DEBUG if job_id in self._told else logging.WARNING, "%s", problem)
        self._told.add(job_id)
