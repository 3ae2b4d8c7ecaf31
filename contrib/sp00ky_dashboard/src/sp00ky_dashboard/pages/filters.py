"""Read the conditions on jobs from a page's query, and write them for its links."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from sp00ky_core import JobFilter, Outbox
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.hints import shown
from sp00ky_core.job.job import instant_to_json
from sp00ky_dashboard.durations import instant_of

NAMES = tuple(field.name for field in attrs.fields(JobFilter))
"""Of the fields of a query and of a form: those of ``JobFilter``."""

INSTANTS = tuple(name for name in NAMES if name.endswith(("since", "until")))


def written_in(query: Mapping[str, str]) -> dict[str, str]:
    """Return the conditions as they are written; those that are left empty aren't among them."""
    return {name: query[name].strip() for name in NAMES if query.get(name, "").strip()}


def conditions_of(outbox: Outbox, written: Mapping[str, str]) -> JobFilter:
    """Return what jobs must meet.

    Raises:
        OptionInvalid: A condition that can't be, or two that no job can meet.
        UnknownBackend: One that isn't configured.
    """
    values: dict[str, Any] = dict(written)
    for name in INSTANTS:
        values[name] = instant_of(name, written.get(name, ""))
    if "code" in written:
        values["code"] = _code(written["code"])
    conditions = JobFilter(**values)
    if conditions.backend is not None:
        outbox.backends.named(conditions.backend)
    return conditions


def absolute(conditions: JobFilter) -> dict[str, str]:
    """Write conditions so that they mean the same later: ``2h`` becomes the instant that it is now."""
    values = attrs.asdict(conditions, recurse=False)
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: object) -> str:
    return instant_to_json(value) if isinstance(value, datetime) else str(value)


def _code(written: str) -> int:
    try:
        return int(written)
    except ValueError:
        raise OptionInvalid(option="code", value=shown(written), expected="an HTTP status, or 0") from None
