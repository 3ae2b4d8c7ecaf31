"""``sp00ky run``: a runner as a process of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import click

from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.logs import set_level
from sp00ky_core.cli.progress import progress
from sp00ky_core.outbox import Outbox
from sp00ky_core.runner import Runner, RunnerOptions

__all__ = ["run"]

LEVELS = ("debug", "info", "warning", "error")

logger = logging.getLogger("sp00ky")


@command()
@click.option(
    "--until-empty", is_flag=True, help="End when nothing is pending or processing; 1 if a job failed."
)
@click.option("--grace", type=click.FloatRange(0), default=25.0, show_default=True, help="Seconds to drain.")
@click.option(
    "--poll",
    type=click.FloatRange(0.05),
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
    grace: float,
    poll: float,
    log_level: str,
) -> None:
    """Deliver jobs until SIGTERM or SIGINT, then drain; a second signal exits at once."""
    set_level(log_level)
    options = RunnerOptions(grace=grace, poll=poll)
    failed = run_async(_run(settings, options, until_empty=until_empty))
    context.exit(until_empty and failed > 0)


async def _run(settings: Settings, options: RunnerOptions, *, until_empty: bool) -> int:
    outbox = settings.outbox()
    runner = outbox.runner(options)
    with _stop_signal() as stopped, progress(lambda: _counts(runner)):
        async with outbox, runner:
            _say_started(outbox, runner)
            await _until(runner, stopped, until_empty=until_empty)
            if stopped.is_set():
                grace = f"attempts in flight get {options.grace:g} s"
                logger.info("draining: %s; a second signal exits at once", grace)
    logger.info("stopped: %d delivered, %d failed", runner.succeeded, runner.failed)
    return runner.failed


def _counts(runner: Runner) -> str:
    return f"{runner.succeeded} delivered, {runner.failed} failed, {runner.in_flight} in flight"


def _say_started(outbox: Outbox, runner: Runner) -> None:
    backends = ", ".join(outbox.backends)
    logger.info("runner %s delivers for %s from %s", runner.runner_id, backends, outbox.store.location)


async def _until(runner: Runner, stopped: asyncio.Event, *, until_empty: bool) -> None:
    waits: list[asyncio.Future[object]] = [asyncio.ensure_future(stopped.wait())]
    if until_empty:
        waits.append(asyncio.ensure_future(runner.until_empty()))
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()  # the store's error, if it was that
    finally:
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


@contextmanager
def _stop_signal() -> Iterator[asyncio.Event]:
    """An event that the first signal sets; the second one ends the process."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop(number: signal.Signals) -> None:
        if stopped.is_set():
            os._exit(128 + number)
        stopped.set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield stopped
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
