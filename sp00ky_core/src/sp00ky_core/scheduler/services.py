"""Join what a runner does for schedules: fire them, and look after their runs."""

from __future__ import annotations

import attrs

from sp00ky_core.config import Config
from sp00ky_core.runner.maintenance.store_log import StoreLog
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.scheduler.firing import Firing
from sp00ky_core.scheduler.run_maintenance import RunMaintenance
from sp00ky_core.scheduler.scheduler import Scheduler
from sp00ky_core.scheduler.share import Place

__all__ = ["ScheduleServices"]


@attrs.frozen
class ScheduleServices:
    """Runs beside a runner's claims.

    Attributes:
        scheduler: Fires what is due.
        upkeep: Writes down how runs have ended.
    """

    scheduler: Scheduler
    upkeep: RunMaintenance

    @classmethod
    def of(
        cls, firing: Firing, config: Config, options: RunnerOptions, place: Place, log: StoreLog
    ) -> ScheduleServices:
        """Make them for the backends of ``firing``, with the schedules that a file has of these."""
        own = {name: each for name, each in config.schedules.items() if each.backend in firing.backends}
        upkeep = RunMaintenance(firing, config.retention, options, place, log)
        return cls(Scheduler(firing, own, options, place, log), upkeep)
