"""Make batches of jobs, and look at them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Self

import attrs

from sp00ky_core import Job, NewJob
from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.outbox.enqueue import Transaction, check_given
from sp00ky_core.ports import (
    CallerConnection,
    ExtensionContext,
    ExtensionTransaction,
    Is,
    KeyedJob,
    Row,
    Where,
)
from sp00ky_workflows.api.draft import Undo, as_call
from sp00ky_workflows.api.records import ENDED, BatchRecord, batch_record
from sp00ky_workflows.calls import problem_of
from sp00ky_workflows.errors import BatchClosed, UnknownBatch, WorkflowInvalid
from sp00ky_workflows.model.graph import Call
from sp00ky_workflows.service.batches import digits_of, end_batch
from sp00ky_workflows.service.steps import Beaten
from sp00ky_workflows.service.transactions import redone
from sp00ky_workflows.tables import BATCHES, PART, PARTS, PREFIX, batch_id, part_keys, part_of

__all__ = ["Batch", "Batches"]

WATCHED = 0.5
"""Seconds between two looks at a batch that is watched."""


class Batch:
    """A batch that jobs are added to; at the end of the block it is closed, unless that raises.

    Attributes:
        name: Its name.
    """

    def __init__(
        self, context: ExtensionContext, name: str, on_done: Undo | None, on_failed: Undo | None
    ) -> None:
        self.name: str = name
        self._context = context
        self._calls = {"on_done": self._checked(on_done), "on_failed": self._checked(on_failed)}
        self._id = batch_id(name)

    def _checked(self, callback: Undo | None) -> str | None:
        if callback is None:
            return None
        call = as_call(callback)
        if problem := problem_of(call, self._context.backends):
            raise WorkflowInvalid(workflow=self.name, step="", problem=problem)
        return encode({f.name: getattr(call, f.name) for f in attrs.fields(Call)}).decode()

    async def open(self) -> Self:
        """Make the batch, or find it: several processes may add to one.

        Raises:
            BatchClosed: It is closed.
        """

        async def work(tx: ExtensionTransaction) -> Row:
            new = {"id": self._id, "name": self.name, **self._calls}
            for row in await tx.select(BATCHES, [Is("id", "=", self._id)], columns=("closed",)):
                return row
            if not await tx.insert_once(BATCHES, new):
                raise Beaten
            return {**new, "closed": 0}

        row = await redone(self._context, work)
        if row["closed"]:
            raise BatchClosed(f"batch {self.name!r:.80} is closed; choose another name for a new one")
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()

    async def run_many(
        self, backend: str, new_jobs: Iterable[NewJob], *, connection: CallerConnection = Transaction.OWN
    ) -> list[Job]:
        """Enqueue calls of a backend as jobs of the batch, all or none. Raises as ``Outbox.run_many``.

        With a ``connection`` they are there when its transaction commits, which has to be before ``close``.

        Raises:
            BatchClosed: It is closed.
        """
        new, jobs = [job.for_backend(backend) for job in new_jobs], list[KeyedJob]()
        for some in (new[start : start + PART] for start in range(0, len(new), PART)):
            pairs = zip(some, part_keys(len(some)), strict=True)
            jobs += [KeyedJob(job=job, key=key, prefix=PREFIX) for job, key in pairs]
        if (given := check_given(connection)) is not None:
            made = await self._context.insert(given, {}, jobs)
            await self._context.insert(given, {PARTS: self._parts(made)})
            return made
        return await redone(self._context, partial(self._add, jobs=jobs)) if jobs else []

    def _parts(self, jobs: Sequence[Job]) -> list[Row]:
        counts = Counter(part_of(job.id)[0] for job in jobs)
        return [
            {"id": part, "batch_id": self._id, "pending": digits_of((1 << count) - 1)}
            for part, count in counts.items()
        ]

    async def _add(self, tx: ExtensionTransaction, jobs: Sequence[KeyedJob]) -> list[Job]:
        (row,) = await tx.select(BATCHES, [Is("id", "=", self._id)], columns=("size", "closed"))
        if row["closed"]:
            raise BatchClosed(f"batch {self.name!r:.80} is closed; choose another name for a new one")
        made = await tx.enqueue(jobs)
        await tx.insert(PARTS, self._parts(made))
        met = [Is("id", "=", self._id), Is("size", "=", row["size"]), Is("closed", "=", 0)]
        if not await tx.update(BATCHES, met, {"size": row["size"] + len(jobs)}):
            raise Beaten
        return made

    async def close(self) -> BatchRecord:
        """Let no more be added; the callback is made once all jobs have ended. Raises ``UnknownBatch``."""

        async def work(tx: ExtensionTransaction) -> tuple[BatchRecord, bool]:
            row = await _row(tx, self.name)
            if row["closed"]:
                return batch_record(row), False
            parts = await tx.select(PARTS, [Is("batch_id", "=", row["id"])], columns=("pending",))
            pending = sum(int(part["pending"] or "0", 16).bit_count() for part in parts)
            counted = {name: row[name] for name in ("succeeded", "failed", "closed")}
            new = {"closed": 1, "size": pending + row["succeeded"] + row["failed"]}
            met = [Is("id", "=", row["id"]), *(Is(name, "=", value) for name, value in counted.items())]
            if not await tx.update(BATCHES, met, new):
                raise Beaten
            closed = {**row, **new}
            ended = await end_batch(tx, closed, self._context)
            return ended or batch_record(closed), ended is not None

        record, has_ended = await redone(self._context, work)
        if has_ended:
            await self._context.observe("sp00ky_batch_ended", batch=record)
        return record

    async def get(self) -> BatchRecord:
        """Return how far it is. Raises ``UnknownBatch``."""
        return await Batches(self._context).get(self.name)


async def _row(tx: ExtensionTransaction, name: str) -> Row:
    for row in await tx.select(BATCHES, [Is("id", "=", batch_id(name))]):
        return row
    raise UnknownBatch(f"there is no batch {name!r:.80}; `sp00ky batches list` has them")


class Batches:
    """The batches that there are."""

    def __init__(self, context: ExtensionContext) -> None:
        self._context = context

    async def get(self, name: str) -> BatchRecord:
        """Return a batch by its name. Raises ``UnknownBatch``."""

        async def work(tx: ExtensionTransaction) -> BatchRecord:
            return batch_record(await _row(tx, name))

        return await self._context.read(work)

    async def list(self, *, limit: int = 50, ended: bool | None = None) -> Sequence[BatchRecord]:
        """List batches, newest first."""
        where: list[Where] = [] if ended is None else [Is("closed", "=" if ended else "<", ENDED)]

        async def work(tx: ExtensionTransaction) -> Sequence[BatchRecord]:
            rows = await tx.select(BATCHES, where, order=("-created_at",), limit=limit)
            return [batch_record(row) for row in rows]

        return await self._context.read(work)

    async def watch(self, name: str) -> AsyncGenerator[BatchRecord]:
        """Yield a batch each time that it has changed, at last as it ended. Raises ``UnknownBatch``."""
        last = None
        while last is None or not last.ended:
            if (now := await self.get(name)) != last:
                yield now
            last = now
            if not last.ended:
                await asyncio.sleep(WATCHED)
