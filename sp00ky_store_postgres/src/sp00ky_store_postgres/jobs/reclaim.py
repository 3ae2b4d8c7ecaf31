"""List the claims of runners that have stopped, and those whose lease is over."""

from __future__ import annotations

from collections.abc import Collection

from sp00ky_core.job import Job
from sp00ky_core.ports import LONGEST_LEASE, JobTable, OverdueClaim
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_store_postgres.connection.executor import Row
from sp00ky_store_postgres.ids import keys_by_table
from sp00ky_store_postgres.jobs.settle import SETTLED
from sp00ky_store_postgres.part import StorePart
from sp00ky_store_postgres.rows import LIGHT, whole_jobs
from sp00ky_store_postgres.schema.tables import lease_over, lease_seconds


class LostClaims(StorePart):
    """A part of the store: claims that are to be reclaimed."""

    async def _lost(
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
        for table in self._executor.tables.delivered:
            if len(jobs) < limit:
                keys = named.get(table.table, []), resting.get(table.table, [])
                arguments = list(dead_runners), list(beating), *keys, limit - len(jobs)
                jobs += whole_jobs(await self._read_claims("lost", table, *arguments), table)
        return jobs

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """See ``OverdueClaims.overdue``."""
        claims = list[OverdueClaim]()
        for table in self._executor.tables.delivered:
            if len(claims) < limit:
                rows = await self._read_claims("overdue", table, list(runners), limit - len(claims))
                claims += [_overdue_claim(row, table) for row in rows]
        return claims

    async def _read_claims(self, name: str, table: JobTable, *arguments: object) -> list[Row]:
        parts = {
            "columns": LIGHT,
            "lease": lease_seconds(table),
            "longest": f"{LONGEST_LEASE!r}::float8",
            "over": lease_over(table),
        }
        return await self._executor.query(name, *arguments, table=table, **parts)


def _overdue_claim(row: Row, table: JobTable) -> OverdueClaim:
    job_id = id_of(table.table, str(row[0]))
    return OverdueClaim(job_id=job_id, epoch=row[1], runner_id=row[2], lasts=row[3])
