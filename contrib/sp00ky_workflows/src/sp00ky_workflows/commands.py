"""``sp00ky workflows`` and ``sp00ky batches``: look at them, and an operator's hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from sp00ky_core import Outbox
from sp00ky_core.cli.command import as_json, command, flag, option, with_settings
from sp00ky_core.cli.options import act_options, limit_option, read_payload
from sp00ky_core.cli.output import aligned, moment, show, show_list
from sp00ky_core.outbox.queries import json_of
from sp00ky_workflows.api.records import BatchRecord, StepRecord, WorkflowRecord
from sp00ky_workflows.api.workflows import Workflows
from sp00ky_workflows.model.graph import WorkflowStatus

__all__ = ["batches", "workflows"]

WORKFLOW, BATCH = click.argument("workflow"), click.argument("batch")
STATUSES = click.Choice([status.value for status in WorkflowStatus])
COLUMNS = (
    "id",
    "name",
    "status",
    "failed step",
    "created (UTC)",
    "ended (UTC)",
    "held up since (UTC)",
    "why",
)


@click.group()
@with_settings
def workflows() -> None:
    """Look at workflows; kill them, and have them go on."""


@click.group()
@with_settings
def batches() -> None:
    """Look at batches of jobs."""


def _line(found: WorkflowRecord) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in found.counts().items())
    failed = f"; {found.failed_step} has failed" if found.failed_step else ""
    held = f"; held up: {found.held}" if found.held else ""
    return f"{found.id}  {found.name}  {found.status}: {counts}{failed}{held}"


def _row(found: WorkflowRecord) -> Sequence[Any]:
    return (
        found.id,
        found.name,
        found.status,
        found.failed_step,
        moment(found.created_at),
        moment(found.ended_at),
        moment(found.held_since),
        (found.held or "")[:80],
    )


def _step_row(step: StepRecord) -> Sequence[Any]:
    said = "" if step.result is None else json.dumps(step.result, ensure_ascii=False)[:80]
    return step.name, step.status, ", ".join(step.after)[:60], step.job_id, said


def _show(found: WorkflowRecord) -> None:
    rows = aligned(("step", "status", "after", "job", "result"), map(_step_row, found.steps))
    show(json_of(found), [_line(found), *rows])


@command(workflows, name="list", doing="reading the workflows", short_help="List workflows, newest first.")
@option("--name", "Those of one name.")
@option("--status", "Those of one status.", type=STATUSES)
@limit_option(50, "Workflows to list.")
@as_json
async def list_workflows(outbox: Outbox, **asked: Any) -> None:
    """List workflows: their names, how they are, which step has failed, when they began and ended."""
    show_list("workflows", await outbox.extension(Workflows).list(**asked), json_of, COLUMNS, _row)


@command(workflows, name="show", short_help="Show a workflow with its steps.")
@WORKFLOW
@as_json
async def show_workflow(outbox: Outbox, *, workflow: str) -> None:
    """Show the WORKFLOW: its steps with their jobs and results. Exit 1: there is none."""
    _show(await outbox.extension(Workflows).get(workflow))


@command(workflows, name="watch", short_help="Follow a workflow until it has ended.")
@WORKFLOW
@as_json
async def watch(outbox: Outbox, *, workflow: str) -> None:
    """Follow the WORKFLOW, a line for each change. Exit 1: it hasn't succeeded."""
    async for found in outbox.extension(Workflows).watch(workflow):
        show(json_of(found), [_line(found)])
    if found.status is not WorkflowStatus.SUCCESS:
        raise SystemExit(1)


@command(workflows, name="trigger", short_help="Start a workflow of sp00ky.yml.")
@click.argument("name")
@click.argument("given", metavar="[INPUT]", required=False)
@act_options
async def trigger(outbox: Outbox, *, name: str, given: str | None, **act: Any) -> None:
    """Start the workflow NAME of sp00ky.yml, with INPUT as JSON, @FILE, or -; print its id."""
    value = None if given is None else read_payload(given, "INPUT")
    click.echo((await outbox.extension(Workflows).trigger(name, value, **act)).id)


@command(workflows, name="kill", short_help="Kill a running workflow and its jobs.")
@WORKFLOW
@act_options
async def kill(outbox: Outbox, *, workflow: str, **act: Any) -> None:
    """Kill the WORKFLOW: what is pending is killed, what waits isn't begun, nothing is undone."""
    click.echo(_line(await outbox.extension(Workflows).kill(workflow, **act)))


@command(workflows, name="retry", short_help="Have a workflow go on that has failed.")
@WORKFLOW
@option("--from", "A step that is done again, with all that depends on it.", name="from_step")
@act_options
async def retry(outbox: Outbox, *, workflow: str, **act: Any) -> None:
    """Have the WORKFLOW go on: what has failed, and what wasn't done, is done again."""
    click.echo(_line(await outbox.extension(Workflows).retry(workflow, **act)))


@command(workflows, name="rerun", short_help="Start a workflow once more, from the beginning.")
@WORKFLOW
@act_options
async def rerun(outbox: Outbox, *, workflow: str, **act: Any) -> None:
    """Start a new workflow with the steps and the input of the WORKFLOW; print its id."""
    click.echo((await outbox.extension(Workflows).rerun(workflow, **act)).id)


def _progress(batch: BatchRecord) -> Sequence[Any]:
    state = "ended" if batch.ended else "closed" if batch.closed else "open"
    left = batch.size - batch.succeeded - batch.failed
    return batch.name, state, batch.size, batch.succeeded, batch.failed, left


def _said(batch: BatchRecord) -> str:
    return "{}  {}: {} jobs, {} succeeded, {} failed, {} left".format(*_progress(batch))


@command(batches, name="list", doing="reading the batches", short_help="List batches, newest first.")
@limit_option(50, "Batches to list.")
@as_json
async def list_batches(outbox: Outbox, *, limit: int) -> None:
    """List batches with their counts."""
    columns = ("name", "state", "jobs", "succeeded", "failed", "left")
    show_list(
        "batches", await outbox.extension(Workflows).batches.list(limit=limit), json_of, columns, _progress
    )


@command(batches, name="show", short_help="Show how far a batch is.")
@BATCH
@flag("--watch", "Follow it until it has ended.")
@as_json
async def show_batch(outbox: Outbox, *, batch: str, watch: bool) -> None:
    """Show how far the BATCH is. Exit 1: there is none."""
    async for found in outbox.extension(Workflows).batches.watch(batch):
        show(json_of(found), [_said(found)])
        if not watch:
            return
