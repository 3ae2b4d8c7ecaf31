"""One entry an act, newest first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.core.stores.transactional.conftest import NOW, SqliteSession

from sp00ky_core.ports import Act, AuditEntry
from sp00ky_core.stores.transactional.operate.audit import entries, start, update

ACT = Act(action="kill", selection={"ids": ["job:1"]}, actor="ann", via="cli", host="h", reason="why")


async def listed(session: SqliteSession, **options: Any) -> list[AuditEntry]:
    return await entries(session, **{"since": None, "limit": 100, "after": None, **options})


async def test_an_act_from_its_start_to_its_end(session: SqliteSession) -> None:
    entry_id = await start(session, ACT)
    (entry,) = await listed(session)
    assert entry == AuditEntry(
        id=entry_id,
        at=NOW,
        action="kill",
        selection={"ids": ["job:1"]},
        actor="ann",
        via="cli",
        host="h",
        reason="why",
    )
    session.pass_time(seconds=1)
    await update(session, entry_id, count=3, ended=False)
    (entry,) = await listed(session)
    assert (entry.count, entry.ended_at) == (3, None)
    await update(session, entry_id, count=5, ended=True)
    (entry,) = await listed(session)
    assert (entry.count, entry.ended_at) == (5, NOW + timedelta(seconds=1))


async def test_pages_newest_first(session: SqliteSession) -> None:
    ids = [await start(session, Act(action="pause")) for _ in range(3)]  # at one instant
    session.pass_time(seconds=1)
    ids += [await start(session, Act(action="resume"))]
    newest_first = ids[::-1]
    assert [each.id for each in await listed(session)] == newest_first
    assert [each.id for each in await listed(session, limit=2, after=newest_first[0])] == newest_first[1:3]
    assert [each.id for each in await listed(session, since=session.at)] == newest_first[:1]
