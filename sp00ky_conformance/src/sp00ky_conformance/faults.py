"""Faults on demand: a store and a transport that fail as real ones do, by a script or at random.

What can be made to fail for real is better tested so; these are for the rest: a reply that is lost after the
write went through, a call that hangs at a chosen moment.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job.outcome import CONNECT, RESET, Outcome, Undelivered
from sp00ky_core.ports import Attempt, Store, Transport

if TYPE_CHECKING:
    from sp00ky_store_kit import TransactionalStore as AStore  # it has all calls of one
else:
    AStore = object

__all__ = ["Fault", "Faults", "FaultyStore", "FaultyTransport", "Scripted", "Seeded"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Fault:
    """A fault of one call.

    Attributes:
        lost_reply: The call goes through, and fails; else it doesn't go through.
        held_until: The call begins when this is set.
        fails: With ``held_until``: whether it fails too.
    """

    lost_reply: bool = False
    held_until: asyncio.Event | None = None
    fails: bool = True


Faults = Callable[[str], Fault | None]
"""The fault of the next call of a method; None: it goes well."""


class Scripted:
    """Faults in the order in which they were put; a call without one goes well."""

    def __init__(self) -> None:
        self._faults: dict[str, deque[Fault | None]] = {}

    def put(self, method: str, *faults: Fault | None) -> None:
        """Queue faults for the coming calls of a method, in turn; None lets one pass."""
        self._faults.setdefault(method, deque()).extend(faults)

    def left(self) -> int:
        """Count the faults that haven't happened yet."""
        return sum(1 for faults in self._faults.values() for fault in faults if fault is not None)

    def __call__(self, method: str) -> Fault | None:
        """Return the next one."""
        faults = self._faults.get(method)
        return faults.popleft() if faults else None


class Seeded:
    """Faults at random, the same for the same seed; half of them lose the reply."""

    def __init__(self, seed: int, *, rate: float, methods: Collection[str] | None = None) -> None:
        self._random = Random(seed)  # noqa: S311  # repeatable, and no secret
        self._rate = rate
        self._methods = methods

    def __call__(self, method: str) -> Fault | None:
        """Return the next one."""
        if self._methods is not None and method not in self._methods:
            return None
        if self._random.random() >= self._rate:
            return None
        return Fault(lost_reply=self._random.random() < 0.5)  # a fair coin


class FaultyStore(AStore):
    """A store whose calls fail with ``StoreUnavailable``, before or after they have gone through.

    What makes no call of the database never fails, nor does ``close``.
    """

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        """Return a call of the store that fails where it has a fault."""
        call = getattr(self._store, name)
        if name == "close" or not inspect.iscoroutinefunction(call):
            return call

        async def faulty(*given: Any, **named: Any) -> Any:
            return await self._called(name, partial(call, *given, **named))

        return faulty

    async def _called(self, method: str, call: Callable[[], Awaitable[T]]) -> T:
        fault = self._faults(method)
        if fault is None:
            return await call()
        if fault.held_until is not None:
            await fault.held_until.wait()
        result = await call() if fault.lost_reply or not fault.fails else None
        if fault.fails:
            cause = "the reply was lost" if fault.lost_reply else "no connection"
            raise StoreUnavailable(store=self.location, problem=f"{cause} (injected into {method})")
        return result  # type: ignore[return-value]  # a call that doesn't fail was made


class FaultyTransport:
    """A transport whose ``deliver`` doesn't get through (``connect``), or loses the answer (``reset``)."""

    def __init__(self, transport: Transport, faults: Faults) -> None:
        self._transport = transport
        self._faults = faults

    async def open(self) -> None:
        """See ``Transport.open``."""
        await self._transport.open()

    async def close(self) -> None:
        """See ``Transport.close``."""
        await self._transport.close()

    async def deliver(self, attempt: Attempt) -> Outcome:
        """See ``Transport.deliver``."""
        fault = self._faults("deliver")
        if fault is None:
            return await self._transport.deliver(attempt)
        if fault.held_until is not None:
            await fault.held_until.wait()
        if fault.lost_reply or not fault.fails:
            outcome = await self._transport.deliver(attempt)
            return (
                Undelivered(name=RESET, reason="the answer was lost (injected)") if fault.fails else outcome
            )
        return Undelivered(name=CONNECT, reason="no connection (injected)")
