"""The shop by FastAPI: an order is followed by its receipt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from shop import restock, send_receipt

from sp00ky_core import Outbox

CONFIG = Path(__file__).with_name("sp00ky.yml")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Outbox]]:
    """The outbox alone: `sp00ky run` delivers. With `outbox.runner()` this process would."""
    async with Outbox.open(CONFIG) as outbox:
        yield {"outbox": outbox}


app = FastAPI(lifespan=lifespan)


@app.post("/orders/{order}", status_code=202)
async def order(request: Request, order: int, email: str, sku: str) -> list[str]:
    outbox: Outbox = request.state.outbox
    receipt = await send_receipt.enqueue(outbox, order=order, email=email)
    stock = await restock.enqueue(outbox, sku)
    return [receipt.id, stock.id]
