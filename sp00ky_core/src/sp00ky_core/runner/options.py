"""Keep a runner's settings, and make its id."""

from __future__ import annotations

import os
import random
import secrets
import socket
import time
from collections.abc import Callable
from contextvars import ContextVar

import attrs

TRYING: ContextVar[bool] = ContextVar("sp00ky_trying", default=False)
"""Whether an application is started only to see whether it starts: a runner that it embeds claims nothing."""


def new_runner_id(name: str = "") -> str:
    """Make an id that is new each time; without a name it says where the runner is."""
    return f"{name or f'{socket.gethostname()[:100]}-{os.getpid()}'}-{secrets.token_hex(4)}"


@attrs.frozen(kw_only=True)
class RunnerOptions:
    """The settings of a runner.

    Attributes:
        runner_id: A name that its id begins with, by default host and process. Each Runner adds something of
            its own: an id that is used twice would let one release what the other one is sending.
        grace: Seconds that attempts get to end when the runner drains.
        poll: Seconds between claims when nothing wakes the runner, jittered by 10 %.
        beat_interval: Seconds.
        beat_stale: Seconds: with an older beat, nothing is started.
        reclaim_after: Seconds of uninterrupted beats before this runner reclaims.
        dead_after: Seconds without a beat, seen by this runner, until another counts as dead.
        unanswered: Seconds until a burst grows though nothing of it is answered yet.
        prune_interval: Seconds.
        route_delay: Seconds until a job is tried again whose route only another document may have.
        route_wait: Seconds that it waits so, at most.
        max_unsettled: Outcomes waiting to be written; beyond that nothing is claimed.
        settle_batch: Outcomes written at once, at most.
        log_attempts: Log each attempt; else those that fail, and of retries some.
        clock: Seconds, monotonic.
        random: Uniform in [0, 1).
    """

    runner_id: str = ""
    grace: float = 25.0
    poll: float = 5.0
    beat_interval: float = 2.0
    beat_stale: float = 4.0
    reclaim_after: float = 10.0
    dead_after: float = 6.0
    unanswered: float = 0.05
    prune_interval: float = 60.0
    route_delay: float = 5.0
    route_wait: float = 600.0
    max_unsettled: int = 1_000
    settle_batch: int = 500
    log_attempts: bool = False
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
