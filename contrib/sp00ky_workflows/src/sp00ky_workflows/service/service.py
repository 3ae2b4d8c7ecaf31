"""Look after workflows and batches in a runner: at once where it has settled a job, else by an index."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import partial

from sp00ky_core.errors import Sp00kyError, StoreClosed, StoreUnavailable
from sp00ky_core.ports import ExtensionContext, ExtensionTransaction
from sp00ky_workflows.service.batches import settle_members
from sp00ky_workflows.service.begin import AT_ONCE, READY, begin, refuse
from sp00ky_workflows.service.finish import end_late, finish
from sp00ky_workflows.service.jobs import redone, settle_jobs
from sp00ky_workflows.service.rows import Beaten, chunks
from sp00ky_workflows.service.sweep import Missed, Sweep
from sp00ky_workflows.tables import STEPS, is_members, is_steps

__all__ = ["WorkflowService"]

logger: logging.Logger = logging.getLogger(__name__)

SWEEP, SWEEP_OF_OTHERS = 1.0, 3.0
"""Seconds between two searches for what was missed: of the runner that does it first, and of the others."""
IDLE = 2.0
"""Times as many where no workflow runs."""

CATCHING_UP = 0.05
"""Seconds between two searches where the first has found what nobody has heard of."""


class WorkflowService:
    """What each runner runs; any number of them may, for all that they write is compare-and-set."""

    def __init__(self, context: ExtensionContext) -> None:
        self._context = context
        self._sweep = Sweep()
        self._swept = -SWEEP_OF_OTHERS * IDLE
        self._interval = 0.0

    async def look(self) -> float:
        """Settle what has ended, begin what can, and now and then search for what was missed."""
        heard = self._context.ended()
        steps = [*filter(is_steps, heard)]
        ending, may_begin = await self._settle(steps, filter(is_members, heard)), bool(steps)
        if (left := self._swept + self._interval - self._context.clock()) <= 0:
            may_begin |= await self._search(ending)
            left = self._interval
        more = may_begin and await self._begin(ending)
        await self._finish(ending)
        return 0.0 if more else left

    async def close(self) -> None:
        """End nothing: each look leaves everything in order."""

    async def _settle(self, step_jobs: Iterable[str], member_jobs: Iterable[str]) -> set[str]:
        ending = set[str]()
        for ids in chunks(step_jobs):
            ending |= await settle_jobs(self._context, ids)
        for ids in chunks(member_jobs):
            await self._settle_members(ids, heard=True)
        return ending

    async def _settle_members(self, ids: Sequence[str], *, heard: bool) -> int:
        ended_batches, count = await settle_members(self._context, ids, heard=heard)
        for ended in ended_batches:
            await self._context.observe("sp00ky_batch_ended", batch=ended)
        return count

    async def _search(self, ending: set[str]) -> bool:
        """Do what was missed; return whether steps may begin."""
        self._swept = self._context.clock()
        missed = await self._context.read(self._sweep.search)
        first = self._context.share("workflows")
        self._interval = (SWEEP if first else SWEEP_OF_OTHERS) * (1 if missed.running else IDLE)
        await self._stop(missed)
        ending |= missed.ending | await self._settle(missed.steps, ())
        for ids in chunks(missed.members):
            if await self._settle_members(ids, heard=False):
                self._interval = CATCHING_UP
        return missed.ready or bool(missed.steps)

    async def _stop(self, missed: Missed) -> None:
        """Begin nothing more in workflows whose deadline is over, and kill what is pending there."""
        if missed.late:
            await redone(self._context, partial(end_late, late=missed.late))
        for ids in chunks(missed.stopped):
            await self._context.jobs.kill(ids, reason="deadline_exceeded, or killed: its workflow has ended")

    async def _begin(self, ending: set[str]) -> bool:
        """Begin the steps that can; return whether there may be more."""
        try:
            begun = await redone(self._context, partial(begin, backends=self._context.backends))
        except Beaten:
            return True
        except (StoreUnavailable, StoreClosed):
            raise
        except Sp00kyError:
            return await self._begin_each(ending)
        ending |= begun.ending
        return len(begun.steps) == AT_ONCE

    async def _begin_each(self, ending: set[str]) -> bool:
        """Begin steps one by one, for there is one among them whose job is refused."""

        async def ready(tx: ExtensionTransaction) -> Sequence[tuple[str, str]]:
            rows = await tx.select(STEPS, READY, limit=AT_ONCE, columns=("workflow_id", "name"))
            return [(row["workflow_id"], row["name"]) for row in rows]

        places = await self._context.read(ready)
        for place in places:
            try:
                one = partial(begin, backends=self._context.backends, only=place)
                ending |= (await redone(self._context, one)).ending
            except (StoreUnavailable, StoreClosed):
                raise
            except Sp00kyError as error:
                logger.warning("step %s of workflow %s can't begin: %s", place[1], place[0], error)
                ending |= await redone(self._context, partial(refuse, place=place, error=error))
        return len(places) == AT_ONCE

    async def _finish(self, ending: set[str]) -> None:
        for ids in chunks(ending):
            for ended in await redone(self._context, partial(finish, workflows=ids)):
                logger.info("workflow %s (%s) has ended: %s", ended.id, ended.name, ended.status)
                await self._context.observe("sp00ky_workflow_ended", workflow=ended)
