"""``sp00ky workflows`` and ``sp00ky batches``: look at them, and an operator's hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from sp00ky_core import Outbox
from sp00ky_core.cli.command import as_json, command, flag, option, with_settings
from sp00ky_core.cli.logs import say
from sp00ky_core.cli.options import act_options, how_options, limit_option, read_payload
from sp00ky_core.cli.output import aligned, is_terminal, moment, show, show_list
from sp00ky_core.outbox.queries import json_of
from sp00ky_workflows.api.records import BatchRecord, StepRecord, WorkflowRecord
from sp00ky_workflows.api.workflows import Workflows
from sp00ky_workflows.model.graph import StepStatus, WorkflowStatus
from sp00ky_workflows.model.pauses import WAIT

__all__ = ["batches", "workflows"]

WORKFLOW, BATCH = click.argument("workflow"), click.argument("batch")
ENDS = [status.value for status in WorkflowStatus if status not in ("running", "success")]
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
    if step.status is StepStatus.WAITING and not step.waits_for:
        said = "for a signal " if step.path == WAIT else ""
        said += f"until {moment(step.due_at)} (UTC)" if step.due_at else ""
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


@command(workflows, name="retry", short_help="Have workflows go on that have failed.")
@click.argument("workflow", required=False)
@option("--from", "A step that is done again, with all that depends on it.", name="from_step")
@option("--payload", "Of what failed, or of --from, instead: JSON, @FILE or -.", metavar="PAYLOAD")
@option("--status", "All that have ended so.", type=click.Choice(ENDS))
@option("--failed-step", "All in which this step failed first.", metavar="STEP")
@option("--name", "All of one name.")
@option("--limit", "At most so many, the newest.", type=click.IntRange(1))
@how_options
async def retry(
    outbox: Outbox, *, workflow: str | None, from_step: str | None, payload: str | None, **given: Any
) -> None:
    """Have the WORKFLOW go on, or all that --status, --failed-step and --name choose.

    What has failed, and what wasn't done, is done again. Of many their number is shown and asked for first;
    without a terminal, give --yes. Exit 1 if some don't go on.
    """
    api = outbox.extension(Workflows)
    document = None if payload is None else read_payload(payload, "--payload")
    act = {name: given.pop(name) for name in ("reason", "actor")}
    yes, dry_run = given.pop("yes"), given.pop("dry_run")
    is_chosen = any(given[name] for name in ("status", "failed_step", "name"))
    if workflow is not None:
        if is_chosen or dry_run or given["limit"]:
            raise click.UsageError("--status, --failed-step, --name, --limit and --dry-run go without an ID")
        click.echo(_line(await api.retry(workflow, from_step, payload=document, **act)))
        return
    if not is_chosen or from_step:
        raise click.UsageError("name a WORKFLOW, or choose by --status, --failed-step or --name, not --from")
    chosen = {**given, "status": given["status"] or WorkflowStatus.FAILED}
    if not yes or dry_run:
        counted = await api.retry_many(**chosen, dry_run=True)
        if dry_run or not _is_wanted(counted.matched):
            show(json_of(counted), [f"would go on: {counted.matched}"])
            raise SystemExit(0 if dry_run else 1)
    result = await api.retry_many(**chosen, payload=document, **act)
    show(json_of(result), [f"go on: {result.done} of {result.matched}"])
    if result.refused:
        say(f"refused: {result.refused}; the first: {result.problem}")
        raise SystemExit(1)


def _is_wanted(count: int) -> bool:
    """Ask on the terminal. Raises ``click.UsageError`` where there is none to ask on."""
    number = "1 workflow" if count == 1 else f"{count:,} workflows"
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise click.UsageError(f"{number} would go on, and nothing was done: add --yes to do it")
    return click.confirm(f"{number} will go on. Go on?", err=True)


@command(workflows, name="signal", short_help="Give a workflow a signal that a step waits for.")
@WORKFLOW
@click.argument("signal")
@click.argument("payload", required=False)
@act_options
async def signal(outbox: Outbox, *, workflow: str, signal: str, payload: str | None, **act: Any) -> None:
    """Give the WORKFLOW a SIGNAL, with PAYLOAD as JSON, @FILE, or -: the result of the step that waits."""
    given = None if payload is None else read_payload(payload)
    api = outbox.extension(Workflows)
    await api.signal(workflow, signal, given, **act)
    click.echo(_line(await api.get(workflow)))


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
