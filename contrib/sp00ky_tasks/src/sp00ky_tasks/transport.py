"""Deliver a job by calling its function: in the application's own loop, or in a thread."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any

import attrs

from sp00ky_core import Attempt, BackendConfig, Delivered, Outcome, Undelivered
from sp00ky_core.contract import path_problem
from sp00ky_core.job.job import facts_of, named
from sp00ky_core.job.outcome import BUSY, CONNECT, INVALID_PATH, INVALID_PAYLOAD, TIMEOUT, UNKNOWN_ROUTE
from sp00ky_tasks.context import Context
from sp00ky_tasks.document import tasks_of
from sp00ky_tasks.failure import failure_of
from sp00ky_tasks.schema import ArgumentsRefused, ResultRefused
from sp00ky_tasks.tasks import Task, Tasks
from sp00ky_transport_asgi.own_loop import CUT_OFF, Call, OwnLoop, Post, entered, is_cancelled, left
from sp00ky_transport_asgi.target import Target, TargetProblem
from sp00ky_transport_http.backend import fault_of
from sp00ky_transport_http.deadlines import Deadlines

__all__ = ["TasksTransport"]

_log = logging.getLogger(__name__)

LONGEST_RESULT = 65_536
"""Bytes of a result that are kept, as of HTTP's; a longer one is left out."""

_undelivered = partial(Undelivered, scheme="python")
_delivered = partial(Delivered, code=0, scheme="python")
_NO_RESULT = _delivered()


class TaskCall(Call[Delivered]):
    """One call of a function."""

    def __init__(
        self, attempt: Attempt, task: Task[..., Any], home: Post, place: OwnLoop, context: Context | None
    ) -> None:
        super().__init__(attempt, home)
        self._task, self._place, self._context = task, place, context
        self._work: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Begin to call an ``async def``, in its loop."""
        self._work = self._place.begin(self._run(), self.attempt.job.path)

    def give_up(self) -> bool:
        """Cancel that, as far as it can be; return whether it was begun, and there is no answer."""
        is_unanswered = self.is_unanswered()
        if self._task.is_async:
            self._place.post(self._cancel)
            self._place.expect_a_turn()
        return is_unanswered

    def _cancel(self) -> None:
        if self._work is not None:
            self._work.cancel()

    def late(self) -> Undelivered:
        """Log that its time is over; return the outcome."""
        did = "cancelled" if self._task.is_async else "its thread goes on, and keeps its place"
        said, job = f"not done after {self.attempt.timeout:g} s: {did}", self.attempt.job
        _log.warning("%s: %s is %s", named(job), job.path, said, extra=facts_of(job))
        return _undelivered(name=TIMEOUT, reason=said)

    def run_here(self) -> None:
        """Call a ``def``."""
        answer: Any = None
        if self._take():
            try:
                answer = self._success(self._task.function(**self._arguments()))
            except BaseException as error:  # noqa: BLE001  # whatever it is, it is this job's
                answer = self._failure(error)
        self.end(answer)

    async def _run(self) -> None:
        if self._take():
            try:
                value = await self._task.function(**self._arguments())
                self.end(_NO_RESULT if value is None else self._success(value))
            except BaseException as error:
                if is_cancelled():
                    self.end(CUT_OFF)
                    raise
                self.end(self._failure(error))

    def _arguments(self) -> dict[str, Any]:
        given = self._task.signature.load(self.attempt.job.payload_json)
        if self._context is not None:
            given[self._task.context] = self._context
        return given

    def _success(self, value: Any) -> Delivered:
        if value is None:
            return _NO_RESULT
        result = self._task.signature.dump_result(value)
        return _delivered(result=result) if len(result) <= LONGEST_RESULT else _NO_RESULT

    def _failure(self, error: BaseException) -> Undelivered:
        if isinstance(error, ArgumentsRefused):
            return _undelivered(name=INVALID_PAYLOAD, reason=str(error), sent=False)
        if isinstance(error, ResultRefused):
            return _undelivered(name="invalid_result", reason=str(error), retryable=False)
        outcome, job = failure_of(self._task, error), self.attempt.job
        if outcome.trace:
            facts = {**facts_of(job), "path": job.path, "trace": outcome.trace}
            text = "%s: %s raised %s\n%s"
            _log.error(text, named(job), job.path, outcome.name, outcome.trace, extra=facts)
        return outcome


class Threads:
    """Calls functions in threads, which keep no process from its end.

    Attributes:
        most: Calls at a time.
    """

    def __init__(self, name: str, home: Post) -> None:
        self.most: int = 0
        self._name, self._home = name, home
        self._waiting: SimpleQueue[TaskCall | None] = SimpleQueue()
        self._made = self._at_work = 0

    def begin(self, call: TaskCall) -> bool:
        """Begin a call; return whether there is a place for it."""
        if self._at_work >= self.most:
            return False
        self._at_work += 1
        self._waiting.put(call)
        if self._made < self._at_work:
            self._made += 1
            Thread(target=self._work, name=f"{self._name}-{self._made}", daemon=True).start()
        return True

    def close(self) -> None:
        """Let the threads end once they have nothing to do."""
        for _ in range(self._made):
            self._waiting.put(None)

    def _free(self) -> None:
        self._at_work -= 1

    def _work(self) -> None:
        while call := self._waiting.get():
            call.run_here()
            self._home(self._free)


@attrs.frozen(kw_only=True)
class _Backend:
    config: BackendConfig
    tasks: Tasks
    place: OwnLoop
    threads: Threads


class TasksTransport:
    """Delivers jobs to functions in this process, as ``sp00ky_core.ports.Transport`` promises.

    Args:
        shared: Call them in the loop of whoever delivers, for tests.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self._backends: dict[str, _Backend] = {}
        self._threads: dict[str, Threads] = {}
        self._deadlines = Deadlines()
        self._stopping = False

    async def open(self) -> None:
        """Get ready; functions are imported by ``prepare``, or by the first job."""
        self._post = Post(asyncio.get_running_loop())

    def draining(self) -> None:
        """Tell the functions, by their contexts, that the runner drains."""
        self._stopping = True

    async def close(self) -> None:
        """Leave the loops; who is the last one ends them."""
        for threads in self._threads.values():
            threads.close()
        self._threads.clear()
        self._backends.clear()
        await left(self)

    async def prepare(self, backend: BackendConfig) -> None:
        """Import a backend's functions. Raises ``TargetProblem``, ``TaskProblem``."""
        for task in (await self._entered(backend)).tasks.by_path.values():
            task.signature  # noqa: B018  # raises where there can be none

    async def _entered(self, config: BackendConfig) -> _Backend:
        target, tasks = Target.of(config), tasks_of(config)
        place = await entered(target, partial(OwnLoop, str(target), shared=self._shared), self)
        threads = self._threads.setdefault(config.name, Threads(str(target), self._post))
        threads.most = config.concurrency
        made = _Backend(config=config, tasks=tasks, place=place, threads=threads)
        self._backends[config.name] = made
        return made

    async def deliver(self, attempt: Attempt) -> Outcome:
        """Call the function and say what came of it, within ``attempt.timeout``; see ``Transport``."""
        try:
            backend = self._backends.get(attempt.backend.name)
            if backend is None or backend.place.has_ended or backend.config is not attempt.backend:
                backend = await self._entered(attempt.backend)
            path, operation = attempt.job.path, attempt.operation
            task = backend.tasks.by_path.get(operation.path)
            if task is None or path not in operation.spellings:
                name = INVALID_PATH if task or path_problem(path) else UNKNOWN_ROUTE
                return _undelivered(name=name, reason=f"{path[:200]!r} is no function")
            context = self._context(attempt) if task.context else None
            call = TaskCall(attempt, task, self._post, backend.place, context)
            if task.is_async:
                backend.place.post(call.begin)
            elif self._shared:
                call.run_here()
            elif not backend.threads.begin(call):
                reason = "not begun: calls that outlived their timeout have all threads"
                return _undelivered(name=BUSY, sent=False, reason=reason)
            return await self._over(call)
        except TargetProblem as problem:
            return _undelivered(name=CONNECT, reason=problem.place, sent=False)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this job's
            return fault_of(attempt, error)

    async def _over(self, call: TaskCall) -> Outcome:
        waiting: Any = asyncio.current_task()  # there is one
        self._deadlines.enter(waiting, call.attempt.timeout, lambda: True)
        try:
            await call.over
        except asyncio.CancelledError:
            is_late = self._deadlines.leave(waiting)
            if call.give_up():
                if not is_late:
                    raise
                return call.late()
        finally:
            self._deadlines.leave(waiting)
        return call.answer

    def _context(self, attempt: Attempt) -> Context:
        return Context(
            job_id=attempt.job.id,
            attempt=attempt.number,
            last=attempt.last,
            deadline=datetime.now(UTC) + timedelta(seconds=attempt.timeout),
            is_stopping=lambda: self._stopping,
        )
