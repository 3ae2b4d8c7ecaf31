"""Find pending rows that the database refuses to have claimed, and leave them out of claims for a while.

One such row, refused by a CHECK or a trigger of the user's, would make every claim fail. Which one it is is
found by trial. After a while it gets another chance, for the rule may have been corrected.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.errors import constraint_of, is_refusal, problem_of
from sp00ky_store_postgres.ids import keys_by_table
from sp00ky_store_postgres.schema.definition import object_name
from sp00ky_store_postgres.sql.claim_statements import PRIORITIES, ClaimStatements
from sp00ky_store_postgres.sql.loader import fill, read_sql

CLAIMED = "claimed"


class ClaimRefusals:
    """The rows that claims leave out now."""

    def __init__(self, executor: Executor, quarantine: Quarantine) -> None:
        self._executor = executor
        self._tables = executor.tables
        self._quarantine = quarantine
        self._keys: dict[str, list[str]] = {}  # by table
        self._unreported: RowRefused | None = None

    def refresh(self) -> bool:
        """Return whether other rows are left out than before: statements have to be built again."""
        before, self._keys = self._keys, keys_by_table(self._quarantine.resting(CLAIMED))
        return self._keys != before

    def take_unreported(self) -> RowRefused | None:
        """Return what no claim has raised yet; a runner without any other job ends with it."""
        unreported, self._unreported = self._unreported, None
        return unreported

    def condition(self, table: JobTable, row: str) -> str:
        """Return what a statement adds to its WHERE."""
        keys = ",".join(self._keys.get(table.table, ()))
        return f"AND {row}.id <> ALL ('{{{keys}}}'::uuid[])" if keys else ""

    async def find(
        self,
        statements: ClaimStatements,
        table: JobTable,
        limit: int,
        since: Sequence[datetime] = (BEGINNING,) * len(PRIORITIES),
        after: str = "",
    ) -> bool:
        """Look for refused rows among the first that a claim would take; return whether there was one.

        Args:
            statements: those of claims.
            table: which table.
            limit: how many rows.
            since: from which ``run_at`` on, for each priority.
            after: the ordering key after which is looked.
        """
        name, guard = self._tables.name(table), object_name(table.table, "ordering")
        places = [f"${number}::timestamptz" for number, _ in enumerate(PRIORITIES, 3)]
        statement = statements.trial(table, limit="$1", after="$2::text", since=places)

        async def work(connection: Any) -> dict[str, str]:
            trial = connection.transaction()
            await trial.start()
            try:
                await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                rows = await connection.fetch(statement, limit, after, *since)
                return await _try_each(connection, name, [row[0] for row in rows], guard)
            finally:
                await trial.rollback()

        found = await self._executor.run(Workload.REST, work)
        if found:
            ids = [id_of(table.table, key) for key in found]
            problem = next(iter(found.values()))
            self._quarantine.add(CLAIMED, ids, problem, level=logging.WARNING)  # the runner reports the error
            text = f"job {ids[0]} can't be claimed, pending as before: {problem}; correct the row or the rule"
            self._unreported = RowRefused(store=self._executor.location, problem=text)
            self.refresh()
        return bool(found)


async def _try_each(connection: Any, name: str, keys: Sequence[Any], guard: str) -> dict[str, str]:
    """Claim each row, in a transaction that is rolled back; return the refused keys and why.

    A row that ``guard`` refuses is sound: another job of its ordering key is being processed.
    """
    refused: dict[str, str] = {}
    statement = fill(read_sql("claim_refusal_trial"), table=name)
    for key in keys:
        try:
            async with connection.transaction():
                await connection.execute(statement, key)
        except Exception as error:
            if not is_refusal(error):
                raise
            if constraint_of(error) != guard:
                refused[str(key)] = problem_of(error)
    return refused
