"""Write a job's columns for people: attempts, the last error, pretty JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.db.models import F, Func, TextField
from django.utils.html import format_html, format_html_join

__all__ = ["errors_table", "last_error", "pretty"]

# The operators of PostgreSQL's json fail for \u0000 and half a surrogate pair anywhere in the value.
LAST_NAME = {
    "postgresql": "CASE WHEN %(expressions)s::text !~* (chr(92) || chr(92) || 'u(0000|d[89a-f])') "
    "THEN %(expressions)s -> -1 ->> 'name' END",
    "sqlite": "CASE WHEN json_valid(%(expressions)s) THEN json_extract(%(expressions)s, '$[#-1].name') END",
}

COLUMNS = ("at", "attempt", "name", "code", "reason", "runner_id")

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # which no page's encoding has


def last_error(vendor: str) -> Func:
    """Return the expression for the name of the last entry in ``errors``: a list reads no more of it."""
    return Func(F("errors"), template=LAST_NAME[vendor], output_field=TextField())


def pretty(text: str | None) -> Any:
    """Indent JSON; what is none is shown as it is."""
    if text is None:
        return "-"
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return format_html("<pre>{}</pre>", _printable(text))


def errors_table(text: str) -> Any:
    """Show the entries of ``errors`` as a table, or the text where they are something else."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return pretty(text)
    if entries == []:
        return "-"
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return pretty(text)
    rows = [format_html("<tr>{}</tr>", _cells("td", map(entry.get, COLUMNS))) for entry in entries]
    body = format_html_join("", "{}", ((row,) for row in rows))
    return format_html(
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", _cells("th", COLUMNS), body
    )


def _cells(tag: str, values: Iterable[Any]) -> Any:
    cells = (("" if value is None else _printable(value),) for value in values)
    return format_html_join("", f"<{tag}>{{}}</{tag}>", cells)


def _printable(value: Any) -> str:
    return _LONE_SURROGATE.sub("\ufffd", str(value))
