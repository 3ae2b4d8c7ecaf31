"""What a transport reports of one attempt."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import instance_of

__all__ = [
    "Delivered",
    "Undelivered",
    "Outcome",
    "PERMANENT_NAMES",
    "HTTP_STATUS",
    "TIMEOUT",
    "CONNECT",
    "TLS",
    "RESET",
    "PROTOCOL",
    "INVALID_PATH",
    "UNKNOWN_ROUTE",
    "INVALID_PAYLOAD",
    "INVALID_ROW",
    "OUTCOME_UNKNOWN",
    "KILLED",
]

HTTP_STATUS = "http_status"
TIMEOUT = "timeout"
CONNECT = "connect"
TLS = "tls"
RESET = "reset"  # closed before a whole response head
PROTOCOL = "protocol"  # bytes that aren't HTTP
INVALID_PATH = "invalid_path"
UNKNOWN_ROUTE = "unknown_route"
INVALID_PAYLOAD = "invalid_payload"
INVALID_ROW = "invalid_row"
OUTCOME_UNKNOWN = "outcome_unknown"
KILLED = "killed"

PERMANENT_NAMES = frozenset({INVALID_PATH, INVALID_PAYLOAD, INVALID_ROW})
"""Never retried: nothing about them can change. (An unknown route may be known to a newer runner.)"""


@attrs.frozen(kw_only=True)
class Delivered:
    """The backend took the job."""

    result: Any = None  # a JSON value, or JsonText; stored on the row
    code: int = 200


@attrs.frozen(kw_only=True)
class Undelivered:
    """The backend didn't take the job, or nobody knows whether it did."""

    code: int = attrs.field(default=0, validator=instance_of(int))  # the HTTP status, or 0: there was none
    name: str = attrs.field(validator=instance_of(str))
    reason: str = attrs.field(default="", validator=instance_of(str))
    retry_after: float | None = None  # seconds that the backend asked for
    retryable: bool | None = None  # None: by its name; `sp00ky_classify_outcome` may decide otherwise

    @property
    def is_retryable(self) -> bool:
        """Whether another attempt makes sense."""
        return self.name not in PERMANENT_NAMES if self.retryable is None else self.retryable


Outcome = Delivered | Undelivered
