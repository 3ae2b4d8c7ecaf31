"""Hold a response as far as it was read, and unpack its body."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import attrs

MAX_RESULT_BYTES = 65_536
"""JSON up to this size is kept as the job's result."""

READ = ("content-type", "content-encoding", "retry-after", "date", "transfer-encoding", "content-length")
"""Headers that something is made of."""


@attrs.define(kw_only=True, eq=False)
class Response:
    """A response as far as it was read.

    Attributes:
        status: Its HTTP status.
        phrase: The words beside the status.
        headers: Those of ``READ`` at least, looked up in lower case.
        body: As it was sent: still compressed, if it was.
        complete: False where it broke off, took too long, or was too long.
    """

    status: int
    phrase: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes | bytearray = b""
    complete: bool = True

    def content(self, limit: int) -> tuple[bytes | bytearray, bool]:
        """Return the body without its content coding, at most ``limit`` bytes, and whether that is all."""
        coding = self.headers.get("content-encoding")
        if coding is None or (coding := coding.strip().lower()) in {"", "identity"}:
            return self.body[:limit], self.complete and len(self.body) <= limit
        if coding not in {"gzip", "x-gzip", "deflate"}:
            return b"", False
        return _inflated(self.body, limit)


def _inflated(body: bytes | bytearray, limit: int) -> tuple[bytes, bool]:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: gzip or zlib, whichever header it has
    try:
        content = inflater.decompress(body, limit + 1)
    except zlib.error:
        return b"", False
    return content[:limit], inflater.eof and len(content) <= limit
