"""``sp00ky run``: a runner as a process of its own."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

import click

from sp00ky_core.cli.arguments.durations import Seconds
from sp00ky_core.cli.check import configuration_findings
from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.run.signals import AGAIN, GRACE, stop_signal, unless_stopped
from sp00ky_core.cli.run.startup import open_for_runner
from sp00ky_core.cli.terminal.logs import set_level
from sp00ky_core.cli.terminal.progress import progress
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.outbox import Outbox
from sp00ky_core.runner import Runner, RunnerOptions

DAY = 86_400
LEVELS = ("debug", "info", "warning", "error")

logger = logging.getLogger("sp00ky")


@command(short_help="Deliver jobs until stopped.")
@click.option(
    "--until-empty", is_flag=True, help="End when nothing is pending or processing; 1 if a job failed."
)
@click.option(
    "--backend",
    "backends",
    multiple=True,
    metavar="NAME",
    help="Serve this backend only, with those that share its table; repeat it for several.",
)
@click.option("--grace", type=Seconds(0, DAY), default=GRACE, show_default=True, help="Seconds to drain.")
@click.option(
    "--poll",
    type=Seconds(0.05, DAY),
    default=5.0,
    show_default=True,
    help="Seconds between claims when nothing wakes it.",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.pass_context
def run(
    context: click.Context,
    /,
    settings: Settings,
    *,
    until_empty: bool,
    backends: tuple[str, ...],
    grace: float,
    poll: float,
    log_level: str,
) -> None:
    """Deliver jobs until SIGTERM, SIGINT or SIGHUP, or `sp00ky runners drain`, then drain.

    A second SIGTERM or SIGINT exits at once.
    """
    set_level(log_level)
    options = RunnerOptions(grace=grace, poll=poll)
    failed = run_async(_run(settings, options, backends or None, until_empty=until_empty))
    context.exit(until_empty and failed > 0)


async def _run(
    settings: Settings, options: RunnerOptions, backends: Sequence[str] | None, *, until_empty: bool
) -> int:
    outbox = settings.outbox()
    runner = outbox.runner(options, backends=backends)
    for each in configuration_findings(outbox):
        logger.warning("%s: %s; %s", each.subject, each.problem, each.consequence)
    with stop_signal() as stopped, progress(lambda: _counts(runner)):
        async with AsyncExitStack() as stack:
            opening = open_for_runner(stack, outbox, runner.runner_id, patient=not until_empty)
            await unless_stopped(stopped, opening)
            if stopped.is_set():
                await _remove_row(outbox, runner)
            else:
                await stack.enter_async_context(runner)
                await _deliver(outbox, runner, stopped, until_empty=until_empty, grace=options.grace)
    logger.info("stopped: %d delivered, %d failed", runner.succeeded, runner.failed)
    return runner.failed


async def _deliver(
    outbox: Outbox, runner: Runner, stopped: asyncio.Event, *, until_empty: bool, grace: float
) -> None:
    served = ", ".join(runner.backends)
    logger.info("runner %s delivers for %s from %s", runner.runner_id, served, outbox.store.location)
    gc.freeze()  # what was made at the start stays: a collection needn't look at it (7 us per job)
    await _until(runner, stopped, until_empty=until_empty)
    if runner.drain_requested.is_set():
        logger.info("draining, as an operator asks: attempts in flight get %g s", grace)
    elif stopped.is_set():
        logger.info("draining: attempts in flight get %g s; %s", grace, AGAIN)


async def _remove_row(outbox: Outbox, runner: Runner) -> None:
    """Remove the row of a runner that has beaten and is stopped before it has started."""
    with suppress(Sp00kyError, TimeoutError):
        async with asyncio.timeout(1.0):
            await outbox.store.remove_runner(runner.runner_id)


def _counts(runner: Runner) -> str:
    return f"{runner.succeeded} delivered, {runner.failed} failed, {runner.in_flight} in flight"


async def _until(runner: Runner, stopped: asyncio.Event, *, until_empty: bool) -> None:
    end = runner.until_empty() if until_empty else stopped.wait()
    await unless_stopped(stopped, unless_stopped(runner.drain_requested, end))
