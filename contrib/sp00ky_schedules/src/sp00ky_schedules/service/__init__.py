"""Fire schedules and look after their runs, as a service of each runner."""

from __future__ import annotations

import asyncio
import logging

from sp00ky_core.ports import ExtensionContext
from sp00ky_schedules.service.firing import Firing
from sp00ky_schedules.service.runs import RunMaintenance
from sp00ky_schedules.service.scheduler import Scheduler

__all__ = ["SchedulesService"]

logger: logging.Logger = logging.getLogger(__name__)


class SchedulesService:
    """What a runner does with the schedules of the backends that it serves: a ``Service``."""

    def __init__(self, context: ExtensionContext) -> None:
        firing = Firing.of(context)
        self._scheduler, self._upkeep = Scheduler(firing), RunMaintenance(firing)
        self._looking: asyncio.Task[None] | None = None

    async def look(self) -> float:
        """Begin the fires that are due; look after the runs beside, which mustn't delay one."""
        wait = await self._scheduler.look()
        if self._upkeep.due_in <= 0 and self._looking is None:
            self._looking = asyncio.create_task(self._look_after())
        return wait if self._looking else min(wait, self._upkeep.due_in)

    async def _look_after(self) -> None:
        try:
            await self._upkeep.look()
        except Exception:  # a bug must not stop the fires
            logger.exception("schedules' runs can't be looked after")
        finally:
            self._looking = None

    async def close(self) -> None:
        """End what it has begun."""
        await self._scheduler.close()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
