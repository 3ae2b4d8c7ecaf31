"""Report one attempt: what a transport returns."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import instance_of

__all__ = ["BUSY", "CONNECT", "DEFERRED_NAMES", "ERROR_NAMES", "EXPIRED", "HOOK_FAILED", "HTTP"]
__all__ += ["HTTP_STATUS", "INVALID_PATH", "INVALID_PAYLOAD", "INVALID_ROW", "KILLED"]
__all__ += ["OUTCOME_UNKNOWN", "PERMANENT_NAMES", "PROTOCOL", "RESET", "SNOOZED", "THROTTLED"]
__all__ += ["WAITING"]
__all__ += ["TIMEOUT", "TLS", "UNAVAILABLE", "UNKNOWN_ROUTE", "Delivered", "LONGEST_REQUEST_ID"]
__all__ += ["Outcome", "Undelivered", "kept_request_id", "status_text"]

HTTP = "http"
"""The scheme of a code, where none is said."""

HTTP_STATUS = "http_status"
"""The backend answered, and not with 2xx."""

TIMEOUT = "timeout"
"""No whole response head came in time."""

CONNECT = "connect"
"""No connection could be made."""

TLS = "tls"
"""The connection was made, and no secure one on it."""

RESET = "reset"
"""The connection closed before a whole response head."""

PROTOCOL = "protocol"
"""What came isn't what the transport speaks."""

UNAVAILABLE = "unavailable"
"""The backend as a whole takes no jobs now, rather than not this one."""

INVALID_PATH = "invalid_path"
"""The path would leave the backend's origin; nothing was sent."""

UNKNOWN_ROUTE = "unknown_route"
"""The path is no route of the backend's document; nothing was sent."""

INVALID_PAYLOAD = "invalid_payload"
"""The payload can't be sent to its route; nothing was sent."""

INVALID_ROW = "invalid_row"
"""The row breaks the contract; nothing was sent."""

OUTCOME_UNKNOWN = "outcome_unknown"
"""The claim was lost, and it can't be known whether the request arrived."""

KILLED = "killed"
"""An operator ended the job."""

THROTTLED = "throttled"
"""The backend says that it did nothing, and is to be asked later."""

BUSY = "busy"
"""What was to do the job had no place for it in time; nothing was begun."""

SNOOZED = "snoozed"
"""The job's own code asks to be called again later: ``again_in`` says when."""

WAITING = "waiting"
"""The job waits for something else, or for ``again_in``, for as long as that takes; a ``reason`` is noted."""

DEFERRED_NAMES = frozenset({THROTTLED, BUSY, SNOOZED, WAITING})
"""The job waits and no retry is used up; an entry of ``errors`` that follows one of its name replaces it."""

HOOK_FAILED = "hook_failed"
"""A plugin's hook that must not be skipped has failed; nothing was sent."""

EXPIRED = "expired"
"""``expires_at`` had passed; nothing was sent."""


PERMANENT_NAMES = frozenset({INVALID_PATH, INVALID_PAYLOAD, INVALID_ROW})
"""Never retried: nothing about them can change. (An unknown route may be known to a newer runner.)"""

UNAVAILABLE_MEANINGS = frozenset({CONNECT, TLS, RESET, TIMEOUT, UNAVAILABLE})
"""The backend as a whole is unavailable, rather than unwilling to take this job."""

PAUSING_MEANINGS = frozenset({THROTTLED, UNAVAILABLE})
"""Names of outcomes whose ``retry_after`` is for the whole backend, not for one job."""

NO_NEWS = PERMANENT_NAMES | {UNKNOWN_ROUTE, HOOK_FAILED, OUTCOME_UNKNOWN, KILLED, EXPIRED}
"""They say nothing about the backend: no request was sent, or its end is unknown."""

ERROR_NAMES = NO_NEWS | UNAVAILABLE_MEANINGS | PAUSING_MEANINGS | DEFERRED_NAMES | {HTTP_STATUS, PROTOCOL}
"""All names of errors but those that a transport or a plugin has of its own."""


LONGEST_REQUEST_ID = 200
"""Characters of what a backend calls its answer that are kept."""


def kept_request_id(request_id: str | None) -> str | None:
    """Return what is kept of what a backend calls its answer: printable characters, and not too many."""
    if request_id is None:
        return None
    return "".join(filter(str.isprintable, request_id)).strip()[:LONGEST_REQUEST_ID] or None


@attrs.frozen(kw_only=True)
class Delivered:
    """The backend took the job.

    Attributes:
        result: A JSON value, or JsonText; stored on the row.
        code: The backend's answer, as a number of the scheme's: an HTTP status; 0: there is none.
        scheme: Whose code it is.
        request_id: What the backend calls its answer, without secrets: kept on the row, 200 characters of it.
    """

    result: Any = None
    code: int = 200
    scheme: str = HTTP
    request_id: str | None = attrs.field(default=None, converter=kept_request_id)

    def __str__(self) -> str:
        """Say it in short: ``HTTP 200``."""
        return status_text(self.scheme, self.code) or "delivered"


@attrs.frozen(kw_only=True)
class Undelivered:
    """The backend didn't take the job, or it isn't known whether it did.

    Attributes:
        code: The backend's answer, as a number of the scheme's: an HTTP status; 0: there was none.
        scheme: Whose code it is.
        name: One of the names in ``sp00ky_core.job.outcome``, or one of the transport's own.
        counts_as: What it means to the core, where the name doesn't say: ``unavailable``, ``timeout``,
            ``reset`` or ``connect``.
        reason: Why, in words.
        retry_after: Seconds that the backend asked for.
        retryable: None: by its name; `sp00ky_classify_outcome` may decide otherwise.
        rule: What decided that, such as ``giveUpOn has 404``; stands in the error of a job that it ends.
        request_id: What the backend calls its answer, as of a delivery.
        sent: False: no request was begun, so that one which is throttled isn't a job's only one.
        again_in: Seconds until the job is tried again, as its own code asks, whatever its strategy says.
        trace: The end of a traceback, without secrets.
    """

    code: int = attrs.field(default=0, validator=instance_of(int))
    scheme: str = attrs.field(default=HTTP, validator=instance_of(str))
    name: str = attrs.field(validator=instance_of(str))
    reason: str = attrs.field(default="", validator=instance_of(str))
    retry_after: float | None = None
    retryable: bool | None = None
    rule: str = ""
    counts_as: str | None = None
    request_id: str | None = attrs.field(default=None, converter=kept_request_id)
    sent: bool = True
    again_in: float | None = None
    trace: str = attrs.field(default="", validator=instance_of(str))

    def __str__(self) -> str:
        """Say it in short: ``HTTP 503``, ``AMQP 312``, or its name where there is no code."""
        return status_text(self.scheme, self.code) or self.name

    @property
    def meaning(self) -> str:
        """The name of what the outcome means to the core: ``counts_as``, else its own."""
        return self.counts_as or self.name

    @property
    def is_retryable(self) -> bool:
        """Whether another attempt makes sense."""
        return self.name not in PERMANENT_NAMES if self.retryable is None else self.retryable


Outcome = Delivered | Undelivered
"""Either of both: what came of one attempt."""


def status_text(scheme: str, code: int) -> str:
    """Return a code with its scheme, as screens show it: ``HTTP 503``; empty: there is none."""
    return f"{scheme.upper()} {code}" if code else ""
