"""Follow jobs by their ids: look when something was written, and every now and then."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from surrealdb import RecordID

from sp00ky_core.errors import StoreClosed, StoreError, StoreUnavailable
from sp00ky_core.job import Job
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.observe.find import states
from sp00ky_store_surreal.row_loading import load

__all__ = ["watched"]

_log = logging.getLogger(__name__)

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
    history: int | None,
) -> AsyncGenerator[Job, None]:
    """See ``Store.watch``; it ends with ``changes``, the signals that something may have changed.

    Raises ``StoreUnavailable`` at the first look only: afterwards it waits for a database that is away.
    """
    seen = _Seen()
    async with aclosing(_ticks(changes)) as ticks:
        async for tick in ticks:
            try:
                found = await states(connection, tables, query)
                changed = seen.changed(found, history)
                tick.quiet = not changed
                for each in changed:
                    table, value, state = found[each]
                    for job in await load(connection, table, [value]):
                        yield job
                    seen.states[each] = state
                if seen.any_ever and not found and not await _any_left(connection, tables, query):
                    return
            except (StoreUnavailable, StoreClosed) as error:
                tick.quiet = True
                seen.missed(error)


class _Seen:
    """Knows what was yielded of each job."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.any_ever = False
        self._has_looked = False
        self._is_away = False

    def changed(self, found: Mapping[str, tuple[JobTable, RecordID, str]], history: int | None) -> list[str]:
        """List the jobs whose state hasn't been yielded; after the first look, the latest ``history``."""
        if not self._has_looked and history is not None:
            passed_over = list(found)[: len(found) - history] if history < len(found) else []
            self.states = {each: found[each][2] for each in passed_over}
        self._has_looked, self._is_away = True, False
        self.any_ever = self.any_ever or bool(found)
        self.states = {each: state for each, state in self.states.items() if each in found}
        return [each for each, (_, _, state) in found.items() if self.states.get(each) != state]

    def missed(self, error: StoreError) -> None:
        """Note a look that failed."""
        if not self._has_looked:
            raise error
        if not self._is_away:
            _log.warning("can't see what changes, looking again until it works: %s", error)
        self._is_away = True


async def _any_left(connection: Connection, tables: Sequence[JobTable], query: JobQuery) -> bool:
    if query.ids is None:
        return True  # others may come to match
    return bool(await states(connection, tables, JobQuery(ids=query.ids, backend=query.backend)))


class _Tick:
    """Says whether the last look saw nothing new."""

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
