"""Run an application in this process: its lifespan, its loop, its calls."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from sp00ky_core.plugins.calls import watched
from sp00ky_transport_asgi.call import Call, Post, is_cancelled
from sp00ky_transport_asgi.target import AsgiApp, Message, Target, TargetProblem

_log = logging.getLogger(__name__)

GRACE = 5.0
"""Seconds that calls are given when an application is stopped."""

LIFESPAN = 60.0
"""Seconds that a lifespan is given to start, and then to end: a runner that it embeds drains meanwhile."""

_INSIDE: contextvars.ContextVar[Application | None] = contextvars.ContextVar("sp00ky_asgi", default=None)
"""The application whose lifespan this is, of those that are run here."""


class Lifespan:
    """The lifespan of an application, as the protocol has it.

    Args:
        app: The application.
        state: Gets what it gives to every request.
    """

    def __init__(self, app: AsgiApp, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._problem = ""

    async def run(self, started: Callable[[str], object], ended: Callable[[], Awaitable[None]]) -> None:
        """Start it, tell ``started`` why it couldn't, or nothing; end it once ``ended`` returns."""
        self._inbox.put_nowait({"type": "lifespan.startup"})
        task, ending = asyncio.create_task(self._call()), asyncio.ensure_future(ended())
        either: list[asyncio.Future[Any]] = [self._begun, ending]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        problem = self._begun.result() if self._begun.done() else "it was stopped before"
        started(problem)
        if not problem:
            await ending
            self._inbox.put_nowait({"type": "lifespan.shutdown"})
            await asyncio.wait([task], timeout=LIFESPAN)
        task.cancel()

    async def _call(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        try:
            await self._app(scope, self._inbox.get, self._send)
        except BaseException as error:
            if is_cancelled():
                raise
            self._failed(error)
        self._begin(self._problem)

    def _failed(self, error: BaseException) -> None:
        has_begun = self._begun.done() and not self._begun.result()
        level = logging.ERROR if has_begun else logging.DEBUG
        _log.log(level, "the application's lifespan failed", exc_info=error)
        if self._inbox.empty():  # else it knows no lifespan, as servers see it: it hasn't asked for its start
            self._problem = f"{type(error).__name__}: {error}"

    def _begin(self, problem: str) -> None:
        if not self._begun.done():
            self._begun.set_result(problem)

    async def _send(self, message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            self._begin("")
        elif message["type"] == "lifespan.startup.failed":
            self._problem = str(message.get("message") or "it doesn't say why")
            # Soon: an application that raises it now says it without a traceback.
            asyncio.get_running_loop().call_soon(self._begin, self._problem)


def lifespan_around(app: AsgiApp) -> MutableMapping[str, Any] | None:
    """Return the scope of the application's lifespan, where that called the running code, step by step."""
    frame = inspect.currentframe()
    while frame is not None:
        scope, holder = frame.f_locals.get("scope"), frame.f_locals.get("self")
        if isinstance(scope, MutableMapping) and scope.get("type") == "lifespan":
            is_own_code = frame.f_code is getattr(app, "__code__", None)
            if is_own_code or app in (holder, scope.get("app")):
                return scope
        frame = frame.f_back
    return None


class Application:
    """An application that is called here, by all runners of this process that deliver to it.

    Attributes:
        users: The transports that have it open, but those of its own lifespan, which ends with it.
        has_ended: Its loop has, which a handler or a background task can bring about.
    """

    def __init__(self, target: Target, loop: str) -> None:
        self.users: set[object] = set()
        self.has_ended: bool = False
        self.name: str = target.name
        self._app = target.load()
        self._calls: set[asyncio.Task[None]] = set()
        self._context = contextvars.copy_context()
        self._stopping = asyncio.Event()
        self._started: Future[str] = Future()
        lifespan = lifespan_around(self._app) if loop == "auto" else None
        self._state: dict[str, Any] = lifespan.get("state", {}) if lifespan else {}
        self._thread: threading.Thread | None = None
        if loop == "shared" or lifespan:
            self._serve_in(asyncio.get_running_loop())
            self._started.set_result("")
        else:
            work = partial(self._run, type(asyncio.get_running_loop()))
            self._thread = threading.Thread(target=work, name=self.name, daemon=True)
            self._thread.start()

    async def start(self) -> None:
        """Wait until it can be called. Raises ``TargetProblem``."""
        await asyncio.wait([asyncio.wrap_future(self._started)], timeout=LIFESPAN)
        late = f"its lifespan isn't there after {LIFESPAN:.0f} s"
        if problem := self._started.result() if self._started.done() else late:
            raise TargetProblem(f"{self.name} doesn't start", problem)

    async def stop(self) -> None:
        """End it: calls that are under way get a moment, then its lifespan ends."""
        if self._thread is None:
            await _end(self._calls)
            return
        if self._thread.is_alive():
            self._post(self._stopping.set)
        limit = 4 * GRACE + (LIFESPAN if self._started.done() else 0)
        await asyncio.to_thread(self._thread.join, limit)
        if self._thread.is_alive():
            _log.warning("%s doesn't end: a handler blocks its loop; it is left behind", self.name)

    def begin(self, call: Call) -> None:
        """Begin a call, in the application's loop."""
        self._post(partial(self._begin, call))

    def forsake(self, call: Call) -> None:
        """Tell a call that nobody waits for it any more, as a client that has gone."""
        self._post(call.end)

    def _begin(self, call: Call) -> None:
        made = call.run(self._app, self._state)
        if self._thread is None:
            text = (
                "%s, %s blocked the loop for %.1f s: nothing else was done meanwhile; write `def`, or await"
            )
            made = watched(made, partial(_log.warning, text, self.name, call.path))
        task = self._loop.create_task(made, context=self._context.copy())
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _serve_in(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._post = loop, Post(loop)

    def _run(self, new_loop: Any) -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(self._serve())
        except BaseException:  # noqa: BLE001  # such as SystemExit of a background task
            _log.exception("%s: its loop has ended; the next job starts it again", self.name)
        finally:
            self.has_ended = True
            if not self._started.done():
                self._started.set_result("its loop has ended")

    async def _serve(self) -> None:
        self._serve_in(asyncio.get_running_loop())
        _INSIDE.set(self)
        await Lifespan(self._app, self._state).run(self._started.set_result, self._ended)

    async def _ended(self) -> None:
        await self._stopping.wait()
        await _end(self._calls)


async def _end(calls: set[asyncio.Task[None]]) -> None:
    for _ in range(2):
        if calls:
            await asyncio.wait([*calls], timeout=GRACE)
        for task in calls:
            task.cancel()


_RUNNING: dict[Target, Application] = {}


async def entered(target: Target, loop: str, user: object) -> Application:
    """Return an application that is ready, in a loop as ``AsgiOptions`` has it. Raises ``TargetProblem``."""
    application = _RUNNING.get(target)
    if application is None or application.has_ended:
        application = _RUNNING[target] = Application(target, loop)
    if _INSIDE.get() is application:
        return application  # its own lifespan, which can't wait for itself
    application.users.add(user)
    try:
        await application.start()
    except BaseException:
        await left(user, target)
        raise
    return application


async def left(user: object, *targets: Target) -> None:
    """Note that a transport needs these applications no more, by default all; the last one stops one."""
    for target in targets or [*_RUNNING]:
        application = _RUNNING[target]
        if user in application.users:
            application.users.remove(user)
            if not application.users:
                del _RUNNING[target]
                await application.stop()
