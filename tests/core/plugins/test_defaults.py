"""What is decided where no plugin does."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core import BackendConfig, Delivered, Outcome, RetryConfig, Undelivered
from sp00ky_core.plugins.defaults import sp00ky_classify_outcome

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
        (Undelivered(name="http_status", code=422), {"retryable": False, "rule": "giveUpOn has 422"}),
        (Undelivered(name="throttled", code=503), {}),
        (
            Undelivered(name="throttled", code=429),
            {
                "retryable": False,
                "rule": "giveUpOn has 429",
                "name": "http_status",
                "counts_as": "throttled",
            },
        ),
        (
            Undelivered(name="throttled", scheme="amqp", code=422, counts_as="unavailable"),
            {"retryable": False, "rule": "giveUpOn has 422", "name": "amqp_status"},
        ),
    ],
)
def test_what_is_given_up_on(outcome: Outcome, changes: dict[str, Any]) -> None:
    assert sp00ky_classify_outcome(BACKEND, outcome) == attrs.evolve(outcome, **changes)
