"""Say what came of a function that raised, without secrets of the environment, or passwords in URLs."""

from __future__ import annotations

import logging
import os
import re
import traceback
from collections import deque
from functools import cache
from typing import Any

from sp00ky_core import Job, Undelivered
from sp00ky_core.job.job import facts_of, named
from sp00ky_core.job.outcome import ERROR_NAMES, INVALID_PAYLOAD, SNOOZED, WAITING
from sp00ky_tasks.control import Asked, GiveUp, Snooze, Wait
from sp00ky_tasks.schema import Refused
from sp00ky_tasks.tasks import Task
from sp00ky_transport_http.redaction import Redaction

__all__ = ["failure_of"]

_log = logging.getLogger(__name__)

_SECRET = re.compile(r"(?i)pass(word|wd)|secret|token|api_?key|credential|private_?key")
"""In the name of a variable."""
_NO_SECRET = re.compile(r"(?i)^tokenizers_|_tokens$")
"""In the name of one that counts tokens of a text."""
_SHORTEST_SECRET = 8
"""Characters: a shorter value protects nothing, and is a word that stands elsewhere, too."""

_LONGEST_PART = 4_096
"""Characters of one part of a traceback, and of a reason: an exception's own text may be of any length."""
_MOST_PARTS = 200
_LONGEST_TRACE = 16_384
"""Characters of a traceback that are logged, its last ones."""

_IN_URL = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")


@cache
def _redaction() -> Redaction:
    return Redaction(value for name, value in os.environ.items() if _is_secret(name, value))


def _is_secret(name: str, value: str) -> bool:
    if len(value) < _SHORTEST_SECRET or _NO_SECRET.search(name) or not _SECRET.search(name):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def _clean(text: str) -> str:
    """Return the first characters of a text without secrets, and without reading all of a long one."""
    return _redaction().text(_IN_URL.sub(r"\1***@", text[: 2 * _LONGEST_PART]))[:_LONGEST_PART]


def _trace(error: BaseException) -> str:
    """Return the last of a traceback. The first of its frames is this project's own."""
    frames = error.__traceback__
    whole = traceback.TracebackException(type(error), error, frames and (frames.tb_next or frames))
    parts = deque(whole.format(), maxlen=_MOST_PARTS)
    return "".join(map(_clean, parts))[-_LONGEST_TRACE:]


def _text(error: BaseException) -> str:
    try:
        return " ".join(str(error)[: 4 * _LONGEST_PART].split())
    except Exception as problem:  # noqa: BLE001  # of the application's own class
        return f"its text can't be written: {type(problem).__name__}"


def failure_of(
    task: Task[..., Any], error: BaseException, job: Job, *, is_final: bool = False
) -> Undelivered:
    """Log what a call raised; return the outcome: its class is the name, its text the reason."""
    if isinstance(error, Refused):
        sent = error.name != INVALID_PAYLOAD
        return Undelivered(name=error.name, scheme="python", reason=str(error), retryable=False, sent=sent)
    kind, reason, trace = type(error), _clean(_text(error)), _trace(error)
    if not isinstance(error, Asked):  # the runner says what comes of each, in a line
        facts = {**facts_of(job), "path": job.path, "trace": trace}
        _log.error("%s: %s raised %s\n%s", named(job), job.path, kind.__name__, trace, extra=facts)
    is_final |= isinstance(error, (*task.give_up_on, GiveUp))
    is_retried = not is_final and isinstance(error, (*task.retry_on, Asked))
    name = f"{kind.__module__}.{kind.__name__}" if kind.__name__ in ERROR_NAMES else kind.__name__
    return Undelivered(
        name=_name_of_wait(error) or name,
        scheme="python",
        reason=reason,
        retryable=is_retried,
        rule="" if is_retried else f"{name} is {'given up on' if is_final else 'not in retry_on'}",
        again_in=error.after if isinstance(error, Asked) else None,
        trace="" if _name_of_wait(error) else trace,
    )


def _name_of_wait(error: BaseException) -> str:
    """Name a wait that was asked for; empty: it is none."""
    return WAITING if isinstance(error, Wait) else SNOOZED if isinstance(error, Snooze) else ""
