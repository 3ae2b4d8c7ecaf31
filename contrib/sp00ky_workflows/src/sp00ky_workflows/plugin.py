"""Register the extension, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sp00ky_core import hookimpl
from sp00ky_core.ports import ExtensionContext, Finding, Service, Table
from sp00ky_workflows.api.workflows import Workflows
from sp00ky_workflows.tables import TABLES

if TYPE_CHECKING:
    import click

__all__ = ["WorkflowsExtension"]


class WorkflowsExtension:
    """Workflows and batches, under the key ``workflows`` of sp00ky.yml; see ``Extension``."""

    options: type | None = None
    tables: Sequence[Table] = TABLES
    api = Workflows

    def start(self, context: ExtensionContext) -> Service:
        """See ``Extension.start``."""
        from sp00ky_workflows.service.service import WorkflowService  # noqa: PLC0415  # for runners

        return WorkflowService(context)

    def commands(self) -> Mapping[str, click.Command]:
        """See ``Extension.commands``."""
        return {}

    def pages(self) -> Sequence[Any]:
        """See ``Extension.pages``."""
        return ()

    async def findings(self, context: ExtensionContext) -> list[Finding]:
        """See ``Extension.findings``."""
        return []

    async def retention(self, context: ExtensionContext) -> int:
        """See ``Extension.retention``."""
        return 0


@hookimpl
def sp00ky_register_extensions() -> Mapping[str, WorkflowsExtension]:
    """Register workflows."""
    return {"workflows": WorkflowsExtension()}
