"""A SurrealDB server of the test's own, on a file: ``surreal`` from PATH."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import attrs
from surrealdb import AsyncSurreal
from tests.ports import free_port

from chaos.database import Transactions
from chaos.history import Move, Row
from chaos.project import TABLES

__all__ = ["Surreal", "surreal", "why_no_surreal"]

NAME = "chaos"

ROOT = {"username": "root", "password": "root"}

EVENT = """
DEFINE TABLE IF NOT EXISTS chaos_move SCHEMALESS;
DEFINE EVENT chaos_move ON TABLE {table} WHEN $event = 'UPDATE' AND $before.status != $after.status THEN (
    CREATE chaos_move SET
        at = time::now(), nanos = time::nano(),
        job = $after.id, before = $before.status, after = $after.status,
        epoch_before = $before.lease_epoch ?? 0, epoch_after = $after.lease_epoch ?? 0,
        runner = $after.runner_id ?? $before.runner_id
);
"""

MOVES = "SELECT * FROM chaos_move ORDER BY nanos"
ROWS = """
SELECT id, payload, status, retries, max_retries, lease_epoch, errors, result, ordering_key, ordering_at
FROM {table}
"""


def why_no_surreal() -> str:
    """Why there is no server to run on; empty where there is."""
    return "" if shutil.which("surreal") else "no `surreal` on PATH: a SurrealDB server can't be started"


class Surreal:
    """See ``Database``."""

    why_no_restart = ""
    why_not_full = (
        "SurrealDB 3.3.5, killed while its disk is full, loses at its next restart what it commits until then"
    )

    def __init__(self, path: str) -> None:
        self._path = path
        self._port = free_port()
        self._child: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()  # two servers on one folder would break it

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)

    def url(self, port: int) -> str:
        return f"ws://root:root@127.0.0.1:{port}/{NAME}/{NAME}"

    async def stop(self) -> None:
        if self._child is not None:
            if self._child.returncode is None:  # else it has ended by itself
                self._child.kill()
            await self._child.wait()
            self._child = None

    async def start(self) -> None:
        async with self._starting:
            await self._start_process()
        while True:
            try:
                await self._query("RETURN 1")
            except Exception:  # noqa: BLE001  # the SDK raises whatever its socket does, until the server listens
                await asyncio.sleep(0.05)
            else:
                return

    async def _start_process(self) -> None:
        if self._child is not None and self._child.returncode is None:
            return
        where = ["--bind", f"127.0.0.1:{self._port}", "--log", "error", "--no-banner"]
        self._child = await asyncio.create_subprocess_exec(
            *("surreal", "start", "--user", "root", "--pass", "root", *where, self._path),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    def fill(self) -> None:
        """Never called."""

    def free(self) -> None:
        """Nothing to give back."""

    async def execute(self, script: str) -> None:
        await self._query(script)

    async def record_moves(self) -> None:
        for table in TABLES:
            await self.execute(EVENT.format(table=table))

    async def moves(self) -> list[Move]:
        return [
            Move(
                job_id=_text(row["job"]),
                at=_seconds(row["at"]),
                before=row["before"],
                after=row["after"],
                epoch_before=row["epoch_before"],
                epoch_after=row["epoch_after"],
                runner=row.get("runner"),
            )
            for row in await self._query(MOVES)
        ]

    async def rows(self) -> list[Row]:
        return [_row(row) for table in TABLES for row in await self._query(ROWS.format(table=table))]

    def transactions(self, url: str) -> Transactions | None:

        @asynccontextmanager
        async def begin() -> AsyncIterator[tuple[Any, Any]]:
            address = "ws://" + url.rpartition("@")[2].partition("/")[0]
            async with asyncio.timeout(15), AsyncSurreal(address) as connection:
                await connection.signin(ROOT)
                session = await connection.new_session()
                await session.signin(ROOT)
                await session.use(NAME, NAME)
                transaction = await session.begin_transaction()
                yield transaction, _Ending(transaction)

        return begin

    async def _query(self, statement: str) -> Any:
        async with asyncio.timeout(30), AsyncSurreal(f"ws://127.0.0.1:{self._port}") as connection:
            await connection.signin(ROOT)
            await connection.use(NAME, NAME)
            reply = await connection.query_raw(statement)
        results = reply["result"]
        for result in results:
            if result["status"] != "OK":
                raise RuntimeError(result["result"])
        return results[-1]["result"]


@attrs.frozen
class _Ending:
    """Ends a transaction of the SDK as others are ended."""

    sdk: Any

    async def commit(self) -> None:
        await self.sdk.commit()

    async def rollback(self) -> None:
        await self.sdk.cancel()


def _text(record: Any) -> str:
    return f"{record.table_name}:{record.id}"


def _seconds(at: datetime) -> float:
    return at.timestamp()


def _row(row: Any) -> Row:
    payload, result = row["payload"], row.get("result")
    errors = row.get("errors") or []
    return Row(
        n=(json.loads(payload) if isinstance(payload, str) else payload)["n"],
        job_id=_text(row["id"]),
        status=row["status"],
        retries=row["retries"],
        max_retries=row["max_retries"],
        epoch=row["lease_epoch"] or 0,
        attempts=tuple(error["attempt"] for error in errors),
        names=tuple(error["name"] for error in errors),
        codes=tuple(error["code"] for error in errors),
        result=json.loads(result) if isinstance(result, str) else result,
        key=row.get("ordering_key") or "",
        place=row["ordering_at"].timestamp() if row.get("ordering_at") else 0.0,
    )


@asynccontextmanager
async def surreal(path: str = "surrealkv://{folder}/data") -> AsyncIterator[Surreal]:
    """A database of the test's own; ``memory``: one that doesn't outlive its server."""
    with tempfile.TemporaryDirectory(prefix="sp00ky-chaos", ignore_cleanup_errors=True) as folder:
        database = Surreal(path.format(folder=folder))
        try:
            await database.start()
            yield database
        finally:
            await database.stop()
