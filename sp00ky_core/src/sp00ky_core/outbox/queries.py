"""Get, find, watch and count jobs, the reading part of ``Outbox``; turn what is read into JSON."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import attrs

from sp00ky_core.errors import StoreClosed
from sp00ky_core.job.job import Job, JobStatus, StatusName, value_to_json
from sp00ky_core.job.options import check_option, expect
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.observe.metrics import Metered
from sp00ky_core.observe.rates import Rates, empty_in, query_of, rates_of
from sp00ky_core.outbox.enqueue import Transaction, check_given
from sp00ky_core.outbox.operators.bulk import check_id, pages
from sp00ky_core.plugins.dispatch import Hooks
from sp00ky_core.ports import (
    ALL_JOBS,
    GROUPED,
    AuditEntry,
    BackendStats,
    CallerConnection,
    ErrorGroup,
    Finding,
    GroupBy,
    JobFilter,
    JobGroup,
    JobQuery,
    RunnerRecord,
    check_limit,
)

if TYPE_CHECKING:
    from sp00ky_core.config import Config
    from sp00ky_core.outbox.extensions import Extensions
    from sp00ky_core.plugins.registry import Plugins

if TYPE_CHECKING:
    from sp00ky_core.observe.rates import Rates

__all__ = ["FindOptions"]
__all__ += ["json_of"]


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
    failed_since: datetime | None
    failed_until: datetime | None
    claimed_since: datetime | None
    claimed_until: datetime | None
    ended_since: datetime | None
    ended_until: datetime | None
    dedup_key: str | None
    ordering_key: str | None
    runner_id: str | None
    trace: str | None
    request_id: str | None
    limit: int
    after: str | None


class Queries(Metered):
    """Read the jobs of a store; a base of ``Outbox``.

    Attributes:
        via: What an act comes through, for the audit: ``python``, ``cli``, ``dashboard``.
    """

    via: str = "python"
    config: Config
    plugins: Plugins
    _hooks: Hooks
    _states: dict[str, dict[str, Any]]

    @property
    def extensions(self) -> Extensions:
        """The extensions that are installed, at work for this outbox."""
        from sp00ky_core.outbox.extensions import Extensions  # noqa: PLC0415  # most have none

        given = (self.plugins, self.config, self.backends, self._loop_store, self._hooks, self._states)
        return Extensions(*given, self.via)

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
        query, given = JobQuery(**conditions), check_given(connection)
        self.backends.meant(query)
        return await self._jobs_with(given).find(query, connection=given)

    def pages(
        self, conditions: JobFilter, *, limit: int | None = None, after: Job | None = None
    ) -> AsyncGenerator[list[Job], None]:
        """Yield all jobs that meet conditions, newest first, 100 at a time: however many, in little memory.

        ``JobFilter()`` is all. What is enqueued meanwhile may be left out. The jobs are as ``find`` has them.
        With ``after`` they begin with the one that is next older than that job.

        Raises:
            JobNotFound: ``after`` is gone.
            OptionInvalid: A limit that is no number of jobs.
            UnknownBackend: The filter names one that isn't configured.
        """
        if limit is not None:
            check_limit("limit", limit)
        self.backends.meant(conditions)
        return pages(self.jobs, [conditions], limit, after=after)

    async def check(self) -> list[Finding]:
        """Find what is wrong with the tables, each finding with its consequence and its fix."""
        return await self.store.check()

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
        self.backends.meant(query)
        async with aclosing(self.jobs.watch(query, history=history)) as changes:
            async for job in changes:
                yield job
        if query.ids is None:
            raise StoreClosed(store=self.store.location)
        await self.store.find(attrs.evolve(query, limit=1, after=None))  # its jobs are gone, or it raises

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """Return each backend's queue in numbers.

        With a ``limit`` each number is exact up to it; a larger one is an estimate, without counting, and
        neither how many jobs end in a second nor when a queue will be empty is said.
        """
        numbers = await self.jobs.stats(limit=limit)
        if limit is not None:
            return numbers
        return {name: await self._going_on(name, stats) for name, stats in numbers.items()}

    async def _going_on(self, backend: str, stats: BackendStats) -> BackendStats:
        """Say how many jobs end in a second, and when all that is due will be done; delayed jobs aside."""
        backlog, now, spans = stats.due + stats.processing, datetime.now(UTC), []
        for seconds in SPANS:
            since = now - timedelta(seconds=seconds)
            ended = await self.jobs.count(JobFilter(backend=backend, ended_since=since))
            came = await self.jobs.count(JobFilter(backend=backend, since=since))
            spans.append((seconds, ended, came))
        is_known = stats.paused is None or not backlog
        seconds, ended, _ = spans[0]
        empty_in_s = empty_in(backlog, spans) if is_known else None
        return attrs.evolve(stats, empty_in_s=empty_in_s, ended_per_s=round(ended / seconds, 1))

    async def groups(
        self,
        by: GroupBy,
        *,
        filter: JobFilter = ALL_JOBS,  # noqa: A002  # as kill and others have it
        limit: int = 20,
        since: datetime | None = None,
    ) -> list[JobGroup]:
        """Count the jobs by their route, or by whom they are assigned to; the largest groups first.

        Args:
            by: What the jobs of a group have in common.
            filter: Only jobs that meet it.
            limit: At most so many groups.
            since: Say how long it took, too: all attempts of a route that ended then or later, or the latest
                100 jobs of whom they are assigned to.

        Raises:
            OptionInvalid: What jobs can't be grouped by, or no number of groups.
            UnknownBackend: The filter names one that isn't configured.
        """
        check_group(by)
        check_limit("limit", limit)
        self.backends.meant(filter)
        groups = await self.jobs.groups(by, conditions=filter, limit=limit)
        return groups if since is None else await self._timed(groups, by, since)

    async def _timed(self, groups: Sequence[JobGroup], by: GroupBy, since: datetime) -> list[JobGroup]:
        """Say of groups how long it took since then."""
        rates: dict[tuple[str, str | None], Rates] = {}
        if by == "route":
            rates = {(row.backend, row.path): row for row in await self.rates(since=since, routes=True)}
        timed = []
        for group in groups:
            took: Mapping[str, Any] = {}
            if (row := rates.get((group.backend, group.path))) is not None:
                took = {name: getattr(row, name) for name in SHARES}
            elif group.assigned_to is not None:
                took = _shares(await self.lifetimes(group.assigned_to, backend=group.backend, since=since))
            timed.append(attrs.evolve(group, **took))
        return timed

    async def lifetimes(self, assigned_to: str, *, backend: str, since: datetime) -> list[float]:
        """Return how many seconds jobs of a record took from their creation to their end, in order.

        Of the latest 100 that ended ``since`` then: however many there are, one page is read.
        """
        jobs = await self.find(backend=backend, assigned_to=assigned_to, ended_since=since, limit=100)
        spans = [(job.created_at, job.updated_at) for job in jobs]
        return sorted((end - begin).total_seconds() for begin, end in spans if begin and end)

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

        Of the last 30 days, up to 4 s ago; in order of time, backend and path. Each backend has a row
        in each step, also where nothing ended.

        Args:
            since: From then on.
            until: Before then; None: now.
            backend: Of this one; None: of all.
            step: A row for each such part of the time, rounded up to whole minutes, to whole hours where
                ``since`` is more than 47 h ago; None: one for all.
            routes: A row for each route in which attempts ended, rather than for each backend.

        Raises:
            UnknownBackend: ``backend`` isn't configured.
            OptionInvalid: no time between ``since`` and ``until``, or too many steps.
        """
        known = list(self.backends) if backend is None else [self.backends.named(backend).name]
        _check_page(since, 0)
        _check_page(until, 0)
        now = datetime.now(UTC)
        query = query_of(now, since, until, step, backend, routes=routes)
        rollups = await self.jobs.rollups(query)
        return rates_of(query, query.until or now, rollups, known)

    async def errors(
        self,
        *,
        since: datetime | None = None,
        limit: int = 100,
        filter: JobFilter = ALL_JOBS,  # noqa: A002  # as kill and others have it
        by: GroupBy = "route",
    ) -> list[ErrorGroup]:
        """Group the jobs that are failed, or wait for a retry, by their last error; the largest first.

        Only those that changed ``since`` then, and that meet the filter. They are grouped by their route,
        too, or by whom they are assigned to (``by="assigned"``).

        Raises:
            OptionInvalid: A filter of jobs of another status, or what is no ``GroupBy``.
            UnknownBackend: The filter names one that isn't configured.
        """
        _check_page(since, limit)
        check_group(by)
        self.backends.meant(filter)
        expected, statuses = "failed or pending: others have no errors to group", filter.statuses
        expect("status", " or ".join(sorted(statuses)), expected, met=bool(statuses & FAILING))
        groups = await self.jobs.errors(since=since, limit=limit, conditions=filter, by=by)
        schemes = {name: backend.config.scheme for name, backend in self.backends.items()}
        return [attrs.evolve(group, scheme=schemes.get(group.backend, HTTP)) for group in groups]

    async def runners(self) -> list[RunnerRecord]:
        """List the runners, the youngest first; one that has stopped cleanly isn't among them."""
        return await self.store.runners()

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """List what operators have done, the latest first; it is kept for 90 days.

        ``after``: the id of the last entry of the page before.
        """
        _check_page(since, limit)
        return await self.store.audit(since=since, limit=limit, after=after)


FAILING = frozenset({JobStatus.FAILED, JobStatus.PENDING})
"""Statuses of jobs that may have failed last time."""


SPANS = (15.0, 60.0)
"""Seconds up to now, by this host's clock, of which it is counted what ended and what came."""


SHARES = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99}
"""Shares of jobs, by the fields of ``JobGroup`` and ``Rates`` that say within how long each of them ended."""


def _shares(seconds: Sequence[float]) -> Mapping[str, float | None]:
    """Return within how many of these seconds, which are in order, each share of them lies."""
    last = len(seconds) - 1
    return {name: seconds[math.ceil(share * last)] if seconds else None for name, share in SHARES.items()}


def check_group(by: object) -> None:
    """Refuse what jobs can't be grouped by. Raises ``OptionInvalid``."""
    expect("by", by, " or ".join(GROUPED), met=by in GROUPED)


def _check_page(since: datetime | None, limit: int) -> None:
    check_option("since", since, like="expires_at")
    check_limit("limit", limit)


RUNNER_KEYS = ("id", "host", "pid", "version", "started_at", "beat_at", "state", "in_flight", "slots")

AUDIT_KEYS = (
    *("id", "at", "actor", "db_user", "via", "host"),
    *("action", "selection", "count", "reason", "ended_at"),
)


def json_of(record: attrs.AttrsInstance) -> dict[str, Any]:
    """Turn a record into JSON values, a key for each of its attributes."""
    return attrs.asdict(record, filter=_is_said, value_serializer=_json_value)


def runner_to_json(runner: RunnerRecord) -> dict[str, Any]:
    """Turn a runner into JSON values, with its state."""
    fields = json_of(runner)
    fields |= {**fields["info"], "state": runner.state.value}
    return {key: fields[key] for key in RUNNER_KEYS}


def audit_to_json(entry: AuditEntry) -> dict[str, Any]:
    """Turn an audit entry into JSON values."""
    fields = json_of(entry)
    return {key: fields[key] for key in AUDIT_KEYS}


def rates_to_json(rates: Rates) -> dict[str, Any]:
    """Turn a backend's attempts into JSON values; codes are texts, as keys have to be."""
    fields: dict[str, Any] = attrs.asdict(rates, value_serializer=_json_value)
    del fields["backend"], fields["path"], fields["buckets"]
    codes = {str(code): count for code, count in rates.codes.items()}
    return fields | {"codes": codes, "per_second": rates.per_second}


def _is_said(field: attrs.Attribute[Any], value: Any) -> bool:
    return (field.name, value) != ("scheme", HTTP)


def _json_value(_record: object, _field: object, value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value_to_json(value)
