"""Enqueue by the module that `sp00ky generate` wrote: python examples/quickstart/enqueue.py [THREAD]."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from typed_outbox import SpookifyPayload, TypedOutbox

from sp00ky_core import Outbox

CONFIG = Path(__file__).with_name("sp00ky.yml")


async def main(thread: str) -> None:
    async with Outbox.open(CONFIG) as plain:
        outbox = TypedOutbox(plain)
        job = await outbox.api.spookify(SpookifyPayload(id=thread), assigned_to=thread)
        print(job.id, job.status)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2] or ["thread:abc"]))
