"""Carry what runners say of themselves, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import attrs

__all__ = ["DEAD_AFTER", "NO_INFO", "OverdueClaim", "RunnerBeat", "RunnerInfo", "RunnerRecord"]
__all__ += ["RunnerState"]

DEAD_AFTER = 6.0
"""Seconds without a beat after which a runner counts as dead: it beats every 2 s."""


@attrs.frozen(kw_only=True)
class RunnerInfo:
    """A runner's report of itself.

    Attributes:
        version: Of the core.
        documents: For each backend that it serves, a digest of the OpenAPI document that it has read.
        in_flight: Attempts that it makes now, by backend; what it has claimed ahead isn't among them.
        slots: Attempts that it makes at a time, by backend.
        draining: It claims no more.
    """

    version: str = ""
    documents: Mapping[str, str] = attrs.field(factory=dict)
    in_flight: Mapping[str, int] = attrs.field(factory=dict)
    slots: Mapping[str, int] = attrs.field(factory=dict)
    draining: bool = False


NO_INFO = RunnerInfo()
"""What a runner that says nothing of itself has said."""


@attrs.frozen(kw_only=True)
class RunnerBeat:
    """A runner's last sign of life.

    Attributes:
        at: When it came, by the database's clock.
        info: What the runner says of itself; ``draining`` also where it was asked to drain.
    """

    at: datetime
    info: RunnerInfo = NO_INFO


class RunnerState(StrEnum):
    """The state of a runner, as others see it. One that has stopped has no row."""

    RUNNING = "running"
    DRAINING = "draining"
    DEAD = "dead"


@attrs.frozen(kw_only=True)
class RunnerRecord:
    """A runner as its row has it.

    Attributes:
        id: As in the jobs that it holds.
        host: Its host.
        pid: Its process.
        started_at: When it began, by the database's clock.
        beat_at: Its last beat.
        silent_for: Seconds since that.
        info: What it says of itself; ``draining`` also where it was asked to drain.
    """

    id: str
    host: str
    pid: int
    started_at: datetime
    beat_at: datetime
    silent_for: float
    info: RunnerInfo = NO_INFO

    @property
    def state(self) -> RunnerState:
        """The runner's state; it is dead where it hasn't beaten for ``DEAD_AFTER``."""
        if self.silent_for > DEAD_AFTER:
            return RunnerState.DEAD
        return RunnerState.DRAINING if self.info.draining else RunnerState.RUNNING


@attrs.frozen(kw_only=True)
class OverdueClaim:
    """A ``processing`` row whose lease is over by the database's clock, and whose runner may yet be alive.

    Attributes:
        job_id: The job's id.
        epoch: Its ``lease_epoch``.
        runner_id: Its runner.
        lasts: Seconds that a lease of this row lasts: its attempt's timeout and the lease margin.
    """

    job_id: str
    epoch: int
    runner_id: str | None
    lasts: float
