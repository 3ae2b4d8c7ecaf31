"""The whole example with one command: python examples/spookify/serve.py.

A SurrealDB server (unless one answers already), the schema, `sp00ky migrate`, the backend, the page, and
`sp00ky run`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import Process
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import backend
import database
import website
from aiohttp import web
from processes import Trouble, child, finished

from sp00ky_core.config import load_config

HERE = Path(__file__).parent
PORT = int(os.environ.get("PORT", "8080"))
SP00KY = (str(Path(sys.executable).with_name("sp00ky")), "--config", str(HERE / "sp00ky.yml"))


async def main() -> None:
    cancel_at_signals()
    config = load_config(HERE / "sp00ky.yml")
    await install_library()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(database.server(config.surrealdb))
        await database.import_schema(config.surrealdb)
        if await finished(*SP00KY, "migrate"):
            raise Trouble("`sp00ky migrate` failed; what it said is above")
        await serve(stack, backend.make_app(config.surrealdb), urlsplit(config.backends["api"].base_url).port)
        await serve(stack, website.make_app(config.surrealdb), PORT)
        runner = await stack.enter_async_context(child(*SP00KY, "run"))
        print(f"open http://127.0.0.1:{PORT}", flush=True)
        await until_one_ends(*(process for process in (server, runner) if process))


async def install_library() -> None:
    """The JavaScript client, as package-lock.json has it."""
    if website.LIBRARY.exists():
        return
    if shutil.which("npm") is None:
        raise Trouble(
            "the page needs the npm package surrealdb, and there is no `npm` on PATH: install Node.js"
        )
    if await finished("npm", "ci", "--no-progress", cwd=HERE):
        raise Trouble("`npm ci` failed; what it said is above")


async def serve(stack: AsyncExitStack, app: web.Application, port: int | None) -> None:
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        raise Trouble(f"can't listen on 127.0.0.1:{port}: {os.strerror(error.errno)}") from error


async def until_one_ends(*processes: Process) -> None:
    """None of them ends while all is well."""
    waiting = [asyncio.create_task(process.wait()) for process in processes]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    raise Trouble("a program ended that the example needs; what it said is above")


def cancel_at_signals() -> None:
    """SIGTERM and SIGINT end this task, which stops what it has started, one after the other."""
    task = asyncio.current_task()

    def cancel() -> None:
        if not task.cancelling():  # a second signal would take the database from a runner that drains
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, cancel)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except asyncio.CancelledError:
        print("stopped")
    except Trouble as trouble:
        sys.exit(f"spookify: {trouble}")
