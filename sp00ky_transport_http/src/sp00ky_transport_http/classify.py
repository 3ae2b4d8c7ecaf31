"""What came back -> an outcome. Pure."""

from __future__ import annotations

import re
import ssl
import zlib
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

import aiohttp
import attrs
from aiohttp.http_exceptions import HttpProcessingError

from sp00ky_core.jsontext import JsonText, decode
from sp00ky_core.outcome import (
    CONNECT,
    HTTP_STATUS,
    PROTOCOL,
    RESET,
    TIMEOUT,
    TLS,
    Delivered,
    Outcome,
    Undelivered,
)
from sp00ky_transport_http.redaction import Redaction
from sp00ky_transport_http.retry_after import retry_after

__all__ = ["Response", "outcome_of", "undelivered_by", "MAX_RESULT_BYTES"]

MAX_RESULT_BYTES = 65_536
"""JSON up to this size is kept as the job's result."""

_BOM = b"\xef\xbb\xbf"
_SNIPPET = 500  # characters of an error's body that are kept
_LONGEST_REASON = 2_048  # bytes
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_QUOTED_BYTES = re.compile(r"""[:\s]*b['"]""")  # aiohttp quotes what it couldn't read; it may be anything
_JSON_TYPE = re.compile(r"\s*application/(json|[^;\s]+\+json)\s*(;|$)", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class Response:
    """A response as far as it was read."""

    status: int
    phrase: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)  # looked up by their usual spelling
    body: bytes = b""  # as it was sent: still compressed, if it was
    complete: bool = True  # false where it broke off, took too long, or was too long

    @property
    def is_delivered(self) -> bool:
        """Whether the backend took the job."""
        return 200 <= self.status < 300  # noqa: PLR2004  # the class of statuses that mean success


def outcome_of(response: Response, redaction: Redaction, *, limit: int, now: datetime) -> Outcome:
    """What a response means: 2xx is delivered, whatever its body; anything else isn't.

    Args:
        response: what came back.
        redaction: knows the backend's secrets; neither a result nor a reason holds one.
        limit: bytes to which a compressed body may grow.
        now: for a ``Retry-After`` that is a date, where the response has no date of its own.
    """
    if response.is_delivered:
        return Delivered(code=response.status, result=_result(response, redaction, limit))
    return Undelivered(
        code=response.status,
        name=HTTP_STATUS,
        reason=_reason(response, redaction, limit),
        retry_after=retry_after(response.headers, now),
    )


def _result(response: Response, redaction: Redaction, limit: int) -> JsonText | None:
    """The body, where it is JSON: said to be (or nothing else), whole, valid, and short enough."""
    if not response.body or not response.complete:
        return None
    said = response.headers.get("Content-Type")
    if said is not None and not _JSON_TYPE.match(said):
        return None
    body, whole = _content(response, min(limit, MAX_RESULT_BYTES + len(_BOM)))
    body = body.removeprefix(_BOM)
    if not whole or len(body) > MAX_RESULT_BYTES:
        return None
    try:
        value = decode(body.decode())
    except ValueError:
        return None
    clean = redaction.json(body, value)
    return None if clean is None else JsonText(clean)


def _content(response: Response, limit: int) -> tuple[bytes, bool]:
    """The body without its content coding, at most ``limit`` bytes, and whether that is all of it."""
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in {"", "identity"}:
        return response.body[:limit], response.complete and len(response.body) <= limit
    if coding not in {"gzip", "x-gzip", "deflate"}:
        return b"", False
    return _inflated(response.body, limit)


def _inflated(body: bytes, limit: int) -> tuple[bytes, bool]:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: gzip or zlib, whichever header it has
    try:
        content = inflater.decompress(body, limit + 1)
    except zlib.error:
        return b"", False
    return content[:limit], inflater.eof and len(content) <= limit


def _reason(response: Response, redaction: Redaction, limit: int) -> str:
    status = f"HTTP {response.status} {response.phrase or _phrase(response.status)}"
    snippet = _snippet(response, redaction, limit)
    told = _told(f"{status}: {snippet}", redaction) if snippet else ""
    return told or _told(status, redaction)


def _snippet(response: Response, redaction: Redaction, limit: int) -> str:
    body, whole = _content(response, min(limit, MAX_RESULT_BYTES))
    text = _line(redaction.decoded(body))
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


def _told(text: str, redaction: Redaction) -> str:
    """The text without secrets, on one line, without control characters, and not too long."""
    line = redaction.text(_line(text)).strip()
    return line.encode()[:_LONGEST_REASON].decode(errors="ignore")


def _line(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text).strip()


def undelivered_by(error: Exception, redaction: Redaction) -> Undelivered:
    """What an error means that ended an attempt before there was a response head."""
    name, reason = _named(error)
    return Undelivered(name=name, reason=_told(reason, redaction))


def _named(error: Exception) -> tuple[str, str]:
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(error, aiohttp.ClientSSLError) or isinstance(cause, ssl.SSLError | ssl.CertificateError):
        return TLS, f"no secure connection: {cause}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return CONNECT, f"no connection: {cause}"
    if isinstance(error, TimeoutError):
        return TIMEOUT, "no answer in time"
    if isinstance(error, aiohttp.ClientConnectionError | ConnectionError):
        # A disconnect's own text can be a whole response head: it stays out.
        said = "" if isinstance(error, aiohttp.ServerDisconnectedError) else f": {error}"
        return RESET, f"the connection closed before a whole response head{said}"
    if isinstance(error, HttpProcessingError):
        return PROTOCOL, f"the response is not HTTP: {_QUOTED_BYTES.split(error.message)[0]}"
    return PROTOCOL, f"the request failed: {type(error).__name__}"
