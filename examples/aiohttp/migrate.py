"""Once for each deploy, before the first process starts: python migrate.py."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it carries no types
from main import CONFIG

from sp00ky_core import Outbox

SCHEMA = Path(__file__).with_name("schema.sql").read_text()


async def migrate() -> None:
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    try:
        await connection.execute(SCHEMA)
    finally:
        await connection.close()
    async with Outbox.open(CONFIG) as outbox:
        await outbox.store.migrate()  # what `sp00ky migrate` does


if __name__ == "__main__":
    if not os.environ.get("DATABASE_URL"):
        print("set DATABASE_URL, as in postgresql://user:password@host/database", file=sys.stderr)
        sys.exit(2)
    asyncio.run(migrate())
