"""Keep a backend's secrets out of what is stored and shown. Pure."""

from __future__ import annotations

import html
import json
import math
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from sp00ky_core.encoding.json_bytes import encode

_MASK = "***"
_SHORTEST = 4  # characters: what is shorter is in every text by chance
_ROUNDS = 3  # until a text is given up; a mask can complete a secret that has asterisks


class Redaction:
    """Replaces secrets with ``***``: as they are, and as JSON, URLs, HTML and base64 write them, in any case.

    A secret of less than four characters protects nothing: it is masked only where it stands alone.

    Attributes:
        longest: Characters that an echoed secret may take.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        patterns = {form: pattern for secret in secrets if secret for form, pattern in _forms(secret)}
        longest_first = sorted(patterns, key=len, reverse=True)
        self._sought = [form.casefold() for form in longest_first]
        self._pattern = re.compile("|".join(patterns[form] for form in longest_first), re.IGNORECASE)
        self.longest: int = max(map(len, patterns), default=0)
        self._shortest = min(map(len, self._sought), default=math.inf)

    def text(self, text: str) -> str:
        """Return the text without secrets; nothing where it can't be cleaned."""
        for _ in range(_ROUNDS):
            if not self._is_in(text):
                return text
            text = self._pattern.sub(_MASK, text)
        return ""

    def json(self, body: bytes | bytearray, value: object) -> bytes | bytearray | None:
        """Return a value's JSON without secrets; None where none would be left, or it can't be cleaned."""
        if not self._sought or not (b"\\" in body or self._is_in(body.decode())):
            return body
        try:
            cleaned = self._cleaned(value)
            anew = body if cleaned == value else encode(cleaned)
        except (ValueError, RecursionError):
            return None
        is_in_a_number = self._is_in(anew.decode(), least=_SHORTEST)
        return None if is_in_a_number else anew

    def _is_in(self, text: str, least: int = 0) -> bool:
        folded = text.casefold()  # many times as fast to search as the pattern is
        if len(folded) < self._shortest:
            return False
        is_there = any(form in folded for form in self._sought if len(form) >= least)
        return is_there and self._pattern.search(text) is not None

    def _cleaned(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._cleaned(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self._cleaned(item) for key, item in value.items()}
        return value


def _forms(secret: str) -> Iterator[tuple[str, str]]:
    """Yield the ways in which a secret is written, each with the pattern that finds it."""
    escaped = html.escape(secret)
    written = {secret, quote(secret, errors="replace"), quote(secret, safe="", errors="replace"), escaped}
    written.add(escaped.replace("&quot;", "&#34;").replace("&#x27;", "&#39;"))
    for form in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        written |= {form, form.replace("/", "\\/")}
    for form in written:
        alone = (r"(?<![a-z0-9])", r"(?![a-z0-9])") if len(secret) < _SHORTEST else ("", "")
        yield form, re.escape(form).join(alone)
    if len(secret) >= _SHORTEST:
        for form in _in_base64(secret.encode(errors="replace")):
            yield (
                form,
                f"[a-z0-9+/_-]?{re.escape(form)}[a-z0-9+/_-]?",
            )  # those beside it are in part the secret's


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield what depends on nothing before or after it, at each alignment, for URLs too."""
    for before in range(3):
        encoded = b64encode(bytes(before) + secret).decode()
        form = encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        yield from {form, form.translate(str.maketrans("+/", "-_"))}
