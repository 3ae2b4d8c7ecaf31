"""Write what a runner has counted to its store once a minute, and fold what is old."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from sp00ky_core.errors import Sp00kyError, StoreUnavailable
from sp00ky_core.observe.rates import COUNT, FIRST_BUCKET, SECONDS, Counts, Kind
from sp00ky_core.ports import Rollup, Store
from sp00ky_core.ports.rollups import step_of
from sp00ky_core.runner.counters_and_log import Observer
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.stores.subscription import within

logger: logging.Logger = logging.getLogger(__name__)

MINUTE = 60.0
SPREAD = 5.0
"""Seconds after a minute's end in which the runners write, so that they don't all write at once."""

FOLD_INTERVAL = 3_600.0
FOLD_LIMIT = 10_000

MOST_UNWRITTEN = 10_000
"""Rows that wait for a database which is away; the oldest go first."""

LAST_SECONDS = 2.0
"""For the last write, of a runner that stops."""


class RollupWriter:
    """Writes rollups of one runner.

    Args:
        store: Where they are written.
        options: The runner's.
        observer: Counts what the runner does, and what fails.
    """

    def __init__(self, store: Store, options: RunnerOptions, observer: Observer) -> None:
        self._store = store
        self._options = options
        self._observer = observer
        self._counted: dict[Kind, Counts] = {}  # when a minute last ended
        self._unwritten: list[Rollup] = []
        self._minute: datetime | None = None  # of the latest rows
        self._times_back = 0  # how often the database's clock has shown that minute, or one before, again
        self._ahead: timedelta | None = None  # how far the database's clock is; None: not known yet
        self._next_fold = options.clock() + FOLD_INTERVAL * options.random()

    async def run(self) -> None:
        """Write until cancelled, shortly after the end of each minute."""
        await self._write()
        while True:
            await asyncio.sleep(MINUTE - (self._clock() + (self._ahead or timedelta())).timestamp() % MINUTE)
            self._end_minute(before=MINUTE / 2)
            await asyncio.sleep(SPREAD * self._options.random())
            await self._write()
            if self._options.clock() >= self._next_fold:
                self._next_fold = self._options.clock() + FOLD_INTERVAL
                await self._fold()

    async def stop(self) -> None:
        """Write what was counted in the minute that is still going on; never raises."""
        if not await within(LAST_SECONDS, self._write_rest()):
            logger.warning("the attempts of the last minute aren't in the rollups: the database is too slow")

    async def _write_rest(self) -> None:
        if self._ahead is None:
            await self._write()
        self._end_minute()
        await self._write()

    def _clock(self) -> datetime:
        """Read the runner's clock, as if it had begun in 1970."""
        return datetime.fromtimestamp(self._options.clock(), tz=UTC)

    def _end_minute(self, *, before: float = 0.0) -> None:
        """Make rows, each once, of what was counted in the minute that it was ``before`` seconds ago.

        A clock that has gone back makes rows of another key.
        """
        counted = self._observer.counters.since(self._counted)
        if self._ahead is None or not counted:
            return
        minute = step_of(self._clock() + self._ahead - timedelta(seconds=before), int(MINUTE))
        self._times_back += self._minute is not None and minute <= self._minute
        self._minute, self._counted = minute, self._observer.counters.copy()
        own_id = self._options.runner_id  # once the clock has gone back, one that no row there has
        writer_id = f"{own_id}~{self._times_back}" if self._times_back else own_id
        rows = [_rollup(minute, writer_id, kind, counts) for kind, counts in counted.items()]
        self._unwritten = [*self._unwritten, *rows][-MOST_UNWRITTEN:]

    async def _write(self) -> None:
        rows = self._unwritten
        try:
            now = await self._store.write_rollups(rows)
        except StoreUnavailable as error:
            self._observer.count(error)
            logger.debug("rollups are written later: %s", error)
            return
        except Sp00kyError as error:
            self._observer.failed(f"{len(rows)} rollups can't be written, and are left out", error)
        else:
            self._ahead = now - self._clock()
        self._unwritten = []

    async def _fold(self) -> None:
        with self._observer.tolerating("old rollups can't be folded now"):
            while await self._store.fold_rollups(limit=FOLD_LIMIT) == FOLD_LIMIT:
                pass


def _rollup(minute: datetime, runner_id: str, kind: Kind, counts: Counts) -> Rollup:
    backend, path, outcome, code = kind
    return Rollup(
        minute=minute,
        runner_id=runner_id,
        backend=backend,
        path=path,
        outcome=outcome,
        code=code,
        count=int(counts[COUNT]),
        seconds_sum=counts[SECONDS],
        buckets=tuple(map(int, counts[FIRST_BUCKET:])),
    )
