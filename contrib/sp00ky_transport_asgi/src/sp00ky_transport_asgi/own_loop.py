"""Run code of the application in this process: its own loop and thread, and the calls that are made there."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import get_ident
from typing import Any, Generic, TypeVar

import attrs

from sp00ky_core import Attempt, Undelivered
from sp00ky_core.job.outcome import BUSY, RESET, TIMEOUT
from sp00ky_core.plugins.dispatch import watched
from sp00ky_transport_asgi.target import TargetProblem
from sp00ky_transport_http.deadlines import Deadlines

__all__ = ["CUT_OFF", "LATE", "Call", "Caller", "OwnLoop", "Post", "is_cancelled"]

_log = logging.getLogger(__name__)

Posts = Callable[[Callable[[], object]], object]
T = TypeVar("T")
L = TypeVar("L", bound="OwnLoop")

LATE = Undelivered(name=TIMEOUT, reason="no answer in time")
UNBEGUN = Undelivered(name=BUSY, sent=False, reason="not begun: the application's loop stood still")
CUT_OFF = Undelivered(name=RESET, reason="the application's loop has ended")

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

_INSIDE: contextvars.ContextVar[OwnLoop | None] = contextvars.ContextVar("sp00ky_own_loop", default=None)
"""The application in whose loop this is, of those that are run here."""


class Post:
    """Calls functions in a loop, in their order; many at a time, for to wake another thread takes long.

    Attributes:
        loop: The loop.
        turns: How often it has come to that.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.turns: int = 0
        self.loop: asyncio.AbstractEventLoop = loop
        self._thread = get_ident()
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_woken = False

    def __call__(self, function: Callable[[], object]) -> None:
        """Call a function soon, or at once in its own loop; never where the loop has ended."""
        if get_ident() == self._thread:
            function()
            return
        self._waiting.append(function)
        if not self._is_woken:
            self._is_woken = True
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._empty)

    def take_back(self, function: Callable[[], object]) -> bool:
        """Return whether a function was still to be called; now it isn't."""
        with suppress(ValueError):
            self._waiting.remove(function)
            return True
        return False

    def _empty(self) -> None:
        self.turns += 1
        self._is_woken = False  # before it looks: who comes now either is seen, or wakes it again
        with suppress(IndexError):  # one was taken back
            for _ in range(len(self._waiting)):  # no more: it mayn't keep its loop from what else is due
                self._waiting.popleft()()


def is_cancelled() -> bool:
    """Whether the task that runs is being cancelled, rather than raising ``CancelledError`` by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@attrs.define(eq=False, slots=False)
class Call(Generic[T]):
    """One call for an attempt, and what has come of it so far.

    Attributes:
        attempt: What it is an attempt of.
        home: Calls functions in the loop of whoever waits for it.
        answer: What came of it; until then, what that means if it never comes.
        over: Done once there is an answer.
    """

    attempt: Attempt
    home: Post
    answer: T | Undelivered = attrs.field(default=LATE, init=False)
    over: asyncio.Future[None] = attrs.field(init=False)

    def begin(self) -> None:
        """Begin it, where it is called."""
        raise NotImplementedError

    def give_up(self) -> None:
        """End it there, as far as that can be: nobody waits for it any more."""
        self.end()

    def end(self, otherwise: T | Undelivered = LATE) -> None:
        """Take nothing more: it is answered, or whoever waited has gone.

        ``otherwise`` is the answer where there is none yet.
        """
        if self.answer is LATE:
            self.answer = otherwise
        self.home(self._tell)

    def _tell(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


class OwnLoop:
    """What all runners of this process call that deliver to it, in a loop and a thread of its own.

    Attributes:
        users: The transports that have it open, but those inside it, which end with it.
        has_ended: Its loop has, which what it runs can bring about.
        name: As it is in the configuration.
        post: Calls functions in its loop.
    """

    def __init__(self, name: str, *, shared: bool) -> None:
        self.users: set[object] = set()
        self.has_ended: bool = False
        self.name: str = name
        self.post: Post = Post(asyncio.get_running_loop())
        self._calls: list[asyncio.Task[None]] = []
        self._most = 100
        self._context = contextvars.copy_context()
        self._stopping = asyncio.Event()
        self._started: Future[str] = Future()  # why it can't; empty: it could
        self._ended: Future[None] = Future()
        self._thread: threading.Thread | None = None
        if shared:
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

    def begin(self, made: Coroutine[Any, Any, None], path: str) -> asyncio.Task[None]:
        """Begin a call's work; in this loop."""
        if self._thread is None:
            made = watched(made, partial(_log.warning, BLOCKED, self.name, path))
        # A name takes less than the number that a task gets otherwise.
        task = asyncio.Task(made, loop=self.post.loop, name=path, context=self._context.copy(), **EAGER)
        if not task.done():
            self._calls.append(task)
            if len(self._calls) > self._most:  # a callback of each would cost as much as the task
                self._calls = [call for call in self._calls if not call.done()]
                self._most = 2 * len(self._calls) + 100
        return task

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
        lifespan = asyncio.create_task(self._live())
        await self._stopping.wait()
        await _end(self._calls)
        if self._started.done():
            self._end_lifespan()
            await asyncio.wait([lifespan], timeout=LIFESPAN)

    async def _live(self) -> None:
        """Do what has to be done before the first call; ``_begin`` tells that it is."""
        self._begin("")

    def _end_lifespan(self) -> None:
        """Let ``_live`` end."""

    def _begin(self, problem: str) -> None:
        if not self._started.done():
            self._started.set_result(problem)


async def _end(calls: list[asyncio.Task[None]]) -> None:
    for _ in range(2):
        if calls:
            await asyncio.wait([*calls], timeout=GRACE)
        for task in calls:
            task.cancel()


_RUNNING: dict[object, OwnLoop] = {}


class Caller:
    """What transports are that call code in this process; its loops are shared by all that are open.

    Attributes:
        home: Calls functions in the loop that delivers.
    """

    home: Post

    def __init__(self) -> None:
        self._deadlines = Deadlines()

    async def open(self) -> None:
        """Get ready; what is called is imported by ``prepare``, or by the first job."""
        self.home = Post(asyncio.get_running_loop())

    async def close(self) -> None:
        """Leave the loops; who is the last one ends them."""
        for target in [*_RUNNING]:
            await self._leave(target)

    async def enter(self, target: object, make: Callable[[], L]) -> L:
        """Return what runs a target, ready to be called. Raises ``TargetProblem``."""
        running: Any = _RUNNING.get(target)
        if running is None or running.has_ended:
            running = _RUNNING[target] = make()
        if _INSIDE.get() is not running:  # which can't wait for itself
            running.users.add(self)
            try:
                await running.start()
            except BaseException:
                await self._leave(target)
                raise
        return running  # type: ignore[no-any-return]  # one target is made in one way

    async def _leave(self, target: object) -> None:
        users = _RUNNING[target].users if target in _RUNNING else set()  # it may end while another one does
        is_last = users == {self}
        users.discard(self)
        if is_last:
            await _RUNNING.pop(target).stop()

    async def answered(self, call: Call[T], place: OwnLoop, post: Posts) -> T | Undelivered:
        """Have a call begun by ``post``; return what came of it within its attempt's time."""
        loop = self.home.loop  # who asks for the one that runs pays a system call before Python 3.12
        waiting: Any = asyncio.current_task(loop)  # there is one
        call.over = loop.create_future()
        self._deadlines.enter(waiting, call.attempt.timeout, _may_have_come)
        try:
            post(call.begin)
            await call.over
        except asyncio.CancelledError:
            is_late = self._deadlines.leave(waiting)
            if place.post.take_back(call.begin):
                return UNBEGUN
            answer = call.answer  # before it is told that nobody waits
            place.post(call.give_up)
            place.expect_a_turn()
            if answer is LATE and not is_late:
                raise
            return answer
        self._deadlines.leave(waiting)
        return call.answer


def _may_have_come() -> bool:
    return True
