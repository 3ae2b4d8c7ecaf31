"""Write outcomes: one statement for a batch, each row under its guard; isolate what the database refuses."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any

from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_core.ports import JobTable, SettleFate, Settlement, SettleResult
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.isolation import Quarantine, bisect, settle_with_less
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.errors import constraint_of, is_meant, is_slow
from sp00ky_store_postgres.ids import key_of
from sp00ky_store_postgres.jobs.slow_settles import SlowSettles
from sp00ky_store_postgres.rows import readable
from sp00ky_store_postgres.schema.definition import object_name
from sp00ky_store_postgres.sql.loader import fill, read_sql
from sp00ky_store_postgres.sql.settle_arguments import (
    appended,
    arguments,
    is_plain_success,
    success_arguments,
)

SETTLED = "settled"
"""The verb under which rows are remembered that can't be written in any form."""
PATIENCE = {Workload.SETTLE: 1.0, Workload.REST: 20.0}
"""Seconds that the caller of a batch waits for its rows, once they are written one by one."""


class Settles:
    """Writes transitions."""

    def __init__(self, executor: Executor, quarantine: Quarantine) -> None:
        self._executor = executor
        self._tables = executor.tables
        self._quarantine = quarantine
        self._slow = SlowSettles(self._settle_alone)
        self._built: dict[tuple[bool, tuple[str, ...]], str] = {}

    def settle(
        self, settlements: Sequence[Settlement], workload: Workload = Workload.SETTLE
    ) -> Coroutine[Any, Any, list[SettleResult]]:
        """Write a batch; fates in order.

        What the database refuses is isolated by halving the batch; a batch that takes too long is written
        row by row, apart from the next ones.
        """
        busy = self._slow.busy(settlements)
        if not busy:
            return self._settle_in_time(settlements, workload)
        return self._settle_others(settlements, busy, workload)

    async def _settle_others(
        self,
        settlements: Sequence[Settlement],
        busy: Mapping[Settlement, SettleResult],
        workload: Workload,
    ) -> list[SettleResult]:
        others = [each for each in settlements if each not in busy]
        results = iter(await self._settle_in_time(others, workload))
        return [busy[each] if each in busy else next(results) for each in settlements]

    async def close(self) -> None:
        """Stop writing what is written apart."""
        await self._slow.close()

    async def _settle_in_time(
        self, settlements: Sequence[Settlement], workload: Workload
    ) -> list[SettleResult]:
        try:
            try:
                return await self._write(settlements, workload)
            except RowRefused:
                return await self._settle(settlements, workload)
        except StoreError as error:
            if not is_slow(error) or (len(settlements) == 1 and workload is not Workload.SETTLE):
                raise
            return await self._slow.settle(settlements, PATIENCE[workload], error)

    async def _settle_alone(self, settlement: Settlement) -> SettleResult:
        (result,) = await self._settle([settlement], Workload.SLOW_SETTLE)
        return result

    async def _settle(self, settlements: Sequence[Settlement], workload: Workload) -> list[SettleResult]:
        """Write what the database takes, and the rows that it refuses with less in them.

        Raises:
            RowRefused: a function that the database calls fails for every row: that is no row's own fault.
        """
        unwritten: list[StoreError] = []

        async def write(some: Sequence[Settlement]) -> Sequence[SettleResult]:
            return await self._write(some, workload)

        async def alone(settlement: Settlement, error: StoreError) -> Sequence[SettleResult]:
            if not is_meant(error) and not settlement.stays_if_refused:
                unwritten.append(error)
                return [self._busy(settlement, error, workload)]
            return [await self._settle_refused(settlement, error, workload)]

        results = await bisect(settlements, write, alone)
        if unwritten and len(unwritten) == len(settlements):
            raise unwritten[0]
        return results

    async def _settle_refused(
        self, settlement: Settlement, refused: StoreError, workload: Workload
    ) -> SettleResult:
        if settlement.stays_if_refused:
            return _not_redriven(settlement, refused)

        async def write(lesser: Settlement) -> SettleResult:
            return (await self._write([lesser], workload))[0]

        result = await settle_with_less(settlement, refused.problem, write)
        return result or self._busy(settlement, refused, workload)

    def _busy(self, settlement: Settlement, refused: StoreError, workload: Workload) -> SettleResult:
        """Leave the row as it is, to be settled later; its lease bounds for how long that is tried."""
        if workload is Workload.REST:  # a runner reports its own outcomes
            self._quarantine.add(SETTLED, [settlement.job_id], refused.problem)
        return SettleResult(job_id=settlement.job_id, fate=SettleFate.BUSY, problem=refused.problem)

    async def _write(self, settlements: Sequence[Settlement], workload: Workload) -> list[SettleResult]:
        by_name, settled = self._tables.by_name, SettleFate.SETTLED
        batch = [each for each in settlements if each.job_id[:-37] in by_name and key_of(each.job_id)]
        results = [SettleResult(job_id=each.job_id, fate=settled) for each in batch]
        if batch:
            names = [each.job_id[:-37] for each in batch]  # before the colon and the uuid
            tables, numbers = self._numbered(names)
            statement, given = self._statement_of(tables, batch)
            ((written,),) = await self._executor.fetch(workload, statement, numbers, *given)
            left = sorted({*range(len(batch))} - {n - 1 for n in written or ()})
            unwritten = [numbers[n] for n in left], [batch[n].job_id[-36:] for n in left]
            rows = await self._executor.fetch(workload, self._unwritten(tables), *unwritten) if left else ()
            for row in rows:
                n = left[row["n"] - 1]
                results[n] = _result(row, batch[n])
        if len(batch) == len(settlements):
            return results
        found = dict(zip(map(id, batch), results, strict=True))
        lost = SettleFate.LEASE_LOST
        return [found.get(id(each)) or SettleResult(job_id=each.job_id, fate=lost) for each in settlements]

    def _numbered(self, names: Sequence[str]) -> tuple[tuple[JobTable, ...], list[int]]:
        present = set(names)
        tables = tuple(table for table in self._tables.all if table.table in present)
        numbers = {table.table: number for number, table in enumerate(tables)}
        return tables, [numbers[name] for name in names]

    def _statement_of(
        self, tables: tuple[JobTable, ...], batch: Sequence[Settlement]
    ) -> tuple[str, Sequence[Any]]:
        plain = len({each.runner_id for each in batch}) == 1 and all(map(is_plain_success, batch))
        return self._statement(tables, plain=plain), (success_arguments if plain else arguments)(batch)

    def _statement(self, tables: tuple[JobTable, ...], *, plain: bool) -> str:
        key = (plain, tuple(table.table for table in tables))
        statement = self._built.get(key)
        if statement is None:
            statement = self._built[key] = self._build(tables, "settle_success" if plain else "settle")
        return statement

    def _build(self, tables: tuple[JobTable, ...], name: str) -> str:
        parts = self._of_each(tables, f"{name}_table", given=read_sql(name), appended=appended())
        written = " UNION ALL ".join(f"TABLE written_{number}" for number in range(len(tables)))
        return f"WITH {', '.join(parts)} {fill(read_sql('settle_written'), written=written)}"

    def _unwritten(self, tables: tuple[JobTable, ...]) -> str:
        return " UNION ALL ".join(self._of_each(tables, "settle_unwritten"))

    def _of_each(self, tables: tuple[JobTable, ...], name: str, **parts: str) -> Iterator[str]:
        for number, table in enumerate(tables):
            yield self._tables.statement(
                name, table, number=str(number), runner_id=readable("runner_id"), **parts
            )


def _result(row: Row, settlement: Settlement) -> SettleResult:
    fate = settlement.fate_on(epoch=row["epoch"], status=row["status"], runner_id=row["runner"])
    # Where the guard fits, and yet nothing was written, a transaction locks the row, or it moved just now.
    fate = SettleFate.BUSY if fate is SettleFate.SETTLED else fate
    return SettleResult(job_id=settlement.job_id, fate=fate)


def _not_redriven(settlement: Settlement, refused: StoreError) -> SettleResult:
    is_taken = constraint_of(refused) == object_name(table_of(settlement.job_id), "dedup")
    fate = SettleFate.DUPLICATE if is_taken else SettleFate.BUSY
    return SettleResult(job_id=settlement.job_id, fate=fate, problem=None if is_taken else refused.problem)
