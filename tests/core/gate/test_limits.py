"""A backend with limits is claimed for when a token may come."""

from __future__ import annotations

import math

import pytest

from sp00ky_core.gate.limits import Limits
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.ports import Claim
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.testing import FakeClock


class Looking:
    """Limits as a claimer sees them, by a clock that the test sets."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.limits = Limits(RunnerOptions(clock=self.clock.monotonic))

    def claim(self, *, got: str = "", **retry_in: float) -> float:
        jobs = [Job(id="job:1", backend=got, path="/a", payload_json=b"{}", status=JobStatus.PROCESSING)]
        self.limits.claimed(["api", "other"], Claim(jobs if got else [], retry_in=retry_in))
        return self.limits.seconds("api")


def test_until_the_next_token_nothing_is_claimed() -> None:
    looking = Looking()
    assert looking.claim(api=0.5, other=2.0, got="api") == 0.5
    assert looking.limits.shortest() == 0.5
    looking.clock.advance(0.5)
    assert looking.limits.seconds("api") <= 0
    assert looking.limits.shortest() == 1.5
    assert looking.claim() == 0
    assert looking.limits.shortest() == math.inf


def test_where_a_job_has_ended_another_may_be_claimed() -> None:
    looking = Looking()
    looking.claim(api=0.25)
    looking.limits.forget("api")
    looking.limits.forget("other")
    assert looking.limits.shortest() == math.inf


def test_a_claim_that_was_cut_off_is_repeated_at_once_as_long_as_it_finds_jobs() -> None:
    looking = Looking()
    assert looking.claim(api=0.0, got="api") == 0
    waits = [looking.claim(api=0.0) for _ in range(12)]
    assert waits[:3] == pytest.approx([0.001, 0.002, 0.004])
    assert waits[-1] == 0.25
    assert looking.claim(api=0.0, got="api") == 0
    assert looking.claim(api=0.0) == pytest.approx(0.001)
