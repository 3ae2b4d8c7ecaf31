"""Answers as values and as text."""

from typing import Any

import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.encoding.json_bytes import JsonText
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import SettleFate
from sp00ky_store_surreal import SurrealStore

ANSWERS = {
    "object": b'{"x":{"y":[1,2.5,true,null]},"z":"text"}',
    "array": b'[{"a":1},null,"b"]',
    "text": b'"plain"',
    "number": b"17",
    "truth": b"false",
    "null": b"null",
    "huge number": b'{"n":123456789012345678901234567890}',
    "NUL": b'{"t":"a\\u0000b"}',
    "deep": b"[" * 80 + b"]" * 80,
}


async def column(store: SurrealStore, job_id: str, expression: str) -> Any:
    """What the database makes of an expression over a row."""
    reply = await store._connection.read(f"SELECT VALUE {expression} FROM <record>$id", id=job_id)  # noqa: S608
    return reply[-1][0]


def kinds(url: str) -> str:
    """A type of a field that takes values, with its objects' fields kept."""
    flexible = "option<string | object | array | number | bool | null> FLEXIBLE"
    return flexible if url == "mem://" else "any"


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_result_is_a_value_where_the_field_takes_one(
    migrated: SurrealStore, url: str, answer: bytes
) -> None:
    await migrated._connection.write(f"DEFINE FIELD OVERWRITE result ON job TYPE {kinds(url)}")
    migrated._layouts.forget()
    (job,) = await migrated.add([NewJob(path="/a", backend="api")])
    (claimed,) = await migrated.claim({"api": 1}, "r")
    as_text = Job(id="", backend="", path="", payload_json=answer, status=JobStatus.PENDING)
    (result,) = await migrated.settle([settlement(claimed, Delivered(result=JsonText(answer)))])
    assert (result.fate, result.problem) == (SettleFate.SETTLED, None)
    assert (await migrated.get(job.id)).result == as_text.payload
    if answer == ANSWERS["object"]:
        assert await column(migrated, job.id, "result.x.y[1]") == 2.5


async def test_a_result_is_text_where_the_field_is_text(migrated: SurrealStore) -> None:
    await migrated._connection.write("DEFINE FIELD OVERWRITE result ON job TYPE option<string>")
    migrated._layouts.forget()
    await migrated.add([NewJob(path="/a", backend="api")])
    (claimed,) = await migrated.claim({"api": 1}, "r")
    await migrated.settle([settlement(claimed, Delivered(result={"x": 1}))])
    assert await column(migrated, claimed.id, "result") == '{"x":1}'
