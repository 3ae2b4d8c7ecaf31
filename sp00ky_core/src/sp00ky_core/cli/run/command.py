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
from sp00ky_core.cli.live.deliveries import Deliveries
from sp00ky_core.cli.run.signals import AGAIN, GRACE, stop_order, stop_signal, unless_stopped
from sp00ky_core.cli.run.startup import collect_seldom, open_for_runner
from sp00ky_core.cli.run.workers import Supervisor
from sp00ky_core.cli.terminal.logs import log_options, set_format, set_level
from sp00ky_core.cli.terminal.output import is_terminal
from sp00ky_core.cli.terminal.progress import progress
from sp00ky_core.errors import OptionInvalid, Sp00kyError
from sp00ky_core.outbox import Outbox
from sp00ky_core.runner import Runner, RunnerOptions

DAY = 86_400

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
@log_options
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
    log_format: str,
    log_attempts: bool,
) -> None:
    """Deliver jobs until SIGTERM, SIGINT or SIGHUP, or `sp00ky runners drain`, then drain.

    A second SIGTERM or SIGINT exits at once.
    """
    set_level(log_level)
    set_format(log_format)
    if workers is not None:
        options = [
            f"--grace={grace}",
            f"--poll={poll}",
            f"--log-level={log_level}",
            f"--log-format={log_format}",
        ]
        options += ["--log-attempts"] * log_attempts
        options += [f"--backend={each}" for each in backends] + ["--until-empty"] * until_empty
        context.exit(run_async(_supervise(settings, options, backends, workers, until_empty=until_empty)))
    delivery = RunnerOptions(grace=grace, poll=poll, log_attempts=log_attempts)
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
    seen = None if worker or not is_terminal(sys.stderr) else Deliveries()
    outbox = settings.outbox(seen)
    runner = outbox.runner(options, backends=backends or None)
    if not worker:
        _say_findings(outbox)
    with stop_order() if worker else stop_signal() as stopped, _shown(runner, seen):
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
    ended = {"event": "runner_stopped", "runner_id": runner.runner_id}
    logger.info("stopped: %d delivered, %d failed", runner.succeeded, runner.failed, extra=ended)
    return runner.failed


async def _deliver(
    outbox: Outbox, runner: Runner, stopped: asyncio.Event, *, until_empty: bool, grace: float
) -> None:
    served = ", ".join(runner.backends)
    text, began = (
        "runner %s delivers for %s from %s",
        {"event": "runner_started", "runner_id": runner.runner_id},
    )
    logger.info(text, runner.runner_id, served, outbox.store.location, extra=began)
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


def _shown(runner: Runner, seen: Deliveries | None) -> AbstractContextManager[None]:
    """Show its counts at the foot of the terminal; one of several workers shows nothing."""
    if seen is None:
        return nullcontext()
    return progress(lambda: _counts(runner), lambda: seen.picture(runner.backends))


def _counts(runner: Runner) -> str:
    return f"{runner.succeeded} delivered, {runner.failed} failed, {runner.in_flight} in flight"


async def _until(runner: Runner, stopped: asyncio.Event, *, until_empty: bool) -> None:
    end = runner.until_empty() if until_empty else stopped.wait()
    await unless_stopped(stopped, unless_stopped(runner.drain_requested, end))
