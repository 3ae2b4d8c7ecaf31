"""A plugin of the runners in an outage: reports each attempt, and each change of a breaker."""

import json
import os
import time

from sp00ky_core import Attempt, Outcome, hookimpl

__all__ = ["sp00ky_attempt_started", "sp00ky_attempt_finished", "sp00ky_breaker_changed"]


@hookimpl
def sp00ky_attempt_started(attempt: Attempt) -> None:
    _report(attempt.job.backend, "started")


@hookimpl
def sp00ky_attempt_finished(attempt: Attempt, outcome: Outcome) -> None:
    _report(attempt.job.backend, "finished")


@hookimpl
def sp00ky_breaker_changed(backend: str, state: str) -> None:
    _report(backend, state)


def _report(backend: str, what: str) -> None:
    line = json.dumps({"at": time.time(), "backend": backend, "what": what})
    with open(os.environ["CHAOS_REPORTS"], "ab", buffering=0) as file:  # noqa: PTH123  # one write, whole or not at all
        file.write(line.encode() + b"\n")
