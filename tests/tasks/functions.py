"""Functions that the tests deliver to; a test chooses what they do by the module's attributes."""

import asyncio
import json
from typing import Any

from sp00ky_conformance import CollectingPeer
from sp00ky_tasks import Tasks

peer = CollectingPeer("python://tests.tasks.functions:tasks")
tasks = Tasks("api")


def _arrived(arguments: dict[str, Any]) -> None:
    peer.take(json.dumps(arguments).encode())


@tasks.task(name="json")
async def answers(n: float = 0, x: str = "") -> dict[str, Any]:
    _arrived({"n": n, "x": x})
    return {}


@tasks.task
def fails() -> None:
    raise ValueError("it fails\nin two lines")


@tasks.task
async def hang() -> None:
    _arrived({})
    peer.under_way += 1
    try:
        await asyncio.Event().wait()
    finally:
        peer.under_way -= 1
