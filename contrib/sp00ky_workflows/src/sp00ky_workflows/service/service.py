"""Look after workflows and batches in a runner: at once where it has settled a job, else by an index."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sp00ky_core.errors import Sp00kyError, StoreClosed, StoreUnavailable
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.ports import ExtensionContext
from sp00ky_core.stores.ids import chunks
from sp00ky_workflows.api.records import WorkflowRecord
from sp00ky_workflows.service.advance import Advance
from sp00ky_workflows.service.batches import settle_members
from sp00ky_workflows.service.finish import end_late, finish
from sp00ky_workflows.service.outcomes import Outcomes, outcomes_of
from sp00ky_workflows.service.sweep import Missed, Sweep
from sp00ky_workflows.service.transactions import advanced, redone
from sp00ky_workflows.tables import is_members, is_steps

__all__ = ["WorkflowService", "settle"]

logger: logging.Logger = logging.getLogger(__name__)

SWEEP, SWEEP_OF_OTHERS = 1.0, 3.0
"""Seconds between two searches for what was missed: of the runner that does it first, and of the others."""
IDLE = 2.0
"""Times as many where no workflow runs."""
CATCHING_UP = 0.05
"""Seconds between two searches where the first has found what nobody has heard of."""

AT_ONCE = 500
"""Jobs that have ended and that one transaction takes in."""


async def settle(
    context: ExtensionContext, outcomes: Outcomes, ending: set[str]
) -> tuple[tuple[list[WorkflowRecord], int], set[str]]:
    """Write down how jobs of steps have ended, in one transaction with the ends of workflows.

    Args:
        context: The extension's.
        outcomes: Of jobs.
        ending: Workflows that may have ended by what was committed before.

    Returns:
        Workflows that have ended, how many steps have, and workflows that may have now.
    """

    async def work(advance: Advance) -> tuple[list[WorkflowRecord], int]:
        return await finish(advance, ending), await advance.settle(outcomes)

    return await advanced(context, work)


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
        if self._ending and not self._heard:  # else it is done with what has ended since
            await self._settle({})
        for ids in chunks(self._heard, AT_ONCE):
            heard = {job: self._heard[job] for job in ids}
            await self._settle_members({job: how for job, how in heard.items() if is_members(job)})
            await self._settle({job: how for job, how in heard.items() if is_steps(job)})
            for job in ids:
                del self._heard[job]  # not before: what fails is done with the next look
        left = self._swept + self._interval - self._context.clock()
        return 0.0 if self._ending else max(left, 0.0)

    async def close(self) -> None:
        """Start no more workflows by schedules; each look leaves everything in order."""
        for task in self._firing:
            task.cancel()
        await asyncio.gather(*self._firing, return_exceptions=True)

    async def _settle(self, heard: Mapping[str, Transition | None]) -> None:
        outcomes = await outcomes_of(self._context, heard)
        if not (outcomes or self._ending):
            return
        try:
            (ended, count), self._ending = await settle(self._context, outcomes, self._ending)
        except (StoreUnavailable, StoreClosed):
            raise
        except Sp00kyError as error:  # the database refuses something of it: the others go on
            if len(outcomes) <= 1:
                of = next(iter(outcomes), None) or sorted(self._ending)
                logger.error("what follows from %s can't be written: %s", of, error)  # noqa: TRY400
                self._ending = set()
            for some in chunks(heard, (len(heard) + 1) // 2) if len(outcomes) > 1 else ():
                await self._settle({job: heard[job] for job in some})
            return
        if count and None in heard.values():  # nobody has heard of some: there may be more
            self._interval = CATCHING_UP
        for workflow in ended:
            logger.info("workflow %s (%s) has ended: %s", workflow.id, workflow.name, workflow.status)
            await self._context.observe("sp00ky_workflow_ended", workflow=workflow)

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
        if missed.late:
            await redone(self._context, partial(end_late, late=missed.late))
        for ids in chunks(missed.stopped):
            await self._context.jobs.kill(ids, reason="deadline_exceeded, or killed: its workflow has ended")
        return missed
