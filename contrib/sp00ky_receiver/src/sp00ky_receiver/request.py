"""Hold a request as it came, whatever the framework. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import attrs

__all__ = ["Request", "Call"]


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@attrs.frozen(kw_only=True, eq=False)
class Request:
    """A request, nothing of which has been verified.

    Attributes:
        method: Upper case.
        target: Path and query.
        headers: By name, which becomes lower case.
        body: Byte for byte as it came: a signature is over these.
    """

    method: str
    target: str
    headers: Mapping[str, str] = attrs.field(converter=_lower, repr=False)
    body: bytes = attrs.field(repr=False)

    def fingerprint(self) -> str:
        """Return what is the same for the same request: a hash of method, target and body."""
        head = f"{self.method}\n{self.target}\n".encode(errors="surrogateescape")
        return sha256(head + self.body).hexdigest()


@attrs.frozen(kw_only=True, eq=False)
class Call:
    """A request whose sender is known; ``Receiver.verify`` makes it.

    Attributes:
        request: As it came.
        key: Its sender's own for what is asked, the same in each repetition: of an outbox, the job's id.
    """

    request: Request
    key: str
