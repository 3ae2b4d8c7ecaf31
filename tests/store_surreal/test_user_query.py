"""A query is one SELECT, within bounds, whose rows are JSON objects."""

import json

import pytest

from sp00ky_core.errors import QueryRefused
from sp00ky_core.job.job import NewJob
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal import user_query as query

REFUSED = {
    "statement": "DELETE job RETURN BEFORE",
    "two statements": "SELECT 1 AS n FROM 1; DELETE job",
    "two by a comment": "SELECT 1 AS n FROM 1 -- it's\n; DELETE job -- '",
    "two by parentheses": "SELECT 1 AS n FROM 1) }; DELETE job; SELECT * FROM { a: (SELECT 1 FROM 1",
    "a semicolon": "SELECT 1 AS n FROM 1;",
    "block": "{ DELETE job }",
    "begins alike": "SELECTED",
    "nothing": "",
    "a comment": "-- SELECT 1",
    "an open comment": "SELECT 1 FROM 1 /*",
    "an open text": "SELECT 1 FROM 'a",
    "wrong": "SELECT FROM job WHERE",
    "thrown": "SELECT { THROW 'mine' } AS n FROM 1",
    "no objects": "SELECT VALUE path FROM job",
    "one row": "SELECT path FROM ONLY job LIMIT 1",
    "a duration": "SELECT 1h AS n FROM 1",
    "too many bytes": "SELECT string::repeat('x', 900000) AS x FROM [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]",
}


@pytest.mark.parametrize("what", REFUSED)
async def test_it_is_refused_and_leaves_nothing(migrated: SurrealStore, what: str) -> None:
    await migrated.add([NewJob(backend="api", path="/a"), NewJob(backend="api", path="/b")])
    with pytest.raises(QueryRefused) as caught:
        await migrated.query_rows(REFUSED[what])
    assert "\n" not in str(caught.value)
    assert "sp00ky migrate" not in str(caught.value)
    rows = await migrated.query_rows("SELECT path FROM job ORDER BY path")
    assert rows == [{"path": "/a"}, {"path": "/b"}]


async def test_values_are_json(migrated: SurrealStore) -> None:
    text = """
        SELECT 9007199254740993 AS whole, 1.25dec AS exact, 0.5 AS half, true AS yes, NULL AS nothing,
            d'2026-03-29T01:00:00.5Z' AS at, u'0190163d-8694-739b-8c4f-4b7d2f1e3c55' AS key,
            thread:abc AS parent, [1, [thread:1]] AS list, { a: [NULL] } AS deep,
            'it\\'s; @query@ "ä" ❄' AS words -- and a comment; with more
        FROM 1 /* ; */
    """
    assert await migrated.query_rows(text) == [
        {
            "whole": 9007199254740993,
            "exact": "1.25",
            "half": 0.5,
            "yes": True,
            "nothing": None,
            "at": "2026-03-29T01:00:00.500000Z",
            "key": "0190163d-8694-739b-8c4f-4b7d2f1e3c55",
            "parent": "thread:abc",
            "list": [1, ["thread:1"]],
            "deep": {"a": [None]},
            "words": 'it\'s; @query@ "ä" ❄',
        }
    ]


HOSTILE = {
    "NUL": "text = $nul",
    "NUL in an object": "text = { a: $nul }",
    "far": "text = d'9999-12-31T23:59:59Z' + 1000y",
    "key": "text = thing:[1, d'2026-01-01T00:00:00Z']",
    "bytes": "text = <bytes>'x'",
    "future": "text = { a: 1..2 }",
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_value_that_is_no_json_keeps_nothing_else(migrated: SurrealStore, what: str) -> None:
    """It is refused, or written as JSON can."""
    write = f"CREATE thing:a SET {HOSTILE[what]} RETURN NONE"
    await migrated._connection.write(write, nul="a\0b")
    try:
        rows = await migrated.query_rows("SELECT text FROM thing")
    except QueryRefused:
        rows = []
    assert json.loads(json.dumps(rows)) == rows
    assert rows == [] or what.startswith("NUL")
    assert await migrated.query_rows("SELECT 1 AS one FROM 1") == [{"one": 1}]


async def test_it_ends_after_a_while(migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch) -> None:
    many = "SELECT math::sum((SELECT VALUE $parent FROM 0..100000000)) AS n FROM 0..100000000"
    with monkeypatch.context() as patched:
        patched.setattr(query, "QUERY_SECONDS", 0.2)
        patched.setattr(query, "BEYOND_SERVER", 1.0)
        with pytest.raises(QueryRefused):
            await migrated.query_rows(many if "ws" in migrated.location else "SELECT sleep(3s) AS s FROM 1")
    assert await migrated.query_rows("SELECT 1 AS one FROM 1") == [{"one": 1}]
