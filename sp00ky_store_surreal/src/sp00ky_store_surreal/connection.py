"""One connection: opened, signed in, and every statement's status looked at."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from filelock import FileLock, Timeout
from surrealdb import AsyncSurreal

from sp00ky_core.errors import StoreInUse, StoreUnavailable
from sp00ky_store_surreal.errors import Conflict, EngineFault, reply_error, statement_error, translated
from sp00ky_store_surreal.healing import Healing
from sp00ky_store_surreal.target import Target

__all__ = ["Connection"]

TRIES = 8
"""How often a statement whose transaction collided is sent."""

THREADS_END = 0.1
"""Seconds for the engine's threads to let go of Python after the last call. One that hasn't when the
interpreter ends aborts the process, after all its work (1 of 25 exits on a busy machine)."""


class Connection:
    """Sends statements; any number of tasks may call at the same time.

    The embedded engine (2.3) loses updates when two transactions write one row at the same time, without an
    error. So embedded writes wait for each other; reads, and ``alone=False``, don't wait.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self._sdk: Any = None  # the SDK's connections have no common type
        self._file_lock: FileLock | None = None
        self._writes = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()
        self._healing = Healing(self._reopen)

    @property
    def is_open(self) -> bool:
        """Whether statements can be sent."""
        return self._sdk is not None

    async def open(self) -> None:
        """Connect, sign in, choose the database. Raises ``StoreInUse`` or ``StoreUnavailable``."""
        if self._sdk is not None:
            return
        self._lock_file()
        try:
            self._sdk = await self._connected()
        except BaseException as error:
            self._unlock_file()
            if isinstance(error, Exception):
                raise StoreUnavailable(
                    store=self.target.location, problem=translated(self.target.location, error).problem
                ) from error
            raise

    async def close(self) -> None:
        """Wait for what is running, then let go of the connection and the file."""
        if self._running:
            await asyncio.wait(self._running)
        await self._healing.stop()
        sdk, self._sdk = self._sdk, None
        try:
            if sdk is not None:
                await sdk.close()
        finally:
            self._unlock_file()
        if sdk is not None and self.target.embedded:
            del sdk
            await asyncio.sleep(THREADS_END)

    async def read(self, statement: str, **bindings: Any) -> list[Any]:
        """Send statements that write nothing; each one's result."""
        return await self._send(statement, bindings)

    async def write(self, statement: str, *, alone: bool = True, **bindings: Any) -> list[Any]:
        """Send statements; each one's result. A transaction that collided is sent again.

        A cancelled caller doesn't wait, but what it began is finished, and still holds the turn.
        ``alone=False`` is for rows that only this statement writes.
        """
        task = asyncio.ensure_future(self._in_turn(statement, bindings, alone=alone))
        self._running.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, where the caller was cancelled

    async def _in_turn(self, statement: str, bindings: Mapping[str, Any], *, alone: bool) -> list[Any]:
        turn: AbstractAsyncContextManager[Any] = self._writes
        if not alone or not self.target.embedded:
            turn = nullcontext()
        for attempt in range(1, TRIES):
            try:
                async with turn:
                    return await self._send(statement, bindings)
            except Conflict:
                await asyncio.sleep(random.uniform(0, 0.002 * 2**attempt))  # noqa: S311  # jitter
        async with turn:
            return await self._send(statement, bindings)

    async def _send(self, statement: str, bindings: Mapping[str, Any]) -> list[Any]:
        async with self._healing.call():
            try:
                return await self._ask(statement, bindings)
            except EngineFault:
                if self.target.file is not None:
                    self._healing.needed()  # the engine itself never gets well: it says so for ever
                raise

    async def _ask(self, statement: str, bindings: Mapping[str, Any]) -> list[Any]:
        location = self.target.location
        sdk = self._sdk
        if sdk is None:
            closed = "the store isn't open: use it inside `async with Outbox.open(...)`"
            raise StoreUnavailable(store=location, problem=self._healing.problem or closed)
        try:
            reply = await sdk.query_raw(statement, dict(bindings))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise translated(location, error) from error
        except Exception as error:
            raise translated(location, error) from error
        if "result" not in reply:
            raise reply_error(location, reply.get("error"))
        problem = statement_error(location, reply["result"])
        if problem is not None:
            raise problem
        return [each["result"] for each in reply["result"]]

    async def _reopen(self) -> None:
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            try:
                await sdk.close()
            finally:
                del sdk
                await asyncio.sleep(THREADS_END)
        self._sdk = await self._connected()

    async def _connected(self) -> Any:
        sdk: Any = AsyncSurreal(self.target.sdk_url)
        await sdk.connect()
        if not self.target.embedded:
            await self._sign_in(sdk)
        await sdk.use(self.target.namespace, self.target.database)
        return sdk

    async def _sign_in(self, sdk: Any) -> None:
        target = self.target
        if target.token:
            await sdk.authenticate(target.token)
            return
        who = {"username": target.username, "password": target.password}
        if target.auth != "root":
            who["namespace"] = target.namespace
        if target.auth == "database":
            who["database"] = target.database
        await sdk.signin(who)

    def _lock_file(self) -> None:
        file = self.target.file
        if file is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        # The engine itself opens a file twice and lets the two overwrite each other.
        lock = FileLock(f"{file}.lock", timeout=0, is_singleton=False, thread_local=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise StoreInUse(
                store=self.target.location,
                problem="another process (or another outbox in this one) has this database open, and only "
                "one can: stop it, or use a server",
            ) from error
        self._file_lock = lock

    def _unlock_file(self) -> None:
        if self._file_lock is not None:
            self._file_lock.release()
            self._file_lock = None
