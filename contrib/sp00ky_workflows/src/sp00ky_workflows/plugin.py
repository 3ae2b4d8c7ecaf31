"""Register the extension, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Unpack

from sp00ky_core import hookimpl
from sp00ky_core.plugins.hookspecs import hookspec
from sp00ky_core.ports import ActOptions, ExtensionContext, Finding, Gauge, Service, Table
from sp00ky_workflows.api.records import BatchRecord, WorkflowRecord
from sp00ky_workflows.api.workflows import Workflows
from sp00ky_workflows.calls import problem_of
from sp00ky_workflows.errors import WorkflowInvalid
from sp00ky_workflows.model.file import read_workflow
from sp00ky_workflows.service.in_flight import in_flight, metrics
from sp00ky_workflows.service.retention import prune
from sp00ky_workflows.tables import TABLES

if TYPE_CHECKING:
    import click

__all__ = ["WorkflowsExtension"]

_HAS_SCHEDULES = find_spec("sp00ky_schedules") is not None


class WorkflowsExtension:
    """Workflows and batches, under the key ``workflows`` of sp00ky.yml; see ``Extension``."""

    options: type | None = None
    tables: Sequence[Table] = TABLES
    api: Callable[[Any], Any] = Workflows

    def start(self, context: ExtensionContext) -> Service:
        """See ``Extension.start``."""
        from sp00ky_workflows.service.service import WorkflowService  # noqa: PLC0415  # for runners

        return WorkflowService(context, _scheduled(context))

    def commands(self) -> Mapping[str, click.Command]:
        """See ``Extension.commands``."""
        from sp00ky_workflows.commands import batches, workflows  # noqa: PLC0415  # for the command line

        return {"workflows": workflows, "batches": batches}

    def pages(self) -> Sequence[Any]:
        """See ``Extension.pages``."""
        from sp00ky_workflows.pages import PAGES  # noqa: PLC0415  # for the dashboard

        return PAGES

    async def findings(self, context: ExtensionContext) -> list[Finding]:
        """See ``Extension.findings``."""
        found = await context.read(partial(in_flight, backends=context.backends))
        left_out = {name: why for one in _scheduled(context) for name, why in one.options.left_out.items()}
        for name, raw in (context.options or {}).items():
            try:
                has_schedule = read_workflow(name, raw).schedule is not None
                _check_operations(name, raw, context.backends)
            except WorkflowInvalid as error:
                said = f"{error.step}: {error.problem}", "it can't be started", "mend the file"
                found.append(Finding.stopping(f"workflows.{name}", *said))
                continue
            else:
                if not has_schedule or (_HAS_SCHEDULES and name not in left_out):
                    continue
                missing = "schedule: nothing here reads it"
                fix = "mend the file" if _HAS_SCHEDULES else "pip install sp00ky-schedules"
                said = left_out.get(name, missing), "it starts by hand alone", fix
            found.append(Finding.warning(f"workflows.{name}", *said))
        return found

    async def metrics(self, context: ExtensionContext) -> Sequence[Gauge]:
        """See ``GivesMetrics.metrics``."""
        return await context.read(metrics)

    async def retention(self, context: ExtensionContext) -> int:
        """See ``Extension.retention``."""
        for scheduled in _scheduled(context):
            await scheduled.extension.retention(scheduled)
        return await context.transact(partial(prune, kept=context.retention))

    async def planned(self, context: ExtensionContext) -> list[str]:
        """See ``SyncsFile.planned``."""
        return [line for one in _scheduled(context) for line in await one.extension.planned(one)]

    async def sync(self, context: ExtensionContext, **act: Unpack[ActOptions]) -> list[str]:
        """See ``SyncsFile.sync``."""
        return [line for one in _scheduled(context) for line in await one.extension.sync(one, **act)]


def _check_operations(name: str, raw: Any, backends: Mapping[str, Any]) -> None:
    """Refuse a step whose operation isn't there. Raises ``WorkflowInvalid``."""
    for step in read_workflow(name, raw).graph.steps:
        if problem := problem_of(step, backends):
            raise WorkflowInvalid(workflow=name, step=step.name, problem=problem)


def _scheduled(context: ExtensionContext) -> list[Any]:
    """Return what schedules of workflows work with; nothing where they aren't installed."""
    if not _HAS_SCHEDULES:
        return []
    from sp00ky_workflows.service.scheduled import Scheduled  # noqa: PLC0415  # it is an extra

    return [Scheduled(context)]


@hookspec
def sp00ky_workflow_ended(workflow: WorkflowRecord) -> None:
    """Observe the end of a workflow, which a runner has written; it comes without its steps.

    Fires after the commit, once in the whole fleet: in the process that wrote it. (Not at all where the reply
    to that write was lost, and not of one that was killed.) The return value is ignored. Raising changes
    nothing.
    """


@hookspec
def sp00ky_batch_ended(batch: BatchRecord) -> None:
    """Observe the end of a batch: all its jobs have ended, and its callback is made.

    Fires after the commit, once in the whole fleet: in the process that wrote it. (Not at all where the reply
    to that write was lost.) The return value is ignored. Raising changes nothing.
    """


@hookimpl
def sp00ky_register_extensions() -> Mapping[str, WorkflowsExtension]:
    """Register workflows."""
    return {"workflows": WorkflowsExtension()}
