"""Row-level security: what it keeps from a runner, which then finds nothing to do, is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core.errors import StoreError
from sp00ky_core.ports import Finding
from sp00ky_store_postgres import PostgresStore

ADD = "CREATE POLICY added ON {0}.job FOR INSERT WITH CHECK (true)"
ALL = f"CREATE POLICY shown ON {{0}}.job FOR SELECT USING (true); {ADD}"
UPDATE = "CREATE POLICY changed ON {0}.job FOR UPDATE USING (true)"
DELETE = "CREATE POLICY deleted ON {0}.job FOR DELETE USING (true)"


@pytest.fixture
def quoted(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


@pytest_asyncio.fixture
async def bound(
    store: PostgresStore, sql: Any, quoted: str, url: str, make: Any, as_role: Any, schema: str
) -> AsyncIterator[PostgresStore]:
    """A store of a role that policies bind."""
    role = f"bound_{schema[-13:-1]}"
    await sql.execute(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {quoted} TO {role}")
    await sql.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {quoted} TO {role}")
    await sql.execute(f"ALTER TABLE {quoted}.job ENABLE ROW LEVEL SECURITY")
    bound = make(base=as_role(url, role))
    await bound.open()
    yield bound
    await bound.close()
    await sql.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def said(findings: list[Finding]) -> list[tuple[bool, str]]:
    return [(each.stops_jobs, each.problem.partition(" security ")[2].split(":")[0]) for each in findings]


async def claims(store: PostgresStore) -> bool:
    """Whether a job of its own is claimed."""
    try:
        return len(await store.claim({"api": 1}, "r1")) == 1
    except StoreError:  # a refusal is a no
        return False


FOUND = {
    "no update": (f"{ALL}; {DELETE}", [(True, "lets role {0} update none of its rows")]),
    "updates of none": (
        f"{ALL}; {DELETE}; {UPDATE.replace('true', 'false')}",
        [(True, "lets role {0} update none of its rows")],
    ),
    "a restriction": (
        f"{ALL}; {UPDATE}; CREATE POLICY never ON {{0}}.job AS RESTRICTIVE USING (false)",
        [(True, "shows none of its rows to role {0}")],
    ),
    "a status": (
        "CREATE POLICY mine ON {0}.job USING (true) WITH CHECK (status <> 'processing')",
        [(True, "refuses rows with status processing that role {0} writes")],
    ),
    "nothing written": (
        "CREATE POLICY mine ON {0}.job USING (true) WITH CHECK (false)",
        [(True, "refuses rows with status pending, processing, success, failed that role {0} writes")],
    ),
    "shown while pending": (
        f"{ALL.replace('true', 'status = $$pending$$', 1)}; {UPDATE}; {DELETE}",
        [
            (False, "shows some of its rows to role {0}"),
            (True, "refuses rows with status processing, success, failed that role {0} writes"),
        ],
    ),
}
HARMLESS = {
    "another column": (
        "CREATE POLICY mine ON {0}.job USING (true) WITH CHECK (assigned_to IS NULL)",
        [(False, "refuses some rows that role {0} writes")],
    ),
    "no deletes": (f"{ALL}; {UPDATE}", [(False, "lets role {0} delete none of its rows")]),
    "every status": (
        "CREATE POLICY mine ON {0}.job USING (true) WITH CHECK (status <> 'forgotten')",
        [],
    ),
    "one that allows it": (
        f"{ALL}; {UPDATE}; {DELETE}; CREATE POLICY more ON {{0}}.job FOR UPDATE USING (assigned_to = 'me')",
        [],
    ),
}


@pytest.mark.parametrize(
    ("policies", "expected", "claimed"),
    [*((*each, False) for each in FOUND.values()), *((*each, True) for each in HARMLESS.values())],
    ids=[*FOUND, *HARMLESS],
)
async def test_what_is_kept_from_a_runner(
    store: PostgresStore,
    bound: PostgresStore,
    sql: Any,
    quoted: str,
    schema: str,
    new_job: Any,
    policies: str,
    expected: list[tuple[bool, str]],
    claimed: bool,
) -> None:
    await sql.execute(policies.format(quoted))
    await store.add([new_job()])
    assert await claims(bound) is claimed
    role = f"bound_{schema[-13:-1]}"
    assert said(await bound.check()) == [(stops, text.format(role)) for stops, text in expected]
    assert await store.check() == []  # its owner's
