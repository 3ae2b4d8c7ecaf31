"""Rows on SurrealDB: a record user's, by the documentation's permissions, and root's, of any type."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from surrealdb import AsyncSurreal
from tests.hostile.texts import echoes, json_objects, mostly, paths, texts

__all__ = ["SurrealVictim", "EmbeddedVictim", "ANY", "SPEC"]

Send = Callable[[str], Awaitable[Any]]

SCHEMAS = Path(__file__).parents[1] / "store_surreal"

SPEC = "".join((SCHEMAS / f"{name}.surql").read_text() for name in ("spec_app", "spec_job"))
"""The documentation's application."""

_FREE = (
    "path",
    "payload",
    "retries",
    "max_retries",
    "retry_strategy",
    "timeout",
    "status",
    "errors",
    "assigned_to",
)

ANY = "DEFINE TABLE job SCHEMALESS;" + "".join(
    f"DEFINE FIELD {name} ON TABLE job TYPE any;" for name in (*_FREE, "created_at", "updated_at")
).replace("status ON TABLE job TYPE any", "status ON TABLE job TYPE any DEFAULT 'pending'")
"""A table whose owner wants no types."""

OWED = """
SELECT VALUE <string>id + ' ' + <string>status + ' ' + (<string>(runner_id ?? '')) FROM job
WHERE id < job:[] AND ((status = 'pending' AND (run_at = NONE OR run_at <= time::now()))
   OR (status = 'processing' AND (timeout ?? 0) <= 5 AND (lease_until = NONE OR lease_until <= time::now()
       OR runner_id IN (SELECT VALUE record::id(id) FROM sp00ky_runner))))
"""
"""Jobs; rows whose key is an array or an object are none."""

VALUES = (
    *(
        "NONE",
        "NULL",
        "true",
        "false",
        "0",
        "1",
        "3",
        "1000",
        "1001",
        "-1",
        "-5",
        "0.0",
        "-0.0",
        "1.5",
        "1e308",
    ),
    *("9223372036854775807", "-9223372036854775808", "9223372036854775808", "4611686018427387904"),
    *(
        "1.1dec",
        "99999999999999999999999999dec",
        "0.1dec",
        "math::inf",
        "math::neg_inf",
        "math::nan",
        "1e-320",
    ),
    *("1h30m", "0ns", "99999999999999999y", "584942417355y", "'1h'", "<duration>'1ns'"),
    *(
        "d'2024-01-01T00:00:00Z'",
        "d'+262142-12-31T23:59:59Z'",
        "d'-262143-01-01T00:00:00Z'",
        "d'0000-01-01T00:00:00Z'",
    ),
    *("time::now()", "time::now() - 1ms", "time::now() + 200ms", "time::now() + 9y", "time::now() + 200000y"),
    *(
        "u'119f01b0-50a1-4c56-961e-ef8099b16e9d'",
        "thread:ann",
        "thread:[1, 'a']",
        "thread:{ a: 1 }",
        "nope:⟨⟩",
    ),
    *(
        "thread:1..5",
        "1..5",
        "..",
        "'a'..'b'",
        "[1, 2]",
        "[]",
        "{}",
        "{ a: { b: [NONE, NULL] } }",
        "{ how: 'text' }",
    ),
    *(
        "<set>[1, 1, 2]",
        "{1, 2}",
        "<bytes>'a'",
        "b'00ff'",
        "<bytes>''",
        "/a.*b/",
        "|$x| $x",
        "|$x| { RETURN $x }",
    ),
    *("(1.0, 2.0)", "{ type: 'Point', coordinates: [1.0, 2.0] }", "<future> { time::now() }", "f'bucket:/x'"),
    "{ type: 'Polygon', coordinates: [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]] }",
    *("'pending'", "'processing'", "'success'", "'failed'", "'linear'", "'exponential'", "['pending']"),
    *("'\\u{0}'", "'a\\u{0}b'", "[ 'a\\u{0}b' ]", "{ a: 'a\\u{0}b' }", "thread:⟨a\\u{0}b⟩"),
    "(SELECT VALUE record::id(id) FROM sp00ky_runner LIMIT 1)[0]",
    "array::repeat({ at: d'+262142-12-31T23:59:59Z', attempt: math::nan, reason: 1s }, 60)",
    "[{ at: 1, attempt: 'x', code: -1, name: NONE, reason: { a: 1 }, runner_id: [] }]",
    "string::repeat('x', 70000)",
)

KEYS = (
    *(
        "rand()",
        "ulid()",
        "uuid()",
        "1",
        "-5",
        "9223372036854775807",
        "⟨⟩",
        "⟨1⟩",
        "⟨a b⟩",
        "⟨\u202e\U0001f47b⟩",
    ),
    *(
        "⟨a\\⟩b⟩",
        "⟨a\\\\⟩",
        "⟨'\"⟩",
        "⟨a:b⟩",
        "⟨a\\u{0}b⟩",
        "⟨../x⟩",
        "⟨\\r\\nX-Injected: 1⟩",
        "u'119f01b0-50a1-4c56-961e-ef8099b16e9d'",
    ),
    *(
        "[1, 'a']",
        "[NONE]",
        "[d'2024-01-01T00:00:00Z', thread:a]",
        "{ a: 1 }",
        "{ a: { b: [] } }",
        "[[[]]]",
        "[1h]",
    ),
    # No instants beyond the calendar: a server's own listings fail as long as such a row is there.
    "[{ type: 'Polygon', coordinates: [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]] }]",
    *("[thread:1..5]", "[math::inf]", "{ a: (1.0, 2.0) }", "[<bytes>'a']"),
    *("['a\\u{0}b']", "[1.5]", "[u'119f01b0-50a1-4c56-961e-ef8099b16e9d']", "[..]", "⟨x⟩"),
)

FIELDS = (
    *("payload", "retries", "max_retries", "retry_strategy", "timeout", "status", "errors", "assigned_to"),
    *(
        "created_at",
        "updated_at",
        "run_at",
        "result",
        "dedup_key",
        "dedup_live",
        "traceparent",
        "lease_epoch",
    ),
    *("lease_until", "runner_id", "path"),
)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\\u0000", "\\u{0}").replace("\x7f", "\\u{7f}")


_ANYTHING = st.sampled_from(VALUES) | texts().map(_text)

_APT: dict[str, st.SearchStrategy[str]] = {
    "payload": json_objects().map(_text) | json_objects(),
    "status": st.sampled_from(("'pending'", "'processing'", "'processing'", "'success'", "'failed'")),
    "retries": st.integers(-(2**63), 2**63 - 1).map(str),
    "max_retries": st.integers(-(2**63), 2**63 - 1).map(str),
    "lease_epoch": st.integers(-(2**63), 2**63 - 1).map(str),
    "lease_until": st.sampled_from([value for value in VALUES if value.startswith(("d'", "time::"))]),
    "run_at": st.sampled_from([value for value in VALUES if value.startswith(("d'", "time::"))]),
}
"""Values that a typed field takes."""


def _value(name: str) -> st.SearchStrategy[tuple[str, str]]:
    return st.tuples(st.just(name), _APT.get(name, _ANYTHING) | _ANYTHING)


def _create(key: str, path: str, fields: list[tuple[str, str]]) -> str:
    columns = {"path": path, "payload": "'{}'", "assigned_to": "thread:ann", **dict(fields)}
    content = ", ".join(f"{name}: {value}" for name, value in columns.items())
    return f"CREATE job:{key} CONTENT {{ {content} }} RETURN NONE"


def _update(place: int, change: tuple[str, str]) -> str:
    return (
        f"UPDATE (SELECT VALUE id FROM job LIMIT 1 START {place}) SET {change[0]} = {change[1]} RETURN NONE"
    )


def _delete(place: int) -> str:
    return f"DELETE (SELECT VALUE id FROM job LIMIT 1 START {place}) RETURN NONE"


class _Victim:
    """What both have in common: a way to send statements as the client, and one as root."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._as_client: Send
        self._as_root: Send

    @staticmethod
    def statements(away: str) -> st.SearchStrategy[str]:
        """See ``Victim.statements``."""
        name = st.sampled_from(FIELDS)
        path = paths(away).map(_text)
        forged = st.lists(name.flatmap(_value), min_size=1, max_size=3)
        create = st.builds(_create, st.sampled_from(KEYS) | st.just("rand()"), path, forged)
        change = st.builds(_update, st.integers(0, 9), name.flatmap(_value))
        echo = st.builds(
            lambda payload: _create("rand()", "'/echo'", [("payload", _text(payload))]), echoes()
        )
        return mostly(create, echo, change, st.builds(_delete, st.integers(0, 9)))

    async def write(self, statement: str) -> None:
        """See ``Victim.write``."""
        with suppress(Exception):  # refused: the client is told, one way or the other
            await self._as_client(statement)

    async def owed(self) -> list[str]:
        """See ``Victim.owed``."""
        return [str(job_id) for job_id in await self._as_root(OWED)]

    async def wipe(self) -> None:
        """See ``Victim.wipe``."""
        await self._as_root("DELETE job RETURN NONE; DELETE calm_job RETURN NONE")


class SurrealVictim(_Victim):
    """See ``Victim``: on a server, as root or as the record user ann."""

    def __init__(self, url: str, schema: str, *, as_user: bool = False) -> None:
        super().__init__(schema)
        self.url = url
        self._as_user = as_user
        self._connections: list[Any] = []

    async def open(self, store: Any) -> None:
        """See ``Victim.open``."""
        root = await self._connected()
        user, _, place = self.url.partition("://")[2].partition("@")
        name = place.rpartition("/")[2]
        await root.signin(dict(zip(("username", "password"), user.split(":"), strict=True)))
        await root.query_raw(
            f"DEFINE NAMESPACE IF NOT EXISTS {name}; USE NS {name}; DEFINE DATABASE IF NOT EXISTS {name}"
        )
        await root.use(name, name)
        self._as_root = self._as_client = _sender(root)
        if self._schema:
            await self._as_root(self._schema)
        await store.migrate()
        if self._as_user:
            ann = await self._connected()
            place_of = {"namespace": name, "database": name, "access": "account"}
            await ann.signup({**place_of, "variables": {"name": "ann", "password": "secret"}})
            await ann.use(name, name)
            self._as_client = _sender(ann)
            await self._as_client("CREATE thread:ann SET title = 'x'")

    async def _connected(self) -> Any:
        connection = AsyncSurreal("ws://" + self.url.rpartition("@")[2].partition("/")[0])
        await connection.connect()
        self._connections.append(connection)
        return connection

    async def close(self) -> None:
        """See ``Victim.close``."""
        for connection in self._connections:
            await connection.close()


class EmbeddedVictim(_Victim):
    """See ``Victim``: in this process, by the store's own connection, for nobody else can have one."""

    url = "surrealkv://./hostile.db"

    async def open(self, store: Any) -> None:
        """See ``Victim.open``."""

        async def send(statement: str) -> Any:
            return (await store._connection.write(statement))[-1]

        self._as_root = self._as_client = send
        if self._schema:
            await send("REMOVE TABLE job; " + self._schema)
        await store.migrate()

    async def close(self) -> None:
        """See ``Victim.close``."""


def _sender(connection: Any) -> Send:
    async def send(statement: str) -> Any:
        refused: list[str] = []
        for _ in range(10):
            results = (await connection.query_raw(statement))["result"]
            refused = [str(result["result"]) for result in results if result["status"] != "OK"]
            if not refused:
                return results[-1]["result"]
            if not any("can be retried" in text for text in refused):  # else a runner wrote at the same time
                break
        raise ValueError(refused[0])

    return send
