"""Pending rows that the database refuses to write: they cost no other row, and get another chance."""

import re
from typing import Any

import pytest

from sp00ky_core.errors import RowRefused
from sp00ky_store_postgres import PostgresStore

RULE = "ALTER TABLE {schema}.job ADD CONSTRAINT mine CHECK (path <> '/refused') NOT VALID"

DEFERRED = """
    CREATE FUNCTION {schema}.mine() RETURNS trigger LANGUAGE plpgsql AS $f$
    BEGIN IF NEW.path = '/refused' THEN RAISE 'mine' USING ERRCODE = 'P0001'; END IF; RETURN NULL; END $f$;
    CREATE CONSTRAINT TRIGGER mine AFTER UPDATE ON {schema}.job DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {schema}.mine()
"""

RULES = {
    "a check": (RULE, "ALTER TABLE {schema}.job DROP CONSTRAINT mine"),
    "a deferred trigger": (DEFERRED, "DROP TRIGGER mine ON {schema}.job"),
}


@pytest.mark.parametrize(("rule", "fix"), RULES.values(), ids=RULES)
async def test_the_others_are_claimed_and_it_is_told_once(
    store: PostgresStore,
    sql: Any,
    quoted: str,
    new_job: Any,
    rule: str,
    fix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = await store.add([new_job(path="/refused") for _ in range(30)])
    fine = await store.add([new_job() for _ in range(30)])
    await sql.execute(rule.format(schema=quoted))
    claimed = [job.id for _ in range(3) for job in await store.claim({"api": 10}, "r1")]
    assert sorted(claimed) == sorted(job.id for job in fine)
    with pytest.raises(RowRefused, match=r"job:[\w-]+ can't be claimed, .*mine") as caught:
        await store.claim({"api": 10}, "r1")
    assert any(job.id in str(caught.value) for job in refused)
    assert await store.claim({"api": 10}, "r1") == []
    logged = [record.message for record in caplog.records if "can't be claimed" in record.message]
    assert all(re.match(r"job job:[\w-]+ and \d+ more can't be claimed, .*mine", line) for line in logged)
    assert any(job.id in line for job in refused for line in logged)
    assert await store.next_due(["api"]) is None
    (late,) = await store.add([new_job()])
    assert [job.id for job in await store.claim({"api": 10}, "r1")] == [late.id]
    await sql.execute(fix.format(schema=quoted))
    store._refused.clear("claimed")  # half a minute later
    assert len(await store.claim({"api": 100}, "r1")) == len(refused)
