"""The SurrealDB server: found or started, and the example's schema in it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from processes import Trouble, child
from surrealdb import AsyncSurreal
from surrealdb.errors import SurrealError

from sp00ky_core.config import SurrealdbConfig

HERE = Path(__file__).parent
SCHEMA = (HERE / "schema" / "app.surql", HERE / "schema" / "job.surql")
PATIENCE = 60  # seconds for a server to start
MISSING = (
    "no SurrealDB server answers at {address}, and there is no `surreal` on PATH to start one: "
    "get it from https://surrealdb.com/install (version 3)"
)


@asynccontextmanager
async def server(config: SurrealdbConfig) -> AsyncIterator[asyncio.subprocess.Process | None]:
    """The server that answers already, which is None and goes on afterwards; or else one of our own."""
    address = urlsplit(config.endpoint).netloc
    if await is_ready(address):
        yield None
        return
    if shutil.which("surreal") is None:
        raise Trouble(MISSING.format(address=address))
    start = ("surreal", "start", "--log", "error", "--no-banner", "--bind", address)
    user = {"SURREAL_USER": config.username, "SURREAL_PASS": config.password.value}
    async with child(*start, f"surrealkv://{HERE / 'data'}", env=os.environ | user) as process:
        await until_ready(process, address)
        yield process


async def until_ready(process: asyncio.subprocess.Process, address: str) -> None:
    for _ in range(PATIENCE * 10):
        if process.returncode is not None:
            break
        if await is_ready(address):
            return
        await asyncio.sleep(0.1)
    raise Trouble(f"`surreal` didn't start on {address}; what it said is above")


async def is_ready(address: str) -> bool:
    try:
        async with aiohttp.ClientSession() as client, client.get(f"http://{address}/health") as response:
            return response.ok
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def signed_in(config: SurrealdbConfig) -> AsyncIterator[Any]:
    """A connection of its own, as the user of sp00ky.yml."""
    async with AsyncSurreal(config.endpoint) as connection:
        await connection.signin({"username": config.username, "password": config.password.value})
        await connection.use(config.namespace, config.database)
        yield connection


async def import_schema(config: SurrealdbConfig) -> None:
    """Define what the example needs, where it isn't there yet."""
    try:
        async with signed_in(config) as connection:
            await define(connection, config)
    except SurrealError as error:
        who = f"{config.username!r} of sp00ky.yml"
        raise Trouble(f"the database at {config.endpoint} doesn't take {who}: {error}") from error


async def define(connection: Any, config: SurrealdbConfig) -> None:
    await run(connection, f"DEFINE NAMESPACE IF NOT EXISTS {config.namespace}")
    await run(connection, f"DEFINE DATABASE IF NOT EXISTS {config.database}")
    (info,) = await run(connection, "INFO FOR DB")
    if "job" not in info["tables"]:
        await run(connection, "\n".join(["BEGIN;", *(file.read_text() for file in SCHEMA), "COMMIT;"]))


async def run(connection: Any, statements: str) -> list[Any]:
    """Every statement's result; the SDK's ``query`` looks at the first one's status only."""
    answer = await connection.query_raw(statements)
    problems = [result["result"] for result in answer.get("result", ()) if result["status"] != "OK"]
    if "error" in answer or problems:
        raise Trouble(f"the database refused the schema: {answer.get('error') or problems[-1]}")
    return [result["result"] for result in answer["result"]]
