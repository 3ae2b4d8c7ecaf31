"""The store's two signals: there may be work, and a job may have changed. A server's LIVE rings them too."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence

from sp00ky_core.ports import JobTable
from sp00ky_core.stores.signal import Signal
from sp00ky_store_surreal.bell import Bell
from sp00ky_store_surreal.queries import quoted, surql
from sp00ky_store_surreal.target import Target

__all__ = ["Signals"]


BUSY = 0.25
"""Seconds of claims that all were full, until LIVE is done without."""


class Signals:
    """What this store wrote is told at once; what others wrote too, where the database has LIVE."""

    def __init__(self, target: Target, tables: Sequence[JobTable]) -> None:
        self._live = not target.embedded
        self._work = Signal()
        self._changes = Signal()
        self._busy_since: dict[str, float] = {}
        self._due_bell = Bell(target, _live("live_due", tables), self.work)
        self._changes_bell = Bell(target, _live("live_changes", tables), self.changed)

    def work(self) -> None:
        """There may be work."""
        self._work.send()

    def claimed(self, table: JobTable, *, full: bool) -> None:
        """A claim got as many jobs as it asked for, or not.

        While they do, they follow each other, and nobody has to be woken. A LIVE query costs the server
        a fifth of a delivery.
        """
        if not full:
            self._busy_since.pop(table.table, None)
            self._due_bell.wake(table.table)
        elif time.monotonic() - self._busy_since.setdefault(table.table, time.monotonic()) > BUSY:
            self._due_bell.rest(table.table)

    def changed(self) -> None:
        """A job may have changed."""
        self._changes.send()

    def reopen(self) -> None:
        """Let listeners in again."""
        if self._work.closed:
            self._work, self._changes = Signal(), Signal()

    async def close(self) -> None:
        """End every subscription."""
        self._work.close()
        self._changes.close()
        await self._due_bell.stop()
        await self._changes_bell.stop()

    def of_work(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._due_bell.subscribe(self._work) if self._live else self._work.subscribe()

    def of_changes(self) -> AsyncGenerator[None, None]:
        """Yields at once, and whenever a job may have changed."""
        if not self._live:
            return self._changes.subscribe()
        return self._changes_bell.subscribe(self._changes, at_once=True)


def _live(statement: str, tables: Sequence[JobTable]) -> dict[str, str]:
    return {each.table: surql(statement, table=quoted(each.table)) for each in tables}
