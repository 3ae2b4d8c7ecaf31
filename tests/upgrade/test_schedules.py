"""A fleet of two releases fires each schedule once: one has schedules in its core, one as an extension."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.upgrade.releases import LATEST, THIS, Release
from tests.upgrade.session import Upgrade, upgrading
from tests.upgrade.test_upgrade import Kind, kind, release

__all__ = ["kind"]

NAMES = [f"s{n}" for n in range(6)]
SCHEDULE = "{cron: '*/2 * * * * *', backend: calm, route: /calm, payload: {n: -1}, concurrency: allow}"
SCHEDULES = "schedules:\n" + "".join(f"  {name}: {SCHEDULE}\n" for name in NAMES)

ENOUGH = 4
"""Fires of each schedule before the next step."""


async def runs(upgrade: Upgrade, by: Release) -> list[dict[str, Any]]:
    printed = await upgrade.command(by, "schedules", "runs", "--limit", "10000", "--json")
    found: list[dict[str, Any]] = json.loads(printed[printed.index("{") :])["runs"]  # below what it says
    return found


async def each_fires(upgrade: Upgrade, by: Release = THIS) -> None:
    """Return once each schedule has fired so often from now on."""
    before = Counter(run["schedule"] for run in await runs(upgrade, by))
    async with asyncio.timeout(120):
        while True:
            now = Counter(run["schedule"] for run in await runs(upgrade, by))
            if all(now[name] - before[name] >= ENOUGH for name in NAMES):
                return
            await asyncio.sleep(0.5)  # it can only be asked


@pytest.mark.timeout(600)
async def test_each_schedule_fires_once_in_a_fleet_of_both(kind: Kind, tmp_path: Path) -> None:
    before = release(LATEST)
    opened = kind.opened()
    async with opened as database, upgrading(database, tmp_path, kind.insert, SCHEDULES) as upgrade:
        await upgrade.command(before, "migrate")
        await upgrade.start_runners(before)
        await each_fires(upgrade, before)
        assert "sp00ky_schedule" not in await upgrade.command(THIS, "migrate")
        await upgrade.start_runners(THIS)
        await each_fires(upgrade)  # two runners of each
        for former in upgrade.fleet.members[:2]:
            upgrade.exits.append(await upgrade.fleet.stop(former))
        await each_fires(upgrade)
        for name in NAMES:
            await upgrade.command(THIS, "schedules", "pause", name)
        found = await runs(upgrade, THIS)
        due = Counter(
            (run["schedule"], int(run["fired_at"][17:19]) // 2, run["fired_at"][:16]) for run in found
        )
        assert [fire for fire, count in due.items() if count > 1] == []
        made = [run["job_id"] for run in found]
        assert sorted(made) == sorted(row.job_id for row in await upgrade.database.rows() if row.n < 0)
        assert await runs(upgrade, before) == found
        await upgrade.stop_runners()
        assert [status for status, _ in upgrade.exits] == [0] * 4
