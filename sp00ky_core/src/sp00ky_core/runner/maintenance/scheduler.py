"""Fire what is due, each schedule in one runner where it can be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from sp00ky_core.config.schedules import ScheduleConfig, definition_hash
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.ports import ScheduleChange, ScheduleSnapshot, StoredSchedule, Trigger
from sp00ky_core.runner.maintenance.firing import Firing
from sp00ky_core.runner.maintenance.reconcile import define, definition_of, schedules_of, tables_of
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.runner.store_log import StoreLog
from sp00ky_core.schedules.definition import brought_back, can_not_fire, is_due, next_fire

__all__ = ["Place", "Scheduler", "everything", "share"]

Place = Callable[[str], tuple[int, int]]
"""Where a runner stands among those that serve a backend, by the backend's name, and how many these are."""


def share(schedules: Mapping[str, StoredSchedule], place: Place) -> set[str]:
    """Return the names of a runner's own schedules: of n runners each has every nth.

    While runners don't see the same schedules and runners, one may be two runners' own, or no runner's: then
    the guard of a change keeps them apart, and what its runner doesn't do in time the others do.
    """
    backends = [str(each.definition.get("backend")) for each in schedules.values()]
    places = {backend: place(backend) for backend in set(backends)}
    named = zip(schedules, backends, strict=True)
    return {name for n, (name, backend) in enumerate(named) if n % places[backend][1] == places[backend][0]}


def everything(_: str) -> tuple[int, int]:
    """Return the place of a runner that is alone, whose own all schedules are."""
    return 0, 1


logger: logging.Logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Fires at a time: a slow query holds up no other schedule."""

SHORTEST_WAIT = 0.002
"""Seconds between two looks, where the database's clock is a little behind."""

AFTER_SIGNAL = 1.0
"""Seconds between two looks that signals cause: each new job gives one."""

FRESH = 0.05
"""Seconds for which what was read is good enough to decide on: the guard finds out what has changed since."""

AFTER_FAILURE = 1.0
"""Seconds until what failed is tried again."""

HEAD_START = timedelta(seconds=0.5)
"""For a due schedule's own runner; then the others fire it, too."""

APART = 0.2
"""Seconds over which these are spread before they run a query that only one of them needs."""


Row = tuple[str, StoredSchedule]


class Scheduler:
    """Fires the schedules that this process can fire.

    Args:
        firing: What fires one.
        definitions: Those of this process's file.
        options: The runner's.
        place: See ``share``.
        log: Counts what fails.
    """

    def __init__(
        self,
        firing: Firing,
        definitions: Mapping[str, ScheduleConfig],
        options: RunnerOptions,
        place: Place,
        log: StoreLog,
    ) -> None:
        self._firing = firing
        self._schedules = schedules_of(firing.store)
        self._definitions = definitions
        self._options = options
        self._place = place
        self._log = log
        self._signalled = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._read: dict[tuple[str, str], ScheduleConfig | None] = {}  # by name and hash
        self._right: dict[str, tuple[datetime | None, datetime]] = {}  # next fire, and when it was right
        self._said: set[str] = set()
        self._has_defined = False
        self._reading = asyncio.Lock()
        self._snapshot: ScheduleSnapshot | None = None
        self._read_at = 0.0

    def signal(self) -> None:
        """Look again soon: something may have been defined, resumed or fired."""
        self._signalled.set()

    async def run(self) -> None:
        """Define what is new, then fire what is due until cancelled."""
        try:
            while True:
                await self._wait(await self._look())
        finally:
            await self._end()

    async def _look(self) -> float:
        """Begin what is due; seconds until there may be more."""
        try:
            if self._has_defined:
                snapshot = await self._latest(0.0)
            else:
                tables = tables_of(self._firing.backends)
                await define(self._firing.store, self._definitions, tables, only_new=True)
                snapshot = await self._latest(0.0)
                self._has_defined = True
                self._say_what_differs(snapshot)
        except Sp00kyError as error:
            self._log.count(error)
            self._say_once(self._firing.store.location, f"no schedule can be read, none is fired: {error}")
            return min(self._options.poll, AFTER_FAILURE)
        self._said.discard(self._firing.store.location)
        return self._begin(snapshot)

    def _say_what_differs(self, snapshot: ScheduleSnapshot) -> None:
        """Say which of the file's definitions the database has had before, and has no more."""
        for name, definition in self._definitions.items():
            stored = snapshot.schedules.get(name)
            if stored is None or stored.removed:
                problem = "was removed from the database"
            elif stored.hash != definition_hash(definition.to_json()):
                problem = "fires as a later definition in the database says"
            else:
                continue
            fix = "if it is to be as this process's file says, run: sp00ky schedules sync"
            logger.warning("schedule %r %s; %s", name, problem, fix)

    async def _latest(self, fresh: float = FRESH) -> ScheduleSnapshot:
        """Read the schedules, unless it was done just now: fires that begin together share what is read."""
        async with self._reading:
            if self._snapshot is None or self._options.clock() - self._read_at >= fresh:
                self._snapshot = await self._schedules.schedules()
                self._read_at = self._options.clock()
            return self._snapshot

    def _begin(self, snapshot: ScheduleSnapshot) -> float:
        """Begin what is due; seconds until more may be."""
        wait = self._options.poll * (0.9 + 0.2 * self._options.random())
        own = share(snapshot.schedules, self._place)
        for name, stored in self._turned(list(snapshot.schedules.items())):
            if can_not_fire(stored) or stored.next_fire_at is None or name in self._under_way:
                continue
            definition = self._definition(stored)
            if definition is None:
                continue
            turn = stored.next_fire_at + (timedelta() if name in own else HEAD_START)
            if turn <= snapshot.now or not self._is_right(stored, definition, snapshot.now):
                task = self._fire(name, definition, is_own=name in own)
                self._under_way[name] = asyncio.create_task(task)
                turn = next_fire(definition, snapshot.now) or turn
            if turn > snapshot.now:
                wait = min(wait, (turn - snapshot.now).total_seconds())
        return max(wait, SHORTEST_WAIT)

    def _is_right(self, stored: StoredSchedule, definition: ScheduleConfig, now: datetime) -> bool:
        """Whether its next fire isn't too far ahead: once right, it stays so until the clock goes back."""
        at, since = self._right.get(stored.name, (None, now))
        if at != stored.next_fire_at or now < since:
            if brought_back(stored, definition, now) is not None:
                return False
            self._right[stored.name] = stored.next_fire_at, now
        return True

    def _turned(self, rows: list[Row]) -> list[Row]:
        """Begin anywhere, so that runners which wake at the same time rarely decide on the same schedule."""
        start = int(self._options.random() * len(rows))
        return rows[start:] + rows[:start]

    def _definition(self, stored: StoredSchedule) -> ScheduleConfig | None:
        key = (stored.name, stored.hash)
        if key not in self._read:
            self._read[key] = definition_of(stored)
        definition = self._read[key]
        if definition is None:
            self._say_once(
                stored.name, f"schedule {stored.name!r} isn't fired here: its definition can't be read"
            )
        elif not self._firing.can_fire(stored, definition):
            if self._firing.knows(stored, definition):
                text = (
                    f"schedule {stored.name!r} isn't fired here: its query isn't one of this process's file"
                )
                self._say_once(stored.name, text)
            return None
        return definition

    async def _fire(self, name: str, definition: ScheduleConfig, *, is_own: bool) -> None:
        try:
            async with self._slots:
                if definition.for_each is not None and not is_own:
                    await asyncio.sleep(APART * self._options.random())
                for fresh in (FRESH, 0.0, 0.0):  # another runner may have fired it meanwhile
                    snapshot = await self._latest(fresh)
                    stored = snapshot.schedules.get(name)
                    if stored is None or self._definition(stored) != definition:
                        return
                    if await self._fire_or_bring_back(stored, definition, snapshot.now):
                        return
        except Sp00kyError as error:
            self._log.count(error)
            logger.warning("schedule %s: this fire is tried again: %s", name, error)
            await asyncio.sleep(AFTER_FAILURE)
        except Exception:  # a bug must not stop the other schedules
            logger.exception("schedule %s: this fire is tried again", name)
            await asyncio.sleep(AFTER_FAILURE)
        finally:
            del self._under_way[name]
            self.signal()

    async def _fire_or_bring_back(
        self, stored: StoredSchedule, definition: ScheduleConfig, now: datetime
    ) -> bool:
        """Do what is due; False: the row has changed meanwhile, and may be due still."""
        if is_due(stored, now):
            return await self._firing.fire(stored, definition, now, Trigger.CRON) is not None
        wanted = brought_back(stored, definition, now)
        if wanted is None:
            return True
        if await self._schedules.change_schedule(ScheduleChange(schedule=wanted)) is None:
            return False
        text = "schedule %s: its next fire was %s ahead, for the database's clock has gone back; it is now %s"
        logger.warning(text, stored.name, (stored.next_fire_at or now) - now, wanted.next_fire_at)
        return True

    async def _wait(self, seconds: float) -> None:
        begin = self._options.clock()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._signalled.wait()
                await asyncio.sleep(AFTER_SIGNAL - (self._options.clock() - begin))
        self._signalled.clear()

    async def _end(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _say_once(self, about: str, text: str) -> None:
        if about not in self._said:
            self._said.add(about)
            logger.warning(text)
