"""Deliver a job by calling its function: in the application's own loop, or in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any

import attrs

from sp00ky_core import Attempt, BackendConfig, Delivered, Outcome, Undelivered
from sp00ky_core.errors import AdapterMissing
from sp00ky_core.job.job import facts_of, named
from sp00ky_core.job.outcome import BUSY, CONNECT, INVALID_PATH, TIMEOUT, UNKNOWN_ROUTE
from sp00ky_openapi import path_problem
from sp00ky_tasks.document import tasks_of
from sp00ky_tasks.failure import failure_of
from sp00ky_tasks.parameters import Call, Parameter
from sp00ky_tasks.tasks import Task
from sp00ky_transport_asgi.own_loop import CUT_OFF, LATE, Caller, OwnLoop, Post, is_cancelled
from sp00ky_transport_asgi.own_loop import Call as LoopCall
from sp00ky_transport_asgi.target import Target, TargetProblem
from sp00ky_transport_http.backend import fault_of

__all__ = ["TasksTransport"]

_log = logging.getLogger(__name__)

LONGEST_RESULT = 65_536
"""Bytes of a result that are kept, as of HTTP's; a longer one is left out."""

_undelivered = partial(Undelivered, scheme="python")
_delivered = partial(Delivered, code=0, scheme="python")
_NO_RESULT = _delivered()


@attrs.define(eq=False, slots=False)
class TaskCall(LoopCall[Delivered]):
    """One call of a function."""

    _task: Task[..., Any]
    _place: OwnLoop
    _parameter: Parameter | None
    _work: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    def begin(self) -> None:
        """Begin to call an ``async def``, in its loop; call a ``def``, in a thread."""
        if self._task.is_async:
            self._work = self._place.begin(self._run(), self.attempt.job.path)
        else:
            with suppress(StopIteration):  # it has nothing to wait for
                self._run().send(None)

    def give_up(self) -> None:
        """Cancel an ``async def``; a thread goes on."""
        if self._work is not None:
            self._work.cancel()

    async def _run(self) -> None:
        task, outcome = self._task, _NO_RESULT
        try:
            arguments = task.signature.load(self.attempt.job.payload_json)
            if (parameter := self._parameter) is None:
                value = task.function(**arguments)
            else:
                value = parameter.called(task.function, {task.context: parameter, **arguments})
            if task.is_async:
                value = await value
            if value is not None:
                result = task.signature.dump_result(value)
                outcome = _delivered(result=result) if len(result) <= LONGEST_RESULT else _NO_RESULT
        except BaseException as error:
            if task.is_async and is_cancelled():
                self.end(CUT_OFF)
                raise
            is_final = self._parameter is not None and self._parameter.is_final(error)
            self.end(failure_of(task, error, self.attempt.job, is_final=is_final))
        else:
            self.end(outcome)

    def late(self) -> Undelivered:
        """Log that its time is over; return the outcome."""
        did = "cancelled" if self._task.is_async else "its thread goes on, and keeps its place"
        said, job = f"not done after {self.attempt.timeout:g} s: {did}", self.attempt.job
        _log.warning("%s: %s is %s", named(job), job.path, said, extra=facts_of(job))
        return _undelivered(name=TIMEOUT, reason=said)


def _no_extension(kind: type[Any]) -> Any:
    raise AdapterMissing(kind="extension", name=kind.__name__, distribution="", known=())


class Backend:
    """What a backend's jobs call, and the threads that call what blocks; these keep no process from its end.

    Attributes:
        config: Its configuration.
        by_path: Its functions.
        place: The loop of those that are ``async def``.
        late: Calls whose time is over, and that have their threads yet.
    """

    config: BackendConfig
    by_path: Mapping[str, Task[..., Any]]
    place: OwnLoop
    late: set[Callable[[], object]]

    def __init__(self, home: Post) -> None:
        self._home = home
        self._waiting: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._threads = self._at_work = 0
        self.late = set()

    def is_full(self) -> bool:
        """Return whether all threads have something to do."""
        return self._at_work >= self.config.concurrency

    def in_thread(self, begin: Callable[[], object]) -> None:
        """Begin a call there."""
        self._at_work += 1
        self._waiting.put(begin)
        if self._threads < self._at_work:
            self._threads += 1
            Thread(target=self._work, name=f"{self.place.name}-{self._threads}", daemon=True).start()

    def close(self) -> None:
        """Let the threads end once they have nothing to do."""
        for _ in range(self._threads):
            self._waiting.put(None)

    def _free(self, begin: Callable[[], object]) -> None:
        self._at_work -= 1
        self.late.discard(begin)

    def _work(self) -> None:
        while begin := self._waiting.get():
            begin()
            self._home(partial(self._free, begin))


class TasksTransport(Caller):
    """Delivers jobs to functions in this process, as ``sp00ky_core.ports.Transport`` promises.

    Args:
        shared: Call them in the loop of whoever delivers, for tests.
    """

    def __init__(self, *, shared: bool = False) -> None:
        super().__init__()
        self._shared, self._stopping = shared, False
        self._extension: Callable[[type[Any]], Any] = _no_extension
        self._backends: dict[str, Backend] = {}

    def find_extensions(self, find: Callable[[type[Any]], Any]) -> None:
        """See ``FindsExtensions``."""
        self._extension = find

    def draining(self) -> None:
        """Tell the functions, by their contexts, that the runner drains."""
        self._stopping = True

    async def close(self) -> None:
        """Leave the loops; who is the last one ends them."""
        while self._backends:
            self._backends.popitem()[1].close()
        await super().close()

    async def prepare(self, backend: BackendConfig) -> None:
        """Import a backend's functions. Raises ``TargetProblem``, ``TaskProblem``."""
        for task in (await self._entered(backend)).by_path.values():
            task.signature  # noqa: B018  # raises where there can be none

    def lost_places(self, backend: str) -> int:
        """Count the threads that calls keep after their time; see ``PlacedTransport``."""
        return len(self._backends[backend].late) if backend in self._backends else 0

    async def _entered(self, config: BackendConfig) -> Backend:
        target, tasks = Target.of(config), tasks_of(config)
        place = await self.enter(target, partial(OwnLoop, str(target), shared=self._shared))
        backend = self._backends.setdefault(config.name, Backend(self.home))
        backend.config, backend.by_path, backend.place = config, tasks.by_path, place
        return backend

    async def deliver(self, attempt: Attempt) -> Outcome:
        """Call the function and say what came of it, within ``attempt.timeout``; see ``Transport``."""
        try:
            config, path = attempt.backend, attempt.job.path
            backend = self._backends.get(config.name)
            if backend is None or backend.config is not config or backend.place.has_ended:
                backend = await self._entered(config)
            task = backend.by_path.get(path)
            if task is None:
                name = INVALID_PATH if path != attempt.operation.path or path_problem(path) else UNKNOWN_ROUTE
                return _undelivered(name=name, reason=f"{path[:200]!r} is no function")
            in_loop, place = task.is_async or self._shared, backend.place
            if not in_loop and backend.is_full():
                reason = "not begun: calls that outlived their timeout have all threads"
                return _undelivered(name=BUSY, sent=False, reason=reason)
            call = TaskCall(attempt, self.home, task, place, self._parameter(task, attempt))
            answer = await self.answered(call, place, place.post if in_loop else backend.in_thread)
            if answer is not LATE:
                return answer
            if not in_loop:
                backend.late.add(call.begin)
            return call.late()
        except TargetProblem as problem:
            return _undelivered(name=CONNECT, reason=problem.place, sent=False)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this job's
            return fault_of(attempt, error)

    def _parameter(self, task: Task[..., Any], attempt: Attempt) -> Parameter | None:
        if task.kind is None:
            return None
        call = Call(
            attempt=attempt,
            task=task,
            is_stopping=lambda: self._stopping,
            home=self.home,
            extension=self._extension,
            in_tests=self._shared,
        )
        return task.kind.of(call)
