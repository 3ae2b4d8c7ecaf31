"""Run an application in this process: its lifespan, its loop, its calls."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import sys
import threading
from collections.abc import Mapping, MutableMapping
from concurrent.futures import Future
from functools import partial
from traceback import walk_stack
from typing import Any

from sp00ky_core.plugins.dispatch import watched
from sp00ky_transport_asgi.call import Call, Post, is_cancelled
from sp00ky_transport_asgi.target import AsgiApp, Message, Target, TargetProblem

_log = logging.getLogger(__name__)

GRACE = 5.0
"""Seconds that calls are given when an application is stopped."""

LIFESPAN = 60.0
"""Seconds that a lifespan is given to start, and then, unless a runner has to end sooner, to end: a runner
that it embeds drains meanwhile."""

STANDSTILL = 30.0
"""Seconds beyond an attempt's timeout for which its loop may stand still until it is left behind."""

BLOCKED = "%s, %s blocked the loop for %.1f s: nothing else was done meanwhile; write `def`, or await"

EAGER: Mapping[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
"""Many a handler ends without waiting for anything: then no turn of its loop is needed."""

_INSIDE: contextvars.ContextVar[Application | None] = contextvars.ContextVar("sp00ky_asgi", default=None)
"""The application whose lifespan this is, of those that are run here."""


def lifespan_around(app: AsgiApp) -> MutableMapping[str, Any] | None:
    """Return the scope of the application's lifespan, where that called the running code, step by step."""
    for frame, _ in walk_stack(inspect.currentframe()):
        scope, holder = frame.f_locals.get("scope"), frame.f_locals.get("self")
        if isinstance(scope, MutableMapping) and scope.get("type") == "lifespan":
            is_own_code = frame.f_code is getattr(app, "__code__", None)
            if is_own_code or app in (holder, scope.get("app")):
                return scope
    return None


class Application:
    """An application that is called here, by all runners of this process that deliver to it.

    Attributes:
        users: The transports that have it open, but those of its own lifespan, which ends with it.
        has_ended: Its loop has, which a handler or a background task can bring about.
        post: Calls functions in its loop.
    """

    def __init__(self, target: Target, loop: str) -> None:
        self.users: set[object] = set()
        self.has_ended: bool = False
        self.name: str = str(target)
        self._app = target.load()
        self._calls: set[asyncio.Task[None]] = set()
        self._context = contextvars.copy_context()
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._stopping = asyncio.Event()
        self._started: Future[str] = Future()  # why it can't; empty: it could, or has no lifespan
        self._ended: Future[None] = Future()
        lifespan = lifespan_around(self._app) if loop == "auto" else None
        self._state: dict[str, Any] = lifespan.get("state", {}) if lifespan else {}
        self._thread: threading.Thread | None = None
        self.post: Post = Post(asyncio.get_running_loop())
        if loop == "shared" or lifespan:
            self._begin("")
        else:
            work = partial(contextvars.copy_context().run, self._run, type(asyncio.get_running_loop()))
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
        self.post(self._stopping.set)
        try:
            limit = 2 * GRACE + (LIFESPAN if self._started.done() else 0)
            await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=limit)
        finally:  # its runner, too, may have to end sooner
            if self._ended.done():
                self._thread.join()  # it has nothing left to do
            else:
                _log.warning("%s doesn't end in time; it is left behind%s", self.name, self._whereabouts())

    def expect_a_turn(self) -> None:
        """Leave it behind if its loop stands still for ``STANDSTILL`` seconds from now."""
        if self._thread is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(STANDSTILL, self._leave_if_still, self.post.turns, loop.time())

    def _leave_if_still(self, turns: int, since: float) -> None:
        if self.has_ended or self.post.turns != turns:
            return
        self.has_ended, seconds = True, asyncio.get_running_loop().time() - since
        text = "%s: its loop stands still for %.0f s; it is left behind, the next job starts it afresh%s"
        _log.warning(text, self.name, seconds, self._whereabouts())

    def _whereabouts(self) -> str:
        """Say what its loop is at."""
        frame = sys._current_frames().get(self._thread.ident or 0) if self._thread else None
        return f": {frame.f_code.co_qualname}, {frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""

    def perform(self, call: Call) -> None:
        """Begin a call; in the application's loop."""
        made = call.run(self._app, self._state)
        if self._thread is None:
            made = watched(made, partial(_log.warning, BLOCKED, self.name, call.attempt.job.path))
        task = asyncio.Task(made, loop=asyncio.get_running_loop(), context=self._context.copy(), **EAGER)
        if not task.done():
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    def _run(self, new_loop: Any) -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(self._serve())
        except BaseException:  # noqa: BLE001  # such as SystemExit of a background task
            _log.exception("%s: its loop has ended; the next job starts it again", self.name)
        self.has_ended = True
        self._begin("its loop has ended")
        self._ended.set_result(None)

    async def _serve(self) -> None:
        self.post = Post(asyncio.get_running_loop())
        _INSIDE.set(self)
        self._inbox.put_nowait({"type": "lifespan.startup"})
        lifespan = asyncio.create_task(self._live())
        await self._stopping.wait()
        await _end(self._calls)
        if self._started.done():
            self._inbox.put_nowait({"type": "lifespan.shutdown"})
            await asyncio.wait([lifespan], timeout=LIFESPAN)

    async def _live(self) -> None:
        """Call the application for its lifespan, as the protocol has it."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        try:
            await self._app(scope, self._inbox.get, self._send)
        except BaseException as error:
            if is_cancelled():
                raise
            is_late = self._started.done() and not self._started.result()
            _log.log(logging.ERROR if is_late else logging.DEBUG, "%s failed", self.name, exc_info=error)
            # Else it knows no lifespan, as servers see it: it hasn't asked for its start.
            if self._inbox.empty():
                self._begin(f"{type(error).__name__}: {error}")
        asyncio.get_running_loop().call_soon(self._begin, "")  # after what `_send` says

    async def _send(self, message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            self._begin("")
        elif message["type"] == "lifespan.startup.failed":
            # Soon: an application that raises it now says it without a traceback.
            problem = str(message.get("message") or "it doesn't say why")
            asyncio.get_running_loop().call_soon(self._begin, problem)

    def _begin(self, problem: str) -> None:
        if not self._started.done():
            self._started.set_result(problem)


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
    if _INSIDE.get() is not application:  # which can't wait for itself
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
        users = _RUNNING[target].users if target in _RUNNING else set()  # it may end while another one does
        is_last = users == {user}
        users.discard(user)
        if is_last:
            await _RUNNING.pop(target).stop()
