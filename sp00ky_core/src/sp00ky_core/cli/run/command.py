"""``sp00ky run``: a runner as a process of its own."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext, suppress

import click

from sp00ky_core.cli.arguments import WORKERS, Seconds
from sp00ky_core.cli.check import configuration_findings
from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.run.signals import AGAIN, GRACE, stop_order, stop_signal, unless_stopped
from sp00ky_core.cli.run.startup import collect_seldom, open_for_runner
from sp00ky_core.cli.run.workers import Supervisor
from sp00ky_core.cli.terminal.logs import set_level
from sp00ky_core.cli.terminal.progress import progress
from sp00ky_core.errors import OptionInvalid, Sp00kyError
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
@click.option(
    "--workers",
    type=WORKERS,
    metavar="N",
    help="Run so many processes under this one, `auto`: one for each CPU; those that die are started again.",
)
@click.option("--worker", is_flag=True, hidden=True)  # what such a process is started with
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
    workers: int | None,
    worker: bool,
    grace: float,
    poll: float,
    log_level: str,
) -> None:
    """Deliver jobs until SIGTERM, SIGINT or SIGHUP, or `sp00ky runners drain`, then drain.

    A second SIGTERM or SIGINT exits at once.
    """
    set_level(log_level)
    if workers is not None:
        options = [f"--grace={grace}", f"--poll={poll}", f"--log-level={log_level}"]
        options += [f"--backend={each}" for each in backends] + ["--until-empty"] * until_empty
        context.exit(run_async(_supervise(settings, options, backends, workers, until_empty=until_empty)))
    delivery = RunnerOptions(grace=grace, poll=poll)
    failed = run_async(_run(settings, delivery, backends, until_empty=until_empty, worker=worker))
    context.exit(until_empty and failed > 0)


async def _supervise(
    settings: Settings, options: Sequence[str], backends: Sequence[str], count: int, *, until_empty: bool
) -> int:
    outbox = settings.outbox()
    if not outbox.store.capabilities.shared:
        expected = f"no such option: one process alone can have {outbox.store.location}"
        raise OptionInvalid(option="--workers", value=str(count), expected=expected)
    outbox.runner(backends=backends or None)  # says what can't be run, once
    _say_findings(outbox)
    command = [sys.executable, "-P", "-m", "sp00ky_core", *settings.arguments(), "run", "--worker", *options]
    return await Supervisor(command, settings.environment(), count, once=until_empty).run()


async def _run(
    settings: Settings, options: RunnerOptions, backends: Sequence[str], *, until_empty: bool, worker: bool
) -> int:
    outbox = settings.outbox()
    runner = outbox.runner(options, backends=backends or None)
    if not worker:
        _say_findings(outbox)
    with stop_order() if worker else stop_signal() as stopped, _shown(runner, worker=worker):
        async with AsyncExitStack() as stack:
            opening = open_for_runner(stack, outbox, runner.runner_id, patient=not until_empty)
            await unless_stopped(stopped, opening)
            if stopped.is_set():
                await _remove_row(outbox, runner)
            else:
                await stack.enter_async_context(runner)
                if worker:
                    click.echo(runner.runner_id)
                await _deliver(outbox, runner, stopped, until_empty=until_empty, grace=options.grace)
    logger.info("stopped: %d delivered, %d failed", runner.succeeded, runner.failed)
    return runner.failed


async def _deliver(
    outbox: Outbox, runner: Runner, stopped: asyncio.Event, *, until_empty: bool, grace: float
) -> None:
    served = ", ".join(runner.backends)
    logger.info("runner %s delivers for %s from %s", runner.runner_id, served, outbox.store.location)
    collect_seldom()
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


def _say_findings(outbox: Outbox) -> None:
    for each in configuration_findings(outbox):
        logger.warning("%s: %s; %s", each.subject, each.problem, each.consequence)


def _shown(runner: Runner, *, worker: bool) -> AbstractContextManager[None]:
    """Show its counts at the foot of the terminal; one of several workers shows nothing."""
    return nullcontext() if worker else progress(lambda: _counts(runner))


def _counts(runner: Runner) -> str:
    return f"{runner.succeeded} delivered, {runner.failed} failed, {runner.in_flight} in flight"


async def _until(runner: Runner, stopped: asyncio.Event, *, until_empty: bool) -> None:
    end = runner.until_empty() if until_empty else stopped.wait()
    await unless_stopped(stopped, unless_stopped(runner.drain_requested, end))
