"""Transitions become the arguments that the statements expect."""

from __future__ import annotations

import json

from sp00ky_core.job import AttemptError, JobStatus
from sp00ky_core.machine import Transition
from sp00ky_core.outcome import THROTTLED
from sp00ky_core.ports import Settlement
from sp00ky_store_postgres.sql.settle_arguments import (
    THROTTLES,
    arguments,
    is_plain_success,
    success_arguments,
)

KEY = "01900000-0000-7000-8000-000000000000"


def settlement(transition: Transition) -> Settlement:
    return Settlement(job_id=f"job:{KEY}", backend="api", epoch=3, runner_id="r1", transition=transition)


def test_a_success_has_a_statement_of_its_own() -> None:
    success = settlement(Transition(to=JobStatus.SUCCESS, retries=0, result_json=b"{}"))
    assert is_plain_success(success)
    assert success_arguments([success]) == ([KEY], [3], ["{}"], "r1")


def test_any_other_transition_is_written_whole() -> None:
    entry = AttemptError(attempt=1, code=429, name=THROTTLED, reason="slow down")
    throttled = settlement(Transition(to=JobStatus.PENDING, retries=0, delay=2.0, error=entry))
    assert not is_plain_success(throttled)
    keys, epochs, _, to, retries, delays, entries, results, flags, runners, *_ = arguments([throttled])
    assert (keys, epochs, to, retries, delays) == ([KEY], [3], ["pending"], [0], [2.0])
    assert json.loads(entries[0])["name"] == THROTTLED
    assert (results, runners, flags[0] & THROTTLES) == ([None], ["r1"], THROTTLES)
