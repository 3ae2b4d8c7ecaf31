"""Write transitions as the arguments of the settle statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.job.job import AttemptError, JobStatus
from sp00ky_core.job.outcome import HTTP, THROTTLED
from sp00ky_core.job.state_machine import MAX_ERRORS, Transition
from sp00ky_core.ports import Settlement
from sp00ky_store_postgres.sql.loader import fill, fits, read_sql, unreadable

BUMPS_EPOCH, KEEPS_LEASE, AFTER_LEASE, DEFERS, KEEPS_DEFERRAL, THROTTLES = 1, 2, 4, 8, 16, 32

LONGEST_ERRORS = 32 * 2**20
"""Bytes of a row's ``errors`` that are read when one is added; of what is longer nothing is kept."""
LONGEST_ENTRY = 16 * 2**10
"""Bytes of an entry that is kept; a runner's own has a reason of 2 KiB at most."""


def appended() -> str:
    """Return an expression: a row's errors with the entry that a transition adds."""
    return fill(
        read_sql("settle_appended"),
        others=str(MAX_ERRORS - 2),
        fits=fits("errors", LONGEST_ERRORS),
        longest_entry=str(LONGEST_ENTRY),
        unreadable=unreadable("found.entry"),
    )


def is_plain_success(settlement: Settlement) -> bool:
    """Tell whether ``settle_success`` says all of it."""
    transition = settlement.transition
    return (
        transition.to is JobStatus.SUCCESS
        and settlement.status is JobStatus.PROCESSING
        and transition.error is None
        and transition.delay is None
        and not transition.bumps_epoch
        and not transition.keeps_lease
        and not transition.keeps_deferral
    )


def success_arguments(batch: Sequence[Settlement]) -> tuple[Any, ...]:
    """Return the arguments of ``settle_success`` after the tables' numbers; all are one runner's."""
    return (
        [each.job_id[-36:] for each in batch],
        [each.epoch for each in batch],
        [_text(each.transition.result_json) for each in batch],
        batch[0].runner_id,
    )


def arguments(batch: Sequence[Settlement]) -> tuple[Any, ...]:
    """Return the arguments of ``settle`` after the tables' numbers."""
    transitions = [each.transition for each in batch]
    return (
        [each.job_id[-36:] for each in batch],
        [each.epoch for each in batch],
        [each.status.value for each in batch],
        [each.to.value for each in transitions],
        [each.retries for each in transitions],
        [each.delay for each in transitions],
        [_entry(each.error) for each in transitions],
        [_text(each.result_json) for each in transitions],
        [_flags(each) for each in transitions],
        [each.runner_id for each in batch],
        [each.run_at for each in transitions],
        [each.priority for each in transitions],
    )


def _flags(transition: Transition) -> int:
    return (
        BUMPS_EPOCH * transition.bumps_epoch
        + KEEPS_LEASE * transition.keeps_lease
        + AFTER_LEASE * transition.after_lease
        + DEFERS * transition.defers
        + KEEPS_DEFERRAL * transition.keeps_deferral
        + THROTTLES * (transition.error is not None and transition.error.name == THROTTLED)
    )


def _text(json: bytes | None) -> str | None:
    return None if json is None else json.decode()


def _entry(error: AttemptError | None) -> str | None:
    if error is None:
        return None
    fields: Mapping[str, Any] = {
        "attempt": error.attempt,
        "code": error.code,
        "name": error.name,
        "reason": error.reason,
        "runner_id": error.runner_id,
        **({} if error.scheme == HTTP else {"scheme": error.scheme}),
    }
    return encode(fields).decode()
