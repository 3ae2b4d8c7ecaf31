"""Ids that clients may choose: none is carried out, stops a runner, or is sent and then can't be settled."""

from uuid import UUID

import pytest
from surrealdb import RecordID

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.transitions import clear, kill
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.ids import id_text, id_value

SOUND = "path: '/a', payload: '{}'"


KEYS = {
    "text": "job:abc",
    "digits": "job:⟨123⟩",
    "number": "job:123",
    "negative": "job:-5",
    "space": "job:⟨a b⟩",
    "bracket": "job:⟨a\\⟩b⟩",
    "backslash": "job:⟨a\\\\b⟩",
    "uuid": "job:u'119f01b0-50a1-4c56-961e-ef8099b16e9d'",
    "empty": "job:⟨⟩",
    "quotes": "job:⟨'\"⟩",
}


@pytest.mark.parametrize("job_id", KEYS.values(), ids=KEYS)
async def test_an_id_of_any_kind_goes_all_the_way(migrated: SurrealStore, job_id: str) -> None:
    await migrated._connection.write(f"CREATE $id CONTENT {{ {SOUND} }}", id=id_value(job_id))
    (other,) = await migrated.add([NewJob(path="/b", backend="api")])
    claimed = await migrated.claim({"api": 5}, "r")
    assert {job.id for job in claimed} == {job_id, other.id}
    assert [
        result.fate for result in await migrated.settle([settlement(job, Delivered()) for job in claimed])
    ] == ["settled", "settled"]
    assert (await migrated.get(job_id)).status is JobStatus.SUCCESS
    assert [result.fate for result in await clear(migrated, [job_id])] == ["cleared"]
    assert [job.id for job in await migrated.find(JobQuery())] == [other.id]


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "1",
        "01",
        "é",
        "a b",
        "",
        "⟨",
        "a\\",
        "`x`",
        "u'x'",
        "[1]",
        "a\0b",
        "a:b",
        5,
        -(2**63),
        UUID(int=7),
    ],
)
def test_ids_round_trip(key: object) -> None:
    record = RecordID("job", key)
    assert id_value(id_text(record)) == record


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


@pytest.mark.parametrize("key", COMPUTED)
async def test_nothing_in_an_id_is_carried_out(migrated: SurrealStore, key: str) -> None:
    (job,) = await migrated.add([NewJob(path="/a", backend="api")])
    assert [result.fate for result in await clear(migrated, [f"job:{key}"])] == ["not_found"]
    assert [result.fate for result in await kill(migrated, [f"job:{key}"])] == ["not_found"]
    assert await migrated.find(JobQuery(assigned_to=f"thread:{key}")) == []
    with pytest.raises(OptionInvalid, match="a record's id"):
        await migrated.add([NewJob(path="/a", backend="api", assigned_to=f"thread:{key}")])
    assert [stored.id for stored in await migrated.find(JobQuery())] == [job.id]
