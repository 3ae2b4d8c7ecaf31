"""Fire what is due, each schedule in one runner where it can be."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.errors import Sp00kyError
from sp00ky_schedules.model.config import ScheduleConfig
from sp00ky_schedules.model.definition import (
    brought_back,
    can_not_fire,
    defined,
    definition_of,
    is_due,
    next_fire,
)
from sp00ky_schedules.model.records import ScheduleChange, ScheduleSnapshot, StoredSchedule, Trigger
from sp00ky_schedules.service.firing import Firing
from sp00ky_schedules.tables import Decisions


def tables_of(backends: Mapping[str, Backend]) -> dict[str, str]:
    """Return the job table of each backend, by its name."""
    return {name: backend.table.table for name, backend in backends.items()}


def decisions_of(
    schedules: Mapping[str, ScheduleConfig],
    backends: Mapping[str, Backend],
    *,
    origin: str = "file",
    only_new: bool = False,
) -> Decisions:
    """Return what decides how the rows of schedules are to be, as ``defined`` does."""
    tables, decide = tables_of(backends), partial(defined, origin=origin, only_new=only_new)
    return {
        name: partial(decide, schedule, job_table=tables.get(schedule.backend))
        for name, schedule in schedules.items()
    }


Share = Callable[[str, str | None], bool]
"""Tells whether a key of a backend is a runner's own: see ``ExtensionContext.share``."""


def own_of(share: Share, snapshot: ScheduleSnapshot) -> set[str]:
    """Return the names of a runner's own schedules.

    Where runners don't see the same fleet, the guard of a change keeps them apart, and what its runner
    doesn't do in time the others do.
    """
    stored = snapshot.schedules.items()
    return {name for name, schedule in stored if share(name, str(schedule.definition.get("backend")))}


def everything(_: str, __: str | None) -> bool:
    """Tell that a schedule is one's own, whose ever it is."""
    return True


logger: logging.Logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Fires at a time: a slow query holds up no other schedule."""

SHORTEST_WAIT = 0.002
"""Seconds between two looks, where the database's clock is a little behind."""

POLL = 5.0
"""Seconds between two looks, where nothing signals."""

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


@attrs.define(eq=False, slots=False)
class Scheduler:
    """Fires the schedules that this process can fire.

    Args:
        firing: What fires one.
        poll: Seconds between two looks, where nothing signals.
        random: Uniform in [0, 1).
    """

    _firing: Firing
    _poll: float = POLL
    _random: Callable[[], float] = random.random

    def __attrs_post_init__(self) -> None:
        self._context, self._tables = self._firing.context, self._firing.tables
        schedules = self._context.options.schedules.items()
        self._definitions = {name: of for name, of in schedules if of.backend in self._firing.backends}
        self._looked_at, self._next_at = -math.inf, -math.inf
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._read: dict[tuple[str, str], ScheduleConfig | None] = {}  # by name and hash
        self._right: dict[str, tuple[datetime | None, datetime]] = {}  # next fire, and when it was right
        self._said: set[str] = set()
        self._has_defined = False
        self._reading = asyncio.Lock()
        self._snapshot: ScheduleSnapshot | None = None
        self._read_at = 0.0

    async def look(self) -> float:
        """Begin what is due; seconds until there may be more.

        Each new job wakes the runner's services: what they wait for here comes once in ``AFTER_SIGNAL``.
        """
        await asyncio.sleep(min(self._looked_at + AFTER_SIGNAL, self._next_at) - self._context.clock())
        self._looked_at = self._context.clock()
        if not self._has_defined:
            new = decisions_of(self._definitions, self._firing.backends, only_new=True)
            await self._tables.define(new)
        snapshot = await self._latest(0.0)
        if not self._has_defined:
            self._has_defined = True
            self._say_what_differs(snapshot)
        wait = self._begin(snapshot)
        self._next_at = self._context.clock() + wait
        return wait

    def _say_what_differs(self, snapshot: ScheduleSnapshot) -> None:
        """Say which of the file's definitions the database has had before, and has no more."""
        for name, definition in self._definitions.items():
            stored = snapshot.schedules.get(name)
            if stored is None or stored.removed:
                problem = "was removed from the database"
            elif stored.hash != definition.hash:
                problem = "fires as a later definition in the database says"
            else:
                continue
            fix = "if it is to be as this process's file says, run: sp00ky schedules sync"
            logger.warning("schedule %r %s; %s", name, problem, fix)

    async def _latest(self, fresh: float = FRESH) -> ScheduleSnapshot:
        """Read the schedules, unless it was done just now: fires that begin together share what is read."""
        async with self._reading:
            if self._snapshot is None or self._context.clock() - self._read_at >= fresh:
                self._snapshot = await self._tables.schedules()
                self._read_at = self._context.clock()
            return self._snapshot

    def _begin(self, snapshot: ScheduleSnapshot) -> float:
        """Begin what is due; seconds until more may be."""
        wait = self._poll * (0.9 + 0.2 * self._random())
        own, rows = own_of(self._context.share, snapshot), list(snapshot.schedules.items())
        start = int(self._random() * len(rows))  # so that runners rarely begin with the same one
        for name, stored in rows[start:] + rows[:start]:
            if can_not_fire(stored) or stored.next_fire_at is None or name in self._under_way:
                continue
            definition = self._definition(stored)
            if definition is None:
                continue
            turn = stored.next_fire_at + (timedelta() if name in own else HEAD_START)
            if turn <= snapshot.now or not self._is_right(stored, definition, snapshot.now):
                fire = self._fire(name, definition, is_own=name in own)
                self._under_way[name] = asyncio.create_task(fire)
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

    def _definition(self, stored: StoredSchedule) -> ScheduleConfig | None:
        key = (stored.name, stored.hash)
        if key not in self._read:
            self._read[key] = definition_of(stored)
        definition, problem = self._read[key], ""
        if definition is None:
            problem = "its definition can't be read"
        elif not self._firing.can_fire(stored, definition):
            if self._firing.knows(stored, definition):
                problem = "its query isn't one of this process's file"
            definition = None
        if problem:
            self._say_once(stored.name, f"schedule {stored.name!r} isn't fired here: {problem}")
        return definition

    async def _fire(self, name: str, definition: ScheduleConfig, *, is_own: bool) -> None:
        try:
            async with self._slots:
                if definition.for_each is not None and not is_own:
                    await asyncio.sleep(APART * self._random())
                for fresh in (FRESH, 0.0, 0.0):  # another runner may have fired it meanwhile
                    snapshot = await self._latest(fresh)
                    stored = snapshot.schedules.get(name)
                    if stored is None or self._definition(stored) != definition:
                        return
                    if await self._fire_or_bring_back(stored, definition, snapshot.now):
                        return
        except Sp00kyError as error:
            logger.warning("schedule %s: this fire is tried again: %s", name, error)
            await asyncio.sleep(AFTER_FAILURE)
        except Exception:  # a bug must not stop the other schedules
            logger.exception("schedule %s: this fire is tried again", name)
            await asyncio.sleep(AFTER_FAILURE)
        finally:
            del self._under_way[name]
            self._context.wake()

    async def _fire_or_bring_back(
        self, stored: StoredSchedule, definition: ScheduleConfig, now: datetime
    ) -> bool:
        """Do what is due; False: the row has changed meanwhile, and may be due still."""
        if is_due(stored, now):
            return await self._firing.fire(stored, definition, now, Trigger.CRON) is not None
        wanted = brought_back(stored, definition, now)
        if wanted is None:
            return True
        if await self._tables.change_schedule(ScheduleChange(schedule=wanted)) is None:
            return False
        text = "schedule %s: its next fire was %s ahead, for the database's clock has gone back; it is now %s"
        logger.warning(text, stored.name, (stored.next_fire_at or now) - now, wanted.next_fire_at)
        return True

    async def close(self) -> None:
        """Cancel the fires, again with each cancellation of this: a ``TaskGroup`` would pass on the first."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _say_once(self, about: str, text: str) -> None:
        if about not in self._said:
            self._said.add(about)
            logger.warning(text)
