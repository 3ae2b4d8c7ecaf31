"""Rows on PostgreSQL: SQL of a role that may insert, update and delete jobs, and nothing else."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg  # type: ignore[import-untyped]  # it carries no types
from hypothesis import strategies as st
from tests.hostile.texts import echoes, json_objects, json_texts, mostly, paths, texts

__all__ = ["PostgresVictim"]

GRANTS = """
DO $$ BEGIN CREATE ROLE client LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT INSERT, SELECT, UPDATE, DELETE ON job TO client;
GRANT SELECT ON sp00ky_runner TO client;
ALTER TABLE job DISABLE TRIGGER job_new; -- as if the rows had been there before it
DO $$ BEGIN
    -- What 0.2 refused at an INSERT is what no UPDATE may write.
    EXECUTE (
        SELECT string_agg(
            regexp_replace(pg_get_triggerdef(oid), ' AFTER UPDATE OF .* ON', '_of_new BEFORE INSERT ON'), '; '
        )
        FROM pg_trigger WHERE tgname IN ('job_changed', 'job_object') AND tgrelid = 'job'::regclass
    );
END $$;
"""

OWED = """
SELECT id::text || ' ' || status || ' ' || coalesce(runner_id, '') FROM job
WHERE (status = 'pending' AND run_at <= now())
   OR (status = 'processing' AND coalesce(timeout, 0) <= 5
       AND (lease_until IS NULL OR lease_until <= now() OR runner_id IN (SELECT id FROM sp00ky_runner)))
"""

INSTANTS = (
    *("'infinity'", "'-infinity'", "'4713-01-01 BC'", "'294276-12-31 23:59:59.999999+00'", "NULL"),
    *("'0001-01-02 00:00:00+00'", "'9999-12-29 23:59:59.999999+14'", "now()", "'epoch'", "DEFAULT"),
    *(
        "now() - interval '1 microsecond'",
        "now() + interval '200 milliseconds'",
        "now() + interval '9 years'",
    ),
)

INTEGERS = ("0", "1", "3", "1000", "1001", "-1", "2147483647", "-2147483648", "NULL", "DEFAULT")

EPOCHS = (
    *INTEGERS,
    "4611686018427387904",
    "4611686018427387903",
    "9223372036854775807",
    "-9223372036854775808",
)

TIMEOUTS = (*INTEGERS, "'NaN'", "'Infinity'", "'-Infinity'", "1e308", "5e-324", "0.001", "86400.5")

IDS = (
    "'00000000-0000-0000-0000-000000000000'",
    "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
    "gen_random_uuid()",
    "NULL",
    "DEFAULT",
)

HUGE = (
    """('{"id": ' || repeat('[', 5000) || repeat(']', 5000) || '}')::json""",
    """('{"id": "' || repeat('x', 2000000) || '"}')::json""",
    "('[' || repeat('{},', 10000) || '1]')::json",
)

RUNNER = "(SELECT max(id) FROM sp00ky_runner)"


def _text(text: str) -> str:
    doubled = text.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\000")
    return f"E'{doubled}'"


_TEXTS = texts().map(_text) | st.sampled_from(("NULL", "DEFAULT", "repeat('x', 70000)"))
_INSTANTS = st.sampled_from(INSTANTS)
_JSON = json_texts().map(_text) | st.sampled_from(("NULL", *HUGE))

FORGED: dict[str, st.SearchStrategy[str]] = {
    "id": st.sampled_from(IDS),
    "payload": json_objects().map(_text) | _JSON,
    "status": st.sampled_from(
        ("'pending'", "'processing'", "'success'", "'failed'", "'PENDING'", "NULL", "''")
    ),
    "retries": st.sampled_from(INTEGERS),
    "max_retries": st.sampled_from(INTEGERS),
    "retry_strategy": st.sampled_from(("'linear'", "'exponential'", "'nope'")) | _TEXTS,
    "timeout": st.sampled_from(TIMEOUTS),
    "assigned_to": _TEXTS,
    "errors": st.lists(json_texts(), max_size=3).map(lambda items: _text(f"[{', '.join(items)}]")) | _JSON,
    "result": _JSON,
    "dedup_key": st.sampled_from(("'a'", "'b'")) | _TEXTS,
    "traceparent": _TEXTS,
    "created_at": _INSTANTS,
    "updated_at": _INSTANTS,
    "run_at": _INSTANTS,
    "lease_epoch": st.sampled_from(EPOCHS),
    "lease_until": _INSTANTS,
    "runner_id": st.just(RUNNER) | _TEXTS,
}

BACKED = st.sampled_from(tuple(FORGED))


class PostgresVictim:
    """See ``Victim``."""

    def __init__(self, dsn: str) -> None:
        self.url = dsn
        self._owner: Any = None
        self._client: Any = None

    async def open(self, store: Any) -> None:
        """See ``Victim.open``."""
        await store.migrate()
        self._owner = await asyncpg.connect(self.url)
        await self._owner.execute(GRANTS)
        parts = urlsplit(self.url)
        theirs = urlunsplit(parts._replace(netloc=f"client@{parts.netloc.rpartition('@')[2]}"))
        self._client = await asyncpg.connect(theirs, statement_cache_size=0)

    async def close(self) -> None:
        """See ``Victim.close``."""
        for connection in (self._client, self._owner):
            await connection.close()

    @staticmethod
    def statements(away: str) -> st.SearchStrategy[str]:
        """See ``Victim.statements``."""
        path = paths(away).map(_text)
        forged = st.lists(BACKED, min_size=1, max_size=3, unique=True).flatmap(
            lambda names: st.fixed_dictionaries({name: FORGED[name] for name in names})
        )
        insert = st.builds(_insert, path, forged)
        change = st.builds(
            _update, st.integers(0, 9), BACKED.flatmap(lambda name: st.tuples(st.just(name), FORGED[name]))
        )
        echo = st.builds(lambda payload: _insert("'/echo'", {"payload": _text(payload)}), echoes())
        return mostly(insert, echo, change, st.builds(_delete, st.integers(0, 9)))

    async def write(self, statement: str) -> None:
        """See ``Victim.write``."""
        with suppress(asyncpg.PostgresError):
            await self._client.execute(statement)

    async def owed(self) -> list[str]:
        """See ``Victim.owed``."""
        return [row[0] for row in await self._owner.fetch(OWED)]

    async def wipe(self) -> None:
        """See ``Victim.wipe``."""
        await self._owner.execute("DELETE FROM job; DELETE FROM calm_job")


def _insert(path: str, forged: dict[str, str]) -> str:
    columns = {"path": path, **forged}
    return f"INSERT INTO job ({', '.join(columns)}) VALUES ({', '.join(columns.values())})"


def _update(place: int, change: tuple[str, str]) -> str:
    return f"UPDATE job SET {change[0]} = {change[1]} WHERE id = {_at(place)}"


def _delete(place: int) -> str:
    return f"DELETE FROM job WHERE id = {_at(place)}"


def _at(place: int) -> str:
    return f"(SELECT id FROM job ORDER BY id OFFSET {place} LIMIT 1)"
