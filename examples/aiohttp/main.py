"""A service that keeps threads and has each of them spookified by a backend.

A thread and its job are written in one transaction. The runner that delivers the jobs is part of the process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it carries no types
from aiohttp import web

from sp00ky_core import JobNotFound, Outbox, PayloadInvalid, RunnerOptions

CONFIG = Path(__file__).with_name("sp00ky.yml")
REQUESTS, GRACE = 5, 20  # seconds for open requests, then for attempts; together less than Kubernetes' 30

OUTBOX = web.AppKey("outbox", Outbox)
POOL = web.AppKey("pool", asyncpg.Pool)

routes = web.RouteTableDef()


async def database(app: web.Application) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1) as pool:
        app[POOL] = pool
        yield


async def deliveries(app: web.Application) -> AsyncIterator[None]:
    async with Outbox.open(CONFIG) as outbox, outbox.runner(RunnerOptions(grace=GRACE)):
        app[OUTBOX] = outbox
        yield


@routes.post("/threads")
async def create_thread(request: web.Request) -> web.Response:
    title = await title_of(request)
    try:
        async with request.app[POOL].acquire() as connection, connection.transaction():
            thread_id = await connection.fetchval(
                "INSERT INTO thread (title) VALUES ($1) RETURNING id", title
            )
            name = f"thread:{thread_id}"
            payload = {"id": name, "title": title}
            job = await request.app[OUTBOX].run(
                "api", "/spookify", payload, assigned_to=name, connection=connection
            )
    except PayloadInvalid as error:  # the backend's contract says no; the thread is rolled back too
        raise web.HTTPUnprocessableEntity(text=str(error)) from error
    return web.json_response({"thread_id": thread_id, "job_id": job.id}, status=202)


@routes.get("/jobs/{job_id}")
async def job_now(request: web.Request) -> web.Response:
    try:
        job = await request.app[OUTBOX].get(request.match_info["job_id"])
    except JobNotFound as error:
        raise web.HTTPNotFound(text=str(error)) from error
    shown = {"id": job.id, "status": job.status, "retries": job.retries, "result": job.result}
    return web.json_response(shown)


async def title_of(request: web.Request) -> str:
    try:
        match await request.json():
            case {"title": str(title)} if "\0" not in title:  # which PostgreSQL can't keep
                title.encode()
                return title
    except ValueError:
        pass  # no JSON, or a lone surrogate, which is no text
    raise web.HTTPBadRequest(text='expected {"title": "..."}')


def make_app() -> web.Application:
    """Contexts end in reverse: the runner drains and the outbox closes, then the pool does."""
    app = web.Application()
    app.add_routes(routes)
    app.cleanup_ctx.extend([database, deliveries])
    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    port = int(os.environ.get("PORT", "8000"))
    web.run_app(make_app(), host="127.0.0.1", port=port, shutdown_timeout=REQUESTS)
