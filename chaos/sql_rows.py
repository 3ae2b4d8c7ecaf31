"""Read rows of a database with SQL as what is compared in the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chaos.history import Move, Row
from chaos.project import TABLES

__all__ = ["SqlRows"]

MOVES = "SELECT * FROM chaos_move ORDER BY seq"

ROWS = """
SELECT {id} AS id, {n} AS n, status, retries, max_retries, lease_epoch, errors, result, ordering_key,
    {place} AS place
FROM {table}
"""


class SqlRows:
    """What is the same of each; instants are the driver's, or seconds since the epoch."""

    job_id: str
    """A job's id as SQL; ``{table}`` is its table."""

    n: str
    """What its payload holds, as SQL."""

    place = "ordering_at"
    """When it was put in its place, as SQL."""

    async def fetch(self, query: str) -> Sequence[Any]:
        """Rows."""
        raise NotImplementedError

    async def moves(self) -> list[Move]:
        return [
            Move(
                job_id=row["job"],
                at=_seconds(row["at"]),
                before=row["before"],
                after=row["after"],
                epoch_before=row["epoch_before"],
                epoch_after=row["epoch_after"],
                runner=row["runner"],
            )
            for row in await self.fetch(MOVES)
        ]

    async def rows(self) -> list[Row]:
        found = []
        for table in TABLES:
            parts = {"id": self.job_id.format(table=table), "n": self.n, "place": self.place}
            found += map(_row, await self.fetch(ROWS.format(table=table, **parts)))
        return found


def _row(row: Any) -> Row:
    errors = json.loads(row["errors"]) if row["errors"] else []
    return Row(
        n=int(row["n"]),
        job_id=row["id"],
        status=row["status"],
        retries=row["retries"],
        max_retries=row["max_retries"],
        epoch=row["lease_epoch"] or 0,
        attempts=tuple(error["attempt"] for error in errors),
        names=tuple(error["name"] for error in errors),
        codes=tuple(error["code"] for error in errors),
        result=json.loads(row["result"]) if row["result"] else None,
        key=row["ordering_key"] or "",
        place=_seconds(row["place"] or 0.0),
    )


def _seconds(at: Any) -> float:
    return at.timestamp() if isinstance(at, datetime) else float(at)
