"""``sp00ky run``: deliver jobs in a process of its own, or in several."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, suppress
from http import HTTPStatus
from ipaddress import ip_address
from random import random
from typing import Any

import attrs
import click

from sp00ky_core.cli.check import configuration_findings
from sp00ky_core.cli.command import Settings, command, flag, option, run_async
from sp00ky_core.cli.logs import FORMATS, LEVELS, set_format, set_level
from sp00ky_core.cli.options import ADDRESS, WORKERS, backend_names, seconds
from sp00ky_core.cli.output import progress
from sp00ky_core.cli.processes import Reports, Supervisor, reporting
from sp00ky_core.cli.signals import AGAIN, GRACE, stop_order, stop_signal, unless_stopped
from sp00ky_core.errors import MetricsMissing, OptionInvalid, SchemaError, Sp00kyError, StoreUnavailable
from sp00ky_core.observe.metrics import Answer, Measures, TextServer, refuse_unmeasured
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.runner import Runner, RunnerOptions
from sp00ky_core.stores.subscription import Backoff
from sp00ky_health import address_of

__all__ = ["run"]


DAY = 86_400

logger: logging.Logger = logging.getLogger("sp00ky")


@command(short_help="Deliver jobs until stopped.")
@flag("--until-empty", "End when nothing is pending or processing; 1 if a job failed.")
@option(
    "--backend",
    "Serve this backend only, with those that share its table; repeat it for several.",
    name="backends",
    shell_complete=backend_names,
    multiple=True,
    metavar="NAME",
)
@option(
    "--workers",
    "Run so many processes under this one, `auto`: one for each CPU; those that die are started again.",
    type=WORKERS,
    metavar="N",
)
@click.option("--worker", is_flag=True, hidden=True)  # what such a process is started with
@click.option("--report", is_flag=True, hidden=True)  # ... where the parent wants to know what it counts
@option(
    "--listen",
    "Serve /livez, /readyz and /metrics there, by default on 127.0.0.1.",
    type=ADDRESS,
    metavar="[HOST:]PORT",
    envvar="SP00KY_LISTEN",
)
@flag("--metrics-routes", "Label the attempts in /metrics with their route, too.")
@option("--grace", "Seconds to drain.", type=seconds(0, DAY), default=GRACE)
@option("--poll", "Seconds between claims when nothing wakes it.", type=seconds(0.05, DAY), default=5.0)
@option("--log-level", "The least severe records to log.", type=click.Choice(LEVELS), default="info")
@option(
    "--log-format",
    "Log each record as a line of text, or of JSON.",
    type=click.Choice(FORMATS),
    default="text",
)
@flag("--log-attempts", "Log each attempt; else those that fail, and some of those that are repeated.")
def run(settings: Settings, *, log_level: str, log_format: str, **options: Any) -> int:
    """Deliver jobs until SIGTERM, SIGINT or SIGHUP, or `sp00ky runners drain`, then drain.

    A second SIGTERM or SIGINT exits at once.
    """
    set_level(log_level)
    set_format(log_format)
    order = Order(**options)
    if order.workers is not None:
        logs = (f"--log-level={log_level}", f"--log-format={log_format}")
        return run_async(_supervise(settings, order, order.workers, logs))
    failed = run_async(_run(settings, order))
    return int(order.until_empty and failed > 0)


@attrs.frozen(kw_only=True)
class Order:
    """Carries what is asked of ``run``.

    Attributes:
        until_empty: End when nothing is pending or processing.
        backends: Serve these only; empty: all.
        workers: Run so many processes; None: this one.
        worker: This process is one of several, under a parent.
        report: The parent wants to know what it counts.
        listen: Where health and metrics are served.
        metrics_routes: Label attempts with their route, too.
        grace: Seconds that attempts in flight get to end.
        poll: Seconds between claims when nothing wakes it.
        log_attempts: Log each attempt.
    """

    until_empty: bool
    backends: tuple[str, ...]
    workers: int | None
    worker: bool
    report: bool
    listen: str | None
    metrics_routes: bool
    grace: float
    poll: float
    log_attempts: bool

    def arguments(self) -> list[str]:
        """Return the arguments of a worker."""
        flags = {
            "--until-empty": self.until_empty,
            "--report": self.listen is not None,
            "--log-attempts": self.log_attempts,
        }
        served = [f"--backend={name}" for name in self.backends]
        return [f"--grace={self.grace}", f"--poll={self.poll}", *served, *filter(flags.get, flags)]


async def _supervise(settings: Settings, order: Order, count: int, logs: Sequence[str]) -> int:
    outbox = settings.outbox()
    if not outbox.store.capabilities.shared:
        expected = f"no such option: one process alone can have {outbox.store.location}"
        raise OptionInvalid(option="--workers", value=str(count), expected=expected)
    outbox.runner(backends=order.backends or None)  # says what can't be run, once
    python = (sys.executable, "-P", "-m", "sp00ky_core")
    program = (*python, *settings.arguments(), "run", "--worker", *order.arguments(), *logs)
    reports = None if order.listen is None else Reports()
    own = {"SP00KY_LISTEN", "NOTIFY_SOCKET"}  # of this process, not of its workers
    environment = {name: value for name, value in settings.environment().items() if name not in own}
    supervisor = Supervisor(
        command=program, environment=environment, count=count, once=order.until_empty, reports=reports
    )
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
        opening = asyncio.create_task(_done(lambda: stack.enter_async_context(outbox), patient=True))
        async with notified():
            yield
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)


async def _run(settings: Settings, order: Order) -> int:
    outbox = settings.outbox()
    options = RunnerOptions(grace=order.grace, poll=order.poll, log_attempts=order.log_attempts)
    runner = outbox.runner(options, backends=order.backends or None)
    async with _watched(outbox, runner, order) as stopped, AsyncExitStack() as stack:
        opening = open_for_runner(stack, outbox, runner.runner_id, patient=not order.until_empty)
        await unless_stopped(stopped, opening)
        if stopped.is_set():
            with suppress(Sp00kyError, TimeoutError):  # it may have beaten once
                async with asyncio.timeout(1.0):
                    await outbox.store.remove_runner(runner.runner_id)
        else:
            begin = await stack.enter_async_context(reporting(runner)) if order.report else None
            await stack.enter_async_context(runner)
            if order.worker:
                click.echo(runner.runner_id)
            if begin is not None:
                begin()
            await _deliver(outbox, runner, stopped, order)
    ended = {"event": "runner_stopped", "runner_id": runner.runner_id}
    logger.info("stopped: %d delivered, %d failed", runner.succeeded, runner.failed, extra=ended)
    return runner.failed


@asynccontextmanager
async def _watched(outbox: Outbox, runner: Runner, order: Order) -> AsyncIterator[asyncio.Event]:
    """Yield an event that is set when the runner is to stop; meanwhile whoever asks sees what it does."""
    if order.worker:
        with stop_order() as stopped:
            yield stopped
        return
    async with listening(order.listen, outbox.measures, routes=order.metrics_routes), notified():
        _say_findings(outbox)
        with stop_signal() as stopped, _shown(runner):
            yield stopped


async def _deliver(outbox: Outbox, runner: Runner, stopped: asyncio.Event, order: Order) -> None:
    served = ", ".join(runner.backends)
    text = "runner %s delivers for %s from %s"
    began = {"event": "runner_started", "runner_id": runner.runner_id}
    logger.info(text, runner.runner_id, served, outbox.store.location, extra=began)
    collect_seldom()
    await _until(runner, stopped, until_empty=order.until_empty)
    if runner.drain_requested.is_set():
        logger.info("draining, as an operator asks: attempts in flight get %g s", order.grace)
    elif stopped.is_set():
        logger.info("draining: attempts in flight get %g s; %s", order.grace, AGAIN)


def _say_findings(outbox: Outbox) -> None:
    for finding in configuration_findings(outbox):
        logger.warning("%s: %s; %s", finding.subject, finding.problem, finding.consequence)


def _shown(runner: Runner) -> AbstractContextManager[None]:
    """Show the runner's counts at the foot of the terminal."""

    def counts() -> str:
        return f"{runner.succeeded} delivered, {runner.failed} failed, {runner.in_flight} in flight"

    return progress(counts)


async def _until(runner: Runner, stopped: asyncio.Event, *, until_empty: bool) -> None:
    end = runner.until_empty() if until_empty else stopped.wait()
    await unless_stopped(stopped, unless_stopped(runner.drain_requested, end))


LONGEST_WAIT = 5.0
"""Seconds between two tries."""

YOUNG = 10_000
"""New objects after which Python's garbage collector looks at them. By default 700: a claim of 200 jobs makes
more, which are freed without it, and looking at them took a seventh of a runner's time."""


async def open_for_runner(stack: AsyncExitStack, outbox: Outbox, runner_id: str, *, patient: bool) -> None:
    """Open the outbox, whose end becomes the stack's, for a runner, which beats for the first time.

    Raises:
        StoreUnavailable: the database can't be reached; never where ``patient``.
        SchemaError: ``check`` found what would stop jobs.
        StoreError: what else the database says.
    """
    await _done(lambda: stack.enter_async_context(outbox), patient=patient)
    await _refuse_what_stops_jobs(outbox)
    # A pooler may answer for a database that can't be reached.
    await _done(lambda: outbox.store.beat(runner_id), patient=patient)


async def _done(work: Callable[[], Awaitable[object]], *, patient: bool) -> None:
    """Do what needs the database; where ``patient``, again and again until it can be reached."""
    backoff, has_waited = Backoff(random, first=0.5, limit=LONGEST_WAIT), False
    while True:
        try:
            await work()
            break
        except StoreUnavailable as error:
            if not patient:
                raise
            text = "the database can't be reached, it is tried again: %s"
            logger.warning(text, error, extra={"event": "store_lost"})
            has_waited = True
            await backoff.wait()
    if has_waited:
        logger.warning("the database is back", extra={"event": "store_back"})


async def _refuse_what_stops_jobs(outbox: Outbox) -> None:
    try:
        found = await outbox.check()
    except StoreUnavailable as error:  # perhaps only of what listens: the runner does without
        logger.warning("whether jobs can run isn't known: %s", error)
        return
    for finding in found:
        if finding.breaks_promise:
            logger.warning(
                "%s: %s; %s: %s", finding.subject, finding.problem, finding.consequence, finding.fix
            )
    findings = [finding for finding in found if finding.stops_jobs]
    for finding in findings[:1]:
        more = f" ({len(findings) - 1} more, see: sp00ky check)" if findings[1:] else ""
        problem = f"{finding.subject}: {finding.problem}; {finding.fix}{more}"
        raise SchemaError(store=outbox.store.location, problem=problem)


def collect_seldom() -> None:
    """Let Python's garbage collector look seldom; for a process that does nothing but run."""
    gc.freeze()  # what was made at the start stays
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

EXPECTED = {
    errno.EADDRINUSE: "a port that no other process has",
    errno.EADDRNOTAVAIL: "an address of this host, such as 127.0.0.1 or 0.0.0.0",
    errno.EACCES: "a port that this user may have: 1024 or above",
}


@asynccontextmanager
async def listening(address: str | None, measures: Measures, *, routes: bool = False) -> AsyncIterator[None]:
    """Serve ``/livez``, ``/readyz`` and ``/metrics``, where an address is given.

    Raises:
        OptionInvalid: it can't be listened on.
    """
    if address is None:
        yield
        return
    server = TextServer(_pages(measures, routes=routes))
    host, port = address_of(address)
    try:
        port = await server.open(host, port)
    except (OSError, UnicodeError) as error:
        raise OptionInvalid(option="--listen", value=address, expected=_expected(error)) from error
    try:
        _log_address(host, port)
        yield
    finally:
        await server.close()


def _expected(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):  # a name that is longer than names can be
        return "a host's name or address"
    return EXPECTED.get(error.errno or 0) or f"an address to listen on: {error.strerror}"


def _pages(measures: Measures, *, routes: bool) -> dict[str, Callable[[], Awaitable[Answer]]]:
    async def livez() -> Answer:
        return Answer("alive\n")  # the loop runs, or this wouldn't

    async def readyz() -> Answer:
        if measures.is_ready:
            return Answer("ready\n")
        problem = "not ready: it drains, or its database isn't reached\n"
        if names := ", ".join(sorted(measures.stuck)):
            why = "each place is kept by a call that outlived its timeout; restart it"
            problem = f"not ready: {names}: {why}\n"
        return Answer(problem, HTTPStatus.SERVICE_UNAVAILABLE)

    async def metrics() -> Answer:
        try:
            return Answer(await measures.text(routes=routes), kind=PROMETHEUS)
        except MetricsMissing as error:
            return Answer(f"{error}\n", HTTPStatus.NOT_IMPLEMENTED)

    return {"/livez": livez, "/readyz": readyz, "/metrics": metrics}


def _log_address(host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    others = "" if _is_loopback(host) else ", for other hosts too"
    logger.info("health and metrics: http://%s:%d/readyz, /livez, /metrics%s", shown, port, others)
    try:
        refuse_unmeasured()
    except MetricsMissing as error:
        logger.warning("/metrics has nothing: %s", error)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@asynccontextmanager
async def notified(environment: Mapping[str, str] = os.environ) -> AsyncIterator[None]:
    """Tell systemd that the process is up; alive, as long as the event loop runs; at last that it stops.

    Does nothing where no systemd started it.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.setblocking(False)
        _send(notify, address, "READY=1")
        watchdog = asyncio.create_task(_watchdog(notify, address, _interval(environment)))
        try:
            yield
        finally:
            _send(notify, address, "STOPPING=1")
            watchdog.cancel()
            await asyncio.gather(watchdog, return_exceptions=True)


def _interval(environment: Mapping[str, str]) -> float:
    """Return the seconds between two signs of life, half of what systemd waits for; 0: it waits for none."""
    wanted = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 2e6 if wanted and text.isdecimal() else 0.0


async def _watchdog(notify: socket.socket, address: str, interval: float) -> None:
    while interval:
        _send(notify, address, "WATCHDOG=1")
        await asyncio.sleep(interval)


def _send(notify: socket.socket, address: str, state: str) -> None:
    with suppress(OSError):  # a systemd that doesn't listen stops no delivery
        notify.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
