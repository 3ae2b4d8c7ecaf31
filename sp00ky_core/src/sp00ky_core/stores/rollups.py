"""Sum up rollups by step, for stores whose database can't, and for what a process has counted. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import attrs

from sp00ky_core.ports.capabilities.rollups import Rollup, RollupQuery

__all__ = ["hour_of", "step_of", "summed"]


def hour_of(at: datetime) -> datetime:
    """Return the beginning of an instant's hour."""
    return step_of(at, 3_600)


def step_of(at: datetime, seconds: int) -> datetime:
    """Return the beginning of an instant's step: steps are counted from 1970."""
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


def summed(rollups: Iterable[Rollup], query: RollupQuery) -> list[Rollup]:
    """Sum up rollups as ``Rollups.rollups`` does, all of them, in its order."""
    sums: dict[tuple[datetime, str, str, str, int], Rollup] = {}
    for each in rollups:
        minute = query.since if query.step is None else step_of(each.minute, query.step)
        path = each.path if query.routes else ""
        key = (minute, each.backend, path, each.outcome, each.code)
        found = sums.get(key)
        if found is None:
            sums[key] = attrs.evolve(each, minute=minute, path=path, runner_id="")
        else:
            sums[key] = _sum(found, each)
    return [sums[key] for key in sorted(sums)]


def _sum(one: Rollup, other: Rollup) -> Rollup:
    return attrs.evolve(
        one,
        count=one.count + other.count,
        seconds_sum=one.seconds_sum + other.seconds_sum,
        buckets=tuple(a + b for a, b in zip(one.buckets, other.buckets, strict=True)),
    )
