"""Hold an answer, and say which part of it a repeated request gets. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Self

import attrs

__all__ = ["Answer"]

_KEPT_HEADERS = frozenset(
    {
        *("content-type", "content-encoding", "content-language"),
        *("content-location", "location", "etag", "last-modified", "link", "vary"),
    }
)
"""Headers that say something of the answer; cookies and what belongs to a connection isn't kept."""

_OF_A_BODY = frozenset({"content-type", "content-encoding", "content-language", "etag"})
_MOST_HEADER_BYTES = 8_192
_WITHOUT_LENGTH = frozenset({204, 304})


def _named(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in headers)


@attrs.frozen(kw_only=True)
class Answer:
    """Answer a request.

    Attributes:
        status: The HTTP status. Only an answer from 200 to 299 is kept.
        headers: Names, which become lower case, and values.
        body: The bytes that are sent.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_named)
    body: bytes = b""

    @classmethod
    def json(cls, value: Any, *, status: int = 200) -> Self:
        """Return an answer whose body is a value's JSON. Raises ``ValueError`` for NaN, which JSON lacks."""
        headers = (("content-type", "application/json"),)
        return cls(status=status, headers=headers, body=json.dumps(value, allow_nan=False).encode())

    @property
    def is_success(self) -> bool:
        """Whether it is kept: the request was done."""
        return 200 <= self.status < 300  # noqa: PLR2004  # as HTTP has it

    def kept(self, most_bytes: int) -> Self:
        """Return what a repeated request gets: some headers, and no body where that is longer."""
        headers = [header for header in self.headers if header[0] in _KEPT_HEADERS]
        body = self.body if len(self.body) <= most_bytes else b""
        if body != self.body:
            headers = [header for header in headers if header[0] not in _OF_A_BODY]
        if sum(len(name) + len(value) for name, value in headers) > _MOST_HEADER_BYTES:
            headers = [header for header in headers if header[0] in _OF_A_BODY]
        return attrs.evolve(self, headers=headers, body=body)

    def sent_headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers, with the body's length where they don't say it."""
        if self.status in _WITHOUT_LENGTH or any(name == "content-length" for name, _ in self.headers):
            return self.headers
        return (*self.headers, ("content-length", str(len(self.body))))
