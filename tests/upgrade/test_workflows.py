"""Workflows run in a fleet of two releases: the former knows of none, and delivers their jobs."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.upgrade.releases import LATEST, THIS
from tests.upgrade.session import upgrading
from tests.upgrade.test_upgrade import Kind, kind, release

__all__ = ["kind"]

STEP = "{{backend: calm, route: /calm, payload: {{n: -1}}, dependsOn: {after}}}"
WORKFLOWS = "workflows:\n  flow:\n    steps:\n" + "".join(
    f"      {name}: {STEP.format(after=list(after))}\n" for name, after in (("a", ""), ("b", "a"), ("c", "a"))
)


@pytest.mark.timeout(600)
async def test_steps_are_done_once_in_a_fleet_of_both(kind: Kind, tmp_path: Path) -> None:
    before = release(LATEST)
    opened = kind.opened()
    async with opened as database, upgrading(database, tmp_path, kind.insert, WORKFLOWS) as upgrade:
        await upgrade.command(before, "migrate")
        await upgrade.start_runners(before)
        await upgrade.command(THIS, "migrate")
        await upgrade.start_runners(THIS)
        printed = [await upgrade.command(THIS, "workflows", "trigger", "flow") for _ in range(5)]
        async with asyncio.timeout(120):
            for workflow_id in (text.split()[-1] for text in printed):
                found = {"status": "running"}
                while found["status"] == "running":
                    shown = await upgrade.command(THIS, "workflows", "show", workflow_id, "--json")
                    found = json.loads(shown[shown.index("{") :])
                assert (found["status"], found["revision"]) == ("success", 1)
        assert len([row for row in await database.rows() if row.n == -1]) == 15
