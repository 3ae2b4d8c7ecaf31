"""What clients write, whatever it is: texts that look alike, no instants, rows that are too long."""

import pytest
from tests.store_mysql.conftest import Sql, migrated, new_job

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.errors import QueryRefused, RowRefused
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobFilter, JobQuery, StoreOptions
from sp00ky_store_mysql import MysqlStore

ALIKE = [
    "k",
    "K",
    "k ",
    "k\t",
    "\u00e9",
    "e\u0301",
    "\u00c9",
    "\u212a",
    "ss",
    "\u00df",
    "\U0001f47b",
    "\U0001f383",
]
"""Texts of which collations take some for the same."""


async def test_keys_that_look_alike_are_different(store: MysqlStore) -> None:
    jobs = await store.add([new_job(dedup_key=key) for key in ALIKE])
    assert len({job.id for job in jobs}) == len(ALIKE)
    again = await store.add([new_job(dedup_key=key) for key in ALIKE])
    assert [job.id for job in again] == [job.id for job in jobs]


async def test_jobs_of_keys_that_look_alike_hold_up_no_other(store: MysqlStore) -> None:
    await store.add([new_job(ordering_key=key) for key in ALIKE for _ in range(2)])
    claimed = await store.claim({"api": 100}, "r")
    assert sorted(job.ordering_key or "" for job in claimed) == sorted(ALIKE)


async def test_ids_that_look_alike_are_different(store: MysqlStore, sql: Sql) -> None:
    for key in ("a", "A", "a "):
        sql("INSERT INTO job (id, path, payload) VALUES (%s, '/a', '{}')", (key,))
    assert sorted(job.id for job in await store.claim({"api": 5}, "r")) == ["job:A", "job:a", "job:a "]
    assert await store.ids_starting_with("job:A") == ["job:A"]


LONG = "\U0001f47b" * 255


async def test_the_longest_keys_fit(store: MysqlStore) -> None:
    others = [LONG[:-1] + "x", LONG]
    jobs = await store.add([new_job(ordering_key=other, dedup_key=other) for other in others])
    assert len({job.id for job in jobs}) == 2
    assert [job.id for job in await store.add([new_job(dedup_key=LONG)])] == [jobs[1].id]
    assert len(await store.claim({"api": 5}, "r")) == 2
    assert await store.count(JobFilter(ordering_key=LONG)) == 1


async def test_a_zero_date_costs_no_other_row(store: MysqlStore, sql: Sql) -> None:
    sql(
        "SET SESSION sql_mode = ''; "
        "INSERT INTO job (id, path, payload, run_at, created_at) "
        "VALUES ('zero', '/a', '{}', '0000-00-00', '0000-00-00')"
    )
    (good,) = await store.add([new_job()])
    assert {job.id for job in await store.claim({"api": 5}, "r")} >= {good.id}
    assert {job.id for job in await store.find(JobQuery())} == {good.id, "job:zero"}


async def test_a_client_writes_what_the_documents_say(store: MysqlStore, sql: Sql) -> None:
    sql("INSERT INTO job (path, payload) VALUES ('/spookify', '{\"id\": 7}')")
    (job,) = await store.claim({"api": 1}, "r")
    assert (job.path, job.payload, job.retries, job.max_retries) == ("/spookify", {"id": 7}, 0, 3)
    assert job.created_at is not None


async def test_a_row_that_no_packet_holds_is_refused_in_one_line(
    options: StoreOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = "SET SESSION idle_transaction_timeout = 600"  # a busy machine takes its time to write it
    monkeypatch.setattr("sp00ky_store_mysql.store.SETTINGS", patient)
    store = await migrated(options)
    payload = {"text": "x" * 17_000_000}
    with pytest.raises(
        RowRefused, match=r"a row of 17.* bytes doesn't fit max_allowed_packet, which is"
    ) as caught:
        await store.add([new_job(payload=payload)])
    assert "\n" not in str(caught.value)
    with pytest.raises(RowRefused, match="max_allowed_packet"):
        await store.add([new_job(), new_job(payload=payload)])
    assert await store.find(JobQuery()) == []
    await store.close()


async def test_a_large_batch_is_written_in_parts(store: MysqlStore) -> None:
    await store.add([new_job(payload={"n": n, "text": "'" * 300_000}) for n in range(30)])
    jobs = await store.claim({"api": 30}, "r")
    assert [job.payload["n"] for job in jobs] == list(range(30))
    results = await store.settle([settlement(job, Delivered(result="'" * 60_000)) for job in jobs])
    assert {result.fate for result in results} == {"settled"}


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("DELETE FROM job", "it begins with none of SELECT, WITH, VALUES"),
        ("DROP TABLE job", "it begins with none of SELECT, WITH, VALUES"),
        ("WITH gone AS (SELECT 1) DELETE FROM job", "SQL syntax"),
        ("SELECT 1; DELETE FROM job", "SQL syntax"),
        ("/*!50000 DROP TABLE job */", "it begins with none of SELECT, WITH, VALUES"),
        ("SELECT id FROM job FOR UPDATE; SELECT 2", "SQL syntax"),
        ("SELECT * FROM gone", "doesn't exist"),
        ("SELECT sleep(60)", "takes longer than 0 seconds"),
    ],
)
async def test_a_query_of_a_schedule_only_reads(
    store: MysqlStore, monkeypatch: pytest.MonkeyPatch, query: str, problem: str
) -> None:
    await store.add([new_job()])
    with monkeypatch.context() as hasty:
        if "sleep" in query:  # and nothing else, however busy the machine is
            hasty.setattr("sp00ky_store_kit.connection.lanes.QUERY_SECONDS", 0.3)
        with pytest.raises(QueryRefused) as caught:
            await store.query_rows(query)
    assert problem in caught.value.problem
    assert await store.query_rows("SELECT path FROM job WHERE path LIKE '/%'") == [{"path": "/a"}]
