"""Write what a runner has counted to its store, by the minute, and fold what is old."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from sp00ky_core.errors import Sp00kyError, StoreUnavailable
from sp00ky_core.observe.rates import COUNT, FIRST_BUCKET, SECONDS, Counts, Kind
from sp00ky_core.ports import Rollup, Store
from sp00ky_core.ports.statistics import step_of
from sp00ky_core.runner.counters_and_log import Observer
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.stores.subscription import within

logger: logging.Logger = logging.getLogger(__name__)

MINUTE = 60

STEP = 2.0
"""Seconds after which what is new is written, also within a minute: who reads it is 5 s behind at most."""

SPREAD = 0.5
"""Seconds in which the runners write after that, so that they don't all write at once."""

FOLD_INTERVAL = 3_600.0
FOLD_LIMIT = 10_000

MOST_UNWRITTEN = 10_000
"""Rows that wait for a database which is away; the oldest go first."""

LAST_SECONDS = 2.0
"""Seconds for the last write of a runner that stops."""


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
        self._counted: dict[Kind, Counts] = {}  # by the beginning of the minute
        self._rows_of: dict[Kind, Counts] = {}  # by the time when rows were made last
        self._unwritten: dict[tuple[datetime, str, Kind], Rollup] = {}
        self._minute: datetime | None = None  # that goes on
        self._times_back = 0  # how often the database's clock has shown a minute before that one
        self._ahead: timedelta | None = None  # how far the database's clock is; None: not known yet
        self._next_fold = options.clock() + FOLD_INTERVAL * options.random()

    async def run(self) -> None:
        """Write what is new every few seconds, until cancelled; read the clock at the end of each minute."""
        await self._write()
        while True:
            await asyncio.sleep(STEP - self._database_time().timestamp() % STEP)
            has_ended = self._make_rows()
            await asyncio.sleep(SPREAD * self._options.random())
            if self._unwritten or has_ended:
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
        self._make_rows()
        await self._write()

    def _clock(self) -> datetime:
        """Read the runner's clock, as if it had begun in 1970."""
        return datetime.fromtimestamp(self._options.clock(), tz=UTC)

    def _database_time(self) -> datetime:
        return self._clock() + (self._ahead or timedelta())

    def _make_rows(self) -> bool:
        """Make rows of what is new, each of its whole minute so far; tell whether the minute is over.

        A clock that has gone back makes rows of another key.
        """
        if self._ahead is None:
            return True
        now, counters = step_of(self._database_time(), MINUTE), self._observer.counters
        minute = self._minute or now
        own_id = self._options.runner_id  # once the clock has gone back, one that no row there has
        writer_id = f"{own_id}~{self._times_back}" if self._times_back else own_id
        counted = counters.since(self._counted)
        for kind in counters.since(self._rows_of):
            self._unwritten[minute, writer_id, kind] = _rollup(minute, writer_id, kind, counted[kind])
        for key in [*self._unwritten][:-MOST_UNWRITTEN]:
            del self._unwritten[key]
        self._minute, self._rows_of = now, counters.copy()
        if now != minute:
            self._times_back += now < minute
            self._counted = self._rows_of
        return now != minute

    async def _write(self) -> None:
        rows = [*self._unwritten.values()]
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
        self._unwritten = {}

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
