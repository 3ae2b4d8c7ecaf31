"""Find jobs that a test has enqueued, and assert what they are."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, TypeVar, Unpack, overload

import attrs

from sp00ky_core.backend.backend import Backends
from sp00ky_core.encoding.json_bytes import JsonText, Payload, encode_payload, json_value, pointer_of
from sp00ky_core.error_texts import nearest, shown
from sp00ky_core.errors import PayloadNotJson, UnknownRoute, UnknownStrategy
from sp00ky_core.job.job import Job, JobOptions, JobStatus, StatusName
from sp00ky_core.job.options import check_option
from sp00ky_core.outbox.enqueue import Transaction
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.ports import MAX_LIMIT, JobFilter
from sp00ky_core.stores.without_waiting import finished
from sp00ky_core.sync import SyncOutbox

__all__ = ["assert_enqueued", "refute_enqueued"]

T = TypeVar("T")


async def find_whole(outbox: Outbox | SyncOutbox, connection: object, **conditions: Any) -> list[Job]:
    """Return the jobs that ``find`` lists, each as ``get`` has it; of a ``SyncOutbox`` without waiting."""
    jobs = await _value_of(outbox.find(connection=connection, **conditions))
    return [
        await _value_of(outbox.get(job.id, connection=connection)) if job.omitted else job for job in jobs
    ]


async def _value_of(answer: Awaitable[T] | T) -> T:
    return await answer if isinstance(answer, Awaitable) else answer


TOLERANCE = timedelta(seconds=1)
"""Instants and delays are the expected ones within this."""

LONGEST = 200  # characters of a payload that are shown


class ExpectedOptions(JobOptions, total=False):
    """Expect more of a job; what is left out may be anything.

    Attributes:
        assigned_to: The record that it belongs to.
        dedup_key: Its key.
        ordering_key: Its key.
        priority: 0 to 3.
        max_retries: Attempts after the first.
        retry_strategy: The strategy's name.
        timeout: Seconds.
        delay: From when it was enqueued to when it is due, within a second.
        run_at: When it is due, within a second.
        expires_at: When it expires, within a second.
        traceparent: Its trace context.
        status: ``pending``, for instance; a job of any status was enqueued.
    """

    status: JobStatus | StatusName


@attrs.frozen(kw_only=True)
class Expectation:
    """Jobs as a test expects them.

    Attributes:
        backend: The backend's name; None: any.
        path: The operation; None: any.
        payload: Each of these is in the payload; None: any payload.
        options: Likewise.
        count: How many such jobs.
    """

    backend: str | None
    path: str | None
    payload: Payload | None
    options: Mapping[str, Any]
    count: int = 1

    def check(self, backends: Backends) -> Expectation:
        """Refuse what no job can be: a misspelt name would never be found. Return it with the path's name.

        Raises:
            UnknownBackend: no such backend.
            UnknownRoute: no such operation.
            TypeError: no such option.
            OptionInvalid: no such status; an instant without a time zone.
            UnknownStrategy: no such strategy.
            PayloadNotJson: bytes or a set in the payload.
        """
        __tracebackhide__ = True
        _check_payload(self.payload, ())
        if self.backend is not None:
            backends.named(self.backend)
        path = None if self.path is None else name_of_route(backends, self.backend, self.path)
        for name in self.options:
            if name not in ExpectedOptions.__annotations__:
                hint = nearest(name, ExpectedOptions.__annotations__)
                raise TypeError(f"a job has no option {name!r} that can be expected; {hint}")
        for name in ("run_at", "expires_at"):
            if isinstance(self.options.get(name), datetime):
                check_option(name, self.options[name], like="expires_at")
        JobFilter(status=self.options.get("status"))
        _check_strategy(backends, self.options.get("retry_strategy"))
        return attrs.evolve(self, path=path)

    def matching(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs that are as expected."""
        return [job for job in jobs if not any(self.differences(job))]

    def failure(self, like: Sequence[Job], all_jobs: Sequence[Job], connection: object) -> str:
        """Say what was enqueued instead."""
        matching = self.matching(like)
        description = f" like {self}" if str(self) else ""
        lines = [f"expected {_jobs(self.count)}{description}, found {len(matching)}"]
        if len(matching) > self.count:
            lines += _shown(matching)
        else:
            lines += self._nearest([job for job in like or all_jobs if job not in matching])
            lines += _listed(all_jobs, connection)
        return "\n".join(lines)

    def _nearest(self, jobs: Sequence[Job]) -> list[str]:
        """Say in what the job differs that has the fewest differences."""
        if not jobs:
            return []
        differences = {job.id: [*self.differences(job)] for job in jobs}
        job_id = min(differences, key=lambda job_id: len(differences[job_id]))
        listed = [f"  {difference}" for difference in differences[job_id]]
        more = [f"  and {len(listed) - MOST_SHOWN} more"] if len(listed) > MOST_SHOWN else []
        return [f"the nearest one is {job_id}:", *listed[:MOST_SHOWN], *more]

    def differences(self, job: Job) -> Iterator[str]:
        """Yield in what a job isn't as expected; nothing: it is."""
        for name in ("backend", "path"):
            expected, actual = getattr(self, name), getattr(job, name)
            if expected is not None and actual != expected:
                yield f"{name} is {actual}, expected {expected}"
        if self.payload is not None:
            yield from _payload_differences(self.payload, job.payload, ())
        for name, expected in self.options.items():
            if not _is_as_expected(name, expected, _option(job, name)):
                yield f"{name} is {shown(_option(job, name))}, expected {shown(expected)}"

    def __str__(self) -> str:
        parts = [name for name in (self.backend, self.path) if name is not None]
        if self.payload is not None:
            parts.append(_payload_text(self.payload))
        return " ".join(parts + [f"{name}={shown(value)}" for name, value in self.options.items()])


def name_of_route(backends: Backends, backend: str | None, path: str) -> str:
    """Return the name of the operation that a text spells.

    Raises ``UnknownRoute`` for one that a backend, or (None) every one of them, lacks.
    """
    __tracebackhide__ = True
    named = backends if backend is None else {backend: backends[backend]}
    for one in named.values():
        if (operation := one.contract.operation(path)) is not None:
            return operation.name
    known = sorted(frozenset().union(*(one.table.routes for one in named.values())))
    raise UnknownRoute(backend=", ".join(named), path=path, known=tuple(known))


def _check_payload(expected: Any, path: tuple[str | int, ...]) -> None:
    """Refuse what no payload holds, whatever it is compared with; ``mock.ANY`` equals what one may hold."""
    __tracebackhide__ = True
    value = _plain(expected)
    if isinstance(value, bytes | bytearray | memoryview | AbstractSet) and not isinstance(value, JsonText):
        raise PayloadNotJson(pointer=pointer_of(path), problem=f"no payload holds {type(value).__name__}")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        _check_payload(item, (*path, step))


def _check_strategy(backends: Backends, strategy: str | None) -> None:
    __tracebackhide__ = True
    known = {name for backend in backends.values() for name in backend.table.strategies}
    if strategy is not None and strategy not in known:
        raise UnknownStrategy(strategy=strategy, known=tuple(sorted(known)))


def text_of(job: Job) -> str:
    """Show a job in one line."""
    named = [(name, getattr(job, name)) for name in ("assigned_to", "dedup_key", "ordering_key")]
    options = [f"{name}={shown(value)}" for name, value in named if value is not None]
    payload = _cut(job.payload_json.decode(errors="replace"))
    return " ".join([job.backend, job.path, payload, *options, f"({job.status}, {job.id})"])


def _option(job: Job, name: str) -> Any:
    if name == "delay":
        return None if job.run_at is None or job.created_at is None else job.run_at - job.created_at
    return getattr(job, name)


def _is_as_expected(name: str, expected: Any, actual: Any) -> bool:
    if name in {"delay", "run_at", "expires_at"} and expected is not None and actual is not None:
        return bool(abs(actual - expected) <= TOLERANCE)
    return bool(expected == actual)


def _payload_differences(expected: Any, actual: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    """Yield in what a value of a payload isn't as expected; of an object, only what is named counts."""
    expected = _plain(expected)
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key, value in expected.items():
            if key in actual:
                yield from _payload_differences(value, actual[key], (*path, key))
            else:
                yield f"payload {pointer_of((*path, key))} is missing, expected {shown(_plain(value))}"
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, pair in enumerate(zip(expected, actual, strict=True)):
            yield from _payload_differences(*pair, (*path, index))
    elif expected != actual or _is_number_for_boolean(expected, actual):
        yield f"payload {pointer_of(path)} is {shown(actual)}, expected {shown(expected)}"


def _is_number_for_boolean(expected: Any, actual: Any) -> bool:
    """Tell what Python takes for equal and JSON doesn't: 1 and true."""
    is_number = isinstance(expected, int | float)  # nothing else that equals a boolean, as ``mock.ANY`` does
    return is_number and isinstance(expected, bool) is not isinstance(actual, bool)


def _plain(expected: Any) -> Any:
    """Return a value as JSON has it; one that JSON lacks is as it is: ``mock.ANY``, for instance."""
    if isinstance(expected, dict | list):
        return expected
    try:
        return json_value(expected)
    except PayloadNotJson:
        return dict(expected) if isinstance(expected, Mapping) else expected


def _payload_text(payload: Payload) -> str:
    try:
        return _cut(encode_payload(payload).decode())
    except PayloadNotJson:
        return _cut(shown(payload))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


MOST_JOBS = 1_000
"""Jobs that a failure looks at, the newest, to say what there is instead."""

MOST_SHOWN = 10
"""Jobs, and differences, that a failure shows."""


class Refuted(ExpectedOptions, total=False):
    """Carries what ``refute_enqueued`` takes by name.

    Attributes:
        connection: That of an open transaction.
    """

    connection: object


class Asserted(Refuted, total=False):
    """Carries what ``assert_enqueued`` takes by name.

    Attributes:
        count: How many such jobs.
    """

    count: int


@overload
def assert_enqueued(
    outbox: SyncOutbox, backend: str, path: str, payload: Payload | None = ..., **options: Unpack[Asserted]
) -> list[Job]: ...


@overload
def assert_enqueued(
    outbox: Outbox, backend: str, path: str, payload: Payload | None = ..., **options: Unpack[Asserted]
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
    expected = Expectation(backend=backend, path=path, payload=payload, options=options, count=count)
    judged = _judge(outbox, expected, connection)
    return finished(judged) if isinstance(outbox, SyncOutbox) else judged


@overload
def refute_enqueued(
    outbox: SyncOutbox,
    backend: str | None = ...,
    path: str | None = ...,
    payload: Payload | None = ...,
    **options: Unpack[Refuted],
) -> None: ...


@overload
def refute_enqueued(
    outbox: Outbox,
    backend: str | None = ...,
    path: str | None = ...,
    payload: Payload | None = ...,
    **options: Unpack[Refuted],
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
    expected = Expectation(backend=backend, path=path, payload=payload, options=options, count=0)
    judged = _refuted(outbox, expected, connection)
    return finished(judged) if isinstance(outbox, SyncOutbox) else judged


async def _refuted(outbox: Outbox | SyncOutbox, expected: Expectation, connection: object) -> None:
    __tracebackhide__ = True
    await _judge(outbox, expected, connection)


async def _judge(outbox: Outbox | SyncOutbox, expected: Expectation, connection: object) -> list[Job]:
    __tracebackhide__ = True
    asynchronous = outbox.asynchronous if isinstance(outbox, SyncOutbox) else outbox
    expected = expected.check(asynchronous.backends)
    conditions = {"backend": expected.backend, "path": expected.path, "limit": MAX_LIMIT}
    jobs = await find_whole(outbox, connection, **conditions)
    matching = expected.matching(jobs)
    if len(matching) != expected.count:
        all_jobs = await _value_of(outbox.find(limit=MOST_JOBS, connection=connection))
        raise AssertionError(expected.failure(jobs, all_jobs, connection))
    return matching


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
