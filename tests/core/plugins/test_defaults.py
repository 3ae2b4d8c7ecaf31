"""The built-in decisions, which count where no plugin decides."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core.config import BackendConfig, RetryConfig
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.job.retry import MAX_RETRIES, RetryPolicy
from sp00ky_core.plugins.defaults import sp00ky_classify_outcome, sp00ky_retry_policy

BACKEND = BackendConfig(
    name="api",
    spec=Path("openapi.yml"),
    base_url="http://x.test",
    table="job",
    give_up_on=frozenset({422, 429}),
    retry=RetryConfig(base=7.0, cap=70.0),
)


@pytest.mark.parametrize(
    ("outcome", "changes"),
    [
        (Delivered(code=200), {}),
        (Undelivered(name="http_status", code=500), {}),
        (Undelivered(name="http_status", code=422), {"retryable": False}),
        (Undelivered(name="throttled", code=503), {}),
        (
            Undelivered(name="throttled", code=429),
            {"retryable": False, "name": "http_status", "counts_as": "throttled"},
        ),
        (
            Undelivered(name="throttled", scheme="amqp", code=422, counts_as="unavailable"),
            {"retryable": False, "name": "amqp_status"},
        ),
    ],
)
def test_what_is_given_up_on(outcome: Outcome, changes: dict[str, Any]) -> None:
    assert sp00ky_classify_outcome(BACKEND, outcome) == attrs.evolve(outcome, **changes)


@pytest.mark.parametrize(("said", "counts"), [(5, 5), (-1, 0), (10**9, MAX_RETRIES)])
def test_the_row_s_retries_and_the_backend_s_delays(said: int, counts: int) -> None:
    job = Job(
        id="job:1",
        backend="api",
        path="/",
        payload_json=b"{}",
        status=JobStatus.PENDING,
        max_retries=said,
        retry_strategy="exponential",
    )
    expected = RetryPolicy(strategy="exponential", max_retries=counts, base=7.0, cap=70.0)
    assert sp00ky_retry_policy(job, BACKEND) == expected
