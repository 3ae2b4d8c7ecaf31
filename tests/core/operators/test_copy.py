from __future__ import annotations

from pathlib import Path

import pytest
from tests.core.two_backends import ended, opened

from sp00ky_core import Outbox
from sp00ky_core.errors import UnknownRoute
from sp00ky_core.operators.copy import copy_job


@pytest.mark.parametrize("payload", [None, {"id": 2}])
async def test_a_copy_is_like_the_old_one_and_written_down(tmp_path: Path, payload: object) -> None:
    async with opened(tmp_path) as outbox:
        (job_id,) = await ended(outbox, 1, payload={"id": 1}, assigned_to="a", priority=2, dedup_key="k")
        old = await outbox.get(job_id)
        new = await copy_job(outbox, old, payload, actor="ada", reason="again")
        assert new.payload == (payload or {"id": 1})
        assert (new.assigned_to, new.priority, new.dedup_key, new.status) == ("a", 2, None, "pending")
        (entry,) = await outbox.audit()
        assert (entry.action, entry.actor, entry.reason, entry.count) == ("copy", "ada", "again", 1)
        assert entry.selection == {"ids": [old.id]}


async def test_what_can_t_be_a_job_isn_t_copied(tmp_path: Path) -> None:
    async with opened(tmp_path) as outbox:
        await outbox.run("api", "/a")
        (old,) = await outbox.find()
        object.__setattr__(old, "path", "/gone")
        with pytest.raises(UnknownRoute):
            await copy_job(outbox, old)
        assert await count(outbox) == 1


async def count(outbox: Outbox) -> int:
    return len(await outbox.find())
