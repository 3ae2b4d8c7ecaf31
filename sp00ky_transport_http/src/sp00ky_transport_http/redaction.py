"""Keeps a backend's secrets out of what is stored and shown. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote

from sp00ky_core.jsontext import decode, encode

__all__ = ["Redaction"]

_MASK = "***"


class Redaction:
    """Replaces secrets with ``***`` in every notation in which a backend is likely to echo them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        self._texts = sorted(forms, key=len, reverse=True)  # the longest first: none hides in another
        self._bytes = [form.encode(errors="surrogatepass") for form in self._texts]
        self.longest = max(map(len, self._bytes), default=0)
        """Bytes of the longest form."""

    def text(self, text: str) -> str:
        """The text without secrets."""
        for form in self._texts:
            text = text.replace(form, _MASK)
        return text

    def json(self, body: bytes, value: object) -> bytes | None:
        """JSON without secrets, whichever escapes its strings use; None where no JSON would be left.

        Args:
            body: UTF-8 JSON.
            value: what it encodes.
        """
        if not self._bytes:
            return body
        if b"\\" in body:
            # A string can be escaped in many ways; encoded anew, it is escaped in one.
            try:
                anew = encode(value)
            except ValueError:
                return None
            body = anew if self._found(anew) else body
        return self._masked(body) if self._found(body) else body

    def _found(self, body: bytes) -> bool:
        return any(form in body for form in self._bytes)

    def _masked(self, body: bytes) -> bytes | None:
        for form in self._bytes:
            body = body.replace(form, _MASK.encode())
        try:
            decode(body.decode())
        except ValueError:  # it stood outside of the strings, as a number
            return None
        return body


def _forms(secret: str) -> set[str]:
    escaped = json.dumps(secret)[1:-1]
    written = json.dumps(secret, ensure_ascii=False)[1:-1]
    return {
        secret,
        escaped,
        written,
        escaped.replace("/", "\\/"),
        quote(secret, safe="", errors="replace"),
    }
