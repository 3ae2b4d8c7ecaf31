"""Read rows of a database with SQL as what is compared in the end."""

from __future__ import annotations

import json
from typing import Any

from chaos.history import Move, Row

__all__ = ["move_of", "row_of"]


def move_of(row: Any, at: float) -> Move:
    """Read a row of ``chaos_move``, which was written at this second."""
    return Move(
        job_id=row["job"],
        at=at,
        before=row["before"],
        after=row["after"],
        epoch_before=row["epoch_before"],
        epoch_after=row["epoch_after"],
        runner=row["runner"],
    )


def row_of(row: Any, place: float) -> Row:
    """Read a job's row, whose ``ordering_at`` is this second, or 0."""
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
        place=place,
    )
