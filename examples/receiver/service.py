"""A service that credits accounts: an outbox asks it at least once, and each credit is booked once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from sp00ky_receiver import AsgiReceiver, Receiver, table_statements

engine = create_async_engine(os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///accounts.db"))

ACCOUNTS = "CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, cents BIGINT NOT NULL)"
CREDIT = text("""
    INSERT INTO account (name, cents) VALUES (:account, :cents)
    ON CONFLICT (name) DO UPDATE SET cents = account.cents + excluded.cents
    RETURNING cents
""")


class Credit(BaseModel):
    account: Annotated[str, Field(min_length=1, max_length=100)]
    cents: Annotated[int, Field(gt=0, lt=10**9)]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Makes the tables, which a migration would do."""
    dialect = "sqlite" if engine.dialect.name == "sqlite" else "postgresql"
    async with engine.begin() as connection:
        for statement in (ACCOUNTS, *table_statements(dialect)):
            await connection.execute(text(statement))
    yield
    await engine.dispose()


api = FastAPI(lifespan=lifespan)


@api.post("/credit")
async def credit(wanted: Credit, request: Request) -> dict[str, int]:
    """Books it in the transaction in which the answer is kept."""
    connection: AsyncConnection = request.scope["sp00ky_receiver"].connection
    balance = await connection.scalar(CREDIT, wanted.model_dump())
    return {"cents": balance}


@api.get("/accounts")
async def accounts() -> dict[str, int]:
    """For everybody: it isn't protected, so it has a connection of its own."""
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT name, cents FROM account"))
        return {row.name: row.cents for row in rows}


app = AsgiReceiver(api, Receiver(os.environ["WEBHOOK_SECRET"]), engine.begin, unprotected=["/accounts"])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "3661")))
