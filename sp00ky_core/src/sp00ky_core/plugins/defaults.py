"""The built-in decisions: a plugin that is asked last."""

from __future__ import annotations

from functools import lru_cache

import attrs

from sp00ky_core.config import BackendConfig, RetryConfig
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import HTTP_STATUS, THROTTLED, Outcome, Undelivered
from sp00ky_core.job.retry import MAX_RETRIES, RetryPolicy
from sp00ky_core.plugins.hookspecs import hookimpl


@hookimpl(trylast=True)
def sp00ky_classify_outcome(backend: BackendConfig, outcome: Outcome) -> Outcome:
    """Make a status in ``giveUpOn`` final, throttled or not; leave everything else as the transport said."""
    if isinstance(outcome, Undelivered) and outcome.code in backend.give_up_on:
        name = HTTP_STATUS if outcome.name == THROTTLED else outcome.name
        return attrs.evolve(outcome, name=name, retryable=False)
    return outcome


@hookimpl(trylast=True)
def sp00ky_retry_policy(job: Job, backend: BackendConfig) -> RetryPolicy:
    """Take the row's ``max_retries`` and ``retry_strategy``, and the backend's ``retry``."""
    max_retries = min(max(job.max_retries, 0), MAX_RETRIES)  # a hostile row's may be out of range
    return _policy(backend.retry, job.retry_strategy, max_retries)


@lru_cache(maxsize=1_000)  # every job needs one, and they are few
def _policy(retry: RetryConfig, strategy: str, max_retries: int) -> RetryPolicy:
    return RetryPolicy(
        strategy=strategy,
        max_retries=max_retries,
        base=retry.base,
        factor=retry.factor,
        cap=retry.cap,
        jitter=retry.jitter,
    )
