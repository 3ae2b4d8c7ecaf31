"""Signal that there may be work, and that jobs have changed, here or in other processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

import attrs

from sp00ky_core.ports import JobTable, Pause
from sp00ky_core.stores.backoff import Backoff
from sp00ky_core.stores.broadcast import Broadcast
from sp00ky_core.stores.transactional.connection.executor import Executor
from sp00ky_core.stores.transactional.connection.session import Session
from sp00ky_core.stores.transactional.jobs.due import next_without_key
from sp00ky_core.stores.transactional.jobs.ordering import has_keys
from sp00ky_core.stores.transactional.operate.pause import pause_of, read_controls

__all__ = ["Notifications"]

logger: logging.Logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Seen:
    """Of the database, whatever says that there may be work.

    Attributes:
        due: When the next job without a key is.
        keys: Jobs with a key wait, or are processing; to find out when the next can be claimed takes longer
            than a claim that gets nothing.
        pauses: By backend.
        now: The time.
    """

    due: datetime | None
    keys: bool
    pauses: Mapping[str, Pause]
    now: datetime

    def is_news(self, before: Seen | None) -> bool:
        """Whether something is due, or will be at another time, or a pause has begun or ended."""
        is_due = self.due is not None and (self.due <= self.now or before is None or self.due != before.due)
        return is_due or self.keys or (before is not None and self.pauses != before.pauses)


class Notifications:
    """Two signals of one process, to which other processes' changes are passed on while anyone listens.

    Args:
        changes: Yields once others may have written: ``TransactionalStore.changes``.
        executor: Reads what is due.
        tables: Of which jobs.
        heard: Called before new work is signalled.
    """

    def __init__(
        self,
        changes: Callable[[], AsyncGenerator[None, None]],
        executor: Executor,
        tables: Sequence[JobTable],
        heard: Callable[[], None],
    ) -> None:
        self._changes = changes
        self._executor = executor
        self._tables = tables
        self._heard = heard
        self._listening: asyncio.Task[None] | None = None
        self._listeners = 0
        self._work, self._changed = Broadcast(), Broadcast()

    def open(self) -> None:
        """Take subscriptions, again if it was closed."""
        if self._work.closed:
            self._work, self._changed = Broadcast(), Broadcast()

    async def close(self) -> None:
        """End every subscription."""
        self._work.close()
        self._changed.close()
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])

    def send(self, *, work: bool = False) -> None:
        """Tell of a change in this process; ``work``: there may be something to claim."""
        self._changed.send()
        if work:
            self._send_work()

    def _send_work(self) -> None:
        self._heard()
        self._work.send()

    def work(self) -> AsyncGenerator[None, None]:
        """Subscribe to new work."""
        return self._subscribed(self._work)

    def changed(self) -> AsyncGenerator[None, None]:
        """Subscribe to changes."""
        return self._subscribed(self._changed)

    async def _subscribed(self, signal: Broadcast) -> AsyncGenerator[None, None]:
        self._listeners += 1
        if self._listening is None or self._listening.done():
            self._listening = asyncio.ensure_future(self._listen_for_ever())
        try:
            async with aclosing(signal.subscribe()) as signals:
                async for _ in signals:
                    yield
        finally:
            self._listeners -= 1
            if not self._listeners and self._listening is not None:
                self._listening.cancel()
                self._listening = None  # who comes next makes a new one

    async def _listen_for_ever(self) -> None:
        """Pass changes on; where they can't be heard, try again, and say so once."""
        backoff, failing, seen = Backoff(), False, None
        while True:
            try:
                async for _ in self._changes():
                    backoff.reset()
                    failing = False
                    seen = await self._pass_on(seen)
            except Exception as error:  # noqa: BLE001  # an adapter's, of whatever type
                log = logger.debug if failing else logger.warning
                log("other processes' changes are found by polling until they are heard again: %s", error)
                failing = True
            else:
                return
            await backoff.wait()

    async def _pass_on(self, seen: Seen | None) -> Seen:
        """Signal a change; that there may be work, only where it looks so."""
        self._changed.send()
        found = await self._executor.read(self._look)
        if found.is_news(seen):
            self._send_work()
        return found

    async def _look(self, session: Session) -> Seen:
        now = await session.now()
        controls = await read_controls(session, [table.backend for table in self._tables])
        pauses = {each: pause for each, row in controls.items() if (pause := pause_of(row, now)) is not None}
        return Seen(
            due=await next_without_key(session, self._tables),
            keys=any([await has_keys(session, table) for table in self._tables]),
            pauses=pauses,
            now=now,
        )
