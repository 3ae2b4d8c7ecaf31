"""Be the functions of applications that ``function`` measures: each reads its payload, and counts."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.peers.protocol import counter
from sp00ky_tasks import Tasks

__all__ = ["bare", "fastapi", "starlette", "tasks"]

Message = MutableMapping[str, Any]

_count = counter()


async def bare(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """A function of no framework."""
    assert scope["type"] == "http"
    body = (await receive())["body"]
    json.loads(body)
    await _count(body)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def _by_starlette(request: Request) -> Response:
    await request.json()
    await _count(b"")
    return Response(status_code=204)


starlette = Starlette(routes=[Route("/spookify", _by_starlette, methods=["POST"])])

tasks = Tasks("api")


@tasks.task(name="spookify")
async def _as_a_task(id: int, note: str) -> None:  # noqa: A002  # as the payload has it
    await _count(b"")


fastapi = FastAPI()


class Thread(BaseModel):
    """What `benchmarks.peers.protocol.payload` makes."""

    id: int
    note: str


@fastapi.post("/spookify", status_code=204)
async def _by_fastapi(thread: Thread) -> None:
    await _count(b"")
