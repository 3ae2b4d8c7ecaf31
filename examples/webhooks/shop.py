"""A shop that tells its tenants of orders: in the transaction that writes the order."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

from fastapi import FastAPI

from sp00ky_core.sync import SyncOutbox
from sp00ky_webhooks import SyncWebhooks, Webhooks

outbox = SyncOutbox.open()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    with outbox, closing(sqlite3.connect("shop.db")) as database, database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, tenant TEXT, total INTEGER)"
        )
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/tenants/{tenant}/orders")
def order(tenant: str, total: int) -> dict[str, Any]:
    """Write an order, and tell the tenant's endpoints of it: both, or neither."""
    with closing(sqlite3.connect("shop.db")) as database, database:
        row = database.execute("INSERT INTO orders (tenant, total) VALUES (?, ?)", (tenant, total))
        event = SyncWebhooks(outbox).publish(
            "order.paid",
            {"order": row.lastrowid, "total": total},
            assigned_to=f"tenant:{tenant}",
            connection=database,
        )
    return {"order": row.lastrowid, "event": event.id, "deliveries": len(event.deliveries)}


@app.post("/tenants/{tenant}/endpoints")
def subscribe(tenant: str, url: str, topic: str = "order.*") -> dict[str, str]:
    """Make an endpoint of a tenant; its secret is shown this once."""
    made = outbox.do(
        lambda outbox: (
            outbox.extension(Webhooks).of(f"tenant:{tenant}").endpoints.create(url=url, topics=[topic])
        )
    )
    return {"endpoint": made.endpoint.id, "secret": made.secret}
