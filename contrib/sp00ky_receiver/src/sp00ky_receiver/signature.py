"""Verify the signatures of Standard Webhooks, with the library of the standard. Pure."""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum

from standardwebhooks import Webhook

from sp00ky_receiver.errors import SettingInvalid, SignatureInvalid
from sp00ky_receiver.request import Request

__all__ = ["UNSIGNED", "Unsigned", "Verifier"]


class Unsigned(Enum):
    """Say that requests aren't signed; ``None`` doesn't, for that is what an unset variable gives too."""

    UNSIGNED = "unsigned"


UNSIGNED = Unsigned.UNSIGNED
"""Given instead of secrets, it says that requests aren't signed."""

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_PREFIX = "whsec_"
_SHORTEST = 24  # bytes, as the standard has it
_SECONDS = re.compile(r"[0-9]{1,11}")


class Verifier:
    """Knows one secret, or several while one is replaced: a signature by any of them is enough."""

    def __init__(self, secrets: str | Sequence[str], tolerance: float) -> None:
        """Take the secrets, and the seconds that a request may be old, or our clock be behind.

        Raises:
            SettingInvalid: a secret is none; it isn't quoted.
        """
        all_secrets = [secrets] if isinstance(secrets, str) else list(secrets or ())
        self._webhooks = [Webhook(_key(secret)) for secret in all_secrets]
        self._tolerance = tolerance
        if not self._webhooks:
            raise SettingInvalid(
                setting="secrets", problem="there is none; give the sender's signingSecret, or UNSIGNED"
            )

    def verify(self, request: Request, now: float) -> str:
        """Return the id that was signed, in which ``%2E`` stands for the dot that an id may not have.

        Raises:
            SignatureInvalid: a header is missing, the time is too far off, the id has a dot, or no signature
                fits.
        """
        message_id, timestamp, signatures = (_header(request, name) for name in _HEADERS)
        if "." in message_id:  # what is signed is id.timestamp.body: it must split in one way only
            raise SignatureInvalid(reason="webhook-id has a dot; the sender is to write it as %2E")
        if not _SECONDS.fullmatch(timestamp):
            raise SignatureInvalid(reason="webhook-timestamp is no number of seconds since 1970")
        if abs(now - int(timestamp)) > self._tolerance:
            reason = (
                f"webhook-timestamp is {now - int(timestamp):.0f} s before this clock; "
                f"{self._tolerance:.0f} s are allowed: send it anew, or set the clocks"
            )
            raise SignatureInvalid(reason=reason)
        expected = self._expected(message_id, datetime.fromtimestamp(int(timestamp), UTC), request.body)
        if not _any_equal(signatures.split(" "), expected):
            raise SignatureInvalid(
                reason="no webhook-signature fits this request; compare the secrets of both sides"
            )
        return message_id.replace("%2E", ".")

    def _expected(self, message_id: str, at: datetime, body: bytes) -> list[str]:
        try:
            text = body.decode()
        except UnicodeDecodeError:  # the standard signs text
            return []
        return [webhook.sign(message_id, at, text) for webhook in self._webhooks]


def _header(request: Request, name: str) -> str:
    value = request.headers.get(name, "")
    if not value:
        raise SignatureInvalid(reason=f"the header {name} is missing; only signed requests are taken")
    return value


def _any_equal(signatures: Iterable[str], expected: Sequence[str]) -> bool:
    """Compare each with each; how long that takes says nothing of where two differ."""
    given = [signature.encode(errors="replace") for signature in signatures]
    return any(hmac.compare_digest(one, other.encode()) for one in given for other in expected)


def _key(secret: object) -> bytes:
    encoded = secret.removeprefix(_PREFIX).rstrip("=") if isinstance(secret, str) else ""
    try:
        key = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not (isinstance(secret, str) and secret.startswith(_PREFIX)) or len(key) < _SHORTEST:
        problem = "expected whsec_ and at least 24 bytes in base64, as in the sender's signingSecret"
        raise SettingInvalid(setting="secrets", problem=problem)
    return key
