"""Rows that clients may have written, ids of every kind, rows that the database refuses."""

from sp00ky_store_surreal import SurrealStore


async def test_a_payload_that_is_an_object_is_read(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE payload ON job TYPE object FLEXIBLE;"
        "CREATE job:x CONTENT { path: '/a', payload: { b: 1, c: [true, NULL] } }"
    )
    (job,) = await migrated.claim({"api": 5}, "r")
    assert (job.payload, job.defect) == ({"b": 1, "c": [True, None]}, None)
