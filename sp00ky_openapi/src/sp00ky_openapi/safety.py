"""Refuse paths that could leave the backend's base URL, and headers that neither a job nor a plugin may set.

A path passes through several readers (our URL library, a proxy, the backend's router) that decode and
normalise differently. So a path that *any* of them could take for another one is refused, not corrected.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote, unquote_to_bytes

__all__ = ["CLOSED_HEADERS", "HEADER_NAME", "HEADER_VALUE", "KEY_HEADER", "SIGNATURE_HEADERS", "climbs"]
__all__ += ["path_problem"]

MAX_PATH_LENGTH = 2_048  # characters

_DEEPEST_ENCODING = 5  # times that a value may be percent-encoded over; no backend means more
_METHOD = re.compile(r"\A[A-Z]{1,20} ")
_OPERATION_ID = re.compile(r"(?!.*(//|\.\.))[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,199}")
_FIXED_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$'()*,;:@/?&=+\[\]-]|%[0-9A-Fa-f]{2})+")
_MARK = re.compile(r"#[\w-]+\Z", re.ASCII)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNPRINTABLE = {"Cc", "Cs", "Zs", "Zl", "Zp"}  # controls, lone surrogates, spaces and line ends


def spelling_problem(text: object) -> str | None:
    """Say why a text can't name an operation, whatever the contract says; None if it may. Never raises."""
    if isinstance(text, str) and _OPERATION_ID.fullmatch(text):
        return None
    if not isinstance(text, str):
        return path_problem(text)
    path, mark, query = _METHOD.sub("", text, count=1).partition("?")
    return path_problem(path) or (query_problem(query) if mark else None)


def path_problem(path: object) -> str | None:
    """Say why a job's path may never be requested, whatever the contract says; None if it may.

    A path may contain ``{name}``; what is filled in is checked where it is filled in. A name may follow ``#``
    at its end: that tells operations of one path apart, and is never sent. Never raises.
    """
    if not isinstance(path, str):
        return "it isn't text"
    if len(path) > MAX_PATH_LENGTH:
        return f"it has more than {MAX_PATH_LENGTH} characters"
    path = _MARK.sub("", path)
    return _written_problem(path) or _decoded_problem(path)


def _written_problem(path: str) -> str | None:
    """Find what is wrong with a path as it stands."""
    if not path.startswith("/"):
        return "it must start with '/'"
    if path.startswith("//"):
        return "it must start with a single '/'"
    if any(mark in path for mark in "?#"):
        return "it must not contain '?' or '#'"
    if _NO_ESCAPE.search(path):
        return "a '%' must be followed by two hexadecimal digits"
    return _text_problem(path)


def _decoded_problem(path: str) -> str | None:
    """Find what is wrong with a path once its percent escapes are resolved."""
    try:
        decoded = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return "its percent escapes aren't UTF-8"
    if _ESCAPE.search(decoded):
        return "it is percent-encoded twice"
    if decoded.count("/") != path.count("/"):
        return "it must not contain an encoded '/'"
    return _text_problem(decoded, spaces=True)


def _text_problem(path: str, *, spaces: bool = False) -> str | None:
    """Find what no path may contain, neither plain nor encoded; an encoded space is harmless."""
    if "\\" in path:
        return "it must not contain a backslash"
    if any(unicodedata.category(mark) in _UNPRINTABLE for mark in path if not (spaces and mark == " ")):
        return "it must not contain spaces or control characters"
    # some servers drop ";..." from a segment before they look for dots
    if any(segment.split(";", 1)[0] in {".", ".."} for segment in path.split("/")):
        return "it must not contain the segments '.' or '..'"
    return None


def query_problem(query: str) -> str | None:
    """Say why what follows ``?`` in a document's path can't be sent as it stands; None if it can."""
    if "{" in query:
        return "its query must be fixed; declare what varies as a parameter in: query"
    is_sound = _FIXED_QUERY.fullmatch(query) is not None
    return None if is_sound else "what follows '?' must be percent-encoded, and not empty"


def segment_problem(value: str) -> str | None:
    """Say why a text can't fill in a ``{name}`` of a path; None if it can. Never raises."""
    if not value:
        return "it becomes a part of the path, so it must not be empty"
    if not value.isascii() and any("\ud800" <= mark <= "\udfff" for mark in value):
        return "it becomes a part of the path, so it must not hold a lone surrogate"
    if climbs(value):
        return "it becomes a part of the path, so it must not be or contain the segments '.' or '..'"
    return None


def climbs(text: str) -> bool:
    """Tell whether some reader could see a segment ``.`` or ``..``, however often it decodes.

    A backslash counts as ``/``, and what follows ``;`` in a segment is left out, as some servers do.
    """
    if "." not in text and "%" not in text:
        return False
    for _ in range(_DEEPEST_ENCODING):
        if any(segment.split(";", 1)[0] in {".", ".."} for segment in re.split(r"[/\\]", text)):
            return True
        decoded = unquote(text)
        if decoded == text:
            return False
        text = decoded
    return True


HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""The name of a header (RFC 9110, 5.1)."""
HEADER_VALUE = re.compile(r"[\t -~]*")
"""Other letters have no encoding that every reader knows (RFC 9110, 5.5)."""

CLOSED_HEADERS = frozenset(
    {
        *("authorization", "host", "cookie", "expect"),
        *("accept-encoding", "content-encoding", "content-length", "transfer-encoding"),
        # What is hop-by-hop: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "upgrade"),
    }
)
"""Headers that make up a request, and those that belong to its connection, in lower case."""

KEY_HEADER = "idempotency-key"
"""Headers that tell an attempt's repeats from new requests, in lower case."""

SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
"""Headers of a signed request, as Standard Webhooks names them."""
