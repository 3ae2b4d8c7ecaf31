"""Run the embedded engine: one process owns its file, and its storage's faults are recovered from."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from traceback import walk_stack
from typing import Any

from filelock import FileLock, Timeout
from surrealdb import AsyncSurreal

from sp00ky_core.errors import StoreClosed, StoreInUse, StoreUnavailable
from sp00ky_store_surreal.connection.cbor import results_of, without_null
from sp00ky_store_surreal.connection.reconnecting_pool import Lane
from sp00ky_store_surreal.errors import EngineFault, translated
from sp00ky_store_surreal.url import Target

_log = logging.getLogger(__name__)

THREADS_END = 0.1
"""Seconds for the engine's threads to let go of Python after the last call, at least. One that hasn't when
the interpreter ends aborts the process, after all its work (1 of 25 exits on a busy machine)."""

LOOKS = 50
"""How often such threads are looked for after that, as long apart; uvloop shows none."""

PAUSE = 1.0
"""Seconds between two tries to open the engine anew."""


class Engine:
    """Sends statements; any number of tasks may call at the same time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.sdk: Any = None  # the SDK's connections have no common type
        self._file_lock: FileLock | None = None
        self._calls = 0
        self._idle = asyncio.Event()
        self._opening = asyncio.Lock()
        self._has_failed = False  # its storage; from then on the engine says so for ever
        self._not_before = 0.0  # the next try to open it anew

    async def open(self) -> None:
        """Lock the file and open it. Raises ``StoreInUse`` or ``StoreUnavailable``."""
        if self.sdk is not None:
            return
        self._lock_file()
        try:
            self.sdk = await _opened(self._target)
        except Exception as error:
            fault = translated(self._target.location, error)
            if isinstance(error, RuntimeError):  # the engine's, of its storage
                raise StoreUnavailable(store=fault.store, problem=fault.problem) from error
            raise fault from error
        finally:
            if self.sdk is None:
                self._unlock_file()

    async def close(self) -> None:
        """Let go of the engine and of the file; no call is under way."""
        async with self._opening:
            self._has_failed, self._not_before = False, 0.0
            try:
                await self._close_sdk()
            finally:
                self._unlock_file()

    async def ask(
        self,
        statement: str,
        bindings: Mapping[str, Any],
        *,
        lane: Lane,  # there is one engine
        resend: bool,  # no reply gets lost
    ) -> list[Any]:
        """Send statements; return each one's result."""
        if self._has_failed:
            await self._reopen()
        self._calls += 1
        self._idle.clear()
        try:
            return await self._ask(statement, bindings)
        except EngineFault:
            self._has_failed = self._target.file is not None
            raise
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    async def _ask(self, statement: str, bindings: Mapping[str, Any]) -> list[Any]:
        location = self._target.location
        if self.sdk is None:
            if self._has_failed:
                raise StoreUnavailable(
                    store=location, problem="its storage failed, and it can't be opened again yet"
                )
            raise StoreClosed(store=location)
        try:
            reply = await self.sdk.query_raw(statement, dict(bindings))
        except Exception as error:
            raise translated(location, error) from error
        results: list[Any] = without_null(results_of(location, reply))
        return results

    async def _reopen(self) -> None:
        """Open the engine anew after a fault, once no call is under way; others wait for it.

        Between tries calls get what the engine as it is says.
        """
        async with self._opening:
            if not self._has_failed or time.monotonic() < self._not_before:
                return
            while self._calls:
                await self._idle.wait()
            self._not_before = time.monotonic() + PAUSE
            try:
                await self._close_sdk()
                self.sdk = await _opened(self._target)
            except Exception as error:  # noqa: BLE001  # whatever it is, the next try may succeed
                _log.warning("the engine's storage failed, and it can't be opened again yet: %s", error)
            else:
                _log.warning("the engine's storage failed: it was opened again")
                self._has_failed = False

    async def _close_sdk(self) -> None:
        sdk, self.sdk = self.sdk, None
        if sdk is not None:
            try:
                await sdk.close()
            finally:
                del sdk
                await _threads_end()

    def _lock_file(self) -> None:
        file = self._target.file
        if file is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        # The engine itself opens a file twice and lets the two overwrite each other.
        lock = FileLock(f"{file}.lock", timeout=0, mode=0o600, is_singleton=False, thread_local=False)
        try:
            lock.acquire()
        except PermissionError as error:
            raise StoreInUse(
                store=self._target.location,
                problem=f"{file}.lock belongs to another user: run as the one who made this database, or "
                "give that user's files to yours",
            ) from error
        except Timeout as error:
            raise StoreInUse(
                store=self._target.location,
                problem="another process (or another outbox in this one) has this database open, and only "
                "one can: stop it, or use a server",
            ) from error
        self._file_lock = lock

    def _unlock_file(self) -> None:
        if self._file_lock is not None:
            self._file_lock.release()
            self._file_lock = None


async def _threads_end() -> None:
    for _ in range(LOOKS):
        await asyncio.sleep(THREADS_END)
        if not _is_any_replying():
            return
    _log.warning("a thread of the embedded engine doesn't end: this process may abort when it does")


def _is_any_replying() -> bool:
    """Whether a thread of the engine, on a busy machine, stands still within the reply that it has given."""
    stacks = ([*walk_stack(frame)] for frame in sys._current_frames().values())
    return any(stack[-1][0].f_code.co_name == "call_soon_threadsafe" for stack in stacks)


async def _opened(target: Target) -> Any:
    sdk: Any = AsyncSurreal(target.sdk_url)
    await sdk.connect()
    await sdk.use(target.namespace, target.database)
    return sdk
