"""Look after workflows and batches in a runner: at once where it has settled a job, else by an index."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

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
) -> tuple[list[WorkflowRecord], set[str]]:
    """Write down how jobs of steps have ended, in one transaction with the ends of workflows.

    Args:
        context: The extension's.
        outcomes: Of jobs.
        ending: Workflows that may have ended by what was committed before.

    Returns:
        Workflows that have ended, and those that may have now.
    """

    async def work(advance: Advance) -> list[WorkflowRecord]:
        ended = await finish(advance, ending)
        await advance.settle(outcomes)
        return ended

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

    async def look(self) -> float:
        """Settle what has ended, begin what can, and now and then search for what was missed."""
        self._firing = self._firing or [asyncio.create_task(schedule.fire()) for schedule in self._schedules]
        heard = self._context.ended()
        steps, members = ({job: heard[job] for job in heard if own(job)} for own in (is_steps, is_members))
        if self._context.clock() >= self._swept + self._interval:
            missed = await self._search()
            steps, members = (
                {**dict.fromkeys(missed.steps), **steps},
                {**dict.fromkeys(missed.members), **members},
            )
        for ids in chunks(members, AT_ONCE):
            await self._settle_members({job: members[job] for job in ids})
        for ids in chunks(steps, AT_ONCE):
            await self._settle({job: steps[job] for job in ids})
        if self._ending and not steps:
            await self._settle({})
        left = self._swept + self._interval - self._context.clock()
        return 0.0 if self._ending else max(left, 0.0)

    async def close(self) -> None:
        """Start no more workflows by schedules; each look leaves everything in order."""
        for task in self._firing:
            task.cancel()
        await asyncio.gather(*self._firing, return_exceptions=True)

    async def _settle(self, heard: Mapping[str, Transition | None]) -> None:
        outcomes = await self._outcomes(heard)
        if outcomes or self._ending:
            ended, self._ending = await settle(self._context, outcomes, self._ending)
            for workflow in ended:
                logger.info("workflow %s (%s) has ended: %s", workflow.id, workflow.name, workflow.status)
                await self._context.observe("sp00ky_workflow_ended", workflow=workflow)

    async def _outcomes(self, heard: Mapping[str, Transition | None]) -> Outcomes:
        outcomes = await outcomes_of(self._context, heard)
        if any(heard[job_id] is None for job_id in outcomes):  # nobody has heard of it: there may be more
            self._interval = CATCHING_UP
        return outcomes

    async def _settle_members(self, heard: Mapping[str, Transition | None]) -> None:
        for ended in await settle_members(self._context, await self._outcomes(heard)):
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
