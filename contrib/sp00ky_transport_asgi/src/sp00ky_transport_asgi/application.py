"""Run an application in this process: its lifespan, and calls of it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import MutableMapping
from traceback import walk_stack
from typing import Any

from sp00ky_transport_asgi.call import AsgiCall
from sp00ky_transport_asgi.own_loop import OwnLoop, is_cancelled
from sp00ky_transport_asgi.target import AsgiApp, Message, Target

_log = logging.getLogger(__name__)


def lifespan_around(app: AsgiApp) -> MutableMapping[str, Any] | None:
    """Return the scope of the application's lifespan, where that called the running code, step by step."""
    for frame, _ in walk_stack(inspect.currentframe()):
        scope, holder = frame.f_locals.get("scope"), frame.f_locals.get("self")
        if isinstance(scope, MutableMapping) and scope.get("type") == "lifespan":
            is_own_code = frame.f_code is getattr(app, "__code__", None)
            if is_own_code or app in (holder, scope.get("app")):
                return scope
    return None


class Application(OwnLoop):
    """An ASGI application that is called here, in a loop as ``AsgiOptions`` has it."""

    def __init__(self, target: Target, loop: str) -> None:
        self._app = target.load()
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        lifespan = lifespan_around(self._app) if loop == "auto" else None
        self._state: dict[str, Any] = lifespan.get("state", {}) if lifespan else {}
        super().__init__(str(target), shared=loop == "shared" or lifespan is not None)

    def perform(self, call: AsgiCall) -> None:
        """Begin a call; in the application's loop."""
        self.begin(call.run(self._app, self._state), call.attempt.job.path)

    async def _live(self) -> None:
        """Call the application for its lifespan, as the protocol has it."""
        self._inbox.put_nowait({"type": "lifespan.startup"})
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

    def _end_lifespan(self) -> None:
        self._inbox.put_nowait({"type": "lifespan.shutdown"})

    async def _send(self, message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            self._begin("")
        elif message["type"] == "lifespan.startup.failed":
            # Soon: an application that raises it now says it without a traceback.
            problem = str(message.get("message") or "it doesn't say why")
            asyncio.get_running_loop().call_soon(self._begin, problem)
