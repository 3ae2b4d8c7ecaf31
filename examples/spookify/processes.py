"""Programs that the example starts, and stops again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

GRACE = 30  # seconds: the runner takes up to 25 to drain


class Trouble(Exception):
    """Something that the reader has to do first; its text is one line."""


@asynccontextmanager
async def child(*command: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that gets SIGTERM at the end, and only from us: Ctrl+C doesn't reach its process group."""
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True, **options)
    try:
        yield process
    finally:
        await stop(process)


async def stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def finished(*command: str, **options: Any) -> int:
    """Run a program to its end; its exit code."""
    async with child(*command, **options) as process:
        return await process.wait()
