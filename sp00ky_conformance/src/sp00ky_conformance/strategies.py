"""Hypothesis strategies for what the core is made of. Needs ``sp00ky-core[testing]``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.job.job import AttemptError, Job, JobStatus, NewJob
from sp00ky_core.job.outcome import (
    CONNECT,
    HTTP_STATUS,
    INVALID_PATH,
    INVALID_PAYLOAD,
    INVALID_ROW,
    OUTCOME_UNKNOWN,
    PROTOCOL,
    RESET,
    THROTTLED,
    TIMEOUT,
    TLS,
    UNKNOWN_ROUTE,
    Delivered,
    Outcome,
    Undelivered,
)
from sp00ky_core.job.retry import MAX_RETRIES, STRATEGIES, RetryPolicy
from sp00ky_core.job.state_machine import Claimed, Deferred, Event, Killed, Lost, Released, Retried

__all__ = ["attempt_errors", "deferrals", "events", "instants", "jobs", "json_values", "new_jobs"]
__all__ += ["outcomes", "payloads", "policies", "texts"]

FAILURES = (
    HTTP_STATUS,
    TIMEOUT,
    CONNECT,
    TLS,
    RESET,
    PROTOCOL,
    INVALID_PATH,
    UNKNOWN_ROUTE,
    INVALID_PAYLOAD,
    INVALID_ROW,
    OUTCOME_UNKNOWN,
)


def texts(min_size: int = 0, max_size: int = 30) -> st.SearchStrategy[str]:
    """Draw text that every database can hold: Unicode without NUL."""
    return st.text(
        st.characters(codec="utf-8", exclude_characters="\0"), min_size=min_size, max_size=max_size
    )


def json_values() -> st.SearchStrategy[Any]:
    """JSON values; integers stay where every parser holds them exactly."""
    plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts()
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        plain | numbers,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(), inner, max_size=4),
        max_leaves=12,
    )


def payloads() -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects."""
    return st.dictionaries(texts(), json_values(), max_size=4)


def instants() -> st.SearchStrategy[datetime]:
    """Draw instants in UTC."""
    return st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


def new_jobs(backend: str = "api") -> st.SearchStrategy[NewJob]:
    """Draw jobs to be enqueued."""
    return st.builds(
        NewJob,
        backend=st.just(backend),
        path=texts(1).map(lambda text: f"/{text}"),
        payload=payloads(),
        assigned_to=st.none() | texts(1),
        max_retries=st.integers(0, MAX_RETRIES),
        retry_strategy=st.sampled_from(sorted(STRATEGIES)),
        timeout=st.none() | st.floats(0.001, 86_400),
        delay=st.none() | st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=1)),
        dedup_key=st.none() | texts(1),
    )


INSTANTS = ("created_at", "updated_at", "run_at", "lease_until")


def jobs(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Job]:
    """Draw jobs as a store returns them; ``fields`` replaces strategies by name."""
    choices: dict[str, st.SearchStrategy[Any]] = {
        "id": texts(1).map(lambda key: f"job:{key}"),
        "backend": texts(1),
        "path": texts(1).map(lambda text: f"/{text}"),
        "payload_json": payloads().map(encode),
        "status": st.sampled_from(JobStatus),
        "retries": st.integers(0, MAX_RETRIES),
        "max_retries": st.integers(0, MAX_RETRIES),
        "retry_strategy": st.sampled_from(sorted(STRATEGIES)),
        "timeout": st.none() | st.floats(0.001, 86_400),
        "assigned_to": st.none() | texts(1),
        "errors": st.lists(attempt_errors(), max_size=3).map(tuple),
        "result_json": st.none() | json_values().filter(lambda value: value is not None).map(encode),
        "dedup_key": st.none() | texts(1),
        "lease_epoch": st.integers(0, 2**40),
        "runner_id": st.none() | texts(1),
        **{instant: st.none() | instants() for instant in INSTANTS},
    }
    return st.builds(Job, **choices | fields)


def attempt_errors() -> st.SearchStrategy[AttemptError]:
    """Entries of ``errors``."""
    return st.builds(
        AttemptError,
        at=st.none() | instants(),
        attempt=st.integers(0, MAX_RETRIES + 1),
        code=st.integers(0, 599),
        name=st.sampled_from(FAILURES),
        reason=texts(),
        runner_id=st.none() | texts(1),
        since=st.none() | instants(),
        count=st.just(1) | st.integers(1, 10**6),
    )


def policies(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[RetryPolicy]:
    """Retry policies, absurd ones too; ``fields`` replaces strategies by name."""
    choices: dict[str, st.SearchStrategy[Any]] = {
        "strategy": st.sampled_from(sorted(STRATEGIES)),
        "max_retries": st.integers(0, MAX_RETRIES),
        "base": st.floats(0, 1e308) | st.integers(0, 10**400) | st.sampled_from([0, 1, 0.5]),
        "factor": st.floats(1, 1e308) | st.integers(1, 10**400) | st.sampled_from([1, 2, 1.5]),
        "cap": st.floats(0, 1e308) | st.sampled_from([0, 1, 900]),
        "jitter": st.floats(0, 1),
    }
    return st.builds(RetryPolicy, **choices | fields)


def outcomes() -> st.SearchStrategy[Outcome]:
    """Draw what a transport may report."""
    return st.builds(Delivered, result=json_values(), code=st.integers(200, 299)) | st.builds(
        Undelivered,
        code=st.integers(0, 599),
        name=st.sampled_from(FAILURES),
        reason=st.text(),  # whatever a backend says
        retry_after=st.none() | st.floats(0, 1e9),
        retryable=st.none() | st.booleans(),
    )


def deferrals() -> st.SearchStrategy[Deferred]:
    """Draw a claim that is given back with a delay: throttled, or nothing was sent."""
    codes = st.sampled_from([0, 429, 503])
    throttled = st.builds(Undelivered, code=codes, name=st.just(THROTTLED), sent=st.booleans())
    return st.builds(
        Deferred,
        delay=st.floats(0, 900),
        outcome=st.none() | throttled,
        waited=st.floats(0, 200_000),
        give_up_after=st.floats(0, 86_400),
    )


def events() -> st.SearchStrategy[Event]:
    """Draw everything that can happen to a job."""
    return (
        outcomes()
        | st.just(Claimed())
        | st.just(Released())
        | deferrals()
        | st.builds(Lost, reason=texts())
        | st.builds(Killed, reason=texts())
        | st.builds(Retried, resend_unknown=st.booleans())
    )
