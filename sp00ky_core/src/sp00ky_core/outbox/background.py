"""Run an outbox's asynchronous calls on one event loop in a thread, which is started by the first of them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future, wait
from threading import Lock, Thread
from typing import Any, TypeVar

from sp00ky_core.errors import StoreClosed
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.plugins.calls import LAST_MOMENT, OBSERVER_TIMEOUT

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)

FORKED = "it was in use when this process was forked; open a SyncOutbox in each process"
CLOSED = "the outbox is closed: use it inside `with SyncOutbox.open(...)`"


class Background:
    """One outbox's loop and its thread; the outbox is opened with it.

    Any number of threads may call at the same time.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._location = outbox.store.location
        self._starting = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._process = 0
        self._is_open = False
        self._closed = False
        self._left: set[Future[None]] = set()

    def reopen(self) -> None:
        """Take calls, again if it was closed."""
        self._closed = False

    def run(self, call: Callable[[Outbox], Awaitable[T]]) -> T:
        """Do something with the open outbox, and wait for it. Raises what it raises."""
        with self._starting:
            loop = self._started()
            if not self._is_open:
                _wait_for(self._outbox.__aenter__(), loop)
                self._is_open = True
        try:
            return _wait_for(_called(call, self._outbox), loop)
        except CancelledError:
            raise StoreClosed(store=self._location, problem=CLOSED) from None

    def leave(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Begin something that no one waits for, but ``close``."""
        with self._starting:
            try:
                loop = self._started()
            except BaseException:
                coroutine.close()
                raise
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        self._left.add(future)
        future.add_done_callback(self._left.discard)

    def close(self) -> None:
        """Let what was left behind end, close the outbox, end the thread."""
        with self._starting:
            self._closed = True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
            if loop is None or thread is None or self._process != os.getpid():
                return
            stubborn = self._wait_for_left()
            if self._is_open:
                self._is_open = False
                _wait_for(self._outbox.__aexit__(None, None, None), loop)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(LAST_MOMENT if stubborn else None)

    def _wait_for_left(self) -> int:
        """Wait for what was left behind, within bounds; return how much of it doesn't end."""
        _, stubborn = wait(self._left.copy(), timeout=OBSERVER_TIMEOUT + LAST_MOMENT)
        if stubborn:
            logger.error("%d calls of observers don't end; they are left behind", len(stubborn))
        return len(stubborn)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._closed:
            raise StoreClosed(store=self._location, problem=CLOSED)
        if self._loop is None:
            self._loop, self._process = asyncio.new_event_loop(), os.getpid()
            self._thread = Thread(target=_serve, args=(self._loop,), name="sp00ky-outbox", daemon=True)
            self._thread.start()
        elif self._process != os.getpid():
            raise StoreClosed(store=self._location, problem=FORKED)
        return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped; what is at work then is cancelled."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop().run_forever()


async def _called(call: Callable[[Outbox], Awaitable[T]], outbox: Outbox) -> T:
    return await call(outbox)


def _wait_for(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result()
    finally:
        future.cancel()  # of an interrupted caller; one that is done stays as it is
