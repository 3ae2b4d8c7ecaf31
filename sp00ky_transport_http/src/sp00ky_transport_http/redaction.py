"""Keep a backend's secrets out of what is stored and shown. Pure."""

from __future__ import annotations

import html
import json
import re
import sys
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache

import attrs

from sp00ky_core.config.values import signing_key
from sp00ky_core.encoding.json_bytes import encode

_MASK = b"***"
_SHORTEST = 4  # bytes: what is shorter is in every text by chance
_ROUNDS = 3  # until a text is given up; a mask can complete a secret that has asterisks
_ESCAPED = 6  # most characters that one takes: \u0041, &#x41;
_SIGNING = "whsec_"
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")
_BASE64 = _LETTERS | frozenset(b"+/_-")


@attrs.frozen(kw_only=True)
class _Form:
    """A way in which a secret is written, in lower case.

    Attributes:
        text: As it is sought.
        is_base64: A letter beside it is in part the secret's.
        is_tiny: It protects nothing, and counts only where it stands alone.
    """

    text: bytes
    is_base64: bool = False
    is_tiny: bool = False

    def spans(self, lower: bytes) -> Iterator[tuple[int, int]]:
        """Yield where it is, from and until; ``lower`` is in lower case."""
        start = lower.find(self.text)
        while start >= 0:
            end = start + len(self.text)
            before, after = lower[max(start - 1, 0) : start], lower[end : end + 1]
            if self.is_base64:
                yield (
                    start - _BASE64.issuperset(before) * len(before),
                    end + _BASE64.issuperset(after) * len(after),
                )
            elif not (self.is_tiny and (_LETTERS.intersection(before) or _LETTERS.intersection(after))):
                yield start, end
            start = lower.find(self.text, end)


class Redaction:
    """Replaces secrets with ``***``: as they are, and as JSON, URLs, HTML, hex and base64 write them.

    Their case doesn't matter. A signing secret is known with ``whsec_``, without it, and as the bytes that it
    stands for. A secret of less than four bytes protects nothing: it is masked only where it stands alone.

    Attributes:
        longest: Characters that an echoed secret may take.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = [spelling for secret in secrets if secret for spelling in _spellings(secret)]
        self._forms = {form.text: form for secret in known for form in _forms(secret)}.values()
        self.longest: int = _ESCAPED * max(map(len, known), default=0)

    def text(self, text: str) -> str:
        """Return the text without secrets; nothing where it can't be cleaned."""
        body = text.encode(errors="surrogatepass")
        clean = self.body(body)
        return text if clean is body else clean.decode(errors="replace")

    def body(self, body: bytes) -> bytes:
        """Return bytes without secrets, the same where there are none; none where they can't be cleaned."""
        for _ in range(_ROUNDS):
            spans = sorted(self._spans(body))
            if not spans:
                return body
            body = _masked(body, spans)
        return body if not self._is_in(body) else b""

    def json(self, body: bytes | bytearray, value: object) -> bytes | bytearray | None:
        """Return a value's JSON without secrets; None where none would be left, or it can't be cleaned."""
        if not self._forms or not (b"\\" in body or self._is_in(body)):
            return body
        try:
            cleaned = self._cleaned(value)
            anew = body if cleaned == value else encode(cleaned)
        except (ValueError, RecursionError):
            return None
        is_in_a_number = self._is_in(anew, least=_SHORTEST)
        return None if is_in_a_number else anew

    def _is_in(self, body: bytes | bytearray, least: int = 0) -> bool:
        return next(self._spans(bytes(body), least), None) is not None

    def _spans(self, body: bytes, least: int = 0) -> Iterator[tuple[int, int]]:
        """Yield where secrets are, as they are or behind escapes."""
        forms = [form for form in self._forms if least <= len(form.text) <= len(body)]
        if not forms:
            return
        lower = body.lower()
        for form in forms:
            yield from form.spans(lower)
        for mark, pattern, undo in _ESCAPES:
            if mark in body:
                view = _View.of(body, pattern, undo)
                for form in forms:
                    yield from (view.source(*span) for span in form.spans(view.text))

    def _cleaned(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._cleaned(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self._cleaned(item) for key, item in value.items()}
        return value


@attrs.frozen(kw_only=True)
class _View:
    """A body whose escapes of one kind are undone, in lower case.

    Attributes:
        text: It.
        starts: Where each piece of it begins; escapes are the odd ones.
        sources: Where each begins in the body, and at last where that ends.
    """

    text: bytes
    starts: list[int]
    sources: list[int]

    @classmethod
    def of(cls, body: bytes, pattern: re.Pattern[bytes], undo: Callable[[bytes], bytes]) -> _View:
        """Undo the escapes of a body."""
        pieces, starts, sources, start, source = list[bytes](), list[int](), list[int](), 0, 0
        for match in pattern.finditer(body):
            sources += source, match.start()
            pieces += body[source : match.start()], undo(match[0])
            starts += start, start + len(pieces[-2])
            start, source = starts[-1] + len(pieces[-1]), match.end()
        pieces.append(body[source:])
        return cls(
            text=b"".join(pieces).lower(), starts=[*starts, start], sources=[*sources, source, len(body)]
        )

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Return from and until where in the body a part of the text is."""
        first, last = bisect_right(self.starts, start) - 1, bisect_right(self.starts, end - 1) - 1
        begins = self.sources[first] if first % 2 else self.sources[first] + start - self.starts[first]
        ends = self.sources[last + 1] if last % 2 else self.sources[last] + end - self.starts[last]
        return begins, ends


@lru_cache(maxsize=1_024)
def _unescaped_url(escape: bytes) -> bytes:
    return bytes([int(escape[1:], 16)])


@lru_cache(maxsize=1_024)
def _unescaped_html(escape: bytes) -> bytes:
    name = escape[1:].rstrip(b";").lower()
    if not name.startswith(b"#"):
        return html.unescape(escape.decode()).encode()
    code = int(b"0" + name[1:], 0) if b"x" in name else int(name[1:])
    return chr(code).encode(errors="replace") if code <= sys.maxunicode else b""


@lru_cache(maxsize=1_024)
def _unescaped_json(escape: bytes) -> bytes:
    try:
        text: str = json.loads(b'"%b"' % escape.replace(b"\\x", b"\\u00"))
    except ValueError:
        return escape[1:]
    return text.encode(errors="replace")


_HTML = rb"&(?:#(?:x[0-9a-f]{1,8}|[0-9]{1,9})|[a-z][a-z0-9]{1,31});?"
_JSON = rb"\\(?:ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|u[0-9a-f]{4}|x[0-9a-f]{2}|[^ux])"

_ESCAPES = (
    (b"%", re.compile(rb"%[0-9a-f]{2}", re.IGNORECASE), _unescaped_url),
    (b"&", re.compile(_HTML, re.IGNORECASE), _unescaped_html),
    (b"\\", re.compile(_JSON, re.IGNORECASE | re.DOTALL), _unescaped_json),
)
"""What begins an escape, what it is, and what undoes it: of URLs, HTML, JSON."""


def _masked(body: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    """Replace spans, which are in order, each or those that overlap by one mask."""
    pieces, end = list[bytes](), 0
    for start, until in spans:
        if start >= end:
            pieces += body[end:start], _MASK
        end = max(end, until)
    return b"".join([*pieces, body[end:]])


def _spellings(secret: str) -> Iterator[bytes]:
    """Yield a secret's bytes, and those that a signing secret stands for."""
    yield secret.encode(errors="replace")
    if secret.startswith(_SIGNING):
        yield secret.removeprefix(_SIGNING).encode(errors="replace")
        with suppress(ValueError):
            yield signing_key(secret)


def _forms(secret: bytes) -> Iterator[_Form]:
    """Yield the ways in which a secret is written, but for escapes."""
    yield _Form(text=secret.lower(), is_tiny=len(secret) < _SHORTEST)
    if len(secret) < _SHORTEST:
        return
    yield _Form(text=secret.decode("latin-1").encode().lower())  # bytes that were taken for letters
    yield _Form(text=secret.hex().encode())
    for form in _in_base64(secret):
        yield _Form(text=form.lower(), is_base64=True)


def _in_base64(secret: bytes) -> Iterator[bytes]:
    """Yield what depends on nothing before or after it, at each alignment, for URLs too."""
    for before in range(3):
        encoded = b64encode(bytes(before) + secret)
        form = encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        yield from {form, form.translate(bytes.maketrans(b"+/", b"-_"))}
