"""Write outcomes: one statement for a batch, each row under its guard; isolate what the database refuses.

A batch that takes too long is written row by row, apart from the next ones: one of its rows may be to blame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, partial
from operator import attrgetter
from typing import Any

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.errors import RowRefused, Sp00kyError, StoreError, StoreUnavailable
from sp00ky_core.job.job import AttemptError, JobStatus
from sp00ky_core.job.outcome import DEFERRED_NAMES, HTTP
from sp00ky_core.job.state_machine import MAX_ERRORS, Transition
from sp00ky_core.ports import SettleFate, Settlement, SettleResult
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.refused_writes import Quarantine, bisect, settle_with_less
from sp00ky_store_postgres.connection.connect import Workload
from sp00ky_store_postgres.connection.statements import Executor
from sp00ky_store_postgres.errors import constraint_of, is_meant, is_slow
from sp00ky_store_postgres.ids import is_key
from sp00ky_store_postgres.schema.definition import object_name
from sp00ky_store_postgres.selects import readable
from sp00ky_store_postgres.sql.loader import fits, unreadable

PATIENCE = {Workload.SETTLE: 1.0, Workload.REST: 20.0}
"""Seconds that the caller of a batch waits for its rows, once they are written one by one."""

Batch = Sequence[Settlement]

SLOW = "the database takes too long to write it; it is written apart from the others"

SUCCESS, PROCESSING, SETTLED = JobStatus.SUCCESS, JobStatus.PROCESSING, SettleFate.SETTLED
"""Statuses and fates: to look one up in its enumeration takes longer than to compare it."""


class Settles:
    """Writes transitions."""

    def __init__(self, executor: Executor, quarantine: Quarantine) -> None:
        self._executor = executor
        self._tables = executor.tables
        self._quarantine = quarantine
        self._statement = cache(self._build)
        self._apart: dict[Settlement, asyncio.Task[SettleResult]] = {}
        self._slow: StoreError | None = None  # of the last batch that took too long

    def settle(
        self, settlements: Batch, workload: Workload = Workload.SETTLE
    ) -> Coroutine[Any, Any, list[SettleResult]]:
        """Write a batch; fates in order."""
        write = self._settle_others if self._apart else self._settle_in_time
        return write(settlements, workload)

    async def close(self) -> None:
        """Stop writing what is written apart."""
        tasks = list(self._apart.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _settle_in_time(self, settlements: Batch, workload: Workload) -> list[SettleResult]:
        results = [SettleResult(job_id=settlement.job_id, fate=SETTLED) for settlement in settlements]
        left: Sequence[int] = range(len(settlements))
        try:
            if settlements and _are_plain(settlements) and len(self._named(settlements)) == len(settlements):
                with suppress(RowRefused):
                    left = await self._put(settlements, workload, plain=True)
            others = await self._settle([settlements[n] for n in left], workload) if left else ()
        except StoreError as error:
            if not is_slow(error) or (len(settlements) == 1 and workload is not Workload.SETTLE):
                raise
            return await self._settle_apart(settlements, PATIENCE[workload], error)
        for n, result in zip(left, others, strict=True):
            results[n] = result
        return results

    # What took too long.

    async def _settle_others(self, settlements: Batch, workload: Workload) -> list[SettleResult]:
        """Write those that aren't being written.

        Raises:
            StoreUnavailable: all of them are: it needn't be their own fault.
        """
        busy = {one: _busy(one, SLOW) for one in settlements if one in self._apart}
        others = [settlement for settlement in settlements if settlement not in busy]
        if self._slow is not None and not others:
            raise StoreUnavailable(store=self._slow.store, problem=self._slow.problem)
        results = iter(await self._settle_in_time(others, workload))
        return [busy.get(settlement) or next(results) for settlement in settlements]

    async def _settle_apart(self, suspects: Batch, seconds: float, error: StoreError) -> list[SettleResult]:
        """Write a batch row by row; what isn't written in time is ``busy``, and is written all the same.

        A trigger of the user's that waits for a lock, for one, then holds up its own row only. Once it is
        done, the database itself says what has become of it. Where not one can be written in time, it is the
        database's fault: that is raised.
        """
        self._slow = error
        tasks = [self._apart.get(suspect) or self._start(suspect) for suspect in suspects]
        await asyncio.wait(tasks, timeout=seconds)
        results = [
            task.result() if task.done() and not task.cancelled() else _busy(suspect, SLOW)
            for suspect, task in zip(suspects, tasks, strict=True)
        ]
        if all(result.fate is SettleFate.BUSY for result in results):
            raise error
        return results

    def _start(self, settlement: Settlement) -> asyncio.Task[SettleResult]:
        self._apart[settlement] = task = asyncio.create_task(self._alone(settlement), name="postgres-suspect")
        task.add_done_callback(lambda _: self._apart.pop(settlement))
        return task

    async def _alone(self, settlement: Settlement) -> SettleResult:
        try:
            return (await self._settle([settlement], Workload.SLOW_SETTLE))[0]
        except Sp00kyError as error:
            return _busy(settlement, str(error))

    # What the database refuses.

    async def _settle(self, settlements: Batch, workload: Workload) -> list[SettleResult]:
        """Write what the database takes, and the rows that it refuses with less in them.

        Raises:
            RowRefused: a function that the database calls fails for every row: that is no row's own fault.
        """
        unwritten: list[StoreError] = []

        async def alone(settlement: Settlement, error: StoreError) -> Sequence[SettleResult]:
            if not is_meant(error) and not settlement.stays_if_refused:
                unwritten.append(error)
                return [self._left(settlement, error, workload)]
            return [await self._settle_refused(settlement, error, workload)]

        results = await bisect(settlements, partial(self._write, workload=workload), alone)
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

    async def _write(self, settlements: Batch, workload: Workload) -> list[SettleResult]:
        fates = [SettleFate.LEASE_LOST] * len(settlements)
        given = self._named(settlements)
        batch = [settlements[n] for n in given]
        left = await self._put(batch, workload, plain=False) if batch else ()
        for n in given:
            fates[n] = SETTLED
        if left:
            names, numbers = self._numbered(batch)
            unwritten = [numbers[n] for n in left], [batch[n].job_id[-36:] for n in left]
            statement = " UNION ALL ".join(self._of_each(names, "settle_unwritten"))
            for row in await self._executor.fetch(workload, statement, *unwritten):
                n = left[row["n"] - 1]
                fate = batch[n].fate_on(epoch=row["epoch"], status=row["status"], runner_id=row["runner"])
                # Where the guard fits, a transaction locks the row, or it moved just now.
                fates[given[n]] = SettleFate.BUSY if fate is SETTLED else fate
        return [
            SettleResult(job_id=settlement.job_id, fate=fate)
            for settlement, fate in zip(settlements, fates, strict=True)
        ]

    def _named(self, settlements: Batch) -> list[int]:
        """Return the places of those whose ids may be a row's."""
        places = {f"{name}:" for name in self._tables.by_name}
        return [
            n
            for n, settlement in enumerate(settlements)
            if settlement.job_id[:-36] in places and is_key(settlement.job_id[-36:])
        ]

    async def _put(self, batch: Batch, workload: Workload, *, plain: bool) -> Sequence[int]:
        """Write a batch in one statement; return the places of the rows that weren't written."""
        names, numbers = self._numbered(batch)
        arguments = (success_arguments if plain else arguments_of)(numbers, batch)
        statement = self._statement(names, plain)
        ((written,),) = await self._executor.fetch(workload, statement, *arguments)
        if written is not None and len(written) == len(batch):  # as nearly always
            return ()
        return sorted({*range(len(batch))} - {n - 1 for n in written or ()})

    def _numbered(self, batch: Batch) -> tuple[tuple[str, ...], list[int]]:
        """Return the tables of a batch, and the number of each row's."""
        own = [settlement.job_id[:-37] for settlement in batch]
        present = {*own}
        names = tuple(name for name in self._tables.by_name if name in present)
        numbers = {name: number for number, name in enumerate(names)}
        return names, [numbers[name] for name in own]

    def _build(self, names: tuple[str, ...], plain: bool) -> str:
        parts = self._of_each(names, "settle_success" if plain else "settle", **APPENDED)
        written = " UNION ALL ".join(f"TABLE written_{number}" for number, _ in enumerate(names))
        return f"WITH {', '.join(parts)} SELECT array_agg(written.n) FROM ({written}) AS written"  # noqa: S608

    def _of_each(self, names: tuple[str, ...], statement: str, **parts: str) -> Iterator[str]:
        runner_id = readable("runner_id")
        for number, table in enumerate(self._tables.by_name[name] for name in names):
            yield self._tables.statement(statement, table, number=str(number), runner_id=runner_id, **parts)


def _busy(settlement: Settlement, problem: str) -> SettleResult:
    return SettleResult(job_id=settlement.job_id, fate=SettleFate.BUSY, problem=problem)


# Transitions as arguments.

FLAGS_OF = attrgetter("bumps_epoch", "keeps_lease", "after_lease", "defers", "keeps_deferral")
"""The flags of a transition, each with the bit of its place; the next bit is that of a throttled attempt."""

LONGEST_ERRORS = 32 * 2**20
"""Bytes that a row's ``errors`` may have when an entry is added; where they are longer, none of them is
kept."""
LONGEST_ENTRY = 16 * 2**10
"""Bytes that an entry may have which is kept; a runner's own has a reason of 2 KiB at most."""

APPENDED = {
    "others": str(MAX_ERRORS - 2),
    "fits": fits("errors", LONGEST_ERRORS),
    "longest_entry": str(LONGEST_ENTRY),
    "unreadable": unreadable("found.entry"),
}
"""The parts of the expression for a row's errors with one more."""


def _are_plain(batch: Batch) -> bool:
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


def success_arguments(numbers: Sequence[int], batch: Batch) -> tuple[Any, ...]:
    """Return the arguments of ``settle_success``.

    Arrays are written here: the driver looks at each element of one several times.
    """
    results = [settlement.transition.result_json for settlement in batch]
    texts = [
        None if json is None else json.decode().replace("\\", r"\\").replace('"', r"\"") for json in results
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


VALUES_OF = attrgetter(
    *("epoch", "status.value", "runner_id", "transition.to.value", "transition.retries", "transition.delay"),
    *("transition.run_at", "transition.priority", "transition.request_id"),
)


def arguments_of(numbers: Sequence[int], batch: Batch) -> tuple[Any, ...]:
    """Return the arguments of ``settle``."""
    transitions = [settlement.transition for settlement in batch]
    results = [transition.result_json for transition in transitions]
    return (
        numbers,
        [settlement.job_id[-36:] for settlement in batch],
        [_entry(transition.error) for transition in transitions],
        [None if result is None else result.decode() for result in results],
        [_flags(transition) for transition in transitions],
        *map(list, zip(*map(VALUES_OF, batch), strict=True)),
    )


def _flags(transition: Transition) -> int:
    flags = (*FLAGS_OF(transition), transition.error is not None and transition.error.name in DEFERRED_NAMES)
    return sum(1 << n for n, is_set in enumerate(flags) if is_set)


def _entry(error: AttemptError | None) -> str | None:
    if error is None:
        return None
    names = ("attempt", "code", "name", "reason", "runner_id", *(() if error.scheme == HTTP else ("scheme",)))
    return encode({name: getattr(error, name) for name in (*names, *["trace"][: bool(error.trace)])}).decode()
