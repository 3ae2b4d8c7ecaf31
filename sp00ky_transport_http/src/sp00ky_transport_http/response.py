"""Hold a response as far as it was read."""

from __future__ import annotations

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
