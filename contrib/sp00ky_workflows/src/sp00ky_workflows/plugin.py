"""Register the extension, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sp00ky_core import hookimpl
from sp00ky_core.plugins.hookspecs import hookspec
from sp00ky_core.ports import ExtensionContext, Finding, Service, Table
from sp00ky_workflows.api.records import BatchRecord, WorkflowRecord
from sp00ky_workflows.api.workflows import Workflows
from sp00ky_workflows.errors import WorkflowInvalid
from sp00ky_workflows.model.file import read_workflow
from sp00ky_workflows.service.retention import prune
from sp00ky_workflows.tables import TABLES

if TYPE_CHECKING:
    import click

__all__ = ["WorkflowsExtension"]


class WorkflowsExtension:
    """Workflows and batches, under the key ``workflows`` of sp00ky.yml; see ``Extension``."""

    options: type | None = None
    tables: Sequence[Table] = TABLES
    api: Callable[[Any], Any] = Workflows

    def start(self, context: ExtensionContext) -> Service:
        """See ``Extension.start``."""
        from sp00ky_workflows.service.service import WorkflowService  # noqa: PLC0415  # for runners

        return WorkflowService(context)

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
        found = list[Finding]()
        for name, raw in (context.options or {}).items():
            try:
                unused = ", ".join(read_workflow(name, raw).unused)
            except WorkflowInvalid as error:
                problem, fix = f"{error.step}: {error.problem}", "mend the file"
                found.append(Finding.warning(f"workflows.{name}", problem, "it can't be started", fix))
                continue
            if unused:
                problem, fix = f"{unused}: no schedule starts it", "start it by `sp00ky workflows trigger`"
                found.append(Finding.warning(f"workflows.{name}", problem, "it starts by hand alone", fix))
        return found

    async def retention(self, context: ExtensionContext) -> int:
        """See ``Extension.retention``."""
        return await context.transact(partial(prune, kept=context.retention))


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
