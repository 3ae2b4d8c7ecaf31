"""A transaction is there whole or not at all, once, whoever races for it and whatever is cut off."""

import re
from typing import Any

import attrs
import pytest
from tests.schedules.firing import KEYS, NAME, define, fire_of
from tests.schedules.source import schedules_of
from tests.store_surreal.conftest import Proxy

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import Act, JobQuery
from sp00ky_schedules.model.records import RunStatus
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection.conflict_retries import TRIES
from sp00ky_store_surreal.errors import Conflict


async def counts(store: SurrealStore) -> tuple[int, int]:
    """How many jobs there are, and how many runs."""
    text = "RETURN [array::len((SELECT id FROM job)), array::len((SELECT id FROM sp00ky_schedule_run))]"
    jobs, runs = (await store._connection.read(text))[-1]
    return jobs, runs


async def test_a_fire_whose_reply_is_lost_is_known_to_be_made(
    proxied: SurrealStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(schedules_of(proxied))
    snapshot, accepted = await schedules_of(proxied).schedules(), proxy.accepted
    proxy.lose_reply_to_write(proxied._connection, monkeypatch)
    runs = await schedules_of(proxied).change_schedule(fire_of(snapshot))
    assert proxy.accepted > accepted
    assert len(runs or ()) == len(KEYS)
    assert await counts(proxied) == (len(KEYS), len(KEYS))
    assert await schedules_of(proxied).change_schedule(fire_of(snapshot)) is None


async def test_runners_do_not_read_the_marks_of_changes(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read at each fire, by each runner, and only a change looks at them."""
    await define(schedules_of(migrated))
    ask, replies = migrated._connection._link.ask, list[str]()

    async def note(*call: Any, **how: Any) -> list[Any]:
        reply = await ask(*call, **how)
        replies.append(repr(reply))
        return reply

    monkeypatch.setattr(migrated._connection._link, "ask", note)
    assert (await schedules_of(migrated).schedules()).schedules[NAME].revision == 1
    read = "".join(replies)
    assert "every" in read
    assert re.search("[0-9a-f]{32}", read) is None


async def test_jobs_that_refuse_each_other_cost_no_other(migrated: SurrealStore) -> None:
    """A unique index of the user's takes each of them, but not both."""
    await define(schedules_of(migrated))
    await migrated._connection.write("DEFINE INDEX mine ON TABLE job FIELDS path UNIQUE;")
    paths = {key: {"path": f"/{key}"} for key in KEYS} | {"k15": {"path": "/k3"}}
    runs = await schedules_of(migrated).change_schedule(
        fire_of(await schedules_of(migrated).schedules(), **paths)
    )
    assert [run.key for run in runs or () if run.status is RunStatus.FAILED] == ["k15"]
    assert await counts(migrated) == (len(KEYS) - 1, len(KEYS))


async def test_what_is_refused_of_the_schedule_itself_writes_nothing(migrated: SurrealStore) -> None:
    await define(schedules_of(migrated))
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE hash ON TABLE sp00ky_schedule TYPE string ASSERT $value = 'h';"
    )
    fire = fire_of(await schedules_of(migrated).schedules())
    change = attrs.evolve(fire, schedule=attrs.evolve(fire.schedule, hash="other"))
    with pytest.raises(RowRefused):
        await schedules_of(migrated).change_schedule(change)
    assert await counts(migrated) == (0, 0)


async def test_a_record_of_a_jobs_id_that_is_there_stays(migrated: SurrealStore) -> None:
    """Whoever can make records could have guessed it; the others are made."""
    await define(schedules_of(migrated))
    fire = fire_of(await schedules_of(migrated).schedules())
    taken = f"job:⟨{fire.spawns[3].job_key.hex}⟩"
    await migrated._connection.write(f"CREATE {taken} SET path = '/x', payload = '{{}}', max_retries = 9;")
    runs = await schedules_of(migrated).change_schedule(fire)
    assert [run.key for run in runs or () if run.status is RunStatus.FAILED] == [KEYS[3]]
    assert {job.max_retries for job in await migrated.find(JobQuery()) if job.path == "/x"} == {9}


async def test_a_server_says_who_it_was(shared: SurrealStore) -> None:
    await shared.start_audit(Act(action="pause", selection={"backend": "api"}, actor="me"))
    (entry,) = await shared.audit()
    assert (entry.db_user, entry.actor, entry.selection) == ("root", "me", {"backend": "api"})


async def test_a_selection_that_no_reply_could_hold_is_kept(migrated: SurrealStore) -> None:
    await migrated.start_audit(Act(action="kill", selection={"path": "/a\0", "ids": ["job:1", None]}))
    (entry,) = await migrated.audit()
    assert entry.selection == {"path": "/a\0", "ids": ["job:1", None]}


async def test_what_was_read_and_has_changed_is_decided_on_anew(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another ends the pause after it was read, and before its end is written."""
    await migrated.pause("api", reason="mine")
    write = migrated._connection.write

    async def be_faster(*call: Any, **how: Any) -> list[Any]:
        monkeypatch.setattr(migrated._connection, "write", write)
        await write("UPDATE sp00ky_control:api SET paused = false RETURN NONE")
        return await write(*call, **how)

    monkeypatch.setattr(migrated._connection, "write", be_faster)
    assert not await migrated.resume("api")


async def test_what_changes_each_time_is_given_up(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrated.pause("api", reason="mine")
    write, tries = migrated._connection.write, list[str]()

    async def be_faster(*call: Any, **how: Any) -> list[Any]:
        tries.append(call[0])
        await write("UPDATE sp00ky_control:api SET reason = $reason RETURN NONE", reason=str(len(tries)))
        return await write(*call, **how)

    monkeypatch.setattr(migrated._connection, "write", be_faster)
    with pytest.raises(Conflict, match="try again"):
        await migrated.resume("api")
    assert len(tries) == TRIES
