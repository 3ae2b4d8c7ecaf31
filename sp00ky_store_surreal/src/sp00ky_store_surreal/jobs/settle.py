"""Write transitions, each under its guard; a row that the database refuses is taken aside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobTable, SettleFate, Settlement, SettleResult
from sp00ky_core.stores.refused_writes import Quarantine, bisect, settle_with_less
from sp00ky_store_surreal import errors
from sp00ky_store_surreal.connection.conflict_retries import Lane, Way
from sp00ky_store_surreal.ids import id_text, id_value, id_values, table_of
from sp00ky_store_surreal.jobs.claim import Claimer
from sp00ky_store_surreal.rows import TEXT, entry_of
from sp00ky_store_surreal.schema.table_layouts import TableLayouts
from sp00ky_store_surreal.surql.durations import duration_text
from sp00ky_store_surreal.surql.loader import MARK, NUL, quoted, surql

_Delivery = tuple[str, int, str | None, bytes | None]
"""What jobs have in common that are settled alike, as most are: backend, epoch, runner, answer."""

SETTLING = Way(lane=Lane.SETTLE)

MISSED = "sp00ky: the row was changed meanwhile"
"""What a statement throws that finds a row changed."""


@attrs.frozen
class Settles:
    """Writes the transitions of a store.

    Attributes:
        layouts: Knows what the tables can hold.
        quarantine: Remembers rows that the database refuses.
        claims: Knows which jobs may have an ordering_key.
    """

    layouts: TableLayouts
    quarantine: Quarantine
    claims: Claimer

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        await self.layouts.ensure()
        results = await self._settle(settlements)
        pending = [settlement for settlement in settlements if settlement.transition.to is JobStatus.PENDING]
        if any(settlement.transition.delay is None or _is_rescheduled(settlement) for settlement in pending):
            self.claims.forget_heads()
        return results

    async def put_off(self, table: JobTable, path: str, seconds: float, limit: int) -> int:
        """See ``Store.put_off``."""
        statement = surql("settle_put_off", table=quoted(table.table))
        given = {"path": path, "delay": duration_text(seconds), "limit": limit}
        moved: int = (await self.layouts.connection.write(statement, SETTLING, **given))[-1]
        return moved

    async def _settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """Settle them and return their fates in order.

        That takes one round trip, unless a settlement misses its row, is refused, or collides for long. Only
        then is each row looked at before its write, which costs as much as a third of the write.
        """
        try:
            return await self._settle_all(settlements)
        except StoreError as error:
            if not _may_be_apart(error):
                raise
        return await bisect(settlements, self._settle_batch, self._settle_alone, refuses=_may_be_apart)

    async def _settle_all(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """Settle all or none: raises ``RowRefused`` where the guard of one doesn't match."""
        writes = self._settle_writes(settlements)
        written = sum(len(ids) for rows in writes.values() for ids, *_ in rows)
        if written < len(settlements):
            raise RowRefused(store=self.layouts.connection.target.location, problem="an id that names no row")
        statement = self._settle_statement(settlements, writes, missed=f"THROW '{MISSED}'")
        await self.layouts.connection.write(statement, SETTLING, **writes)
        return [SettleResult(job_id=settlement.job_id, fate=SettleFate.SETTLED) for settlement in settlements]

    async def _settle_batch(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        ids = id_values(settlement.job_id for settlement in settlements)
        writes = self._settle_writes(settlements)
        looks = {name: surql(f"settle_look_{name}") for name in ("before", "after")}
        statement = self._settle_statement(settlements, writes, **looks)
        reply = await self.layouts.connection.write(statement, SETTLING, ids=ids, **NUL, **writes)
        looked = [rows for rows in reply if isinstance(rows, list)]
        before, after = ({id_text(row["id"]): row for row in rows} for rows in (looked[0], looked[-1]))
        results = _fates(before, settlements)
        for result in results:
            if result.fate is SettleFate.SETTLED and _is_unchanged(
                before[result.job_id], after.get(result.job_id)
            ):
                raise errors.unwritable(self.layouts.connection.target.location, table_of(result.job_id))
        return results

    async def _settle_alone(self, settlement: Settlement, refusal: StoreError) -> list[SettleResult]:
        """Settle with less what was refused.

        Where the database takes none of it the fate is ``BUSY``: the attempt was made, and must not be
        forgotten.
        """
        problem, fate = errors.reason_of(refusal), SettleFate.BUSY
        if isinstance(refusal, errors.TableMissing):  # the row is gone with it
            fate = SettleFate.LEASE_LOST
        elif isinstance(refusal, errors.DuplicateKey) and settlement.status is JobStatus.FAILED:
            fate = SettleFate.DUPLICATE
        elif settlement.stays_if_refused and not isinstance(refusal, errors.Conflict):
            self.quarantine.add("settled", [settlement.job_id], problem)
        elif not isinstance(refusal, errors.Conflict):  # what collides is sound: nothing of it is left out
            with suppress(errors.Conflict):
                settled = await settle_with_less(settlement, problem, self._settle_one, refuses=_refuses)
                if settled is not None:
                    return [settled]
                self.quarantine.add("settled", [settlement.job_id], problem)
        return [SettleResult(job_id=settlement.job_id, fate=fate, problem=problem)]

    async def _settle_one(self, settlement: Settlement) -> SettleResult:
        return (await self._settle_batch([settlement]))[0]

    def _settle_writes(self, settlements: Sequence[Settlement]) -> dict[str, list[Any]]:
        """Build what the statement binds; what is the same of several jobs is written at once."""
        delivered: defaultdict[_Delivery, list[RecordID]] = defaultdict(list)
        others: defaultdict[Settlement, list[RecordID]] = defaultdict(list)
        without_entries = self.layouts.without_entries()
        for settlement in settlements:
            row_id = id_value(settlement.job_id)
            if row_id is None:
                continue
            if _is_delivery(settlement):
                answer = settlement.transition.result_json
                delivered[settlement.backend, settlement.epoch, settlement.runner_id, answer].append(row_id)
            else:
                others[_alike(settlement, has_entry=settlement.backend not in without_entries)].append(row_id)
        return {
            "delivered": [
                [ids, epoch, runner_id, self._result_of(backend, answer)]
                for (backend, epoch, runner_id, answer), ids in delivered.items()
            ],
            "others": [[ids, self._write(one)] for one, ids in others.items() if not _is_rescheduled(one)],
            "rescheduled": [[ids, _reschedule(one)] for one, ids in others.items() if _is_rescheduled(one)],
        }

    def _write(self, settlement: Settlement) -> dict[str, Any]:
        change = settlement.transition
        same = ("retries", "after_lease", "defers", "keeps_deferral", "request_id")
        return {name: getattr(change, name) for name in same} | {
            "epoch": settlement.epoch,
            "runner": settlement.runner_id,
            "was": settlement.status.value,
            "to": change.to.value,
            "result": self._result_of(settlement.backend, change.result_json),
            "delay": _delay(settlement),
            "error": None if change.error is None else entry_of(change.error),
            "bump": int(change.bumps_epoch),
            "keeps": change.keeps_lease,
        }

    def _result_of(self, backend: str, answer: bytes | None) -> Any:
        return self.layouts.results().get(backend, TEXT).value_of(answer)

    def _settle_statement(
        self,
        settlements: Sequence[Settlement],
        writes: Mapping[str, list[Any]],
        *,
        before: str = "",
        after: str = "",
        missed: str = "NONE",
    ) -> str:
        # What a delivery may do without is left out: each costs a fifteenth, also for nothing.
        has_results = any(result is not None for *_, result in writes["delivered"])
        result = "result = $answer ?? result, " if has_results else ""
        live = (
            "ordering_live = NONE, "
            if any(self.claims.may_order(settlement.backend) for settlement in settlements)
            else ""
        )
        rescheduled = surql("settle_rescheduled", missed=missed) if writes["rescheduled"] else ""
        parts = {"result": result, "live": live, "rescheduled": rescheduled}
        return surql("settle_jobs", before=before, after=after, missed=missed, **parts)


def _alike(settlement: Settlement, *, has_entry: bool) -> Settlement:
    """Return a settlement without its job's id, and without an entry that its table can't hold."""
    change = settlement.transition
    if not has_entry:
        change = attrs.evolve(change, error=None)
    return attrs.evolve(settlement, job_id="", transition=change)


def _is_unchanged(before: Mapping[str, Any], after: Mapping[str, Any] | None) -> bool:
    """Whether a row is as it was before its write, which was dropped."""
    columns = ("status", "updated_at")
    return after is not None and all(after[name] == before[name] for name in columns)


def _fates(before: Mapping[str, Mapping[str, Any]], settlements: Sequence[Settlement]) -> list[SettleResult]:
    settled: set[str] = set()
    results = []
    for settlement in settlements:
        row, fate = before.get(settlement.job_id), SettleFate.LEASE_LOST
        if row is not None:
            status = "" if settlement.job_id in settled else row["status"]
            fate = settlement.fate_on(epoch=row["epoch"], status=status, runner_id=_plain(row["runner_id"]))
        if fate is SettleFate.SETTLED:
            settled.add(settlement.job_id)
        results.append(SettleResult(job_id=settlement.job_id, fate=fate))
    return results


def _plain(runner_id: str | None) -> str | None:
    return runner_id and runner_id.replace(MARK, "\0")


def _is_delivery(settlement: Settlement) -> bool:
    """Whether a settlement is the usual one: a claimed job was delivered, and its retries stay."""
    change = settlement.transition
    return (
        change.to is JobStatus.SUCCESS
        and settlement.status is JobStatus.PROCESSING
        and settlement.epoch > 0
        and change.error is None
        and change.request_id is None
    )


def _is_rescheduled(settlement: Settlement) -> bool:
    return settlement.status is settlement.transition.to is JobStatus.PENDING


def _reschedule(settlement: Settlement) -> dict[str, Any]:
    change = settlement.transition
    return {
        "epoch": settlement.epoch,
        "runner": settlement.runner_id,
        "run_at": change.run_at,
        "delay": _delay(settlement),
        "priority": change.priority,
    }


def _delay(settlement: Settlement) -> str | None:
    delay = settlement.transition.delay
    return None if delay is None else duration_text(delay)


def _refuses(error: StoreError) -> bool:
    return errors.may_be_a_rows(error) and not isinstance(error, errors.Conflict)


def _may_be_apart(error: StoreError) -> bool:
    """Whether an error may be that of some settlements, whose table may be gone, and not of the others."""
    return errors.may_be_a_rows(error) or isinstance(error, errors.TableMissing)
