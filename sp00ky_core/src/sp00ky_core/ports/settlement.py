"""Carry claims to the runner, and transitions back to the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import attrs

from sp00ky_core.gate.breaker import Breaker
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.state_machine import Transition

__all__ = ["Claim", "SettleFate", "SettleResult", "Settlement"]


@attrs.frozen(kw_only=True, slots=False)  # faster to make, which is done for each job
class Settlement:
    """A transition to be written, under the guard ``(id, epoch, runner_id, status)``.

    Attributes:
        job_id: The job's id.
        backend: The backend's name.
        epoch: The ``lease_epoch`` that the row must still have.
        runner_id: Who must still have it; as it was read.
        status: What the row must still be.
        transition: What to write.
    """

    job_id: str
    backend: str
    epoch: int
    runner_id: str | None
    status: JobStatus = JobStatus.PROCESSING
    transition: Transition

    @property
    def stays_if_refused(self) -> bool:
        """Whether the row stays as it is where the database refuses it.

        An operator wants it pending, or it is given back with no attempt made.
        """
        made = self.status is JobStatus.PROCESSING and (self.transition.error or self.transition.defers)
        return self.transition.to is JobStatus.PENDING and not made

    def fate_on(self, *, epoch: int, status: str, runner_id: str | None) -> SettleFate:
        """Return what becomes of it on a row that holds these: ``settled`` where the guard fits."""
        if epoch != self.epoch:
            return SettleFate.LEASE_LOST
        if status != self.status:
            return SettleFate.ALREADY_SETTLED
        return SettleFate.SETTLED if runner_id == self.runner_id else SettleFate.LEASE_LOST

    def as_written(self, result: SettleResult) -> Settlement:
        """Return it with the transition that was written, where the database took a lesser one only."""
        return self if result.written is None else attrs.evolve(self, transition=result.written)


class Claim(list[Job]):
    """Claimed jobs, and what else the claim found out of their backends.

    Attributes:
        breakers: As the claim found, or left, them; without those that are as if new.
        paused: Seconds that an operator's pause lasts yet, by backend; infinity: until it is resumed.
        retry_in: Seconds until another claim may get what this one had to leave, by backend: when the next
            token comes, or 0 where there was too much to look at in one go.
    """

    def __init__(
        self,
        jobs: Iterable[Job] = (),
        *,
        breakers: Mapping[str, Breaker] | None = None,
        paused: Mapping[str, float] | None = None,
        retry_in: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(jobs)
        self.breakers: Mapping[str, Breaker] = breakers or {}
        self.paused: Mapping[str, float] = paused or {}
        self.retry_in: Mapping[str, float] = retry_in or {}


class SettleFate(StrEnum):
    """The fate of a settlement."""

    SETTLED = "settled"
    ALREADY_SETTLED = "already_settled"  # same epoch, no longer processing: an earlier try had got through
    LEASE_LOST = "lease_lost"  # another runner has the row now, or it is gone; nothing was written
    BUSY = "busy"  # nothing was written yet, try again: another client's transaction holds the row, or
    # the database refuses to write it in any form (``problem`` says why)
    DUPLICATE = "duplicate"  # an operator's retry only: another job with its dedup_key isn't terminal

    __hash__ = str.__hash__  # Enum's is written in Python, and a runner looks each fate up


@attrs.frozen(kw_only=True, slots=False)  # faster to make, which is done for each job
class SettleResult:
    """A settlement's fate; ``problem`` says why the row had to be settled without a part of it.

    Attributes:
        job_id: The job's id.
        fate: What became of it.
        problem: The database refused the result or the entry: what it said.
        written: The lesser transition that it took; None: the one that was asked for.
    """

    job_id: str
    fate: SettleFate
    problem: str | None = None
    written: Transition | None = None
