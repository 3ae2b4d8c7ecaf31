"""Say how a payload breaks a contract."""

from __future__ import annotations

import attrs

__all__ = ["Violation"]


@attrs.frozen(kw_only=True)
class Violation:
    """One way in which a payload breaks its route's contract.

    Attributes:
        pointer: JSON Pointer (RFC 6901) into the payload; empty for the payload itself.
        message: What is wrong there, in words.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(payload)'}: {self.message}"
