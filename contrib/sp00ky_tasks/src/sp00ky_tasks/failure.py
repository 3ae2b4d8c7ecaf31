"""Say what came of a function that raised, without secrets of the environment, or passwords in URLs."""

from __future__ import annotations

import logging
import os
import re
import traceback
from functools import cache
from typing import Any

from sp00ky_core import Job, Undelivered
from sp00ky_core.job.job import facts_of, named
from sp00ky_core.job.outcome import ERROR_NAMES, INVALID_PAYLOAD, SNOOZED
from sp00ky_tasks.control import Asked, GiveUp, Snooze
from sp00ky_tasks.schema import Refused
from sp00ky_tasks.tasks import Task
from sp00ky_transport_http.redaction import Redaction

__all__ = ["failure_of"]

_log = logging.getLogger(__name__)

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
        return " ".join(str(error).split())
    except Exception as problem:  # noqa: BLE001  # of the application's own class
        return f"its text can't be written: {type(problem).__name__}"


def failure_of(task: Task[..., Any], error: BaseException, job: Job) -> Undelivered:
    """Log what a call raised; return the outcome: its class is the name, its text the reason."""
    if isinstance(error, Refused):
        sent = error.name != INVALID_PAYLOAD
        return Undelivered(name=error.name, scheme="python", reason=str(error), retryable=False, sent=sent)
    kind, reason, frames = type(error), _clean(_text(error)), error.__traceback__
    # The first of the frames is this project's own.
    trace = _clean("".join(traceback.format_exception(kind, error, frames and (frames.tb_next or frames))))
    if not isinstance(error, Asked):  # the runner says what comes of each, in a line
        facts = {**facts_of(job), "path": job.path, "trace": trace}
        _log.error("%s: %s raised %s\n%s", named(job), job.path, kind.__name__, trace, extra=facts)
    is_final = isinstance(error, (*task.give_up_on, GiveUp))
    is_retried = not is_final and isinstance(error, (*task.retry_on, Asked))
    name = f"{kind.__module__}.{kind.__name__}" if kind.__name__ in ERROR_NAMES else kind.__name__
    return Undelivered(
        name=SNOOZED if isinstance(error, Snooze) else name,
        scheme="python",
        reason=reason,
        retryable=is_retried,
        rule="" if is_retried else f"{name} is {'given up on' if is_final else 'not in retry_on'}",
        again_in=error.after if isinstance(error, Asked) else None,
        trace="" if isinstance(error, Snooze) else trace,
    )
