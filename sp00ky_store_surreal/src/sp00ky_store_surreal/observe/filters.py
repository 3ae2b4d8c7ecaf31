"""Turn ``JobQuery`` and ``JobFilter`` into WHERE clauses and what they bind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobFilter, JobQuery, JobTable
from sp00ky_store_surreal.ids import id_value, literal_id, table_of
from sp00ky_store_surreal.surql.loader import quoted, surql


def ids_of(table: JobTable, job_ids: Iterable[str]) -> list[RecordID]:
    """Bind those of the ids that name rows of this table."""
    values = (id_value(each) for each in job_ids if table_of(each) == table.table)
    return [each for each in values if each is not None]


@attrs.frozen(kw_only=True)
class Part:
    """Holds a query's translation for one table.

    Attributes:
        source: What is selected from.
        is_job: A condition that jobs meet, and no other rows.
        conditions: Of its WHERE, joined by AND.
        bindings: Bound by all of them.
    """

    source: str
    is_job: str
    conditions: list[str] = attrs.field(factory=list)
    bindings: dict[str, Any] = attrs.field(factory=dict)

    @property
    def names(self) -> dict[str, str]:
        """Return the places of a statement that it fills; ``bare`` is WHERE for rows that are no jobs too."""
        bare = "WHERE " + " AND ".join(self.conditions) if self.conditions else ""
        return {
            "source": self.source,
            "where": f"{bare} AND {self.is_job}" if bare else f"WHERE {self.is_job}",
            "bare": bare,
        }


PARENT_TEXT = "<string>(assigned_to ?? '')"

_CONDITIONS = {
    "paths": "path IN $paths",
    "status": "status = $status",
    "ordering_key": "ordering_key = $ordering_key",
    "runner_id": "runner_id = $runner_id",
    "error_name": "errors[$].name = $error_name",
    "code": "errors[$].code = $code",
    "since": "created_at >= $since",
    "until": "created_at < $until",
}


def part_of(table: JobTable, query: JobFilter) -> Part:
    """Translate a query for one table."""
    ids = query.ids if isinstance(query, JobQuery) else None
    name = quoted(table.table)
    part = Part(source=name if ids is None else "$ids", is_job=surql("is_job", table=name).strip())
    if ids is not None:
        part.bindings["ids"] = ids_of(table, dict.fromkeys(ids))
    if query.assigned_to is not None:
        parent = None if "\0" in query.assigned_to else id_value(query.assigned_to)
        # A key that is an array or an object is compared as the database writes it; no index serves that.
        part.conditions.append(
            f"assigned_to = {literal_id(parent)}" if parent else f"{PARENT_TEXT} = $parent"
        )
        part.bindings["parent"] = query.assigned_to
    for name, condition in _CONDITIONS.items():
        value = getattr(query, name)
        if value is not None:
            part.conditions.append(condition)
            part.bindings[name] = _bound(value)
    return part


def _bound(value: object) -> object:
    """Bind an instant a little earlier: what was read of a row may be 1 µs from what it holds, in ns.

    An index compares instants as text, ``.54Z`` as later than ``.541Z``: no bound is a whole millisecond.
    """
    if isinstance(value, datetime):
        earlier = timedelta(microseconds=2 if value.microsecond % 1_000 == 1 else 1)
        return value - min(earlier, value - datetime.min.replace(tzinfo=value.tzinfo))
    if isinstance(value, tuple):
        return list(value)
    return value.value if isinstance(value, JobStatus) else value
