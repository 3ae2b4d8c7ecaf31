"""Write what rows hold so that neither a terminal nor a spreadsheet obeys it."""

from __future__ import annotations

import json
import re

FORMULA = ("=", "+", "-", "@")
"""So begins a text that a spreadsheet would run: whoever enqueues may have written it. It gets a quote."""

_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")  # JSON escapes the control characters among those


def plain(cell: object) -> str:
    """Return a cell's text for a terminal: a row's content must not steer it."""
    text = "" if cell is None else str(cell)
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def json_line(document: object, *, indent: int | None = None) -> bytes:
    """Return a JSON document, by default as one line; what a terminal would obey is escaped in it."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    return _BEYOND_ASCII.sub(_printable, text).encode()


def _printable(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1]


def cell_of(value: object) -> object:
    """Return a value as a cell of CSV: what is no text or number is JSON."""
    if isinstance(value, dict | list | bool):
        return json_line(value).decode()
    if not isinstance(value, str):
        return value
    return f"'{plain(value)}" if value.startswith(FORMULA) else plain(value)
