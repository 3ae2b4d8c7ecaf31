"""A runner's settings, and the pieces that its modules share."""

from __future__ import annotations

import os
import random
import secrets
import socket
import time
from collections.abc import Callable

import attrs

__all__ = ["RunnerOptions", "new_runner_id"]


def new_runner_id(name: str = "") -> str:
    """An id that is new each time; without a name it tells an operator where the runner is."""
    return f"{name or f'{socket.gethostname()[:100]}-{os.getpid()}'}-{secrets.token_hex(4)}"


@attrs.frozen(kw_only=True)
class RunnerOptions:
    """What can be set about a runner; the defaults are the design's."""

    # What the runner's id begins with; each Runner adds something of its own, for an id that is used twice
    # would let one runner release what the other one is sending. By default host and process.
    runner_id: str = ""
    grace: float = 25.0  # seconds that attempts get to end when the runner drains
    poll: float = 5.0  # seconds between claims when nothing wakes the runner, jittered by 10 %
    beat_interval: float = 2.0  # seconds
    beat_stale: float = 4.0  # seconds: with an older beat, nothing is started
    reclaim_after: float = 10.0  # seconds of uninterrupted beats before this runner reclaims
    dead_after: float = 6.0  # seconds without a beat, seen by this runner, until another counts as dead
    prune_interval: float = 60.0  # seconds
    max_unsettled: int = 1_000  # outcomes waiting to be written; beyond that nothing is claimed
    settle_batch: int = 500
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
