"""Errors of jobs: what is wrong, where, and what to do."""

from __future__ import annotations

import pytest

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.errors.jobs import (
    IllegalTransition,
    JobIdAmbiguous,
    JobNotFound,
    OptionInvalid,
    PayloadError,
    PayloadInvalid,
    PayloadNotJson,
    PayloadTooLarge,
    Violation,
)

VIOLATIONS = (
    Violation(pointer="/id", message="it is missing"),
    Violation(pointer="", message="it is a list"),
)


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (
            PayloadInvalid(backend="api", path="/a", violations=VIOLATIONS),
            "payload for api /a breaks the contract: /id: it is missing; (payload): it is a list",
            2,
        ),
        (PayloadNotJson(problem="NaN"), "the payload must be a JSON object: NaN", 2),
        (
            PayloadNotJson(pointer="/a/0", problem="its type is bytes"),
            "the payload must be a JSON object: /a/0: its type is bytes",
            2,
        ),
        (OptionInvalid(option="delay", value="-1", expected="more"), "delay is -1; expected more", 2),
        (
            IllegalTransition(job_id="job:1", status="pending", event="redriven"),
            "job job:1 is pending: it can't be redriven",
            1,
        ),
        (
            IllegalTransition(job_id="job:1", status="failed", event="killed", hint="clear it"),
            "job job:1 is failed: it can't be killed; clear it",
            1,
        ),
        (JobNotFound(job_id="1"), "no job '1' (an id reads <table>:<key>; see: sp00ky jobs list)", 1),
        (
            JobIdAmbiguous(job_id="job:1", candidates=("job:10", "job:11")),
            "several jobs' ids begin with 'job:1', job:10 and job:11 for two: give more of it",
            1,
        ),
    ],
)
def test_texts(error: Sp00kyError, text: str, code: int) -> None:
    assert (str(error), error.exit_code) == (text, code)


def test_what_is_too_large_says_by_how_much() -> None:
    text = str(PayloadTooLarge(size=12, limit=10))
    assert "12 bytes of JSON, over the limit of 10" in text
    assert "maxPayloadBytes" in text


@pytest.mark.parametrize(
    ("error", "pointers"),
    [
        (PayloadInvalid(backend="api", path="/a", violations=VIOLATIONS), ["/id", ""]),
        (PayloadNotJson(pointer="/a/0", problem="its type is bytes"), ["/a/0"]),
        (PayloadTooLarge(size=12, limit=10), [""]),
    ],
)
def test_what_is_wrong_with_a_payload_has_pointers(error: PayloadError, pointers: list[str]) -> None:
    assert [each.pointer for each in error.violations] == pointers
    assert error.pointer == pointers[0]


def test_an_option_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="limit is 0"):
        raise OptionInvalid(option="limit", value="0", expected="more")
