"""Settles: one statement for a batch, each row under its guard, each row's fate told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.ids import table_of
from sp00ky_core.job import AttemptError, JobStatus
from sp00ky_core.jsontext import encode
from sp00ky_core.machine import MAX_ERRORS, Transition
from sp00ky_core.outcome import INVALID_ROW
from sp00ky_core.ports import JobTable, SettleFate, Settlement, SettleResult
from sp00ky_store_postgres.connections import Connections, Lane, Row
from sp00ky_store_postgres.doubts import Doubts
from sp00ky_store_postgres.errors import constraint_of, is_meant
from sp00ky_store_postgres.layout import object_name
from sp00ky_store_postgres.mapping import key_of
from sp00ky_store_postgres.refusals import Refusals
from sp00ky_store_postgres.statements import fill, read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["Settles", "SETTLED"]

SETTLED = "settled"
"""What is told of rows that can't be written in any form."""
BUMPS_EPOCH, KEEPS_LEASE, AFTER_LEASE = 1, 2, 4


class Settles:
    """Writes transitions."""

    def __init__(self, connections: Connections, tables: Tables, refusals: Refusals) -> None:
        self._connections = connections
        self._tables = tables
        self._refusals = refusals
        self._doubts = Doubts()
        self._built: dict[tuple[bool, tuple[str, ...]], str] = {}

    async def settle(self, settlements: Sequence[Settlement], lane: Lane = Lane.SETTLE) -> list[SettleResult]:
        """Write a batch; fates in order. What the database refuses is isolated by halving the batch."""
        if not settlements:
            return []
        try:
            results = await self._write(settlements, lane)
        except RowRefused as error:
            return await self._isolate(settlements, lane, error)
        if self._doubts:
            self._doubts.written(_settled(settlements, results))
        return results

    async def _isolate(
        self, settlements: Sequence[Settlement], lane: Lane, error: RowRefused
    ) -> list[SettleResult]:
        found = await self._apart(settlements, lane, error)
        pairs = list(zip(settlements, found, strict=True))
        for settlement, outcome in pairs:
            if isinstance(outcome, RowRefused) and not is_meant(outcome):
                self._doubts.add(settlement)
        self._doubts.written(_settled(settlements, found))
        results = [await self._refused(*each, lane) for each in pairs]
        if not any(isinstance(each, SettleResult) for each in results):  # so it is nobody's own
            raise error
        return [
            each if isinstance(each, SettleResult) else self._busy(settlement, each, lane)
            for settlement, each in zip(settlements, results, strict=True)
        ]

    async def _apart(
        self, settlements: Sequence[Settlement], lane: Lane, error: RowRefused
    ) -> list[SettleResult | RowRefused]:
        """Write a batch that was refused, in halves; what was said of those that are refused alone."""
        if len(settlements) == 1:
            return [error]
        middle = len(settlements) // 2
        found: list[SettleResult | RowRefused] = []
        for half in (settlements[:middle], settlements[middle:]):
            try:
                found += await self._write(half, lane)
            except RowRefused as refused:
                found += await self._apart(half, lane, refused)
        return found

    async def _refused(
        self, settlement: Settlement, outcome: SettleResult | RowRefused, lane: Lane
    ) -> SettleResult | RowRefused:
        """What became of one; still refused: it isn't written, for that may be everybody's fault."""
        if isinstance(outcome, SettleResult):
            return outcome
        if is_meant(outcome) or settlement.status is JobStatus.FAILED or self._doubts.is_its_own(settlement):
            return await self._write_in_part(settlement, lane, outcome)
        return outcome

    async def _write_in_part(self, settlement: Settlement, lane: Lane, refused: RowRefused) -> SettleResult:
        if settlement.status is JobStatus.FAILED:  # a redrive: what has ended stays as it is
            return _not_redriven(settlement, refused)
        for transition in _lesser(settlement.transition, refused.problem):
            try:
                (result,) = await self._write([attrs.evolve(settlement, transition=transition)], lane)
            except RowRefused:
                continue
            return attrs.evolve(result, problem=refused.problem, written=transition)
        # Not even its status can be written: the row stays as it is, and whoever asks again is told again.
        return self._busy(settlement, refused, lane)

    def _busy(self, settlement: Settlement, refused: RowRefused, lane: Lane) -> SettleResult:
        if lane is not Lane.SETTLE:  # a runner tells of its own outcomes
            self._refusals.tell(SETTLED, {settlement.job_id: refused})
        return SettleResult(job_id=settlement.job_id, fate=SettleFate.BUSY, problem=refused.problem)

    async def _write(self, settlements: Sequence[Settlement], lane: Lane) -> list[SettleResult]:
        named = [(index, each) for index, each in enumerate(settlements) if self._names_a_row(each)]
        fates = [SettleFate.LEASE_LOST] * len(settlements)
        if named:
            for index, _ in named:
                fates[index] = SettleFate.SETTLED
            batch = [each for _, each in named]
            for n, fate in await self._unwritten(batch, lane):
                fates[named[n][0]] = fate
        return [
            SettleResult(job_id=each.job_id, fate=fate) for each, fate in zip(settlements, fates, strict=True)
        ]

    async def _unwritten(self, batch: Sequence[Settlement], lane: Lane) -> Iterable[tuple[int, SettleFate]]:
        names = [table_of(each.job_id) for each in batch]
        tables = tuple(table for table in self._tables.all if table.table in set(names))
        numbers = {table.table: number for number, table in enumerate(tables)}
        plain = all(_is_plain_success(each) for each in batch)
        arguments = (_success_arguments if plain else _arguments)(batch)
        rows = await self._connections.fetch(
            lane, self._statement(tables, plain=plain), [numbers[name] for name in names], *arguments
        )
        return [(row["n"] - 1, _fate(row, batch[row["n"] - 1])) for row in rows]

    def _names_a_row(self, settlement: Settlement) -> bool:
        return table_of(settlement.job_id) in self._tables.by_name and key_of(settlement.job_id) is not None

    def _statement(self, tables: tuple[JobTable, ...], *, plain: bool) -> str:
        key = (plain, tuple(table.table for table in tables))
        statement = self._built.get(key)
        if statement is None:
            statement = self._built[key] = self._build(tables, "settle_success" if plain else "settle")
        return statement

    def _build(self, tables: tuple[JobTable, ...], name: str) -> str:
        def filled(text: str, number: int) -> str:
            return fill(
                text, number=str(number), table=self._tables.name(tables[number]), others=str(MAX_ERRORS - 2)
            )

        numbers = range(len(tables))
        parts = [read_sql(name), *(filled(read_sql(f"{name}_table"), number) for number in numbers)]
        return ",\n".join(parts) + " UNION ALL ".join(
            filled(read_sql("settle_unwritten"), number) for number in numbers
        )


def _is_plain_success(settlement: Settlement) -> bool:
    transition = settlement.transition
    return (
        transition.to is JobStatus.SUCCESS
        and settlement.status is JobStatus.PROCESSING
        and transition.error is None
        and transition.delay is None
        and not transition.bumps_epoch
        and not transition.keeps_lease
    )


def _success_arguments(batch: Sequence[Settlement]) -> tuple[list[Any], ...]:
    return (
        [each.job_id[-36:] for each in batch],
        [each.epoch for each in batch],
        [_text(each.transition.result_json) for each in batch],
    )


def _arguments(batch: Sequence[Settlement]) -> tuple[list[Any], ...]:
    transitions = [each.transition for each in batch]
    return (
        [each.job_id[-36:] for each in batch],
        [each.epoch for each in batch],
        [each.status.value for each in batch],
        [each.to.value for each in transitions],
        [each.retries for each in transitions],
        [each.delay for each in transitions],
        [_entry(each.error) for each in transitions],
        [_text(each.result_json) for each in transitions],
        [_flags(each) for each in transitions],
    )


def _flags(transition: Transition) -> int:
    return (
        BUMPS_EPOCH * transition.bumps_epoch
        + KEEPS_LEASE * transition.keeps_lease
        + AFTER_LEASE * transition.after_lease
    )


def _text(json: bytes | None) -> str | None:
    return None if json is None else json.decode()


def _entry(error: AttemptError | None) -> str | None:
    if error is None:
        return None
    fields: Mapping[str, Any] = {
        "attempt": error.attempt,
        "code": error.code,
        "name": error.name,
        "reason": error.reason,
        "runner_id": error.runner_id,
    }
    return encode(fields).decode()


def _fate(row: Row, settlement: Settlement) -> SettleFate:
    held = row["held_epoch"] is not None
    epoch, status = row["held_epoch" if held else "seen_epoch"], row["held_status" if held else "seen_status"]
    if epoch != settlement.epoch:
        return SettleFate.LEASE_LOST
    # The guard fits, and yet nothing was written: somebody holds the row, or it moved just now.
    return SettleFate.BUSY if status == settlement.status.value else SettleFate.ALREADY_SETTLED


def _settled(
    settlements: Sequence[Settlement], outcomes: Sequence[SettleResult | RowRefused]
) -> list[Settlement]:
    pairs = zip(settlements, outcomes, strict=True)
    return [
        each
        for each, outcome in pairs
        if isinstance(outcome, SettleResult) and outcome.fate is SettleFate.SETTLED
    ]


def _not_redriven(settlement: Settlement, refused: RowRefused) -> SettleResult:
    is_taken = constraint_of(refused) == object_name(table_of(settlement.job_id), "dedup")
    fate = SettleFate.DUPLICATE if is_taken else SettleFate.BUSY
    return SettleResult(job_id=settlement.job_id, fate=fate, problem=None if is_taken else refused.problem)


def _lesser(transition: Transition, problem: str) -> Iterable[Transition]:
    """The same transition with less and less in it, and at last a failure that says why."""
    if transition.result_json is not None:
        yield attrs.evolve(transition, result_json=None)
    if transition.error is not None:
        yield attrs.evolve(transition, result_json=None, error=None)
    failed = attrs.evolve(transition, to=JobStatus.FAILED, delay=None, result_json=None, error=None)
    reason = problem.replace("\0", "\ufffd")[:500]
    error = AttemptError(attempt=transition.retries + 1, code=0, name=INVALID_ROW, reason=reason)
    yield attrs.evolve(failed, error=error)
    yield failed
