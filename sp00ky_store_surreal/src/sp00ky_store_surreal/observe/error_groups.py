"""Group the jobs that failed, or wait for a retry, by their last error."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sp00ky_core.ports import ErrorGroup, JobTable
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.loader import MARK, NUL, quoted, surql


class ErrorGroups(StorePart):
    """A part of the store: why jobs failed."""

    async def errors(self, *, since: datetime | None = None, limit: int = 100) -> list[ErrorGroup]:
        """See ``ErrorGroups.errors``."""
        await self._ready.ensure()
        groups: list[ErrorGroup] = []
        for table in self._tables:
            statement = surql("error_groups", table=quoted(table.table))
            reply = await self._connection.read(statement, since=since, limit=min(limit, 2**31), **NUL)
            rows, latest = reply[-1]
            examples = {(*map(_plain, each[:3]), each[3]): id_text(each[4]) for each in latest}
            groups += [_group_of(table, row, examples) for row in rows]
        return sorted(groups, key=lambda each: each.count, reverse=True)[:limit]


def _group_of(table: JobTable, row: Sequence[Any], examples: dict[tuple[Any, ...], str]) -> ErrorGroup:
    path, name, code, count, first, last = row
    return ErrorGroup(
        backend=table.backend,
        path=_plain(path),
        name=name if isinstance(name, str) else "",
        code=code if isinstance(code, int) else 0,
        count=count,
        first=first,
        last=last,
        example=examples[_plain(path), _plain(name), _plain(code), last],
    )


def _plain(value: Any) -> str:
    """Write a value so that those which the database takes for equal are: 1, 1.0 and 1dec; NaN and itself."""
    if isinstance(value, str):
        return value.replace(MARK, "\0")
    return str(float(value)) if isinstance(value, int | float | Decimal) else ""
