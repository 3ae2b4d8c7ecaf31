"""Ids that clients may choose: none is carried out, stops a runner, or is sent and then can't be settled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job import JobStatus, NewJob
from sp00ky_core.machine import decide
from sp00ky_core.outcome import INVALID_ROW, Delivered
from sp00ky_core.ports import JobQuery, JobTable, Settlement
from sp00ky_core.retry import RetryPolicy
from sp00ky_store_surreal import SurrealStore, claim_parts
from sp00ky_store_surreal.errors import ReplyUnreadable
from sp00ky_store_surreal.layout import read_layout

SOUND = "path: '/a', payload: '{}'"

ODD = ("[..]", "[1..2]", "[(1.0, 2.0)]", "{ a: (1.0, 2.0) }", "[NONE, NULL]", "[[[]], -0.5]")

COMPUTED = (
    "[{ DELETE job }]",
    "{ a: { DELETE job } }",
    "[(DELETE job)]",
    "[rand()]",
    "[$runner]",
    "[1]; DELETE job",
    "[|$x| $x]",
    "[<future> { 1 }]",
    "[r'job:[rand()]']",
    "[`DELETE job`]",
)

NOWHERE = {True: ("[math::inf]", "[<bytes>'a']"), False: ("[thread:1..5]", "[[thread:1..5], 1]")}
"""Keys whose text stands for another record, or for none; whether on 2.x."""

HIGHEST = 2**62


def settlement_of(job) -> Settlement:  # type: ignore[no-untyped-def]  # a test's shorthand
    transition = decide(job, Delivered(), RetryPolicy(base=0))
    return Settlement(job_id=job.id, backend="api", epoch=job.lease_epoch, transition=transition)


async def write(store: SurrealStore, key: str, more: str = "") -> None:
    """Past the store, as a client does."""
    await store._connection.write(f"CREATE job:{key} CONTENT {{ {SOUND}{more} }} RETURN NONE")


@pytest.mark.parametrize("key", ODD)
async def test_a_job_of_an_odd_id_is_sent_once_and_settled(migrated: SurrealStore, key: str) -> None:
    await write(migrated, key)
    (job,) = await migrated.claim({"api": 5}, "r")
    assert await migrated.release("r", keep=[job.id]) == []
    assert [each.fate for each in await migrated.settle([settlement_of(job)])] == ["settled"]
    assert (await migrated.get(job.id)).status is JobStatus.SUCCESS
    assert [each.fate for each in await migrated.clear([job.id])] == ["cleared"]


@pytest.mark.parametrize("table", ["select", "my-table", "table"])
async def test_a_job_of_an_odd_id_in_a_table_of_any_name_is_sent_once(
    make_store: Callable[..., SurrealStore], url: str, table: str
) -> None:
    """The database writes such a name in quotes, before the key."""
    store = make_store(url, (JobTable(backend="api", table=table),))
    await store.open()
    await store.migrate()
    for key in ("[7]", "{ a: 1 }", "x"):
        await store._connection.write(f"CREATE `{table}`:{key} CONTENT {{ {SOUND} }} RETURN NONE")
    listed = {job.id for job in await store.find(JobQuery())}
    jobs = await store.claim({"api": 5}, "r")
    assert {job.id for job in jobs} == listed
    assert await store.release("r", keep=listed) == []
    fates = await store.settle([settlement_of(job) for job in jobs])
    assert [each.fate for each in fates] == ["settled"] * 3
    await store.close()


async def test_a_row_whose_id_was_taken_for_another_kind_is_not_told_to_be_claimed(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should a database write ids in yet another way: a runner must not send what it couldn't settle."""
    names = [f"{kind}_{spelling}0" for kind in ("array", "object") for spelling in ("key", "quoted")]
    monkeypatch.setattr(claim_parts, "reply_keys", lambda *_: dict.fromkeys(names, "nowhere"))
    await write(migrated, "[7]")
    for _ in range(2):
        with pytest.raises(ReplyUnreadable, match="job"):
            await migrated.claim({"api": 5}, "r")
        await migrated.release("r", keep=())
    assert [job.id for job in await migrated.claim({"api": 5}, "r")] == ["job:[7]"]


@pytest.mark.parametrize("key", COMPUTED)
async def test_nothing_in_an_id_is_carried_out(migrated: SurrealStore, key: str) -> None:
    (job,) = await migrated.add([NewJob(path="/a", backend="api")])
    assert [each.fate for each in await migrated.clear([f"job:{key}"])] == ["not_found"]
    assert [each.fate for each in await migrated.kill([f"job:{key}"])] == ["not_found"]
    assert await migrated.find(JobQuery(assigned_to=f"thread:{key}")) == []
    with pytest.raises(OptionInvalid, match="a record's id"):
        await migrated.add([NewJob(path="/a", backend="api", assigned_to=f"thread:{key}")])
    assert [each.id for each in await migrated.find(JobQuery())] == [job.id]


@pytest.mark.parametrize("more", ["", ", status: 'processing'"], ids=["pending", "left processing"])
async def test_a_row_whose_id_leads_nowhere_fails_and_stops_nobody(
    migrated: SurrealStore, more: str, caplog: pytest.LogCaptureFixture
) -> None:
    is_older = (await read_layout(migrated._connection, ["job"]))["job"].is_older
    for key in NOWHERE[is_older]:
        await write(migrated, key, more)
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    assert [job.id for job in await migrated.claim({"api": 5}, "r")] == [good.id]
    assert await migrated.reclaim({}) == []
    reply = await migrated._connection.read(
        "SELECT status, errors, lease_epoch, runner_id FROM job WHERE path = '/a'"
    )
    assert len(reply[-1]) == 2
    for row in reply[-1]:
        assert (row["status"], row.get("runner_id")) == ("failed", None)
        assert [each["name"] for each in row["errors"]] == [INVALID_ROW]
        assert row["lease_epoch"] >= 1
    assert "failed: invalid_row: its id can't be written down" in caplog.text


@pytest.mark.parametrize("epoch", [HIGHEST - 1, HIGHEST, 2**63 - 1])
async def test_the_highest_epoch_of_a_client_is_no_end(migrated: SurrealStore, epoch: int) -> None:
    await write(migrated, "pending", f", lease_epoch: {epoch}")
    await write(migrated, "left", f", lease_epoch: {epoch}, status: 'processing', max_retries: 3")
    assert [each.job_id for each in await migrated.reclaim({})] == ["job:left"]
    jobs = await migrated.claim({"api": 5}, "r")
    assert len(jobs) == 2
    fates = [each.fate for each in await migrated.settle([settlement_of(job) for job in jobs])]
    assert fates == ["settled", "settled"]
