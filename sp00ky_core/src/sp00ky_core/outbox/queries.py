"""Get, find, watch and count jobs: the reading part of ``Outbox``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TypedDict, Unpack

import attrs

from sp00ky_core.errors import StoreClosed
from sp00ky_core.job.job import Job, JobStatus, StatusName
from sp00ky_core.job.options import check_option
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.observe.prometheus import Metered
from sp00ky_core.observe.rates import Rates, query_of, rates_of
from sp00ky_core.outbox.enqueue import Transaction, check_given
from sp00ky_core.outbox.operators.bulk import pages
from sp00ky_core.outbox.operators.jobs import check_id
from sp00ky_core.ports import (
    Audit,
    AuditEntry,
    BackendStats,
    CallerConnection,
    Checks,
    ErrorGroup,
    Finding,
    JobFilter,
    JobQuery,
    Rollups,
    RunnerRecord,
    Runners,
    check_limit,
    has,
    needed,
)
from sp00ky_core.stores.transactional.schema import findings

__all__ = ["FindOptions"]


class FindOptions(TypedDict, total=False):
    """Choose the jobs that ``find`` lists, as ``JobFilter`` and ``JobQuery`` say."""

    backend: str | None
    status: JobStatus | StatusName | None
    path: str | None
    assigned_to: str | None
    error_name: str | None
    code: int | None
    since: datetime | None
    until: datetime | None
    ordering_key: str | None
    runner_id: str | None
    limit: int
    after: str | None


class Queries(Metered):
    """Read the jobs of a store; a base of ``Outbox``."""

    async def get(self, job_id: str, *, connection: CallerConnection = Transaction.OWN) -> Job:
        """Return one job, as your ``connection`` sees it if you give one.

        Raises ``JobNotFound``, and ``OptionInvalid`` for an id that is no text.
        """
        check_id(job_id)
        given = check_given(connection)
        return await self._jobs_with(given).get(job_id, connection=given)

    async def find(
        self, *, connection: CallerConnection = Transaction.OWN, **conditions: Unpack[FindOptions]
    ) -> list[Job]:
        """List jobs, newest first; what the arguments mean is said at ``JobFilter`` and ``JobQuery``.

        With ``connection``, those that your transaction sees, which it has enqueued itself included. What is
        over 64 KiB, of a payload, a result, and all ``errors`` but the last, is left out: ``Job.omitted``
        names it, and ``get`` has it.
        """
        if (backend := conditions.get("backend")) is not None:
            self.backends.named(backend)
        given = check_given(connection)
        return await self._jobs_with(given).find(JobQuery(**conditions), connection=given)

    def pages(
        self, conditions: JobFilter, *, limit: int | None = None, after: Job | None = None
    ) -> AsyncGenerator[list[Job], None]:
        """Yield all jobs that meet conditions, newest first, 100 at a time: however many, in little memory.

        ``JobFilter()`` is all. What is enqueued meanwhile may be left out. The jobs are as ``find`` has them.
        With ``after`` they begin with the one that is next older than that job.

        Raises:
            JobNotFound: ``after`` is gone.
            UnknownBackend: The filter names one that isn't configured.
        """
        if conditions.backend is not None:
            self.backends.named(conditions.backend)
        return pages(self.jobs, [conditions], limit, after=after)

    async def check(self) -> list[Finding]:
        """Find what is wrong with the tables, each finding with its consequence and its fix."""
        checks = has(self.store, Checks)
        return await checks.check() if checks else findings(await self.store.migration())

    async def watch(self, job_id: str) -> AsyncGenerator[Job, None]:
        """Yield the job now, and again whenever it has changed; end with its terminal status.

        Raises:
            JobNotFound: there is none of that id.
        """
        await self.get(job_id)
        async with aclosing(self.watch_all(JobQuery(ids=(job_id,)))) as changes:
            async for job in changes:
                yield job
                if job.is_terminal:
                    return
        await self.store.get(job_id)  # says why nothing comes any more: the job is gone, or the store closed

    async def wait(self, job_id: str, *, timeout: float | None = None) -> Job:  # noqa: ASYNC109  # as asyncio.wait_for has it
        """Return the job once it has ended; wait for at most ``timeout`` seconds, or for ever.

        Raises:
            JobNotFound: there is none of that id, or it is gone.
            TimeoutError: it hasn't ended in time.
        """
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline, aclosing(self.watch(job_id)) as changes:
                return [job async for job in changes][-1]
        except TimeoutError as error:
            if not deadline.expired():
                raise
            problem = f"{job_id} hasn't ended in {timeout} seconds; is a runner at work? sp00ky runners list"
            raise TimeoutError(problem) from error

    async def watch_all(
        self, query: JobQuery | None = None, *, history: int | None = None
    ) -> AsyncGenerator[Job, None]:
        """Yield jobs that match now, and each again whenever it has changed; ends only when it is closed.

        With ``ids`` in the query it ends once none of them is there any more.

        Args:
            query: Which jobs; its page doesn't count.
            history: Begin with the latest so many of those that match now, 0: with what comes; None: all.

        Raises:
            OptionInvalid: a negative ``history``.
            StoreClosed: the outbox is closed, or was meanwhile.
        """
        if history is not None:
            check_limit("history", history)
        query = query or JobQuery()
        async with aclosing(self.jobs.watch(query, history=history)) as changes:
            async for job in changes:
                yield job
        await self._check_open(query)

    async def _check_open(self, ended: JobQuery) -> None:
        """Raise ``StoreClosed`` where a watch has ended because of it, not because its jobs are gone."""
        if ended.ids is None:
            raise StoreClosed(store=self.store.location)
        await self.store.find(attrs.evolve(ended, limit=1, after=None))

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """Return each backend's queue in numbers.

        With a ``limit`` each number is exact up to it; a larger one is an estimate, without counting.
        """
        return await self.jobs.stats(limit=limit)

    async def rates(
        self,
        *,
        since: datetime,
        until: datetime | None = None,
        backend: str | None = None,
        step: timedelta | None = None,
        routes: bool = False,
    ) -> list[Rates]:
        """Return how many attempts ended how, and how long they took, whether or not their jobs are kept.

        Of the last 30 days, up to a minute ago; in order of time, backend and path. Each backend has a row
        in each step, also where nothing ended.

        Args:
            since: From then on.
            until: Before then; None: now.
            backend: Of this one; None: of all.
            step: A row for each such part of the time, rounded up to whole minutes, to whole hours where
                ``since`` is more than 47 h ago; None: one for all.
            routes: A row for each route in which attempts ended, rather than for each backend.

        Raises:
            CallUnsupported: the store keeps no rollups.
            UnknownBackend: ``backend`` isn't configured.
            OptionInvalid: no time between ``since`` and ``until``, or too many steps.
        """
        needed(self.store, Rollups, "rates()")
        known = list(self.backends) if backend is None else [self.backends.named(backend).name]
        _check_page(since, 0)
        _check_page(until, 0)
        now = datetime.now(UTC)
        query = query_of(now, since, until, step, backend, routes=routes)
        rollups = await self.jobs.rollups(query)
        return rates_of(query, query.until or now, rollups, known)

    async def errors(self, *, since: datetime | None = None, limit: int = 100) -> list[ErrorGroup]:
        """Group the jobs that are failed, or wait for a retry, by their last error; the largest first.

        Only those that changed ``since`` then.
        """
        _check_page(since, limit)
        groups = await self.jobs.errors(since=since, limit=limit)
        return [attrs.evolve(group, scheme=self._scheme_of(group.backend)) for group in groups]

    def _scheme_of(self, backend: str) -> str:
        return self.backends[backend].config.scheme if backend in self.backends else HTTP

    async def runners(self) -> list[RunnerRecord]:
        """List the runners, the youngest first; one that has stopped cleanly isn't among them."""
        return await needed(self.store, Runners, "runners()").runners()

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """List what operators have done, the latest first; it is kept for 90 days.

        ``after``: the id of the last entry of the page before.
        """
        _check_page(since, limit)
        return await needed(self.store, Audit, "audit()").audit(since=since, limit=limit, after=after)


def _check_page(since: datetime | None, limit: int) -> None:
    if since is not None:
        check_option("since", since, like="expires_at")
    check_limit("limit", limit)
