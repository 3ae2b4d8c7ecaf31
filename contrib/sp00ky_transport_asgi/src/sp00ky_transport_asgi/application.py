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
from sp00ky_transport_asgi.call import Call, is_cancelled
from sp00ky_transport_asgi.target import AsgiApp, Message, Target, TargetProblem

_log = logging.getLogger(__name__)

GRACE = 5.0
"""Seconds that calls are given when an application is stopped."""

LIFESPAN = 60.0
"""Seconds that a lifespan is given to start, and then to end: a runner that it embeds drains meanwhile."""

_INSIDE: contextvars.ContextVar[Application | None] = contextvars.ContextVar("sp00ky_asgi", default=None)
"""The application whose lifespan this is, of those that are run here."""


async def run_lifespan(
    app: AsgiApp,
    state: dict[str, Any],
    started: Callable[[str], object],
    ended: Callable[[], Awaitable[None]],
) -> None:
    """Run an application's lifespan, as the protocol has it: say why it can't start, or nothing; then end it.

    Args:
        app: The application.
        state: Gets what it gives to every request.
        started: Told why it couldn't start; empty: it could, or it has none.
        ended: Waits for its end.
    """
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        kind, lines = message["type"], str(message.get("message") or "").strip().splitlines()
        if kind.startswith("lifespan.startup.") and not begun.done():
            begun.set_result("" if kind.endswith("complete") else (lines or ["it doesn't say why"])[-1])

    async def run() -> None:
        version = {"version": "3.0", "spec_version": "2.0"}
        try:
            await app({"type": "lifespan", "asgi": version, "state": state}, inbox.get, send)
        except BaseException as error:
            if is_cancelled():
                raise
            _note_failure(begun, error, has_asked=inbox.empty())
        if not begun.done():
            begun.set_result("")

    inbox.put_nowait({"type": "lifespan.startup"})
    task, ending = asyncio.create_task(run()), asyncio.ensure_future(ended())
    either: list[asyncio.Future[Any]] = [begun, ending]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    problem = begun.result() if begun.done() else "it was stopped before"
    started(problem)
    if not problem:
        await ending
        inbox.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait([task], timeout=LIFESPAN)
    task.cancel()


def _note_failure(begun: asyncio.Future[str], error: BaseException, *, has_asked: bool) -> None:
    if not begun.done():  # one that hasn't asked for what begins knows no lifespan, as servers see it
        begun.set_result(f"{type(error).__name__}: {error}" if has_asked else "")
    elif not begun.result():
        _log.error("the application's lifespan failed", exc_info=error)


class Application:
    """An application that is called here, by all runners of this process that deliver to it.

    Attributes:
        users: The transports that have it open, but those of its own lifespan, which ends with it.
    """

    def __init__(self, target: Target, app: AsgiApp) -> None:
        self.users: set[object] = set()
        self.name: str = target.name
        self._app = app
        self._state: dict[str, Any] = {}
        self._is_shared = False
        self._calls: set[asyncio.Task[None]] = set()
        self._context = contextvars.copy_context()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._started: Future[str] = Future()
        self._thread: threading.Thread | None = None

    @property
    def has_ended(self) -> bool:
        """Whether its loop has, which a handler or a background task can bring about."""
        return self._thread is not None and self._started.done() and not self._thread.is_alive()

    async def start(self, loop: str) -> None:
        """Get ready to be called, if it isn't yet. Raises ``TargetProblem``."""
        if self._loop is None and self._thread is None:
            self._is_shared = loop == "shared" or (loop == "auto" and is_inside_lifespan(self._app))
            if self._is_shared:
                self._loop = asyncio.get_running_loop()
                self._started.set_result("")
            else:
                self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                self._thread.start()
        if _INSIDE.get() is self:
            return  # its own lifespan, which can't wait for itself
        await asyncio.wait([asyncio.wrap_future(self._started)], timeout=LIFESPAN)
        late = f"its lifespan isn't there after {LIFESPAN:.0f} s"
        if problem := self._started.result() if self._started.done() else late:
            raise TargetProblem(f"{self.name} doesn't start", problem)

    async def stop(self) -> None:
        """End it: calls that are under way get a moment, then its lifespan ends."""
        if self._is_shared:
            await _end(self._calls)
        elif self._thread is not None:
            if self._thread.is_alive():
                self._soon(self._stopping.set)
            limit = 4 * GRACE + (LIFESPAN if self._started.done() else 0)
            await asyncio.to_thread(self._thread.join, limit)
            if self._thread.is_alive():
                _log.warning("%s doesn't end: a handler blocks its loop; it is left behind", self.name)

    def call(self, call: Call) -> None:
        """Begin a call, in the application's loop; where that has ended, the call is cancelled."""
        if not self._soon(self._begin, call):
            call.over.cancel()

    def forsake(self, call: Call) -> None:
        """Tell a call that nobody waits for it any more, as a client that has gone."""
        self._soon(call.end)

    def _soon(self, function: Any, *arguments: Any) -> bool:
        """Call a function in the application's loop; return whether there still is one."""
        if self._loop is None or self._loop is asyncio.get_running_loop():
            function(*arguments)
            return True
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return False
        return True

    def _begin(self, call: Call) -> None:
        task = asyncio.get_running_loop().create_task(self._made(call), context=self._context.copy())
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _made(self, call: Call) -> None:
        made = call.run(self._app, self._state)
        text = "%s, %s blocked the loop for %.1f s: nothing else was done meanwhile; write `def`, or await"
        blocked = partial(_log.warning, text, self.name, call.path)
        await (watched(made, blocked) if self._is_shared else made)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException:  # noqa: BLE001  # such as SystemExit of a background task
            _log.exception("%s: its loop has ended; the next job starts it again", self.name)
        finally:
            if not self._started.done():
                self._started.set_result("its loop has ended")

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        _INSIDE.set(self)
        await run_lifespan(self._app, self._state, self._started.set_result, self._ended)

    async def _ended(self) -> None:
        await self._stopping.wait()
        await _end(self._calls)


async def _end(calls: set[asyncio.Task[None]]) -> None:
    for _ in range(2):
        if calls:
            await asyncio.wait([*calls], timeout=GRACE)
        for task in calls:
            task.cancel()


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


async def entered(target: Target, loop: str, user: object) -> Application:
    """Return an application that is ready, in a loop as ``AsgiOptions`` has it. Raises ``TargetProblem``."""
    application = _RUNNING.get(target)
    if application is None or application.has_ended:
        application = _RUNNING[target] = Application(target, target.load())
    if _INSIDE.get() is not application:
        application.users.add(user)
    try:
        await application.start(loop)
    except BaseException:
        await left(target, application, user)
        raise
    return application


async def left(target: Target, application: Application, user: object) -> None:
    """Note that a transport needs an application no more; the last one stops it."""
    if user not in application.users:
        return
    application.users.remove(user)
    if not application.users:
        if _RUNNING.get(target) is application:
            del _RUNNING[target]
        await application.stop()
