"""Notify of work and of changed jobs: of this store's own, and of others' by a server's LIVE queries."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

from sp00ky_core.ports import JobTable, Table
from sp00ky_core.stores.subscription import Broadcast
from sp00ky_store_kit.watch import Notifications
from sp00ky_store_surreal.connection.cbor import record_of
from sp00ky_store_surreal.connection.live_queries import Live
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.surql.loader import quoted, surql
from sp00ky_store_surreal.url import Target

ENDED = object()

BUSY = 0.25
"""Seconds for which all claims were full, after which they do without LIVE."""


class Changed:
    """Collects, for one listener, ids of jobs that may have changed; each is named once."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._any = asyncio.Event()
        self._missed = asyncio.Event()
        self.is_closed: bool = False

    def add(self, ids: Iterable[str] | None) -> None:
        """Add jobs that may have changed; None: which ones isn't known."""
        if ids is None:
            self._missed.set()
            return
        self._ids.update(dict.fromkeys(ids))
        if self._ids:
            self._any.set()

    def complete(self) -> None:
        """Note that none was missed so far: what others changed before isn't asked for."""
        self._missed.clear()

    async def interrupted(self, within: float) -> bool:
        """Wait until some may have been missed, or so long; return whether they may."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._missed.wait()
        is_missed = self._missed.is_set()
        self._missed.clear()
        return is_missed

    def close(self) -> None:
        """End ``batches``."""
        self.is_closed = True
        self._any.set()

    async def batches(self, most: int) -> AsyncGenerator[list[str], None]:
        """Yield ids as they come, in the order of their changes, at most so many at a time."""
        while True:
            await self._any.wait()
            if self.is_closed:
                return
            batch = [self._ids.popitem(last=False)[0] for _ in range(min(most, len(self._ids)))]
            if not self._ids:
                self._any.clear()
            if batch:
                yield batch


class Signals(Notifications):
    """Wakes for what this store wrote at once; for what others wrote too, where the database has LIVE."""

    def __init__(self, target: Target, tables: Sequence[JobTable], extensions: Sequence[Table] = ()) -> None:
        self._live = not target.embedded
        self._work = Broadcast()
        self._changed = Broadcast()
        self._busy_since: dict[str, float] = {}
        self._following: set[Changed] = set()
        due, changes = _live("watch_live_pending", tables), _live("watch_live_changes", tables)
        due["sp00ky_control"] = surql("watch_live_pauses")
        due |= {
            table.name: surql("watch_live_extension", table=quoted(table.name))
            for table in extensions
            if table.signals
        }
        self._live_due = Live(target, due, self._work, heard=lambda _: self.wake())
        self._live_changes = Live(
            target, changes, self._changed, heard=self._hear, lost=lambda: self._pass_on(None)
        )

    @property
    def is_live(self) -> bool:
        """Whether the database reports what changes."""
        return self._live_changes.is_live

    def wake(self) -> None:
        """Wake runners: there may be work."""
        self._work.send()

    def claimed(self, table: JobTable, *, full: bool) -> None:
        """Note whether a claim got as many jobs as it asked for, or not.

        While they do, they follow each other, and no runner has to be woken. A LIVE query costs the server
        a fifth of a delivery.
        """
        if not full:
            self._busy_since.pop(table.table, None)
            self._live_due.wake(table.table)
        elif time.monotonic() - self._busy_since.setdefault(table.table, time.monotonic()) > BUSY:
            self._live_due.rest(table.table)

    def send(self, *, work: bool = False, ids: Sequence[str] | None = None) -> None:
        """See ``Notifications.send``; ``ids``: the jobs that may have changed, where that is known."""
        self._changed.send()
        if work:
            self.wake()
        if not self.is_live:
            self._pass_on(ids)

    def _hear(self, news: bytes | None) -> None:
        self._changed.send()
        if self._following:  # else nothing has to be decoded
            record = None if news is None else record_of(news)
            self._pass_on(None if record is None else [id_text(record)])

    def _pass_on(self, ids: Sequence[str] | None) -> None:
        for follower in self._following:
            follower.add(ids)

    @asynccontextmanager
    async def follow(self, *, at_once: bool) -> AsyncIterator[Changed]:
        """Collect the ids of what changes: from now on, or once the database reports changes."""
        changed, signals = Changed(), self._of_changes(at_once=at_once)
        self._following.add(changed)  # this store's own changes count from now on, also before LIVE
        try:
            if await anext(signals, ENDED) is ENDED:
                changed.close()
            changed.complete()
            yield changed
        finally:
            self._following.discard(changed)
            await signals.aclose()

    def open(self) -> None:
        """Let listeners in again."""
        if self._work.closed:
            self._work = self._live_due.subscription.broadcast = Broadcast()
            self._changed = self._live_changes.subscription.broadcast = Broadcast()

    async def close(self) -> None:
        """End every subscription."""
        self._work.close()
        self._changed.close()
        for follower in self._following:
            follower.close()
        await self._live_due.subscription.stop()
        await self._live_changes.subscription.stop()

    def work(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._live_due.subscription.subscribe() if self._live else self._work.subscribe()

    def _of_changes(self, *, at_once: bool) -> AsyncGenerator[None, None]:
        if not self._live:
            return self._changed.subscribe()
        return self._live_changes.subscription.subscribe(at_once=at_once)


def _live(statement: str, tables: Sequence[JobTable]) -> dict[str, str]:
    return {table.table: surql(statement, table=quoted(table.table)) for table in tables}
