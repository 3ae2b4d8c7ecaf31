"""Report one attempt: what a transport returns."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import instance_of

__all__ = [
    "CONNECT",
    "EXPIRED",
    "HTTP_STATUS",
    "INVALID_PATH",
    "INVALID_PAYLOAD",
    "INVALID_ROW",
    "KILLED",
    "OUTCOME_UNKNOWN",
    "PERMANENT_NAMES",
    "PROTOCOL",
    "RESET",
    "THROTTLED",
    "TIMEOUT",
    "TLS",
    "UNKNOWN_ROUTE",
    "Delivered",
    "Outcome",
    "Undelivered",
]

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
"""What came wasn't HTTP."""

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
"""The backend answered 429, or 503 with ``Retry-After``: it says that it did nothing."""

EXPIRED = "expired"
"""``expires_at`` had passed; nothing was sent."""


PERMANENT_NAMES = frozenset({INVALID_PATH, INVALID_PAYLOAD, INVALID_ROW})
"""Never retried: nothing about them can change. (An unknown route may be known to a newer runner.)"""


@attrs.frozen(kw_only=True)
class Delivered:
    """The backend took the job.

    Attributes:
        result: A JSON value, or JsonText; stored on the row.
        code: The HTTP status.
    """

    result: Any = None
    code: int = 200


@attrs.frozen(kw_only=True)
class Undelivered:
    """The backend didn't take the job, or it isn't known whether it did.

    Attributes:
        code: The HTTP status, or 0: there was none.
        name: One of the names in ``sp00ky_core.job.outcome``.
        reason: Why, in words.
        retry_after: Seconds that the backend asked for.
        retryable: None: by its name; `sp00ky_classify_outcome` may decide otherwise.
    """

    code: int = attrs.field(default=0, validator=instance_of(int))
    name: str = attrs.field(validator=instance_of(str))
    reason: str = attrs.field(default="", validator=instance_of(str))
    retry_after: float | None = None
    retryable: bool | None = None

    @property
    def is_retryable(self) -> bool:
        """Whether another attempt makes sense."""
        return self.name not in PERMANENT_NAMES if self.retryable is None else self.retryable


Outcome = Delivered | Undelivered
"""Either of both: what came of one attempt."""


def said(name: str, code: int, reason: str) -> str:
    """Return what may be logged of a failure: the status, but not the backend's words."""
    return f"{name}: HTTP {code}" if code else f"{name}: {reason}"
