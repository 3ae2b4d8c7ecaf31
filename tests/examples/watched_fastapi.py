"""The example behind a look at what it leaves: uvicorn watched_fastapi:app, in the example's folder."""

import asyncio

import main
from starlette.types import Message, Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Says which tasks are left after the lifespan's end that weren't there before it began."""
    before = asyncio.all_tasks()

    async def watched_send(message: Message) -> None:
        if message["type"] == "lifespan.shutdown.complete":
            left = sorted(task.get_name() for task in asyncio.all_tasks() - before)
            print("left:", left, flush=True)  # noqa: T201  # the test reads it
        await send(message)

    await main.app(scope, receive, watched_send)
