"""Give an extension one transaction, the session's calls with an enqueue beside them, and users' queries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

import attrs

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.errors import QueryRefused, Sp00kyError, StoreClosed, StoreError, StoreUnavailable
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.ports import ExtensionTransaction, Is, KeyedJob, Row, Table, TransactionWork
from sp00ky_core.stores.keys_of_jobs import Check, keyed
from sp00ky_store_kit.connection.lanes import Executor
from sp00ky_store_kit.connection.session import Access, Session
from sp00ky_store_kit.schema import job_table

__all__ = ["Insert", "in_transaction", "missing_rows", "own_errors"]

T = TypeVar("T")

Insert = Callable[[Session, Sequence[KeyedJob]], Awaitable[Sequence[Job]]]
"""Inserts jobs, all or none; those that are there already stay as they are."""


class _WorkFailed(Sp00kyError):
    """What an extension's work has raised by itself, on its way past what translates drivers' errors."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@attrs.define
class _Transaction:
    """A session whose calls an extension may make, with its jobs.

    Attributes:
        session: The session.
        now: When it began.
    """

    session: Session
    now: datetime
    _insert: Insert
    _check: Check
    _failed: Exception | None = None  # what a call of the session has raised

    async def enqueue(self, jobs: Sequence[NewJob | KeyedJob]) -> list[Job]:
        """See ``ExtensionTransaction.enqueue``."""
        if not jobs:
            return []
        return [*await self._noted(self._insert(self.session, keyed(jobs, self._check)))]

    async def holding(self, jobs: Sequence[Job]) -> set[str]:
        """See ``ExtensionTransaction.holding``."""
        held = set[str]()
        for job in jobs:
            name, _, key = job.id.partition(":")
            where = [Is("id", "=", key), Is("status", "=", JobStatus.PROCESSING)]
            rows = await self._noted(self.session.select(job_table(name), where, columns=("lease_epoch",)))
            held |= {job.id for row in rows if row["lease_epoch"] == job.lease_epoch}
        return held

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.session, name)
        if not iscoroutinefunction(call):
            return call
        return lambda *arguments, **options: self._noted(call(*arguments, **options))

    async def _noted(self, calling: Awaitable[T]) -> T:
        try:
            return await calling
        except Exception as error:
            self._failed = error
            raise

    async def run(self, work: TransactionWork[T]) -> T:
        """Do the work; what it raises by itself is told from what a call of the session has raised."""
        try:
            return await work(cast("ExtensionTransaction", self))
        except Exception as error:
            if error is self._failed or isinstance(error, Sp00kyError):
                raise
            raise _WorkFailed(error) from error


async def in_transaction(session: Session, work: TransactionWork[T], insert: Insert, check: Check) -> T:
    """Do an extension's work in a transaction that has begun."""
    return await _Transaction(session, await session.now(), insert, check).run(work)


async def own_errors(running: Awaitable[T]) -> T:
    """Return what comes of ``in_transaction``; raise what the work has raised as it was."""
    try:
        return await running
    except _WorkFailed as failed:
        raise failed.error from failed.error.__cause__


async def missing_rows(session: Session, table: Table, rows: Sequence[Row]) -> list[Row]:
    """Return those rows whose key no row of the table has."""
    (first, *_), seen = table.key, set[tuple[Any, ...]]()
    where = [Is(first, "in", tuple({row[first] for row in rows}))]
    for row in await session.select(table, where, columns=table.key):
        seen.add(tuple(row[name] for name in table.key))
    return [row for row in rows if tuple(row[name] for name in table.key) not in seen]


async def query_rows(executor: Executor, location: str, query: str, limit: int) -> list[Mapping[str, Any]]:
    """Run a query that reads; where the database answers otherwise, an error is the query's."""
    try:
        try:
            return await _query(executor, query, limit)
        except StoreUnavailable:
            await executor.read(_now)
            return await _query(executor, query, limit)
    except StoreClosed:
        raise
    except (StoreError, NotImplementedError, TypeError, ValueError) as error:  # or a value that JSON lacks
        if isinstance(error, StoreUnavailable):
            await executor.read(_now)
        problem = error.problem if isinstance(error, StoreError) else str(error)
        raise QueryRefused(store=location, problem=f"the query is refused: {problem}") from error


async def _query(executor: Executor, query: str, limit: int) -> list[Mapping[str, Any]]:
    rows = await executor.do(lambda session: session.query(query, limit), Access.QUERY)
    objects = [decode(encode(row)) for row in rows]
    if not all(isinstance(row, dict) for row in objects):
        raise TypeError("a row of it is no object")
    return objects


async def _now(session: Session) -> datetime:
    return await session.now()
