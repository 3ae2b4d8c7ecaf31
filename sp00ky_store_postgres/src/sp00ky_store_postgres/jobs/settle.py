"""Write outcomes: one statement for a batch, each row under its guard; isolate what the database refuses.

From top to bottom: ``Settles``, then the arguments of its statements, and batches that took too long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.errors import RowRefused, Sp00kyError, StoreError, StoreUnavailable
from sp00ky_core.job.job import AttemptError, JobStatus
from sp00ky_core.job.outcome import HTTP, THROTTLED
from sp00ky_core.job.state_machine import MAX_ERRORS, Transition
from sp00ky_core.ports import JobTable, SettleFate, Settlement, SettleResult
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.refusals import Quarantine, bisect, settle_with_less
from sp00ky_store_postgres.connection.connect import Workload
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.errors import constraint_of, is_meant, is_slow
from sp00ky_store_postgres.rows import is_key, readable
from sp00ky_store_postgres.schema.definition import object_name
from sp00ky_store_postgres.sql.loader import fits, unreadable

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

    async def close(self) -> None:
        """Stop writing what is written apart."""
        await self._slow.close()

    async def _settle_others(
        self,
        settlements: Sequence[Settlement],
        busy: Mapping[Settlement, SettleResult],
        workload: Workload,
    ) -> list[SettleResult]:
        others = [settlement for settlement in settlements if settlement not in busy]
        results = iter(await self._settle_in_time(others, workload))
        return [busy[settlement] if settlement in busy else next(results) for settlement in settlements]

    async def _settle_in_time(
        self, settlements: Sequence[Settlement], workload: Workload
    ) -> list[SettleResult]:
        try:
            left = await self._settle_successes(settlements, workload)
            others = await self._settle([settlements[n] for n in left], workload) if left else ()
        except StoreError as error:
            if not is_slow(error) or (len(settlements) == 1 and workload is not Workload.SETTLE):
                raise
            return await self._slow.settle(settlements, PATIENCE[workload], error)
        results = [
            SettleResult(job_id=settlement.job_id, fate=SettleFate.SETTLED) for settlement in settlements
        ]
        for n, result in zip(left, others, strict=True):
            results[n] = result
        return results

    async def _settle_alone(self, settlement: Settlement) -> SettleResult:
        (result,) = await self._settle([settlement], Workload.SLOW_SETTLE)
        return result

    # What the database refuses.

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
                return [self._left(settlement, error, workload)]
            return [await self._settle_refused(settlement, error, workload)]

        results = await bisect(settlements, write, alone)
        if unwritten and len(unwritten) == len(settlements):
            raise unwritten[0]
        return results

    async def _settle_refused(
        self, settlement: Settlement, refused: StoreError, workload: Workload
    ) -> SettleResult:
        if settlement.stays_if_refused:
            if constraint_of(refused) == object_name(table_of(settlement.job_id), "dedup"):
                return SettleResult(job_id=settlement.job_id, fate=SettleFate.DUPLICATE)
            return _busy(settlement, refused.problem)

        async def write(lesser: Settlement) -> SettleResult:
            return (await self._write([lesser], workload))[0]

        result = await settle_with_less(settlement, refused.problem, write)
        return result or self._left(settlement, refused, workload)

    def _left(self, settlement: Settlement, refused: StoreError, workload: Workload) -> SettleResult:
        """Leave the row as it is, to be settled later; its lease bounds for how long that is tried."""
        if workload is Workload.REST:  # a runner reports its own outcomes
            self._quarantine.add("settled", [settlement.job_id], refused.problem)
        return _busy(settlement, refused.problem)

    # One batch.

    async def _settle_successes(self, settlements: Sequence[Settlement], workload: Workload) -> Sequence[int]:
        """Write a batch of deliveries; return the places of those that aren't written: in any other, all."""
        everything = range(len(settlements))
        is_plain = bool(settlements) and _are_plain(settlements)
        if not is_plain or len(self._named(settlements)) < len(settlements):
            return everything
        try:
            _, _, left = await self._put(settlements, workload, plain=True)
        except RowRefused:
            return everything
        return left

    async def _write(self, settlements: Sequence[Settlement], workload: Workload) -> list[SettleResult]:
        fates = [SettleFate.LEASE_LOST] * len(settlements)
        given = self._named(settlements)
        if given:
            batch = [settlements[n] for n in given]
            tables, numbers, left = await self._put(batch, workload, plain=False)
            for n in given:
                fates[n] = SettleFate.SETTLED
            unwritten = [numbers[n] for n in left], [batch[n].job_id[-36:] for n in left]
            rows = await self._executor.fetch(workload, self._unwritten(tables), *unwritten) if left else ()
            for row in rows:
                n = left[row["n"] - 1]
                fates[given[n]] = _fate(row, batch[n])
        return [
            SettleResult(job_id=settlement.job_id, fate=fate)
            for settlement, fate in zip(settlements, fates, strict=True)
        ]

    def _named(self, settlements: Sequence[Settlement]) -> list[int]:
        """Return the places of those whose ids may be a row's."""
        places = {f"{name}:" for name in self._tables.by_name}
        return [
            n
            for n, settlement in enumerate(settlements)
            if settlement.job_id[:-36] in places and is_key(settlement.job_id[-36:])
        ]

    async def _put(
        self, batch: Sequence[Settlement], workload: Workload, *, plain: bool
    ) -> tuple[tuple[JobTable, ...], list[int], list[int]]:
        """Write a batch in one statement.

        Returns:
            Its tables, the number of each row's, and the places of the rows that weren't written.
        """
        tables, numbers = self._numbered([settlement.job_id[:-37] for settlement in batch])
        arguments = (success_arguments if plain else arguments_of)(numbers, batch)
        statement = self._statement(tables, plain=plain)
        ((written,),) = await self._executor.fetch(workload, statement, *arguments)
        if written is not None and len(written) == len(batch):  # as nearly always
            return tables, numbers, []
        return tables, numbers, sorted({*range(len(batch))} - {n - 1 for n in written or ()})

    def _numbered(self, names: Sequence[str]) -> tuple[tuple[JobTable, ...], list[int]]:
        present = set(names)
        tables = tuple(table for table in self._tables.all if table.table in present)
        numbers = {table.table: number for number, table in enumerate(tables)}
        return tables, [numbers[name] for name in names]

    def _statement(self, tables: tuple[JobTable, ...], *, plain: bool) -> str:
        key = (plain, tuple(table.table for table in tables))
        statement = self._built.get(key)
        if statement is None:
            parts = self._of_each(tables, "settle_success" if plain else "settle", **APPENDED)
            written = " UNION ALL ".join(f"TABLE written_{number}" for number, _ in enumerate(tables))
            statement = f"WITH {', '.join(parts)} SELECT array_agg(written.n) FROM ({written}) AS written"  # noqa: S608
            self._built[key] = statement
        return statement

    def _unwritten(self, tables: tuple[JobTable, ...]) -> str:
        return " UNION ALL ".join(self._of_each(tables, "settle_unwritten"))

    def _of_each(self, tables: tuple[JobTable, ...], name: str, **parts: str) -> Iterator[str]:
        runner_id = readable("runner_id")
        for number, table in enumerate(tables):
            yield self._tables.statement(name, table, number=str(number), runner_id=runner_id, **parts)


def _fate(row: Row, settlement: Settlement) -> SettleFate:
    fate = settlement.fate_on(epoch=row["epoch"], status=row["status"], runner_id=row["runner"])
    # Where the guard fits, and yet nothing was written, a transaction locks the row, or it moved just now.
    return SettleFate.BUSY if fate is SettleFate.SETTLED else fate


def _busy(settlement: Settlement, problem: str) -> SettleResult:
    return SettleResult(job_id=settlement.job_id, fate=SettleFate.BUSY, problem=problem)


# Transitions as arguments.

BUMPS_EPOCH, KEEPS_LEASE, AFTER_LEASE, DEFERS, KEEPS_DEFERRAL, THROTTLES = 1, 2, 4, 8, 16, 32

LONGEST_ERRORS = 32 * 2**20
"""Bytes of a row's ``errors`` that are read when one is added; of what is longer nothing is kept."""
LONGEST_ENTRY = 16 * 2**10
"""Bytes of an entry that is kept; a runner's own has a reason of 2 KiB at most."""

APPENDED = {
    "others": str(MAX_ERRORS - 2),
    "fits": fits("errors", LONGEST_ERRORS),
    "longest_entry": str(LONGEST_ENTRY),
    "unreadable": unreadable("found.entry"),
}
"""The parts of the expression for a row's errors with one more."""


SUCCESS, PROCESSING = JobStatus.SUCCESS, JobStatus.PROCESSING
"""To look one up in its enumeration takes longer than to compare it."""


def _are_plain(batch: Sequence[Settlement]) -> bool:
    """Say whether ``settle_success`` says all of what is to be written; all are one runner's then."""
    runner_id = batch[0].runner_id
    for settlement in batch:
        transition = settlement.transition
        is_plain = transition.to is SUCCESS and transition.error is None and transition.delay is None
        more = transition.bumps_epoch or transition.keeps_lease or transition.keeps_deferral
        if not is_plain or more or transition.request_id is not None:
            return False
        if settlement.status is not PROCESSING or settlement.runner_id != runner_id:
            return False
    return True


def success_arguments(numbers: Sequence[int], batch: Sequence[Settlement]) -> tuple[Any, ...]:
    """Return the arguments of ``settle_success``.

    Arrays are written here: the driver looks at each element of one several times.
    """
    results = [settlement.transition.result_json for settlement in batch]
    texts = [
        None if result is None else result.decode().replace("\\", r"\\").replace('"', r"\"")
        for result in results
    ]
    return (
        _array(map(str, numbers)),
        _array([settlement.job_id[-36:] for settlement in batch]),
        _array([str(settlement.epoch) for settlement in batch]),
        _array(["NULL" if text is None else f'"{text}"' for text in texts]),
        batch[0].runner_id,
    )


def _array(elements: Iterable[str]) -> str:
    return f"{{{','.join(elements)}}}"


def arguments_of(numbers: Sequence[int], batch: Sequence[Settlement]) -> tuple[Any, ...]:
    """Return the arguments of ``settle``."""
    transitions = [settlement.transition for settlement in batch]
    return (
        numbers,
        [settlement.job_id[-36:] for settlement in batch],
        [settlement.epoch for settlement in batch],
        [settlement.status.value for settlement in batch],
        [transition.to.value for transition in transitions],
        [transition.retries for transition in transitions],
        [transition.delay for transition in transitions],
        [_entry(transition.error) for transition in transitions],
        [_text(transition.result_json) for transition in transitions],
        [_flags(transition) for transition in transitions],
        [settlement.runner_id for settlement in batch],
        [transition.run_at for transition in transitions],
        [transition.priority for transition in transitions],
        [transition.request_id for transition in transitions],
    )


def _flags(transition: Transition) -> int:
    return (
        BUMPS_EPOCH * transition.bumps_epoch
        + KEEPS_LEASE * transition.keeps_lease
        + AFTER_LEASE * transition.after_lease
        + DEFERS * transition.defers
        + KEEPS_DEFERRAL * transition.keeps_deferral
        + THROTTLES * (transition.error is not None and transition.error.name == THROTTLED)
    )


def _text(json: bytes | None) -> str | None:
    return None if json is None else json.decode()


def _entry(error: AttemptError | None) -> str | None:
    if error is None:
        return None
    names = ("attempt", "code", "name", "reason", "runner_id", *(() if error.scheme == HTTP else ("scheme",)))
    return encode({name: getattr(error, name) for name in names}).decode()


# Batches that took too long.

WRITERS = 4
"""Connections that suspects are written on, at most."""

SLOW = "the database takes too long to write it; it is written apart from the others"


class SlowSettles:
    """Writes settlements one by one where a batch took too long: one of its rows may be to blame.

    A trigger of the user's that waits for a lock, for one, then holds up its own row only. One that is asked
    for again meanwhile is ``busy``. Once it is done, the database itself says what has become of it.
    """

    def __init__(self, write: Callable[[Settlement], Awaitable[SettleResult]]) -> None:
        self._write = write
        self._tasks: dict[Settlement, asyncio.Task[SettleResult]] = {}
        self._writers = asyncio.Semaphore(WRITERS)
        self._error: StoreError | None = None  # of the last batch that took too long

    def busy(self, settlements: Collection[Settlement]) -> dict[Settlement, SettleResult]:
        """Return the results of those that are being written.

        Raises:
            StoreUnavailable: all of them are: it needn't be their own fault.
        """
        if not self._tasks:
            return {}
        busy = {
            settlement: _busy(settlement, SLOW) for settlement in settlements if settlement in self._tasks
        }
        if self._error is not None and busy.keys() >= set(settlements):
            raise StoreUnavailable(store=self._error.store, problem=self._error.problem)
        return busy

    async def settle(
        self, suspects: Sequence[Settlement], seconds: float, error: StoreError
    ) -> list[SettleResult]:
        """Write a batch that took too long row by row; what isn't written by then is ``busy``.

        Args:
            suspects: the batch.
            seconds: for how long to wait.
            error: what to raise where not one can be written, for then it is the database's fault.
        """
        self._error = error
        tasks = {suspect: self._start(suspect) for suspect in suspects}
        await asyncio.wait(tasks.values(), timeout=seconds)
        results = {
            suspect: task.result() if task.done() and not task.cancelled() else _busy(suspect, SLOW)
            for suspect, task in tasks.items()
        }
        if all(result.fate is SettleFate.BUSY for result in results.values()):
            raise error
        return [results[suspect] for suspect in suspects]

    async def close(self) -> None:
        """Stop writing."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, settlement: Settlement) -> asyncio.Task[SettleResult]:
        task = self._tasks.get(settlement)
        if task is None:
            task = asyncio.create_task(self._alone(settlement), name="postgres-suspect")
            self._tasks[settlement] = task
            task.add_done_callback(lambda _: self._tasks.pop(settlement))
        return task

    async def _alone(self, settlement: Settlement) -> SettleResult:
        async with self._writers:
            try:
                return await self._write(settlement)
            except Sp00kyError as error:
                return _busy(settlement, str(error))
