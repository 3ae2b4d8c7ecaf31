"""Say what came of a function that raised, without secrets of the environment, or passwords in URLs."""

from __future__ import annotations

import os
import re
import traceback
from functools import cache
from typing import Any

from sp00ky_core import Undelivered
from sp00ky_core.job.outcome import ERROR_NAMES, SNOOZED
from sp00ky_tasks.control import GiveUp, Retry, Snooze
from sp00ky_tasks.tasks import Task
from sp00ky_transport_http.redaction import Redaction

__all__ = ["failure_of"]

_SECRET = re.compile(r"(?i)pass(word|wd)|secret|token|api_?key|credential|private_?key")
"""In the name of a variable."""

_IN_URL = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")


@cache
def _redaction() -> Redaction:
    return Redaction(value for name, value in os.environ.items() if _SECRET.search(name))


def _clean(text: str) -> str:
    return _redaction().text(_IN_URL.sub(r"\1***@", text))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:  # noqa: BLE001  # of the application's own class
        return f"its text can't be written: {type(problem).__name__}"


def failure_of(task: Task[..., Any], error: BaseException) -> Undelivered:
    """Return the outcome of a call that raised: its class is the name, its text the reason."""
    name, reason = type(error).__name__, _clean(" ".join(_text(error).split()))
    if isinstance(error, Snooze):
        return Undelivered(name=SNOOZED, scheme="python", reason=reason, again_in=error.seconds)
    frames = error.__traceback__  # the first is this project's own
    trace = traceback.format_exception(type(error), error, frames and (frames.tb_next or frames))
    is_final = isinstance(error, (*task.give_up_on, GiveUp))
    is_retried = not is_final and isinstance(error, (*task.retry_on, Retry))
    return Undelivered(
        name=f"{type(error).__module__}.{name}" if name in ERROR_NAMES else name,
        scheme="python",
        reason=reason,
        retryable=is_retried,
        rule="" if is_retried else f"{name} is {'given up on' if is_final else 'not in retry_on'}",
        again_in=error.after if isinstance(error, Retry) else None,
        trace=_clean("".join(trace)),
    )
