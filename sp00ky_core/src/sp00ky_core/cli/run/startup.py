"""Start ``sp00ky run``: connect to the database, for which a service waits and a batch doesn't."""

from __future__ import annotations

import gc
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import random

from sp00ky_core.errors import SchemaError, StoreUnavailable
from sp00ky_core.outbox import Outbox
from sp00ky_core.stores.backoff import Backoff

LONGEST_WAIT = 5.0
"""Seconds between two tries."""

YOUNG = 10_000
"""New objects after which Python's garbage collector looks at them. By default 700: a claim of 200 jobs makes
more, which are freed without it, and looking at them took a seventh of a runner's time."""

logger: logging.Logger = logging.getLogger("sp00ky")


async def open_for_runner(stack: AsyncExitStack, outbox: Outbox, runner_id: str, *, patient: bool) -> None:
    """Open the outbox, whose end becomes the stack's, for a runner, which beats for the first time.

    Raises:
        StoreUnavailable: the database can't be reached; never where ``patient``.
        SchemaError: ``check`` found what would stop jobs.
        StoreError: what else the database says.
    """
    await open_store(stack, outbox, patient=patient)
    await _refuse_what_stops_jobs(outbox)
    # A pooler may answer for a database that can't be reached.
    await _done(lambda: outbox.store.beat(runner_id), patient=patient)


async def open_store(stack: AsyncExitStack, outbox: Outbox, *, patient: bool) -> None:
    """Open the outbox, whose end becomes the stack's. Raises as ``open_for_runner``."""
    await _done(lambda: stack.enter_async_context(outbox), patient=patient)


async def _done(work: Callable[[], Awaitable[object]], *, patient: bool) -> None:
    backoff, has_waited = Backoff(random, first=0.5, limit=LONGEST_WAIT), False
    while True:
        try:
            await work()
        except StoreUnavailable as error:
            if not patient:
                raise
            text = "the database can't be reached, it is tried again: %s"
            logger.warning(text, error, extra={"event": "store_lost"})
            has_waited = True
            await backoff.wait()
        else:
            break
    if has_waited:
        logger.warning("the database is back", extra={"event": "store_back"})


async def _refuse_what_stops_jobs(outbox: Outbox) -> None:
    try:
        findings = [each for each in await outbox.check() if each.stops_jobs]
    except StoreUnavailable as error:  # perhaps only of what listens: the runner does without
        logger.warning("whether jobs can run isn't known: %s", error)
        return
    for each in findings[:1]:
        more = f" ({len(findings) - 1} more, see: sp00ky check)" if findings[1:] else ""
        problem = f"{each.subject}: {each.problem}; {each.fix}{more}"
        raise SchemaError(store=outbox.store.location, problem=problem)


def collect_seldom() -> None:
    """Let Python's garbage collector look seldom; for a process that does nothing but run."""
    gc.freeze()  # what was made at the start stays
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
