"""Decide where no plugin does: what is given up on, how a job is retried."""

from __future__ import annotations

from functools import lru_cache

import attrs

from sp00ky_core.config import BackendConfig, RetryConfig
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import THROTTLED, Outcome, Undelivered
from sp00ky_core.job.retry import MAX_RETRIES, RetryPolicy
from sp00ky_core.plugins.hookspecs import hookimpl

BUILT_IN = "sp00ky-core:defaults"
"""The name of this module as a plugin: its rules decide where no other plugin does."""


@hookimpl(trylast=True)
def sp00ky_classify_outcome(backend: BackendConfig, outcome: Outcome) -> Outcome:
    """Make a code in ``giveUpOn`` final, throttled or not; leave everything else as the transport said."""
    if not isinstance(outcome, Undelivered) or outcome.code not in backend.give_up_on:
        return outcome
    outcome = attrs.evolve(outcome, retryable=False, rule=f"giveUpOn has {outcome.code}")
    if outcome.name != THROTTLED:
        return outcome
    # `http_status`: the job isn't deferred, but the backend is still left alone for as long as it asks.
    counts_as = outcome.counts_as or THROTTLED
    return attrs.evolve(outcome, name=f"{outcome.scheme}_status", counts_as=counts_as)


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
