"""Classify what came back: a response or an error becomes an outcome. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus

from sp00ky_core.encoding.json_bytes import JsonText, decode
from sp00ky_core.job.outcome import (
    CONNECT,
    HTTP_STATUS,
    PROTOCOL,
    RESET,
    THROTTLED,
    TIMEOUT,
    UNAVAILABLE,
    Delivered,
    Outcome,
    Undelivered,
)
from sp00ky_transport_http.engines.exchange import Exchange, ExchangeFailed
from sp00ky_transport_http.redaction import Redaction
from sp00ky_transport_http.response import MAX_RESULT_BYTES, Response
from sp00ky_transport_http.retry_after import retry_after

MEANINGS: Mapping[int, str] = {
    HTTPStatus.BAD_GATEWAY: RESET,
    HTTPStatus.SERVICE_UNAVAILABLE: UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: TIMEOUT,
}
"""What statuses say of the backend as a whole; only the second one's ``Retry-After`` is for all of it."""

_BOM = b"\xef\xbb\xbf"
_SNIPPET = 500  # characters of an error's body that are kept
_LONGEST_REASON = 2_048  # bytes
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_JSON_TYPE = re.compile(r"\s*application/(json|[^;\s]+\+json)\s*(;|$)", re.IGNORECASE)


def outcome_of(
    response: Response,
    redaction: Redaction,
    *,
    limit: int,
    now: Callable[[], datetime],
    has_result: bool = True,
    request_id: str | None = None,
) -> Outcome:
    """Say what a response means: 2xx is delivered, whatever its body; anything else isn't, or is throttled.

    Neither a result nor a reason holds a secret. A compressed body may grow to ``limit`` bytes.
    ``now`` is asked for a ``Retry-After`` that is a date, where the response has no date of its own.
    ``request_id`` names the header that says what the backend calls its answer. A delivery has no result
    where its operation's answers have none (not ``has_result``).
    """
    called = redaction.text(response.headers.get(request_id.lower(), "")) if request_id else None
    if 200 <= response.status < 300:  # noqa: PLR2004  # the class of statuses that mean success
        result = _result(response, redaction, limit) if has_result else None
        return Delivered(code=response.status, result=result, request_id=called)
    asked = retry_after(response.headers, now())
    return Undelivered(
        code=response.status,
        name=THROTTLED if _is_throttled(response.status, asked) else HTTP_STATUS,
        reason=_reason(response, redaction, limit),
        retry_after=asked,
        counts_as=MEANINGS.get(response.status),
        request_id=called,
    )


def _is_throttled(status: int, asked: float | None) -> bool:
    """Say whether the backend says that it did nothing, and is to be asked later."""
    unavailable = status == HTTPStatus.SERVICE_UNAVAILABLE and asked is not None
    return unavailable or status == HTTPStatus.TOO_MANY_REQUESTS


def _result(response: Response, redaction: Redaction, limit: int) -> JsonText | None:
    """Return the body, where it is JSON: said to be (or nothing else), whole, valid, and short enough."""
    if not (response.body and response.complete and _may_be_json(response.headers.get("content-type"))):
        return None
    body, whole = response.body, True
    if "content-encoding" in response.headers:
        body, whole = response.content(min(limit, MAX_RESULT_BYTES + len(_BOM)))
    body = body.removeprefix(_BOM)
    if not whole or len(body) > MAX_RESULT_BYTES:
        return None
    try:
        value = decode(body.decode())
    except ValueError:
        return None
    clean = redaction.json(body, value)
    return None if clean is None else JsonText(clean)


@lru_cache(maxsize=256)  # a backend says few different things
def _may_be_json(content_type: str | None) -> bool:
    return content_type is None or _JSON_TYPE.match(content_type) is not None


def _reason(response: Response, redaction: Redaction, limit: int) -> str:
    status = f"HTTP {response.status} {response.phrase or _phrase(response.status)}"
    snippet = _snippet(response, redaction, limit)
    reason = _cleaned(f"{status}: {snippet}", redaction) if snippet else ""
    return reason or _cleaned(status, redaction)


def _snippet(response: Response, redaction: Redaction, limit: int) -> str:
    body, whole = response.content(min(limit, MAX_RESULT_BYTES))
    body = redaction.body(bytes(body))  # as long as the bytes of a secret are there
    # UTF-16 would spell a secret out with NULs.
    text = _line(body.replace(b"\0", b"").decode(errors="replace"))
    size = _LONGEST_REASON + redaction.longest
    if redaction.longest and not (whole and len(text) <= size):
        # A secret that is cut off isn't recognised any more, so none of what could be one is kept.
        text = text[:size][: -redaction.longest]
    snippet = redaction.text(text)
    return snippet if len(snippet) <= _SNIPPET else f"{snippet[:_SNIPPET]}..."


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _cleaned(text: str, redaction: Redaction) -> str:
    """Return the text without secrets, on one line, without control characters, and not too long."""
    line = redaction.text(_line(text)).strip()
    return line.encode()[:_LONGEST_REASON].decode(errors="ignore")


def _line(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text).strip()


def undelivered(exchange: Exchange, failure: Exception | None, redaction: Redaction) -> Undelivered:
    """Say what it means that no whole head has come of an exchange."""
    if isinstance(failure, TimeoutError) and exchange.connection is None:
        return Undelivered(name=CONNECT, reason="no connection in time")
    return undelivered_by(failure or RuntimeError("an exchange ends with a head or an error"), redaction)


def undelivered_by(error: Exception, redaction: Redaction) -> Undelivered:
    """Say what an error means that ended an attempt before there was a response head."""
    name, reason = _named(error)
    return Undelivered(name=name, reason=_cleaned(reason, redaction))


def _named(error: Exception) -> tuple[str, str]:
    if isinstance(error, ExchangeFailed):
        return error.name, error.reason
    if isinstance(error, TimeoutError):
        return TIMEOUT, "no answer in time"
    if isinstance(error, ConnectionError):
        return RESET, f"the connection closed before a whole response head: {error}"
    return PROTOCOL, f"the request failed: {type(error).__name__}"
