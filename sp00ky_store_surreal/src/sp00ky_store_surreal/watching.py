"""Follow jobs: look when something was written here, and every now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from sp00ky_core.job import Job
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.reading import load
from sp00ky_store_surreal.selecting import states

__all__ = ["watched"]

ENDED = object()

LONGEST_REST = 0.5
"""Seconds after a look that a signal caused, however long it took."""

SOONEST, LATEST = 0.05, 2.0
"""Seconds between two looks that nothing caused: doubled while nothing changes."""


async def watched(
    connection: Connection,
    tables: Sequence[JobTable],
    query: JobQuery,
    changes: AsyncGenerator[None, None],
) -> AsyncGenerator[Job, None]:
    """See ``Store.watch``; it ends with ``changes``, the signals that something may have changed."""
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


async def _ticks(changes: AsyncGenerator[None, None]) -> AsyncGenerator[_Tick, None]:
    tick, pause = _Tick(), SOONEST
    async with aclosing(changes):
        signal = asyncio.ensure_future(anext(changes, ENDED))
        try:
            while True:
                done, _ = await asyncio.wait([signal], timeout=pause)
                if done and signal.result() is ENDED:
                    return
                if done:
                    signal = asyncio.ensure_future(anext(changes, ENDED))
                looked = time.monotonic()
                yield tick
                pause = min(pause * 2, LATEST) if tick.quiet else SOONEST
                if done:  # under a storm of signals at most half of the time is spent on looking
                    await asyncio.sleep(min(time.monotonic() - looked, LONGEST_REST))
        finally:
            signal.cancel()
            await asyncio.gather(signal, return_exceptions=True)
