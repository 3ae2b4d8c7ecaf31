"""Make secrets, sign as Standard Webhooks has it, and encrypt what is kept."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from sp00ky_core.config.values import signing_key
from sp00ky_core.errors import OptionInvalid, Sp00kyError

if TYPE_CHECKING:  # commands that need no secret start without
    from cryptography.fernet import MultiFernet

__all__ = ["Kept", "Sealed", "checked_secret", "new_secret", "rotated", "signature_headers"]

VARIABLE = "SP00KY_SECRET_KEY"
OVERLAP = timedelta(hours=24)
"""For so long the secret before signs, too."""
MOST_SECRETS = 5
SHORTEST, LONGEST = 24, 64  # bytes, as the standard has it
_MARK = "fernet:"


@attrs.define(eq=False)
class Sealed(Sp00kyError):
    """What is kept encrypted can't be read.

    Attributes:
        problem: Why, and what to do.
    """

    problem: str

    def __str__(self) -> str:
        return f"an endpoint's secrets can't be read: {self.problem}"


def new_secret() -> str:
    """Make a secret of 24 random bytes."""
    return "whsec_" + b64encode(secrets.token_bytes(SHORTEST)).decode()


def checked_secret(secret: object) -> str:
    """Return a secret that somebody brings. Raises ``OptionInvalid``, which doesn't quote it."""
    try:
        if isinstance(secret, str) and secret.startswith("whsec_"):
            key = b64decode(secret.removeprefix("whsec_"), validate=True)
            if SHORTEST <= len(key) <= LONGEST:
                return secret
    except ValueError:
        pass
    expected = f"whsec_ and {SHORTEST} to {LONGEST} bytes in base64"
    raise OptionInvalid(option="secret", value="what was given", expected=expected)


@attrs.frozen
class Kept:
    """A secret, and until when it signs.

    Attributes:
        secret: It.
        until: None: it is the one that counts.
    """

    secret: str = attrs.field(repr=False)
    until: datetime | None = None


def rotated(kept: Iterable[Kept], secret: str, now: datetime) -> tuple[Kept, ...]:
    """Return secrets with a new one, beside which those before sign for 24 h more."""
    until = now + OVERLAP
    before = [attrs.evolve(one, until=one.until or until) for one in valid(kept, now)]
    return (Kept(secret), *before)[:MOST_SECRETS]


def valid(kept: Iterable[Kept], now: datetime) -> tuple[Kept, ...]:
    """Return the secrets that sign now."""
    return tuple(one for one in kept if one.until is None or one.until > now)


def signature_headers(keys: Sequence[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers of Standard Webhooks, with a signature by each secret.

    The id has no dot, so that ``id.timestamp.body`` splits in one way only.
    """
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    each = (b64encode(hmac.digest(signing_key(key), signed, "sha256")).decode() for key in keys)
    signatures = " ".join(f"v1,{one}" for one in each)
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signatures}


def secrets_to_text(kept: Sequence[Kept]) -> str:
    """Write secrets as they are stored."""
    return sealed(json.dumps([[one.secret, one.until and one.until.isoformat()] for one in kept]))


def secrets_of_text(text: str) -> tuple[Kept, ...]:
    """Read secrets as they are stored. Raises ``Sealed``."""
    if not (kept := kept_in(text)):  # nothing is sent unsigned
        raise Sealed("they aren't what this outbox writes; rotate them")
    return kept


def kept_in(text: str) -> tuple[Kept, ...]:
    """Read secrets as they are stored; none, where another client has written something else."""
    try:
        rows = json.loads(opened(text))
        return tuple(Kept(secret, until and datetime.fromisoformat(until)) for secret, until in rows)
    except (ValueError, TypeError):
        return ()


def sealed(text: str) -> str:
    """Encrypt a text by the first key of ``SP00KY_SECRET_KEY``; without one it stays as it is."""
    keys = _keys()
    return text if keys is None else _MARK + keys.encrypt(text.encode()).decode()


def opened(text: str) -> str:
    """Decrypt a text. Raises ``Sealed``."""
    if not text.startswith(_MARK):
        return text
    keys = _keys()
    if keys is None:
        raise Sealed(f"set {VARIABLE} to the key that they were encrypted by")
    try:
        return keys.decrypt(text.removeprefix(_MARK)).decode()
    except _invalid():
        raise Sealed(f"no key of {VARIABLE} fits; add the one that they were encrypted by") from None


def _invalid() -> type[Exception]:
    from cryptography.fernet import InvalidToken  # noqa: PLC0415  # see above

    return InvalidToken


def _keys() -> MultiFernet | None:
    """Return the keys, the first of which encrypts. Raises ``Sealed``."""
    given = [key.strip() for key in os.environ.get(VARIABLE, "").split(",") if key.strip()]
    if not given:
        return None
    from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415  # see above

    try:
        return MultiFernet([Fernet(key) for key in given])
    except ValueError:
        problem = f"{VARIABLE} holds a key that is none; make one with `sp00ky webhooks key`"
        raise Sealed(problem) from None
