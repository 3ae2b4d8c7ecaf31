"""Move what waits in a queue of Celery into the outbox: ``python move_celery.py app:app [QUEUE]``.

Stop the workers first. Run it again until it moves nothing: a message leaves the queue after its job is
written, and a job that is written twice is found by its key, the task's id.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from kombu.message import Message

from sp00ky_core import Outbox, Sp00kyError

ROUTES = {"spookify": ("api", "/spookify")}
"""Yours: each task's name, and the backend and the route that do its work."""


def instant(text: str | None) -> datetime | None:
    """Read an ``eta`` or ``expires``; what has no time zone is UTC."""
    if text is None:
        return None
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def payload(app: Celery, message: Message) -> dict[str, Any]:
    """Name a task's arguments as its function does."""
    arguments, keywords, after = message.payload
    if any(after.get(key) for key in ("callbacks", "errbacks", "chain", "chord")):
        raise ValueError("it is part of a chain, a chord or has callbacks: let a worker run it")
    function = app.tasks[message.headers["task"]].run
    return dict(inspect.signature(function).bind(*arguments, **keywords).arguments)


async def enqueue(app: Celery, outbox: Outbox, message: Message) -> None:
    """Write one message's job."""
    headers = message.headers
    backend, path = ROUTES[headers["task"]]
    await outbox.run(
        backend,
        path,
        payload(app, message),
        run_at=instant(headers.get("eta")),
        expires_at=instant(headers.get("expires")),
        dedup_key=headers["id"],
    )


async def move(app: Celery, outbox: Outbox, queue: str, patience: float = 1.0) -> int:
    """Move a queue until it has been empty for a second; how many were moved. The rest goes back."""
    moved, left = 0, []
    with app.connection_for_read() as connection:
        waiting = connection.SimpleQueue(app.amqp.queues[queue], accept=app.conf.accept_content)
        while True:
            try:
                message = waiting.get(timeout=patience)
            except waiting.Empty:
                break
            try:
                await enqueue(app, outbox, message)
            except (Sp00kyError, KeyError, TypeError, ValueError) as error:
                print(f"left {message.headers.get('id')}: {error!r}")
                left.append(message)
            else:
                message.ack()
                moved += 1
        for message in left:
            message.requeue()
        waiting.close()
    return moved


async def main() -> None:
    """Do what the command line says."""
    module, _, name = sys.argv[1].partition(":")
    app: Celery = getattr(importlib.import_module(module), name or "app")
    (queue,) = sys.argv[2:] or [app.conf.task_default_queue]
    async with Outbox.open("sp00ky.yml") as outbox:
        print(f"moved {await move(app, outbox, queue)}")


if __name__ == "__main__":
    asyncio.run(main())
