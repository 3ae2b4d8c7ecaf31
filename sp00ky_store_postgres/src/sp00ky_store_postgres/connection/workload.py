"""Divide calls by workload, so that no kind of call queues behind another."""

from __future__ import annotations

from enum import Enum

ALWAYS = {"jit": "off"}
"""A statement that is run thousands of times a second gains nothing from being compiled each time."""
INDEXED = {
    **ALWAYS,
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # Each call is for other rows than the last, and its plan is the same one all the same.
    "plan_cache_mode": "force_generic_plan",
}
"""Claims and settles go by an index, whatever the planner believes about a table that never stands still."""


class Workload(Enum):
    """A kind of call with connections of its own.

    Attributes:
        size: Executor at most; None: as many as the store's URL says.
        settings: Of their sessions.
        seconds: For one statement.
    """

    CLAIM = (2, INDEXED, 60.0)
    SETTLE = (1, INDEXED, 5.0)  # beyond that its rows are written one by one
    SLOW_SETTLE = (4, INDEXED, 60.0)
    BEAT = (1, ALWAYS, 5.0)  # a later one would be stale
    REST = (None, ALWAYS, 60.0)

    def __init__(self, size: int | None, settings: dict[str, str], seconds: float) -> None:
        self.size = size
        self.settings = settings
        self.seconds = seconds
