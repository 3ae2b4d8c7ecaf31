"""What is kept of what a function raised: bounded, readable, and without secrets."""

import logging
from collections.abc import Iterator

import pytest
from tests.tasks.functions import fails

from sp00ky_core import Job, JobStatus
from sp00ky_tasks import failure
from sp00ky_tasks.failure import failure_of


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Read the environment anew."""
    failure._redaction.cache_clear()
    yield
    failure._redaction.cache_clear()


class Flaky(Exception):
    """An application's own."""


def raised(text: str) -> Flaky:
    with pytest.raises(Flaky) as caught:
        raise Flaky(text)
    return caught.value


@pytest.fixture
def job() -> Job:
    return Job(id="job:1", backend="shop", path="/f", payload_json=b"{}", status=JobStatus.PROCESSING)


def test_words_and_numbers_of_the_environment_are_no_secrets(
    monkeypatch: pytest.MonkeyPatch, job: Job
) -> None:
    ordinary = {"MAX_TOKENS": "10000000", "TOKENIZERS_PARALLELISM": "disabled", "USE_TOKEN": "false"}
    for name, value in {**ordinary, "TOKEN_SECONDS": "86400.00", "API_TOKEN": "s3cret-of-ours"}.items():
        monkeypatch.setenv(name, value)
    text = "false: 10000000 rows, disabled, 86400.00, s3cret-of-ours"
    found = failure_of(fails, raised(text), job)
    assert found.reason == "false: 10000000 rows, disabled, 86400.00, ***"
    assert "s3cret" not in found.trace


def test_an_exception_of_20_mb_is_a_short_text(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        found = failure_of(fails, raised("y" * 20_000_000), job)
    assert found.name == "Flaky"
    assert found.reason.startswith("yyy")
    assert len(found.reason) <= 4_096
    assert "Flaky: yyy" in found.trace
    assert sum(len(record.getMessage()) for record in caplog.records) < 20_000
