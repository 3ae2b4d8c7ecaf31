"""``sp00ky run``: a runner as a process of its own."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from typing import Any

import attrs
import click

from sp00ky_core.cli.arguments import ADDRESS, WORKERS, Seconds, backend_names
from sp00ky_core.cli.check import configuration_findings
from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.live.deliveries import Deliveries
from sp00ky_core.cli.run.probes import listening
from sp00ky_core.cli.run.reports import Reports, reporting
from sp00ky_core.cli.run.signals import AGAIN, GRACE, stop_order, stop_signal, unless_stopped
from sp00ky_core.cli.run.startup import collect_seldom, open_for_runner, open_store
from sp00ky_core.cli.run.systemd import notified
from sp00ky_core.cli.run.workers import Supervisor
from sp00ky_core.cli.terminal.logs import log_options, set_format, set_level
from sp00ky_core.cli.terminal.output import is_terminal
from sp00ky_core.cli.terminal.progress import progress
from sp00ky_core.errors import OptionInvalid, Sp00kyError
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import Runners, needed
from sp00ky_core.runner import Runner, RunnerOptions
from sp00ky_core.scheduler.findings import definition_findings

DAY = 86_400

logger: logging.Logger = logging.getLogger("sp00ky")


@command(short_help="Deliver jobs until stopped.")
@click.option(
    "--until-empty", is_flag=True, help="End when nothing is pending or processing; 1 if a job failed."
)
@click.option(
    "--backend",
    "backends",
    shell_complete=backend_names,
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
@click.option("--report", is_flag=True, hidden=True)  # ... where the parent wants to know what it counts
@click.option(
    "--listen",
    type=ADDRESS,
    metavar="[HOST:]PORT",
    envvar="SP00KY_LISTEN",
    help="Serve /livez, /readyz and /metrics there, by default on 127.0.0.1.",
)
@click.option("--metrics-routes", is_flag=True, help="Label the attempts in /metrics with their route, too.")
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
    workers: int | None,
    grace: float,
    poll: float,
    log_level: str,
    log_format: str,
    log_attempts: bool,
    **options: Any,
) -> None:
    """Deliver jobs until SIGTERM, SIGINT or SIGHUP, or `sp00ky runners drain`, then drain.

    A second SIGTERM or SIGINT exits at once.
    """
    set_level(log_level)
    set_format(log_format)
    order = Order(**options)
    if workers is not None:
        arguments = [f"--grace={grace}", f"--poll={poll}", *order.arguments()]
        arguments += [f"--log-level={log_level}", f"--log-format={log_format}"]
        arguments += ["--log-attempts"] * log_attempts
        context.exit(run_async(_supervise(settings, order, arguments, workers)))
    delivery = RunnerOptions(grace=grace, poll=poll, log_attempts=log_attempts)
    failed = run_async(_run(settings, order, delivery))
    context.exit(order.until_empty and failed > 0)


@attrs.frozen(kw_only=True)
class Order:
    """Carry what is asked of ``run``, but for the numbers.

    Attributes:
        until_empty: End when nothing is pending or processing.
        backends: Serve these only; empty: all.
        worker: This process is one of several, under a parent.
        report: The parent wants to know what it counts.
        listen: Where health and metrics are served.
        metrics_routes: Label attempts with their route, too.
    """

    until_empty: bool
    backends: tuple[str, ...]
    worker: bool
    report: bool
    listen: str | None
    metrics_routes: bool

    def arguments(self) -> list[str]:
        """Return the arguments of a worker."""
        served = [f"--backend={each}" for each in self.backends]
        return [*served, *["--until-empty"] * self.until_empty, *["--report"] * (self.listen is not None)]


async def _supervise(settings: Settings, order: Order, arguments: Sequence[str], count: int) -> int:
    outbox = settings.outbox()
    if not outbox.store.capabilities.shared:
        expected = f"no such option: one process alone can have {outbox.store.location}"
        raise OptionInvalid(option="--workers", value=str(count), expected=expected)
    outbox.runner(backends=order.backends or None)  # says what can't be run, once
    program = [
        sys.executable,
        "-P",
        "-m",
        "sp00ky_core",
        *settings.arguments(),
        "run",
        "--worker",
        *arguments,
    ]
    reports = None if order.listen is None else Reports()
    own = {"SP00KY_LISTEN", "NOTIFY_SOCKET"}  # of this process, not of its workers
    environment = {name: value for name, value in settings.environment().items() if name not in own}
    supervisor = Supervisor(program, environment, count, once=order.until_empty, reports=reports)
    async with _seen(outbox, order, reports):
        _say_findings(outbox)
        return await supervisor.run()


@asynccontextmanager
async def _seen(outbox: Outbox, order: Order, reports: Reports | None) -> AsyncIterator[None]:
    """Serve ``--listen`` with what the workers report, and the numbers of a queue that is opened for it."""
    if reports is None:
        async with notified():
            yield
        return
    outbox.measures.add(reports.counters, reports)
    async with (
        listening(order.listen, outbox.measures, routes=order.metrics_routes),
        AsyncExitStack() as stack,
    ):
        opening = asyncio.create_task(open_store(stack, outbox, patient=True))
        async with notified():
            yield
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)


async def _run(settings: Settings, order: Order, options: RunnerOptions) -> int:
    seen = None if order.worker or not is_terminal(sys.stderr) else Deliveries()
    outbox = settings.outbox(seen)
    runner = outbox.runner(options, backends=order.backends or None)
    async with _watched(outbox, runner, order, seen) as stopped, AsyncExitStack() as stack:
        opening = open_for_runner(stack, outbox, runner.runner_id, patient=not order.until_empty)
        await unless_stopped(stopped, opening)
        if stopped.is_set():
            await _remove_row(outbox, runner)
        else:
            begin = await stack.enter_async_context(reporting(runner)) if order.report else None
            await stack.enter_async_context(runner)
            if order.worker:
                click.echo(runner.runner_id)
            if begin is not None:
                begin()
            await _deliver(outbox, runner, stopped, until_empty=order.until_empty, grace=options.grace)
    ended = {"event": "runner_stopped", "runner_id": runner.runner_id}
    logger.info("stopped: %d delivered, %d failed", runner.succeeded, runner.failed, extra=ended)
    return runner.failed


@asynccontextmanager
async def _watched(
    outbox: Outbox, runner: Runner, order: Order, seen: Deliveries | None
) -> AsyncIterator[asyncio.Event]:
    """Give what is set when it is to stop; meanwhile whoever asks sees what it does."""
    if order.worker:
        with stop_order() as stopped:
            yield stopped
        return
    async with listening(order.listen, outbox.measures, routes=order.metrics_routes), notified():
        _say_findings(outbox)
        with stop_signal() as stopped, _shown(runner, seen):
            yield stopped


async def _deliver(
    outbox: Outbox, runner: Runner, stopped: asyncio.Event, *, until_empty: bool, grace: float
) -> None:
    served = ", ".join(runner.backends)
    text = "runner %s delivers for %s from %s"
    began = {"event": "runner_started", "runner_id": runner.runner_id}
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
            await needed(outbox.store, Runners, "row of a runner").remove_runner(runner.runner_id)


def _say_findings(outbox: Outbox) -> None:
    for each in (
        *configuration_findings(outbox),
        *definition_findings(outbox.config, outbox.backends),
    ):
        logger.warning("%s: %s; %s", each.subject, each.problem, each.consequence)


def _shown(runner: Runner, seen: Deliveries | None) -> AbstractContextManager[None]:
    """Show its counts at the foot of the terminal."""
    if seen is None:
        return nullcontext()
    return progress(lambda: _counts(runner), lambda: seen.picture(runner.backends))


def _counts(runner: Runner) -> str:
    return f"{runner.succeeded} delivered, {runner.failed} failed, {runner.in_flight} in flight"


async def _until(runner: Runner, stopped: asyncio.Event, *, until_empty: bool) -> None:
    end = runner.until_empty() if until_empty else stopped.wait()
    await unless_stopped(stopped, unless_stopped(runner.drain_requested, end))
