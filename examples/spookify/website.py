"""The page: static files, the client library, and where the database is."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from sp00ky_core.config import SurrealdbConfig

HERE = Path(__file__).parent
PAGE = HERE / "page"
LIBRARY = HERE / "node_modules" / "surrealdb" / "dist" / "surrealdb.mjs"


def make_app(database: SurrealdbConfig) -> web.Application:
    endpoint = database.endpoint.replace("http", "ws", 1)
    where = {"endpoint": endpoint, "namespace": database.namespace, "database": database.database}
    policy = f"default-src 'self'; connect-src 'self' {endpoint}"

    async def index(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / "index.html")

    async def library(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(LIBRARY)

    async def database_json(_request: web.Request) -> web.Response:
        return web.json_response(where)  # no password: people sign in as themselves

    async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Content-Security-Policy"] = policy
        response.headers["Cache-Control"] = "no-cache"

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get("/surrealdb.js", library)
    app.router.add_get("/database.json", database_json)
    app.router.add_static("/page", PAGE)
    app.on_response_prepare.append(add_headers)
    return app
