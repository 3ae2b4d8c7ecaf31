"""Follow jobs: look when something was written here, and every now and then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from sp00ky_core.job import Job
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_core.stores.signal import Signal
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.reading import load
from sp00ky_store_surreal.selecting import states

__all__ = ["watched"]

SOONEST, LATEST = 0.05, 2.0
"""Seconds between two looks that nothing caused: doubled while nothing changes."""


async def watched(
    connection: Connection, tables: Sequence[JobTable], query: JobQuery, changes: Signal
) -> AsyncGenerator[Job, None]:
    """See ``Store.watch``."""
    seen: dict[str, str] = {}
    seen_once = False
    async with aclosing(_ticks(changes)) as ticks:
        async for tick in ticks:
            found = await states(connection, tables, query)
            changed = [each for each, (_, _, state) in found.items() if seen.get(each) != state]
            seen = {each: state for each, (_, _, state) in found.items()}
            seen_once = seen_once or bool(found)
            tick.quiet = not changed
            for each in changed:
                table, value, _ = found[each]
                for job in await load(connection, table, [value]):
                    yield job
            if seen_once and not found and not await _any_left(connection, tables, query):
                return


async def _any_left(connection: Connection, tables: Sequence[JobTable], query: JobQuery) -> bool:
    if query.ids is None:
        return True  # others may come to match
    return bool(await states(connection, tables, JobQuery(ids=query.ids, backend=query.backend)))


class _Tick:
    """Told by the looker whether it saw nothing new."""

    quiet = True


async def _ticks(changes: Signal) -> AsyncGenerator[_Tick, None]:
    tick, pause = _Tick(), SOONEST
    async with aclosing(changes.subscribe()) as signals:
        signal = asyncio.ensure_future(anext(signals, None))
        try:
            while True:
                done, _ = await asyncio.wait([signal], timeout=pause)
                if changes.closed:
                    return
                if done:
                    signal = asyncio.ensure_future(anext(signals, None))
                yield tick
                pause = min(pause * 2, LATEST) if tick.quiet else SOONEST
        finally:
            signal.cancel()
            await asyncio.gather(signal, return_exceptions=True)
