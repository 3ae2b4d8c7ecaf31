"""``sp00ky workflows`` and ``sp00ky batches``: look at them, and an operator's hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from sp00ky_core import Outbox
from sp00ky_core.cli.command import command, flag, option
from sp00ky_workflows.api.records import BatchRecord, WorkflowRecord, record_to_json
from sp00ky_workflows.api.workflows import Workflows
from sp00ky_workflows.model.graph import WorkflowStatus

__all__ = ["batches", "workflows"]

WORKFLOW, BATCH = click.argument("workflow"), click.argument("batch")
AS_JSON = flag("--json", "Print JSON.", name="as_json")
LIMIT = option("--limit", "How many at most.", type=click.IntRange(1, 10_000), default=50)


@click.group()
def workflows() -> None:
    """Look at workflows; kill them, and have them go on."""


@click.group()
def batches() -> None:
    """Look at batches of jobs."""


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    texts = [[*columns], *([("" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[n]) for row in texts) for n in range(len(columns))]
    for row in texts:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _line(found: WorkflowRecord) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in found.counts().items())
    failed = f"; {found.failed_step} has failed" if found.failed_step else ""
    return f"{found.id}  {found.name}  {found.status}: {counts}{failed}"


def _show(found: WorkflowRecord, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(record_to_json(found)))
        return
    click.echo(_line(found))
    rows = [
        (step.name, step.status, ", ".join(step.after)[:60], step.job_id, _said(step.result))
        for step in found.steps
    ]
    _table(("step", "status", "after", "job", "result"), rows)


def _said(result: Any) -> str:
    return "" if result is None else json.dumps(result, ensure_ascii=False)[:80]


@command(workflows, name="list", doing="reading the workflows", short_help="List workflows, newest first.")
@option("--name", "Those of one name.", default=None)
@option(
    "--status",
    "Those of one status.",
    type=click.Choice([status.value for status in WorkflowStatus]),
    default=None,
)
@LIMIT
@AS_JSON
async def list_workflows(outbox: Outbox, *, as_json: bool, **asked: Any) -> None:
    """List workflows: their names, how they are, which step has failed, when they began and ended."""
    found = await outbox.extension(Workflows).list(**asked)
    if as_json:
        click.echo(json.dumps({"workflows": [record_to_json(one) for one in found]}))
        return
    rows = [(w.id, w.name, w.status, w.failed_step, _time(w.created_at), _time(w.ended_at)) for w in found]
    _table(("id", "name", "status", "failed step", "created (UTC)", "ended (UTC)"), rows)


def _time(instant: Any) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}" if instant else ""


@command(workflows, name="show", short_help="Show a workflow with its steps.")
@WORKFLOW
@AS_JSON
async def show(outbox: Outbox, *, workflow: str, as_json: bool) -> None:
    """Show the WORKFLOW: its steps with their jobs and results. Exit 1: there is none."""
    _show(await outbox.extension(Workflows).get(workflow), as_json=as_json)


@command(workflows, name="watch", short_help="Follow a workflow until it has ended.")
@WORKFLOW
@AS_JSON
async def watch(outbox: Outbox, *, workflow: str, as_json: bool) -> None:
    """Follow the WORKFLOW, a line for each change. Exit 1: it hasn't succeeded."""
    async for found in outbox.extension(Workflows).watch(workflow):
        click.echo(json.dumps(record_to_json(found)) if as_json else _line(found))
    if found.status is not WorkflowStatus.SUCCESS:
        raise SystemExit(1)


@command(workflows, name="trigger", short_help="Start a workflow of sp00ky.yml.")
@click.argument("name")
@click.argument("given", metavar="[INPUT]", required=False)
async def trigger(outbox: Outbox, *, name: str, given: str | None) -> None:
    """Start the workflow NAME of sp00ky.yml, with INPUT as JSON; print its id."""
    try:
        value = None if given is None else json.loads(given)
    except ValueError as error:
        raise click.UsageError(f"INPUT isn't JSON: {error}") from None
    click.echo((await outbox.extension(Workflows).trigger(name, value)).id)


@command(workflows, name="kill", short_help="Kill a running workflow and its jobs.")
@WORKFLOW
@option("--reason", "Why; it is written down.", default=None)
async def kill(outbox: Outbox, *, workflow: str, reason: str | None) -> None:
    """Kill the WORKFLOW: what is pending is killed, what waits isn't begun, nothing is undone."""
    click.echo(_line(await outbox.extension(Workflows).kill(workflow, reason=reason)))


@command(workflows, name="retry", short_help="Have a workflow go on that has failed.")
@WORKFLOW
@option("--from", "A step that is done again, with all that depends on it.", name="from_step", default=None)
async def retry(outbox: Outbox, *, workflow: str, from_step: str | None) -> None:
    """Have the WORKFLOW go on: what has failed, and what wasn't done, is done again."""
    click.echo(_line(await outbox.extension(Workflows).retry(workflow, from_step)))


@command(workflows, name="rerun", short_help="Start a workflow once more, from the beginning.")
@WORKFLOW
async def rerun(outbox: Outbox, *, workflow: str) -> None:
    """Start a new workflow with the steps and the input of the WORKFLOW; print its id."""
    click.echo((await outbox.extension(Workflows).rerun(workflow)).id)


def _progress(batch: BatchRecord) -> str:
    state = "ended" if batch.ended else "closed" if batch.closed else "open"
    left = batch.size - batch.succeeded - batch.failed
    counts = f"{batch.succeeded} succeeded, {batch.failed} failed, {left} left"
    return f"{batch.name}  {state}: {batch.size} jobs, {counts}"


@command(batches, name="list", doing="reading the batches", short_help="List batches, newest first.")
@LIMIT
@AS_JSON
async def list_batches(outbox: Outbox, *, limit: int, as_json: bool) -> None:
    """List batches with their counts."""
    found = await outbox.extension(Workflows).batches.list(limit=limit)
    if as_json:
        click.echo(json.dumps({"batches": [record_to_json(one) for one in found]}))
        return
    for one in found:
        click.echo(_progress(one))


@command(batches, name="show", short_help="Show how far a batch is.")
@BATCH
@flag("--watch", "Follow it until it has ended.")
@AS_JSON
async def show_batch(outbox: Outbox, *, batch: str, watch: bool, as_json: bool) -> None:
    """Show how far the BATCH is. Exit 1: there is none."""
    async for found in outbox.extension(Workflows).batches.watch(batch):
        click.echo(json.dumps(record_to_json(found)) if as_json else _progress(found))
        if not watch:
            return
