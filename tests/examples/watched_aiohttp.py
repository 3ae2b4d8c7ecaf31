"""The example behind a look at what it leaves: python watched_aiohttp.py, in the example's folder."""

import asyncio
import os
from collections.abc import AsyncIterator

import main
from aiohttp import web


async def watched(_app: web.Application) -> AsyncIterator[None]:
    """Says which tasks are left after every other context's end that weren't there before they began."""
    before = asyncio.all_tasks()
    yield
    left = sorted(task.get_name() for task in asyncio.all_tasks() - before)
    print("left:", left, flush=True)  # noqa: T201  # the test reads it


if __name__ == "__main__":
    app = main.make_app()
    app.cleanup_ctx.insert(0, watched)
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None)
