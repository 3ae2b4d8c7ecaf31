"""Once for each deploy, before the first worker starts: python migrate.py."""

from __future__ import annotations

import asyncio
import os
import sys

from main import CONFIG, Base, connected

from sp00ky_core import Outbox


async def migrate() -> None:
    async with connected() as engine, engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)  # or: alembic upgrade head
    async with Outbox.open(CONFIG) as outbox:
        await outbox.store.migrate()  # what `sp00ky migrate` does


if __name__ == "__main__":
    if not os.environ.get("DATABASE_URL"):
        print("set DATABASE_URL, as in postgresql://user:password@host/database", file=sys.stderr)
        sys.exit(2)
    asyncio.run(migrate())
