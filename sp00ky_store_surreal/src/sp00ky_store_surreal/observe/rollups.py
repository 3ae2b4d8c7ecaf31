"""Keep rollups of attempts: write them, sum them up, fold minutes to hours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.ports import BUCKETS, MINUTES_KEPT, ROLLUPS_KEPT, Rollup, RollupQuery
from sp00ky_store_surreal.connection.executor import Lane, Way
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.loader import surql

COLUMNS = tuple(attrs.fields_dict(Rollup))
KEY = COLUMNS[:6]

_NUMBERS = range(BUCKETS)
_SUMMED = {
    "parts": ", ".join(f"buckets[{n}] AS b{n}" for n in _NUMBERS),
    "sums": ", ".join(f"math::sum(b{n}) AS b{n}" for n in _NUMBERS),
}
_FOLDED = {
    "of_hour": ", ".join(f"$hour.b{n}" for n in _NUMBERS),
    "added": ", ".join(f"buckets[{n}] + $hour.b{n}" for n in _NUMBERS),
}
"""Bucket by bucket: an array of numbers has no sum of its own in each version."""


class RollupRows(StorePart):
    """A part of the store: its rollups."""

    async def write_rollups(self, rollups: Sequence[Rollup]) -> datetime:
        """See ``Rollups.write_rollups``."""
        await self._ready.ensure()
        reply = await self._connection.write(surql("rollups_write"), rows=[_row(each) for each in rollups])
        now: datetime = reply[-1]
        return now

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        """See ``Rollups.rollups``."""
        await self._ready.ensure()
        given = {"until": query.until, "backend": query.backend}
        conditions = {"until": "AND minute < $until", "backend": "AND backend = $backend"}
        bindings = {name: value for name, value in given.items() if value is not None}
        names = {
            "minute": "time::floor(minute, <duration>$step)" if query.step else "$since",
            "path": "path" if query.routes else "''",
            "conditions": " ".join(conditions[name] for name in bindings),
        }
        if query.step:
            bindings["step"] = duration_text(query.step)
        reply = await self._connection.read(
            surql("rollups_read", **names, **_SUMMED), since=query.since, **bindings
        )
        return sorted(map(_rollup, reply[-1]), key=lambda each: [getattr(each, name) for name in KEY])

    async def fold_rollups(self, *, limit: int = 10_000) -> int:
        """See ``Rollups.fold_rollups``."""
        await self._ready.ensure()
        way = Way(lane=Lane.DELETE)
        fold = surql("rollups_fold", **_SUMMED, **_FOLDED)
        reply = await self._connection.write(fold, way, minutes_kept=duration_text(MINUTES_KEPT), limit=limit)
        await self._connection.write(
            surql("rollups_prune"), way, kept=duration_text(ROLLUPS_KEPT), limit=limit
        )
        return int(reply[-1])


def _row(rollup: Rollup) -> dict[str, Any]:
    """Build a row; its id is made of its key."""
    values = {name: getattr(rollup, name) for name in COLUMNS} | {"buckets": list(rollup.buckets)}
    key = repr([str(values[name]) for name in KEY]).encode()
    return {"id": RecordID("sp00ky_rollup", hashlib.sha256(key).hexdigest()[:32]), "values": values}


def _rollup(row: Mapping[str, Any]) -> Rollup:
    return Rollup(
        minute=row["step"],
        backend=row["backend"],
        path=row["route"],
        outcome=row["outcome"],
        code=row["code"],
        count=row["count"],
        seconds_sum=float(row["seconds_sum"]),
        buckets=tuple(row[f"b{n}"] for n in _NUMBERS),
    )
