"""Reads bytes with their escapes undone, layer by layer, and knows where everything stood. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import unescape

import attrs

__all__ = ["Fold", "Reading", "Span", "TooDeep", "readings", "is_escaped"]

Span = tuple[int, int]
"""Where something starts, and where it has ended."""

_DEEPEST = 10  # layers of escapes: JSON in JSON in a URL has three

_JSON = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[bfnrt\"'/\\]"
_HEX = rb"\\x[0-9a-fA-F]{2}"
_PERCENT = rb"%[0-9a-fA-F]{2}|%u[0-9a-fA-F]{4}"
_HTML = rb"&#[0-9]{1,7};|&#[xX][0-9a-fA-F]{1,6};|&[a-zA-Z]{2,8};"
_ANY = re.compile(b"|".join((_JSON, _HEX, _PERCENT, _HTML)))
_EACH = tuple(re.compile(pattern) for pattern in (_JSON + b"|" + _HEX, _PERCENT, _HTML))
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}

_RARE = (b"\\u", b"\\x", b"%", b"&")  # without them, an escape is one of the simple ones
_ASIDE = b"\1"  # never in a folded text: stands for a backslash that begins no escape any more
_SIMPLE = (
    (b"\\\\", _ASIDE),
    *((b"\\" + letter, meaning) for letter, meaning in _LETTERS.items()),
    *((b"\\" + mark, mark) for mark in (b'"', b"'", b"/")),
    (_ASIDE, b"\\"),
)

_LOW = bytes(range(0x21)) + b"\x7f"
_HIGH = bytes(range(0x80, 0x100))
_SAME = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", b"abcdefghijklmnopqrstuvwxyz+/")  # base64url, too


class TooDeep(ValueError):
    """More layers of escapes than anybody has a use for."""


class Fold:
    """Makes alike what differs in case, in white space and in control characters only."""

    def __init__(self, *, ascii_only: bool) -> None:
        """``ascii_only``: what isn't ASCII is left out too, so that it hides nothing that is."""
        self.table = _SAME
        """For ``bytes.translate``, where a call would be too dear."""
        self.dropped = _LOW + _HIGH if ascii_only else _LOW
        """The bytes that are left out."""
        self.gaps = re.compile(b"[" + re.escape(self.dropped) + b"]+")

    def __call__(self, text: bytes) -> bytes:
        """The folded text; folding it again changes nothing."""
        return text.translate(self.table, self.dropped)


@attrs.frozen(kw_only=True)
class Reading:
    """A text as it reads with some of its escapes undone, folded."""

    text: bytes
    undone: tuple[tuple[bytes, re.Pattern[bytes]], ...]  # in which text what was replaced, the latest last

    def origins(self, spans: Sequence[Span]) -> Sequence[Span]:
        """Where the original says what stands in these spans of ``text``; none of them is empty."""
        for source, pattern in reversed(self.undone):
            spans = _origins(source, pattern, spans)
        return spans


def readings(text: bytes, fold: Fold, *, each: bool) -> Iterator[Reading]:
    """The text itself, then with one more layer of escapes undone each time, until there are none.

    Args:
        text: the original.
        fold: applied after each layer.
        each: also undo only JSON's, only the percent sign's and only HTML's escapes: what is searched for has
            some itself, which must survive.

    Raises:
        TooDeep: there are still escapes.
    """
    first = Reading(text=fold(text), undone=((text, fold.gaps),))
    yield first
    if not is_escaped(first.text):
        return
    for pattern in (_ANY, *_EACH) if each else (_ANY,):
        yield from _layers(first, pattern, fold)


def is_escaped(text: bytes) -> bool:
    """Whether the text could have escapes."""
    return b"\\" in text or b"%" in text or b"&" in text


def _layers(reading: Reading, pattern: re.Pattern[bytes], fold: Fold) -> Iterator[Reading]:
    for _ in range(_DEEPEST):
        undone = _without_escapes(reading.text, pattern)
        if undone == reading.text:
            return
        steps = (*reading.undone, (reading.text, pattern), (undone, fold.gaps))
        reading = Reading(text=fold(undone), undone=steps)
        yield reading
    if pattern.search(reading.text):
        raise TooDeep


def _without_escapes(text: bytes, pattern: re.Pattern[bytes]) -> bytes:
    if pattern is _ANY and not any(mark in text for mark in _RARE):
        # Prose in JSON: many escapes, all of two characters.
        for escape, meaning in _SIMPLE:
            text = text.replace(escape, meaning)
        return text
    return pattern.sub(_replacement, text)


def _replacement(match: re.Match[bytes]) -> bytes:
    return _meaning(match[0])


@lru_cache(maxsize=4096)
def _meaning(escape: bytes) -> bytes:
    """What an escape stands for, in UTF-8; anything else stands for nothing."""
    if escape[:2] in {b"\\u", b"%u"}:
        units = bytes.fromhex(re.sub(rb"[\\%]u", b"", escape).decode())
        return units.decode("utf-16-be", "replace").encode()
    if escape.startswith((b"%", b"\\x")):
        return bytes.fromhex(escape[-2:].decode())
    if escape.startswith(b"\\"):
        return _LETTERS.get(escape[1:], escape[1:])
    if escape.startswith(b"&"):
        meant = unescape(escape.decode()).encode(errors="replace")
        return meant if len(meant) < len(escape) else b"?"  # unknown: it must not be undone for ever
    return b""


def _origins(source: bytes, pattern: re.Pattern[bytes], spans: Sequence[Span]) -> Sequence[Span]:
    """Where in the source stands what is in these spans of it once the pattern is replaced."""
    edits = _edits(source, pattern)
    starts = [edit[0] for edit in edits]

    def origin(place: int) -> Span:
        latest = bisect_right(starts, place) - 1
        if latest < 0:
            return place, place + 1
        _, stop, since, until = edits[latest]
        return (since, until) if place < stop else (until + place - stop, until + place - stop + 1)

    return [(origin(start)[0], origin(stop - 1)[1]) for start, stop in spans]


def _edits(source: bytes, pattern: re.Pattern[bytes]) -> list[tuple[int, int, int, int]]:
    """What is replaced: where it then stands, and where it stood."""
    edits, written, read = [], 0, 0
    for match in pattern.finditer(source):
        start, stop = match.span()
        written += start - read
        meaning = b"" if source[start] not in b"\\%&" else _meaning(match[0])
        edits.append((written, written + len(meaning), start, stop))
        written, read = written + len(meaning), stop
    return edits
