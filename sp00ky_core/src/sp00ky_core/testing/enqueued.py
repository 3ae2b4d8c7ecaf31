"""Assert which jobs were enqueued; a failure says what was, and in what the nearest one differs."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Unpack, overload

import attrs

from sp00ky_core.backend import Backends
from sp00ky_core.encoding.payload_json import Payload
from sp00ky_core.enqueue import Transaction
from sp00ky_core.job import Job
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import MAX_LIMIT
from sp00ky_core.sync import SyncOutbox
from sp00ky_core.testing.expectation import Expectation, ExpectedOptions, text_of
from sp00ky_core.testing.find import find_whole, find_whole_in

__all__ = ["assert_enqueued", "refute_enqueued"]

MOST_JOBS = 1_000
"""Jobs that a failure looks at, the newest, to say what there is instead."""

MOST_SHOWN = 10
"""Jobs, and differences, that a failure shows."""


@overload
def assert_enqueued(
    outbox: SyncOutbox,
    backend: str,
    path: str,
    payload: Payload | None = None,
    *,
    count: int = 1,
    connection: object = Transaction.OWN,
    **options: Unpack[ExpectedOptions],
) -> list[Job]: ...


@overload
def assert_enqueued(
    outbox: Outbox,
    backend: str,
    path: str,
    payload: Payload | None = None,
    *,
    count: int = 1,
    connection: object = Transaction.OWN,
    **options: Unpack[ExpectedOptions],
) -> Coroutine[Any, Any, list[Job]]: ...


def assert_enqueued(
    outbox: Outbox | SyncOutbox,
    backend: str,
    path: str,
    payload: Payload | None = None,
    *,
    count: int = 1,
    connection: object = Transaction.OWN,
    **options: Unpack[ExpectedOptions],
) -> list[Job] | Coroutine[Any, Any, list[Job]]:
    """Assert that exactly so many jobs were enqueued that are as expected; return them, newest first.

    Awaited for an ``Outbox``, called for a ``SyncOutbox``.

    Args:
        outbox: where.
        backend: its name.
        path: its operation, in any spelling.
        payload: what the payload holds at least, at any depth; a list must have as many items.
        count: how many such jobs.
        connection: that of an open transaction, whose jobs others don't see.
        options: what else the job is: see ``ExpectedOptions``.

    Raises:
        AssertionError: there are more or fewer; says what there is.
        UnknownBackend: no such backend.
        UnknownRoute: no such operation.
        TypeError: no such option.
        OptionInvalid: no such status; an instant without a time zone.
        UnknownStrategy: no such strategy.
        PayloadNotJson: bytes or a set in the payload, which no job holds.
    """
    __tracebackhide__ = True
    expected = Expectation(backend=backend, path=path, payload=payload, options=options)
    return _judge(outbox, _Verdict(expected=expected, count=count), connection)


@overload
def refute_enqueued(
    outbox: SyncOutbox,
    backend: str | None = None,
    path: str | None = None,
    payload: Payload | None = None,
    *,
    connection: object = Transaction.OWN,
    **options: Unpack[ExpectedOptions],
) -> None: ...


@overload
def refute_enqueued(
    outbox: Outbox,
    backend: str | None = None,
    path: str | None = None,
    payload: Payload | None = None,
    *,
    connection: object = Transaction.OWN,
    **options: Unpack[ExpectedOptions],
) -> Coroutine[Any, Any, None]: ...


def refute_enqueued(
    outbox: Outbox | SyncOutbox,
    backend: str | None = None,
    path: str | None = None,
    payload: Payload | None = None,
    *,
    connection: object = Transaction.OWN,
    **options: Unpack[ExpectedOptions],
) -> Coroutine[Any, Any, None] | None:
    """Assert that no job like this was enqueued; without arguments, none at all.

    Awaited for an ``Outbox``, called for a ``SyncOutbox``. Arguments and errors are those of
    ``assert_enqueued``.
    """
    __tracebackhide__ = True
    expected = Expectation(backend=backend, path=path, payload=payload, options=options)
    judged = _judge(outbox, _Verdict(expected=expected, count=0), connection)
    return _nothing(judged) if isinstance(judged, Coroutine) else None


async def _nothing(judged: Coroutine[Any, Any, list[Job]]) -> None:
    __tracebackhide__ = True
    await judged


def _judge(
    outbox: Outbox | SyncOutbox, verdict: _Verdict, connection: object
) -> list[Job] | Coroutine[Any, Any, list[Job]]:
    __tracebackhide__ = True
    if isinstance(outbox, SyncOutbox):
        verdict = verdict.checked(outbox.asynchronous.backends)
        return _judge_sync(outbox, verdict, connection)
    verdict = verdict.checked(outbox.backends)
    return _judge_async(outbox, verdict, connection)


def _judge_sync(outbox: SyncOutbox, verdict: _Verdict, connection: object) -> list[Job]:
    __tracebackhide__ = True
    expected = verdict.expected
    conditions = {"backend": expected.backend, "path": expected.path, "limit": MAX_LIMIT}
    found = find_whole_in(outbox, connection, **conditions)
    if not verdict.is_met_by(found):
        verdict.fail(found, outbox.find(limit=MOST_JOBS, connection=connection), connection)
    return verdict.matching(found)


async def _judge_async(outbox: Outbox, verdict: _Verdict, connection: object) -> list[Job]:
    __tracebackhide__ = True
    expected = verdict.expected
    conditions = {"backend": expected.backend, "path": expected.path, "limit": MAX_LIMIT}
    found = await find_whole(outbox, connection, **conditions)
    if not verdict.is_met_by(found):
        verdict.fail(found, await outbox.find(limit=MOST_JOBS, connection=connection), connection)
    return verdict.matching(found)


@attrs.frozen(kw_only=True)
class _Verdict:
    """Says whether jobs are what is expected.

    Attributes:
        expected: A job as it must be.
        count: How many such jobs.
    """

    expected: Expectation
    count: int

    def checked(self, backends: Backends) -> _Verdict:
        """Return it with the operation's name. Raises as ``Expectation.check``."""
        __tracebackhide__ = True
        return attrs.evolve(self, expected=self.expected.check(backends))

    def matching(self, jobs: Sequence[Job]) -> list[Job]:
        return [job for job in jobs if not self.expected.differences(job)]

    def is_met_by(self, jobs: Sequence[Job]) -> bool:
        return len(self.matching(jobs)) == self.count

    def fail(self, found: Sequence[Job], all_jobs: Sequence[Job], connection: object) -> None:
        """Raise the ``AssertionError`` that says what was enqueued instead."""
        __tracebackhide__ = True
        matching = self.matching(found)
        like = f" like {self.expected}" if str(self.expected) else ""
        lines = [f"expected {_jobs(self.count)}{like}, found {len(matching)}"]
        if len(matching) > self.count:
            lines += _shown(matching)
        else:
            lines += self._nearest([job for job in found or all_jobs if job not in matching])
            lines += _listed(all_jobs, connection)
        raise AssertionError("\n".join(lines))

    def _nearest(self, jobs: Sequence[Job]) -> list[str]:
        """Say in what the job differs that has the fewest differences."""
        if not jobs:
            return []
        job = min(jobs, key=lambda each: len(self.expected.differences(each)))
        differences = self.expected.differences(job)
        more = [f"  and {len(differences) - MOST_SHOWN} more"] if len(differences) > MOST_SHOWN else []
        return [f"the nearest one is {job.id}:", *(f"  {each}" for each in differences[:MOST_SHOWN]), *more]


def _listed(jobs: Sequence[Job], connection: object) -> list[str]:
    if not jobs:
        is_own = connection is Transaction.OWN
        hint = "; jobs of an open transaction are seen with connection= alone" if is_own else ""
        return [f"nothing was enqueued{hint}"]
    count = f"{len(jobs)} or more" if len(jobs) == MOST_JOBS else str(len(jobs))
    return [f"enqueued, newest first ({count}):", *_shown(jobs)]


def _shown(jobs: Sequence[Job]) -> list[str]:
    more = ["  ..."] if len(jobs) > MOST_SHOWN else []
    return [*(f"  {text_of(job)}" for job in jobs[:MOST_SHOWN]), *more]


def _jobs(count: int) -> str:
    return "no job" if count == 0 else "1 job" if count == 1 else f"{count} jobs"
