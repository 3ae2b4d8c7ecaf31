"""Look after workflows and batches in a runner: at once where it has settled a job, else by an index."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from sp00ky_core.errors import Sp00kyError, StoreClosed, StoreUnavailable
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.ports import ExtensionContext, ExtensionTransaction
from sp00ky_core.stores.ids import chunks
from sp00ky_workflows.api.records import WorkflowRecord
from sp00ky_workflows.service.advance import Advance
from sp00ky_workflows.service.batches import settle_members
from sp00ky_workflows.service.finish import end_late, finish, hold
from sp00ky_workflows.service.outcomes import Outcomes, outcomes_of
from sp00ky_workflows.service.sweep import Missed, Sweep
from sp00ky_workflows.service.transactions import advanced, redone
from sp00ky_workflows.tables import WORKFLOWS, is_members, is_steps

__all__ = ["WorkflowService"]

logger: logging.Logger = logging.getLogger(__name__)

SWEEP, SWEEP_OF_OTHERS = 1.0, 3.0
"""Seconds between two searches for what was missed: of the runner that does it first, and of the others."""
IDLE = 2.0
"""Times as many where no workflow runs."""
CATCHING_UP = 0.05
"""Seconds between two searches where the first has found what nobody has heard of."""

AT_ONCE = 500
"""Jobs that have ended and that one transaction takes in."""


FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds for which a workflow that can't go on is put off: doubled each time, up to the longest."""
MOST_PUT_OFF = 10_000
"""Workflows of which it is known; the oldest is forgotten, and tried again."""


@attrs.frozen
class _Work:
    """What one transaction does: how jobs of steps have ended, which workflows may have, what can begin."""

    outcomes: Outcomes = attrs.field(factory=dict)
    ending: frozenset[str] = frozenset()
    ready: frozenset[str] = frozenset()

    def halves(self) -> list[_Work]:
        """Cut it in two; it is empty where nothing is left to cut."""
        parts = [
            *(_Work(outcomes={job: self.outcomes[job] for job in some}) for some in _halved(self.outcomes)),
            *(_Work(ending=frozenset(some)) for some in _halved(self.ending)),
            *(_Work(ready=frozenset(some)) for some in _halved(self.ready)),
        ]
        return parts if len(parts) > 1 else []

    async def do(self, advance: Advance) -> tuple[list[WorkflowRecord], int]:
        """Write down how jobs have ended, in one transaction with the ends of workflows."""
        ended, count = await finish(advance, self.ending), await advance.settle(self.outcomes)
        if self.ready:
            await advance.begin(self.ready)
        return ended, count


def _halved(keys: Collection[str]) -> Iterable[list[str]]:
    return chunks(keys, max(1, (len(keys) + 1) // 2))


class WorkflowService:
    """What each runner runs; any number of them may, for all that they write is compare-and-set."""

    def __init__(self, context: ExtensionContext, schedules: Sequence[Any] = ()) -> None:
        self._context = context
        self._schedules = schedules
        self._firing: list[asyncio.Task[None]] = []
        self._sweep = Sweep()
        self._swept = -SWEEP_OF_OTHERS * IDLE
        self._interval = 0.0
        self._ending: set[str] = set()
        self._ready: set[str] = set()
        self._put_off: dict[str, tuple[float, float]] = {}
        self._heard: dict[str, Transition | None] = {}

    async def look(self) -> float:
        """Settle what has ended, begin what can, and now and then search for what was missed."""
        self._firing = self._firing or [asyncio.create_task(schedule.fire()) for schedule in self._schedules]
        self._heard |= {
            job: how for job, how in self._context.ended().items() if is_steps(job) or is_members(job)
        }
        if self._context.clock() >= self._swept + self._interval:
            missed = await self._search()
            self._heard = {**dict.fromkeys([*missed.steps, *missed.members]), **self._heard}
        for key in [one for one in self._heard if self._is_put_off(one)]:
            del self._heard[key]  # a later search finds it again
        if (self._ending or self._ready) and not self._heard:  # else it is done with what has ended since
            await self._settle({})
        for ids in chunks(self._heard, AT_ONCE):
            heard = {job: self._heard[job] for job in ids}
            await self._settle_members({job: how for job, how in heard.items() if is_members(job)})
            await self._settle({job: how for job, how in heard.items() if is_steps(job)})
            for job in ids:
                del self._heard[job]  # not before: what fails is done with the next look
        left = self._swept + self._interval - self._context.clock()
        return 0.0 if self._ending or self._ready else max(left, 0.0)

    async def close(self) -> None:
        """Start no more workflows by schedules; each look leaves everything in order."""
        for task in self._firing:
            task.cancel()
        await asyncio.gather(*self._firing, return_exceptions=True)

    async def _settle(self, heard: Mapping[str, Transition | None]) -> None:
        outcomes = await outcomes_of(self._context, heard)
        ending, ready = (
            frozenset(one for one in some if not self._is_put_off(one))
            for some in (self._ending, self._ready)
        )
        self._ending, self._ready = set(), set()
        count = await self._do(_Work(outcomes, ending, ready)) if outcomes or ending or ready else 0
        if count and None in heard.values():  # nobody has heard of some: there may be more
            self._interval = CATCHING_UP

    async def _do(self, work: _Work) -> int:
        """Do some work in one transaction, or in parts where it fails, down to that which is at fault."""
        try:
            (ended, count), advance = await advanced(self._context, work.do)
        except StoreClosed:
            raise
        except Sp00kyError as error:
            if isinstance(error, StoreUnavailable):  # that of a transaction which takes too long, too
                await self._context.read(_reached)
            halves = work.halves()
            if not halves:
                await self._hold(work, error)
            return sum([await self._do(half) for half in halves])
        self._ending |= advance.ending
        self._ready |= advance.left
        for workflow in ended:
            logger.info("workflow %s (%s) has ended: %s", workflow.id, workflow.name, workflow.status)
            await self._context.observe("sp00ky_workflow_ended", workflow=workflow)
        for key in (*work.outcomes, *work.ending, *work.ready) if self._put_off else ():
            self._put_off.pop(key, None)
        return count

    def _is_put_off(self, key: str) -> bool:
        return key in self._put_off and self._context.clock() < self._put_off[key][0]

    async def _hold(self, work: _Work, error: Sp00kyError) -> None:
        """Put off what can't be written, longer each time, and name its workflow; the others go on."""
        for key in (*work.outcomes, *work.ending, *work.ready):
            _, pause = self._put_off.pop(key, (0.0, FIRST_PAUSE / 2))
            pause = min(2 * pause, LONGEST_PAUSE)
            self._put_off[key] = self._context.clock() + pause, pause
            logger.error("what follows from %s can't be written, next try in %g s: %s", key, pause, error)
            await self._context.transact(partial(hold, key=key, why=str(error)))
        for oldest in [*self._put_off][:-MOST_PUT_OFF]:
            del self._put_off[oldest]

    async def _settle_members(self, heard: Mapping[str, Transition | None]) -> None:
        outcomes = await outcomes_of(self._context, heard)
        if outcomes and None in heard.values():
            self._interval = CATCHING_UP
        for ended in await settle_members(self._context, outcomes):
            await self._context.observe("sp00ky_batch_ended", batch=ended)

    async def _search(self) -> Missed:
        """Find what was missed, and stop what is late."""
        self._swept = self._context.clock()
        missed = await self._context.read(self._sweep.search)
        first = self._context.share("workflows")
        self._interval = (SWEEP if first else SWEEP_OF_OTHERS) * (1 if missed.running else IDLE)
        self._ending |= missed.ending
        self._ready |= missed.ready
        if missed.late:
            await redone(self._context, partial(end_late, late=missed.late))
        for ids in chunks(missed.stopped):
            await self._context.jobs.kill(ids, reason="deadline_exceeded, or killed: its workflow has ended")
        return missed


async def _reached(tx: ExtensionTransaction) -> None:
    """Read a row. Raises ``StoreUnavailable`` where it isn't one workflow that fails, but the database."""
    await tx.select(WORKFLOWS, limit=1, columns=("id",))
