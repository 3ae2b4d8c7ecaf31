"""Register the extension and the hook that it declares, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from sp00ky_core import hookimpl
from sp00ky_core.errors import SchemaError
from sp00ky_core.plugins.hookspecs import hookspec
from sp00ky_core.ports import ActOptions, Extension, ExtensionContext, Finding, Gauge, Service, Spared, Table
from sp00ky_schedules.api import Schedules
from sp00ky_schedules.findings import metrics
from sp00ky_schedules.model.config import SchedulesConfig
from sp00ky_schedules.model.records import RunQuery, ScheduleRun
from sp00ky_schedules.service import SchedulesService
from sp00ky_schedules.service.firing import Firing
from sp00ky_schedules.service.runs import RunMaintenance, reopen_runs
from sp00ky_schedules.tables import SCHEDULE_RUNS, SCHEDULES, ScheduleTables

if TYPE_CHECKING:
    import click

__all__ = ["SchedulesExtension"]


class SchedulesExtension:
    """What reads ``schedules:``, fires them, and follows the jobs that they have made."""

    options: type | None = SchedulesConfig
    tables: Sequence[Table] = (SCHEDULES, SCHEDULE_RUNS)
    api: Callable[[Any], Any] = Schedules

    def start(self, context: ExtensionContext) -> Service:
        """See ``Extension.start``."""
        return SchedulesService(context)

    def commands(self) -> Mapping[str, click.Command]:
        """See ``Extension.commands``."""
        from sp00ky_schedules.commands import schedules  # noqa: PLC0415  # runners and applications need none

        return {"schedules": schedules}

    def pages(self) -> Sequence[Any]:
        """See ``Extension.pages``."""
        from sp00ky_schedules.pages import PAGES  # noqa: PLC0415  # it needs the dashboard

        return PAGES

    async def findings(self, context: ExtensionContext) -> list[Finding]:
        """See ``Extension.findings``."""
        return [*await Schedules(context).check()]

    async def metrics(self, context: ExtensionContext) -> Sequence[Gauge]:
        """See ``GivesMetrics.metrics``."""
        return await metrics(context)

    async def retention(self, context: ExtensionContext) -> int:
        """Delete old runs, all that there are."""
        await _maintenance(context).prune()
        return 0

    async def planned(self, context: ExtensionContext) -> list[str]:
        """See ``SyncsFile.planned``."""
        result = await Schedules(context).plan()
        does = {"defines": result.defined, "removes": result.removed}
        return [
            f"schedule {name}: sp00ky migrate {verb} it" for verb, names in does.items() for name in names
        ]

    async def sync(self, context: ExtensionContext, **act: Unpack[ActOptions]) -> list[str]:
        """See ``SyncsFile.sync``."""
        return (await Schedules(context).sync_migrated(**act)).lines

    async def spared(self, context: ExtensionContext) -> Sequence[Spared]:
        """See ``FollowsJobs.spared``: jobs whose runs say how long they are kept."""
        try:
            names = await _maintenance(context).close_runs()
        except SchemaError:  # there are no tables yet
            names = ()
        return [Spared(SCHEDULE_RUNS, "job_id", "schedule", tuple(names))] if names else []

    async def retried(self, context: ExtensionContext, job_ids: Sequence[str]) -> None:
        """See ``FollowsJobs.retried``: their runs go on."""
        await reopen_runs(context, job_ids)

    async def left(self, context: ExtensionContext, job_ids: Sequence[str]) -> Mapping[str, int]:
        """See ``FollowsJobs.left``."""
        runs = await ScheduleTables(context).runs(RunQuery(job_ids=tuple(job_ids), limit=None))
        return {"schedule_runs": len(runs)}

    async def forget(self, context: ExtensionContext, job_ids: Sequence[str]) -> None:
        """See ``FollowsJobs.forget``."""
        await ScheduleTables(context).forget_runs(job_ids)


def _maintenance(context: ExtensionContext) -> RunMaintenance:
    return RunMaintenance(Firing.of(context))


@hookimpl
def sp00ky_register_extensions() -> Mapping[str, Extension]:
    """Register the extension by the key that it reads."""
    return {"schedules": SchedulesExtension()}


@hookspec
def sp00ky_schedule_fired(schedule: str, runs: Sequence[ScheduleRun]) -> None:
    """Observe a fire, by the clock or by hand: its runs, also those that were skipped or failed at once.

    Fires after the commit, once in the whole fleet: in the process that wrote it. (Not at all where the reply
    to that write was lost.) The return value is ignored. Raising changes nothing.
    """
