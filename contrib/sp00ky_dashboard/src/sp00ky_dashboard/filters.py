"""Read the conditions on jobs from a page's query, and write them for its links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import attrs

from sp00ky_core import JobFilter, Outbox
from sp00ky_core.errors import OptionInvalid, Sp00kyError, StoreError
from sp00ky_core.hints import shown
from sp00ky_core.job.job import instant_to_json
from sp00ky_dashboard.durations import instant_of

NAMES = tuple(field.name for field in attrs.fields(JobFilter))
"""Of the fields of a query and of a form: those of ``JobFilter``."""

INSTANTS = tuple(name for name in NAMES if name.endswith(("since", "until")))


def written_in(query: Mapping[str, str]) -> dict[str, str]:
    """Return the conditions as they are written; those that are left empty aren't among them."""
    return {name: query[name].strip() for name in NAMES if query.get(name, "").strip()}


@contextmanager
def told() -> Iterator[list[str]]:
    """Gather what is wrong with conditions, to be shown beside them; a database's own problem isn't that."""
    problems: list[str] = []
    try:
        yield problems
    except StoreError:
        raise
    except Sp00kyError as error:
        problems.append(str(error))


def choices(outbox: Outbox, written: Mapping[str, str]) -> dict[str, Any]:
    """Return what the form of filters offers: the backends, and the operations of the one that is chosen."""
    meant = [each for name, each in outbox.backends.items() if written.get("backend") in {None, name}]
    paths = {path for each in meant if each.contract.is_read for path in each.contract.operations}
    return {"written": written, "backends": list(outbox.backends), "paths": sorted(paths)}


def conditions_of(outbox: Outbox, written: Mapping[str, str]) -> JobFilter:
    """Return what jobs must meet.

    Raises:
        OptionInvalid: A condition that can't be, or that no job can meet.
        UnknownBackend: One that isn't configured.
    """
    values: dict[str, Any] = dict(written)
    for name in INSTANTS:
        values[name] = instant_of(name, written.get(name, ""))
    if "code" in written:
        values["code"] = _code(written["code"])
    conditions = JobFilter(**values)
    outbox.backends.meant(conditions)
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
