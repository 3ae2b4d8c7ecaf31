"""Keeps a backend's secrets out of what is stored and shown. Pure."""

from __future__ import annotations

import json
import re
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from sp00ky_core.jsontext import encode
from sp00ky_transport_http.notations import Fold, Reading, Span, TooDeep, is_escaped, readings

__all__ = ["Redaction"]

_MASK = "***"
_SHORTEST = 4  # bytes: what is shorter is in every text by chance
_ROUNDS = 3  # until a text is given up; a mask can complete a secret that has asterisks
_EXPANSION = 12  # bytes for one of a secret's: JSON in JSON in JSON writes a character so
_ENCODED = re.compile(rb"[a-z0-9+/]")  # base64, folded


class Redaction:
    """Replaces secrets with ``***``, in whichever notation a backend echoes them.

    They are found in any case, with white space or control characters inside, behind layers of JSON's,
    percent and HTML escapes, and in base64 and in hex, also as a part of something longer. A secret of
    less than four characters protects nothing: it is masked only where it stands alone.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        secrets = [secret for secret in secrets if secret]
        self._is_ascii = all(secret.isascii() for secret in secrets)
        self._fold = Fold(ascii_only=self._is_ascii)
        written = [secret.encode(errors="surrogatepass") for secret in secrets]
        long = [secret for secret in written if len(self._fold(secret)) >= _SHORTEST]
        self._each = any(is_escaped(secret) for secret in long)
        self._plain = _unique(form for secret in long for form in self._plain_forms(secret))
        self._encoded = _unique(self._fold(form) for secret in long for form in _encoded_forms(secret))
        self._forms = self._plain + self._encoded
        self._sought = [form.decode("latin-1") for form in self._forms]
        self._short = _standing_alone(s for s, w in zip(secrets, written, strict=True) if w not in long)
        self._least = 1 if self._short else min(map(len, self._forms), default=sys.maxsize)
        self.longest = max(map(len, written), default=0) * _EXPANSION
        """Characters that an echoed secret may take."""

    def decoded(self, body: bytes) -> str:
        """The body as text; nothing where its encoding could hide a secret's letters."""
        if not self._is_ascii and (b"\0" in body or not _is_utf8(body)):
            return ""
        return body.decode(errors="replace")

    def text(self, text: str) -> str:
        """The text without secrets; nothing where it can't be cleaned."""
        for _ in range(_ROUNDS):
            written = text.encode(errors="surrogatepass")
            if len(written) < self._least or not (self._found(written) or self._found_short(written)):
                return text
            try:
                text = self._masked(written).decode(errors="replace")
            except TooDeep:
                return ""
        return ""

    def json(self, body: bytes, value: object) -> bytes | None:
        """JSON without secrets; None where it can't be cleaned, or where no JSON would be left.

        Args:
            body: UTF-8 JSON.
            value: what it encodes.
        """
        if len(body) < self._least or not self._is_suspect(body):
            return body
        try:
            cleaned = self._cleaned(value)
            anew = body if cleaned == value else encode(cleaned)
        except (ValueError, RecursionError):
            return None
        return None if self._found(anew) else anew  # it stood outside of the strings, as a number

    def _is_suspect(self, body: bytes) -> bool:
        # Where a secret looks like an escape, only the strings themselves can tell.
        return self._found(body) or self._found_short(body) or (self._each and is_escaped(body))

    def _found(self, text: bytes) -> bool:
        """Whether there is a secret: runs for every result, so it is quick where there is none."""
        folded = text.translate(self._fold.table, self._fold.dropped).decode("latin-1")
        for form in self._sought:  # text is searched several times as fast as short bytes are
            if form in folded:
                return True
        if "\\" in folded or "%" in folded or "&" in folded:
            return self._found_behind(text)
        return False

    def _found_behind(self, text: bytes) -> bool:
        try:
            return any(
                form in reading.text
                for reading in readings(text, self._fold, each=self._each)
                for form in self._forms
            )
        except TooDeep:
            return True

    def _found_short(self, text: bytes) -> bool:
        return self._short is not None and self._short.search(text) is not None

    def _cleaned(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._cleaned(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self._cleaned(item) for key, item in value.items()}
        return value

    def _masked(self, text: bytes) -> bytes:
        parts, done = [], 0
        for start, stop in _merged(self._spans(text)):
            parts += [text[done:start], _MASK.encode()]
            done = stop
        return b"".join([*parts, text[done:]])

    def _spans(self, text: bytes) -> Iterator[Span]:
        if self._short:
            yield from (match.span() for match in self._short.finditer(text))
        if self._forms:
            for reading in readings(text, self._fold, each=self._each):
                if spans := [*self._spans_in(reading)]:
                    yield from reading.origins(spans)

    def _spans_in(self, reading: Reading) -> Iterator[Span]:
        for form in self._plain:
            yield from _places(form, reading.text)
        for form in self._encoded:
            for start, stop in _places(form, reading.text):
                # The characters beside it are the secret's in part.
                yield (
                    start - bool(_ENCODED.match(reading.text[max(start - 1, 0) : start])),
                    stop + bool(_ENCODED.match(reading.text[stop : stop + 1])),
                )

    def _plain_forms(self, secret: bytes) -> Iterator[bytes]:
        """The secret as it is, and as it reads when what looks like an escape in it is undone, too."""
        yield self._fold(secret)
        try:
            *_, last = readings(secret, self._fold, each=False)
        except TooDeep:
            return
        if len(last.text) >= _SHORTEST:
            yield last.text


def _encoded_forms(secret: bytes) -> Iterator[bytes]:
    """What of its base64 depends on nothing before or after it, at each alignment; its hex."""
    for before in range(3):
        encoded = b64encode(bytes(before) + secret)
        form = encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        if len(form) >= _SHORTEST:
            yield form
    yield secret.hex().encode()


def _standing_alone(secrets: Iterable[str]) -> re.Pattern[bytes] | None:
    forms = {
        form.encode() for secret in secrets for form in (secret, json.dumps(secret)[1:-1], quote(secret))
    }
    if not forms:
        return None
    longest_first = sorted(forms, key=len, reverse=True)
    any_of = b"|".join(map(re.escape, longest_first))
    return re.compile(b"(?<![A-Za-z0-9])(?:" + any_of + b")(?![A-Za-z0-9])")


def _places(form: bytes, text: bytes) -> Iterator[Span]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + len(form))


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, stop in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _unique(forms: Iterable[bytes]) -> list[bytes]:
    return list(dict.fromkeys(forms))


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except ValueError:
        return False
    return True
