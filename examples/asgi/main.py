"""A shop whose receipts are jobs: functions of its own application, which nothing has to serve."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel

from sp00ky_core import Outbox
from sp00ky_transport_asgi.guard import require_job

CONFIG = Path(__file__).with_name("sp00ky.yml")


class Order(BaseModel):
    id: int
    email: str


class Receipt(BaseModel):
    sent_to: str


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Outbox]]:
    """The outbox alone: `sp00ky run` delivers. With `outbox.runner()` this process would."""
    async with Outbox.open(CONFIG) as outbox:
        yield {"outbox": outbox}


def the_outbox(request: Request) -> Outbox:
    outbox: Outbox = request.state.outbox
    return outbox


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=202)
async def order(new: Order, outbox: Annotated[Outbox, Depends(the_outbox)]) -> str:
    job = await outbox.run("shop", "/receipts", new)
    return job.id


@app.post("/receipts", dependencies=[Depends(require_job)])
def send_receipt(order: Order) -> Receipt:
    """The job. `def`, for sending blocks: it gets a thread."""
    return Receipt(sent_to=order.email)
