"""Write what this runner's attempts say of its backends to the fleet's breakers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import attrs

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.gate import Gate
from sp00ky_core.gate.breaker import BreakerChange, BreakerState
from sp00ky_core.gate.breaker.view import TOO_OLD, SeenBreaker
from sp00ky_core.plugins.calls import Hooks
from sp00ky_core.ports import BreakerResult, Store, capabilities, has
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.runner.store_log import StoreLog
from sp00ky_core.stores.subscription import Backoff

BREATH = 0.01
"""Seconds between two writes: a backend that fails now and then may change its breaker with every job.

Not after a write that ends a probe: if that couldn't be sent, many more like it may come before one that can.
"""


@attrs.define(kw_only=True, eq=False, slots=False)
class BreakerWriter:
    """Writes changes of breakers until the store has heard of them, or they are too old."""

    _store: Store
    _gates: Iterable[Gate]
    _hooks: Hooks
    _options: RunnerOptions
    _store_log: StoreLog
    _news: asyncio.Event  # set when there is something to be written
    _changed: Callable[[], None]  # called when a claim may have become worth while, or be so at another time

    def __attrs_post_init__(self) -> None:
        self._breakers = [gate.breaker for gate in self._gates if gate.breaker is not None]
        self._progress = asyncio.Event()  # set for a moment whenever less waits to be written

    async def run(self) -> None:
        """Write until cancelled."""
        backoff = Backoff(self._options.random)
        while True:
            await self._news.wait()
            ended_probe = False
            try:
                for seen in self._breakers:
                    if seen.has_unwritten:
                        ended_probe |= await self._write(seen)
            except Sp00kyError as error:
                self._store_log.failed("what attempts say of their backend can't be written yet", error)
                await backoff.wait()
                continue
            backoff.reset()
            if not self._has_unwritten():
                self._news.clear()
            await asyncio.sleep(0 if ended_probe else BREATH)

    async def heard(self, gate: Gate) -> None:
        """Return once the fleet may know what is noted of a backend by now, or that is too old."""
        if (seen := gate.breaker) is None:
            return
        noted = seen.noted
        with suppress(TimeoutError):
            async with asyncio.timeout(TOO_OLD):
                while seen.told < noted:
                    await self._progress.wait()

    async def all_written(self) -> None:
        """Return once the store has heard of everything."""
        while self._has_unwritten():
            await self._progress.wait()

    def _has_unwritten(self) -> bool:
        return any(seen.has_unwritten for seen in self._breakers)

    async def _write(self, seen: SeenBreaker) -> bool:
        """Write what there is; whether it ended a probe, so that the next one mustn't wait for it."""
        change = seen.change()
        if change is not None:
            try:
                result = await self._shared(change)
            except BaseException:
                seen.failed()
                raise
            is_written = seen.written(result.breaker, is_written=result.written)
            if is_written and (change.opens or change.closes):
                state = BreakerState.OPEN if change.opens else BreakerState.CLOSED
                self._hooks.dispatch_soon("sp00ky_breaker_changed", backend=seen.backend, state=state.value)
        self._progress.set()
        self._progress.clear()
        self._changed()
        return change is not None and change.ends_probe

    async def _shared(self, change: BreakerChange) -> BreakerResult:
        """Write a change for the fleet; where the store keeps no breakers it holds for this runner alone."""
        shared = has(self._store, capabilities.Breakers)
        if shared is None:
            return BreakerResult(written=True, breaker=change.of(change.before))
        return await shared.change_breaker(change)
