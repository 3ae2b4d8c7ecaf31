"""Keep rollups of attempts: write them, sum them up, fold minutes to hours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from sp00ky_core.ports import MINUTES_KEPT, ROLLUPS_KEPT, Rollup, RollupQuery
from sp00ky_core.stores.rollups import hour_of, summed
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session, Where
from sp00ky_core.stores.transactional.schema.definition import MIGRATIONS, Column, Kind, Table

__all__ = ["ROLLUPS", "fold", "prune", "read", "write"]

ROLLUPS = Table(
    "sp00ky_rollup",
    (
        Column("minute", Kind.INSTANT, required=True),
        Column("runner_id", Kind.TEXT, "", required=True, length=255),  # empty: folded to an hour
        Column("backend", Kind.TEXT, required=True, length=255),
        Column("path", Kind.TEXT, "", required=True, length=240),  # a key of 3,072 bytes has 244
        Column("outcome", Kind.TEXT, required=True, length=10),
        Column("code", Kind.INTEGER, 0, required=True),
        Column("count", Kind.INTEGER),
        Column("seconds_sum", Kind.REAL),
        Column("buckets", Kind.JSON),
    ),
    ("minute", "runner_id", "backend", "path", "outcome", "code"),
)


async def write(session: Session, rollups: Sequence[Rollup]) -> datetime:
    """Write rows, each in the place of one with its key; return the time."""
    await session.put(ROLLUPS, [_row(each) for each in rollups])
    return await session.now()


async def read(session: Session, query: RollupQuery) -> list[Rollup]:
    """Sum up rows as a query says."""
    where: list[Where] = [Is("minute", ">=", query.since)]
    where += [] if query.until is None else [Is("minute", "<", query.until)]
    where += [] if query.backend is None else [Is("backend", "=", query.backend)]
    return summed(map(_rollup, await session.select(ROLLUPS, where)), query)


async def fold(session: Session, *, limit: int) -> int:
    """Fold old minutes to hours, and delete what is older still; how many minutes.

    Of two that add to one hour at once one would be lost: while another transaction folds, there is nothing
    to do. It has the row that says that there are rollups, wherever a migration has made them.
    """
    await prune(session, limit=limit)
    turn: list[Where] = [Is("table_name", "=", ROLLUPS.name)]
    if not await session.select(MIGRATIONS, turn, lock=True) and await session.count(MIGRATIONS, turn):
        return 0
    before = hour_of(await session.now() - timedelta(seconds=MINUTES_KEPT))
    minutes: list[Where] = [Is("minute", "<", before), Is("runner_id", "!=", "")]
    rows = await session.select(ROLLUPS, minutes, order=ROLLUPS.key, limit=limit, lock=True)
    taken = await session.take(ROLLUPS, rows)
    await _fold(session, [_rollup(row) for row in taken])
    return len(taken)


async def prune(session: Session, *, limit: int) -> None:
    """Delete rows that are older than any is kept."""
    old: list[Where] = [Is("minute", "<", await session.now() - timedelta(seconds=ROLLUPS_KEPT))]
    rows = await session.select(ROLLUPS, old, limit=limit, columns=ROLLUPS.key, lock=True)
    await session.take(ROLLUPS, rows)


async def _fold(session: Session, minutes: Sequence[Rollup]) -> None:
    """Add minutes that this transaction has deleted, which no other can have, to those of their hours."""
    hours = RollupQuery(since=datetime.min, step=3_600, routes=True)
    for hour in summed(minutes, hours):
        there = [_rollup(row) for row in await session.select(ROLLUPS, _same(hour))]
        await write(session, summed([hour, *there], hours))


def _same(rollup: Rollup) -> Sequence[Where]:
    return [Is(name, "=", getattr(rollup, name)) for name in ROLLUPS.key]


def _row(rollup: Rollup) -> Row:
    row: Row = {column.name: getattr(rollup, column.name) for column in ROLLUPS.columns}
    return row | {"buckets": json.dumps(rollup.buckets)}


def _rollup(row: Row) -> Rollup:
    return Rollup(**{**row, "buckets": tuple(json.loads(row["buckets"]))})
