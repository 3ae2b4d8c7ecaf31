"""Deliver due jobs at once, with the answers that a test says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, overload

import attrs

from sp00ky_core.backend import queues, stored_table
from sp00ky_core.enqueue import Transaction
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.machine import Deferred
from sp00ky_core.outbox import Outbox
from sp00ky_core.outcome import THROTTLED, Delivered, Outcome
from sp00ky_core.ports import MAX_LIMIT
from sp00ky_core.runner.attempt import Attempts
from sp00ky_core.runner.decide import Decider
from sp00ky_core.runner.in_flight import Held
from sp00ky_core.runner.options import RunnerOptions, new_runner_id
from sp00ky_core.sync import SyncOutbox
from sp00ky_core.testing.answers import AnsweringTransport, Response
from sp00ky_core.testing.expectation import check_route
from sp00ky_core.testing.find import find_whole, find_whole_in
from sp00ky_core.testing.outboxes import commits_at_once, outbox_of_jobs

__all__ = ["perform_jobs"]

MOST_THROTTLED = 10
"""Throttled answers to a job; those after them count as attempts, as they do after ``giveUpAfter``."""


@overload
def perform_jobs(
    outbox: SyncOutbox,
    responses: Mapping[str, Response] | None = None,
    *,
    connection: object = Transaction.OWN,
) -> list[Job]: ...


@overload
def perform_jobs(
    outbox: Outbox,
    responses: Mapping[str, Response] | None = None,
    *,
    connection: object = Transaction.OWN,
) -> Coroutine[Any, Any, list[Job]]: ...


def perform_jobs(
    outbox: Outbox | SyncOutbox,
    responses: Mapping[str, Response] | None = None,
    *,
    connection: object = Transaction.OWN,
) -> list[Job] | Coroutine[Any, Any, list[Job]]:
    """Deliver the jobs that are due, and those that these lead to, until none is; return them as they ended.

    Awaited for an ``Outbox``, called for a ``SyncOutbox``. Nothing is sent, and nothing waits: a retry is due
    at once. What the runner heeds is heeded: contracts, retries, order, pauses, plugins, observers; but for
    breakers. A job that is due later stays pending: ``reschedule(job.id, now=True)`` makes it due.

    Args:
        outbox: where.
        responses: by operation, in any spelling: the result of a success, an HTTP status, a ``Delivered`` or
            ``Undelivered``, a function of the job that returns one of these, or a tuple of them, one for each
            attempt. An operation that is left out succeeds without a result.
        connection: that of an open transaction. Its jobs, and the others that are pending, are performed in
            memory and returned as they would have ended; the database's rows stay as they are.

    Raises:
        UnknownRoute: a response is for an operation that no backend has.
        Exception: what a response's function raises; its job is pending again.
    """
    responses = responses or {}
    asynchronous = outbox.asynchronous if isinstance(outbox, SyncOutbox) else outbox
    for path in responses:
        check_route(asynchronous.backends, None, path)
    if connection is Transaction.OWN or commits_at_once(asynchronous, connection):
        if isinstance(outbox, SyncOutbox):
            return outbox.do(lambda each: _Performance(each, responses).run())
        return _Performance(outbox, responses).run()
    if isinstance(outbox, Outbox):
        return _perform_copies(outbox, responses, connection)
    jobs = find_whole_in(outbox, connection, status=JobStatus.PENDING, limit=MAX_LIMIT)
    with SyncOutbox(outbox_of_jobs(asynchronous, jobs)) as copy:
        return copy.do(lambda each: _Performance(each, responses).run())


async def _perform_copies(outbox: Outbox, responses: Mapping[str, Response], connection: object) -> list[Job]:
    jobs = await find_whole(outbox, connection, status=JobStatus.PENDING, limit=MAX_LIMIT)
    return await _Performance(outbox_of_jobs(outbox, jobs), responses).run()


class _Performance:
    """Claims, attempts and settles one job after the other, in the order in which a runner claims them."""

    def __init__(self, outbox: Outbox, responses: Mapping[str, Response]) -> None:
        self._outbox, self._store, self._hooks = outbox, outbox.store, outbox.plugins.hooks()
        self._backends = queues(outbox.backends)
        self._tables = {name: stored_table(each) for name, each in self._backends.items()}
        self._transport = AnsweringTransport(responses)
        self._options = RunnerOptions(random=lambda: 0.5)
        transports = dict.fromkeys(outbox.backends, self._transport)
        self._attempts = Attempts(transports, self._hooks, self._options)
        self._decider = Decider(self._hooks, outbox.plugins.strategies, self._options)
        self._throttled: Counter[str] = Counter()

    async def run(self) -> list[Job]:
        """Perform all; return the jobs in the order of their first attempts."""
        runner_id, ids = new_runner_id("perform_jobs"), dict[str, None]()
        try:
            while jobs := await self._claim(runner_id):
                for job in jobs:
                    ids[job.id] = None
                    await self._perform(job)
        finally:
            await self._store.release(runner_id, keep=())
            await self._hooks.flush()
        return [await self._outbox.get(job_id) for job_id in ids]

    async def _claim(self, runner_id: str) -> Sequence[Job]:
        while True:
            jobs = await self._store.claim(dict.fromkeys(self._tables, 1), runner_id)
            if jobs or not jobs.retry_in:
                return jobs
            await asyncio.sleep(min(jobs.retry_in.values()))  # a backend's `rate`, in a real database

    async def _perform(self, job: Job) -> None:
        held = self._held(job)
        await self._hooks.dispatch("sp00ky_jobs_claimed", jobs=[held.job], runner_id=job.runner_id)
        outcome = await self._attempts.attempt(held)
        if self._transport.error is not None:
            raise self._transport.error
        settlement = self._decider.settlement(held, self._deferred(held, outcome))
        if settlement.transition.delay is not None:  # a retry, which is due at once
            settlement = attrs.evolve(settlement, transition=attrs.evolve(settlement.transition, delay=0.0))
        (result,) = await self._store.settle([settlement])
        transition = settlement.as_written(result).transition
        await self._hooks.dispatch("sp00ky_job_settled", job=held.job, transition=transition)

    def _held(self, job: Job) -> Held:
        backend, now = self._backends[job.backend].serving(job.path), self._options.clock()
        return Held(
            job=attrs.evolve(job, backend=backend.name),
            backend=backend,
            table=self._tables[job.backend],
            timeout=backend.table.attempt_timeout(job.timeout),
            claimed_at=now,
            received_at=now,
        )

    def _deferred(self, held: Held, outcome: Outcome) -> Outcome | Deferred:
        """Defer a job whose backend throttles, so many times."""
        if isinstance(outcome, Delivered) or outcome.name != THROTTLED:
            return outcome
        self._throttled[held.job.id] += 1
        give_up_after = held.retry.give_up_after
        waited = 2 * give_up_after if self._throttled[held.job.id] > MOST_THROTTLED else 0.0
        return Deferred(delay=0.0, outcome=outcome, waited=waited, give_up_after=give_up_after)
