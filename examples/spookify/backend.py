"""What the jobs call: POST /spookify writes the spooky version of a thread into the database.

It acts for whoever wrote the job, with more rights than they have. So it doesn't take the payload's word for
whose thread it is: the database has checked only the job's ``assigned_to``.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from database import signed_in
from surrealdb import RecordID

from sp00ky_core.config import SurrealdbConfig

THINKING = 1.5  # seconds, so that there is something to wait for
REPELLENT = "garlic"

THREAD = "SELECT VALUE assigned_to.{id, content} FROM ONLY $job"
WRITE = "UPDATE $thread SET spooky = $spooky RETURN NONE"


class Spookify:
    """The backend's one route."""

    def __init__(self, database: SurrealdbConfig) -> None:
        self._database = database

    async def post(self, request: web.Request) -> web.Response:
        payload = await request.json()
        _, _, key = request.headers["Idempotency-Key"].partition(":")  # the runner sends the job's id
        async with signed_in(self._database) as database:
            thread = await database.query(THREAD, {"job": RecordID("job", key)})
            if not thread or str(thread["id"]) != payload["id"]:
                raise web.HTTPForbidden(text="the job isn't assigned to that thread")
            await asyncio.sleep(THINKING)
            if REPELLENT in thread["content"].lower():
                raise web.HTTPUnprocessableEntity(text=f"no ghost can work with {REPELLENT} around")
            spooky = spookified(thread["content"])
            await database.query(WRITE, {"thread": thread["id"], "spooky": spooky})
        return web.json_response({"spooky": spooky})


def spookified(text: str) -> str:
    return f"👻 {text.strip().replace('o', 'ooo')} … boo!"


def make_app(database: SurrealdbConfig) -> web.Application:
    app = web.Application()
    app.router.add_post("/spookify", Spookify(database).post)
    return app
