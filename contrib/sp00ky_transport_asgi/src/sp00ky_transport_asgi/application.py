"""Run an application in this process: its lifespan, its loop, its calls."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import Coroutine, MutableMapping
from concurrent.futures import Future
from typing import Any

from sp00ky_transport_asgi.call import Call, watched
from sp00ky_transport_asgi.target import AsgiApp, Message, Target, TargetProblem

_log = logging.getLogger(__name__)

GRACE = 5.0
"""Seconds that calls, and then the lifespan's end, are given when an application is stopped."""

_INSIDE: contextvars.ContextVar[str] = contextvars.ContextVar("sp00ky_asgi_inside", default="")
"""The application whose lifespan this is, of those that are run here."""


class Lifespan:
    """An application's lifespan, as the protocol has it.

    Attributes:
        state: What it gives to every request.
        problem: Why it couldn't start; empty: it could, or it has none.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self.state: dict[str, Any] = {}
        self.problem: str = ""
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._started = asyncio.Event()
        self._asked = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Begin it; return ``problem``."""
        self._inbox.put_nowait({"type": "lifespan.startup"})
        self._task = asyncio.create_task(self._run())
        await self._started.wait()
        return self.problem

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._inbox.put_nowait({"type": "lifespan.shutdown"})
            await asyncio.wait([self._task], timeout=GRACE)
            self._task.cancel()
            await asyncio.wait([self._task], timeout=GRACE)

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a stranger's
            # One that raises without having asked knows no lifespan, as servers see it.
            if self._asked and not self._started.is_set():
                self.problem = self.problem or f"{type(error).__name__}: {error}"
            elif self._started.is_set():
                _log.exception("the application's lifespan failed")
        finally:
            self._started.set()

    async def _receive(self) -> Message:
        self._asked = True
        return await self._inbox.get()

    async def _send(self, message: Message) -> None:
        if message["type"] == "lifespan.startup.failed":
            lines = str(message.get("message") or "").strip().splitlines()
            self.problem = lines[-1] if lines else "it doesn't say why"
        if message["type"].startswith("lifespan.startup."):
            self._started.set()


class Application:
    """An application that is called here, by all runners of this process that deliver to it.

    Attributes:
        users: How many transports have it open.
    """

    def __init__(self, target: Target, app: AsgiApp) -> None:
        self.users: int = 0
        self.name: str = target.name
        self._app = app
        self._state: dict[str, Any] = {}
        self._is_shared = False
        self._calls: set[asyncio.Task[None]] = set()
        self._context = contextvars.copy_context()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started: Future[str] = Future()
        self._thread: threading.Thread | None = None

    async def start(self, loop: str) -> str:
        """Get ready to be called, if it isn't yet; return why it can't be, or nothing."""
        if self._loop is None and self._thread is None:
            self._is_shared = loop == "shared" or (loop == "auto" and is_inside_lifespan(self._app))
            if self._is_shared:
                self._loop = asyncio.get_running_loop()
                self._started.set_result("")
            else:
                self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                self._thread.start()
        if _INSIDE.get() == self.name:
            return ""  # its own lifespan, which can't wait for itself
        return await asyncio.shield(asyncio.wrap_future(self._started))

    async def stop(self) -> None:
        """End it: calls that are under way get a moment, then its lifespan ends."""
        if self._is_shared:
            return await _end(self._calls)
        if self._loop is not None and self._stopping is not None and self._thread is not None:
            if self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._stopping.set)
            await asyncio.to_thread(self._thread.join, 4 * GRACE)
            if self._thread.is_alive():
                _log.warning("%s doesn't end: a handler blocks its loop; it is left behind", self.name)
        return None

    def call(self, call: Call) -> None:
        """Begin a call, in the application's loop."""
        self._soon(self._begin, call)

    def forsake(self, call: Call) -> None:
        """Tell a call that nobody waits for it any more, as a client that has gone."""
        self._soon(call.end)

    def _soon(self, function: Any, *arguments: Any) -> None:
        if self._loop is None or self._is_shared:
            function(*arguments)
        else:
            self._loop.call_soon_threadsafe(function, *arguments)

    def _begin(self, call: Call) -> None:
        work: Coroutine[Any, Any, None] = call.run(self._app, self._state)
        if self._is_shared:
            work = watched(work, f"{self.name}, {call.path}")
        task = asyncio.get_running_loop().create_task(work, context=self._context.copy())
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # whatever it was, who waits has to hear of it
            if not self._started.done():
                self._started.set_result(f"{type(error).__name__}: {error}")
            raise

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        _INSIDE.set(self.name)
        lifespan = Lifespan(self._app)
        problem = await lifespan.start()
        self._state = lifespan.state
        self._started.set_result(problem)
        if not problem:
            await self._stopping.wait()
            await _end(self._calls)
            await lifespan.stop()


async def _end(calls: set[asyncio.Task[None]]) -> None:
    if not calls:
        return
    await asyncio.wait(set(calls), timeout=GRACE)
    for task in calls:
        task.cancel()
    if calls:
        await asyncio.wait(set(calls), timeout=GRACE)


def is_inside_lifespan(app: AsgiApp) -> bool:
    """Say whether the running code was called, step by step, from the application's lifespan."""
    frame = inspect.currentframe()
    while frame is not None:
        scope, holder = frame.f_locals.get("scope"), frame.f_locals.get("self")
        if isinstance(scope, MutableMapping) and scope.get("type") == "lifespan":
            is_own_code = frame.f_code is getattr(app, "__code__", None)
            if is_own_code or app in (holder, scope.get("app")):
                return True
        frame = frame.f_back
    return False


_RUNNING: dict[Target, Application] = {}


async def entered(target: Target, loop: str) -> Application:
    """Return an application that is ready, in a loop as ``AsgiOptions`` has it. Raises ``TargetProblem``."""
    application = _RUNNING.get(target)
    if application is None:
        application = _RUNNING[target] = Application(target, target.load())
    application.users += 1
    if problem := await application.start(loop):
        await left(target, application)
        raise TargetProblem(f"{target.name} doesn't start: {' '.join(problem.split())[:300]}")
    return application


async def left(target: Target, application: Application) -> None:
    """Note that a transport needs an application no more; the last one stops it."""
    application.users -= 1
    if application.users <= 0:
        if _RUNNING.get(target) is application:
            del _RUNNING[target]
        await application.stop()
