"""What attempts ended with is counted in plain numbers."""

from __future__ import annotations

import pytest

from sp00ky_core.job import AttemptError, JobStatus
from sp00ky_core.machine import Transition
from sp00ky_core.metrics.counters import FIRST_BUCKET, Counters, outcome_of
from sp00ky_core.ports import BUCKET_BOUNDS, BUCKETS

KIND = ("api", "/spookify", "success", 200)


def error(name: str) -> AttemptError:
    return AttemptError(at=None, attempt=1, code=0, name=name, reason="")


@pytest.mark.parametrize(
    ("transition", "outcome"),
    [
        (Transition(to=JobStatus.SUCCESS, retries=1), "success"),
        (Transition(to=JobStatus.PENDING, retries=2, delay=1.0, error=error("timeout")), "retry"),
        (Transition(to=JobStatus.FAILED, retries=1, error=error("timeout")), "failed"),
        (Transition(to=JobStatus.FAILED, retries=1, error=error("outcome_unknown")), "unknown"),
        (Transition(to=JobStatus.PENDING, retries=2, error=error("outcome_unknown")), "unknown"),
        (Transition(to=JobStatus.PENDING, retries=1, defers=True, error=error("throttled")), "throttled"),
        (Transition(to=JobStatus.PENDING, retries=2, defers=True, error=error("throttled")), "retry"),
        (Transition(to=JobStatus.FAILED, retries=1, error=error("throttled")), "failed"),
        (Transition(to=JobStatus.PENDING, retries=1, defers=True), None),
    ],
)
def test_an_outcome_is_what_becomes_of_the_job(transition: Transition, outcome: str | None) -> None:
    assert outcome_of(transition, 1) == outcome


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.005, 0), (0.0051, 1), (1.0, 7), (9_999.0, 14)])
def test_a_duration_is_in_one_bucket(seconds: float, bucket: int) -> None:
    counters = Counters()
    counters.attempt(KIND, seconds)
    counts = counters.attempts[KIND]
    assert counts[:2] == [1, seconds]
    assert [n for n in range(BUCKETS) if counts[FIRST_BUCKET + n]] == [bucket]
    assert len(counts) == FIRST_BUCKET + len(BUCKET_BOUNDS) + 1
