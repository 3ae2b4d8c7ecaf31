"""List the claims of runners that have stopped, and those whose lease is over."""

from __future__ import annotations

from collections.abc import Collection

from sp00ky_core.job import Job
from sp00ky_core.ports import JobTable, OverdueClaim
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.ids import keys_by_table
from sp00ky_store_postgres.jobs.settle import SETTLED
from sp00ky_store_postgres.rows import LIGHT, whole_jobs
from sp00ky_store_postgres.schema.tables import Tables, lease_seconds
from sp00ky_store_postgres.sql.loader import fill, lease_over, read_sql

__all__ = ["LostClaims"]


class LostClaims:
    """Lists claims that are to be reclaimed."""

    def __init__(self, executor: Executor, tables: Tables, quarantine: Quarantine) -> None:
        self._executor = executor
        self._tables = tables
        self._quarantine = quarantine

    async def lost(
        self,
        dead_runners: Collection[str],
        *,
        beating: Collection[str],
        overdue: Collection[OverdueClaim],
        limit: int,
    ) -> list[Job]:
        """List ``processing`` rows to be reclaimed, without their payloads.

        Those that couldn't be written just now are left out: they would take the others' places.
        """
        resting = keys_by_table(self._quarantine.resting(SETTLED))
        named, jobs = keys_by_table(each.job_id for each in overdue), list[Job]()
        for table in self._tables.all:
            if len(jobs) < limit:
                keys = named.get(table.table, []), resting.get(table.table, [])
                arguments = list(dead_runners), list(beating), *keys, limit - len(jobs)
                rows = await self._executor.fetch(Workload.REST, self._filled("lost", table), *arguments)
                jobs += whole_jobs(rows, table)
        return jobs

    async def overdue(self, runners: Collection[str], limit: int) -> list[OverdueClaim]:
        """See ``Store.overdue``."""
        claims = list[OverdueClaim]()
        for table in self._tables.all:
            if len(claims) < limit:
                statement = self._filled("overdue", table)
                rows = await self._executor.fetch(
                    Workload.REST, statement, list(runners), limit - len(claims)
                )
                claims += [_overdue_claim(row, table) for row in rows]
        return claims

    def _filled(self, name: str, table: JobTable) -> str:
        parts = {"table": self._tables.name(table), "columns": LIGHT, "lease": lease_seconds(table)}
        return fill(read_sql(name), **parts, over=lease_over())


def _overdue_claim(row: Row, table: JobTable) -> OverdueClaim:
    job_id = id_of(table.table, str(row[0]))
    return OverdueClaim(job_id=job_id, epoch=row[1], runner_id=row[2], lasts=row[3])
