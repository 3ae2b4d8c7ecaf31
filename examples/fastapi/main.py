"""A service that keeps threads and has each of them spookified by a backend, and counted by itself.

A thread and its jobs are written in one transaction. The runner that delivers them is part of the process:
one calls a backend, the other one a function of this application.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, make_url, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sp00ky_core import Job, JobNotFound, JobStatus, Outbox, PayloadError, RunnerOptions
from sp00ky_core.asgi import payload_error_response
from sp00ky_transport_asgi.guard import require_job

CONFIG = Path(__file__).with_name("sp00ky.yml")
STREAMS, GRACE = 5, 20  # seconds for open streams, then for attempts; together less than Kubernetes' 30


class Base(DeclarativeBase):
    """This application's tables; the outbox's own aren't among them."""


class Thread(Base):
    __tablename__ = "thread"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


class NewThread(BaseModel):
    title: Annotated[str, Field(pattern=r"^[^\x00]*$")]  # PostgreSQL can't keep NUL


class Accepted(BaseModel):
    thread_id: int
    job_id: str
    count_id: str


class JobView(BaseModel):
    """What this service's callers see of a job; its payload and its errors stay here."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    status: JobStatus
    retries: int
    result: Any


@asynccontextmanager
async def connected() -> AsyncIterator[AsyncEngine]:
    """The engine, disposed of at the end, and when something else fails to start."""
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, pool_pre_ping=True)
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, object]]:
    """Ends in reverse: the runner drains, the outbox closes, and the engine is the last to go."""
    async with (
        connected() as engine,
        Outbox.open(CONFIG) as outbox,
        outbox.runner(RunnerOptions(grace=GRACE)),
    ):
        yield {"outbox": outbox, "sessions": async_sessionmaker(engine, expire_on_commit=False)}


def the_outbox(request: Request) -> Outbox:
    outbox: Outbox = request.state.outbox
    return outbox


OutboxOfApp = Annotated[Outbox, Depends(the_outbox)]


async def the_session(request: Request) -> AsyncIterator[AsyncSession]:
    """The request's transaction: committed when the endpoint returns, rolled back when it raises."""
    async with request.state.sessions.begin() as session:
        yield session


async def the_job(job_id: str, outbox: OutboxOfApp) -> Job:
    """The path's job, looked up before the response begins, when a 404 can still be sent."""
    return await outbox.get(job_id)  # with users, compare job.assigned_to with what is theirs


# Without the scope, FastAPI sends the response first and commits afterwards: a 202 for what may yet fail.
SessionOfRequest = Annotated[AsyncSession, Depends(the_session, scope="function")]
JobOfPath = Annotated[Job, Depends(the_job)]

app = FastAPI(lifespan=lifespan)


@app.post("/threads", status_code=202)
async def create_thread(new: NewThread, session: SessionOfRequest, outbox: OutboxOfApp) -> Accepted:
    thread = Thread(title=new.title)
    session.add(thread)
    await session.flush()  # gives it its id
    name = f"thread:{thread.id}"
    payload = {"id": name, "title": thread.title}
    job = await outbox.run("api", "/spookify", payload, assigned_to=name, connection=session)
    count = await outbox.run("own", "/count", {"id": thread.id}, assigned_to=name, connection=session)
    return Accepted(thread_id=thread.id, job_id=job.id, count_id=count.id)


class Created(BaseModel):
    id: int


@app.post("/count", dependencies=[Depends(require_job)])  # a job: 404 to whoever isn't a runner
async def count_threads(created: Created, session: SessionOfRequest) -> int:
    """How many threads there were when this one had been created."""
    return await session.scalar(select(func.count()).where(Thread.id <= created.id)) or 0


@app.get("/jobs/{job_id}")
async def job_now(job: JobOfPath) -> JobView:
    return JobView.model_validate(job)


@app.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def job_events(job: JobOfPath, outbox: OutboxOfApp) -> AsyncIterator[JobView]:
    """The job now, and again whenever it has changed, until it has ended."""
    async with aclosing(outbox.watch(job.id)) as changes:
        async for changed in changes:
            yield JobView.model_validate(changed)


@app.exception_handler(JobNotFound)
async def not_found(_request: Request, error: JobNotFound) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=404)


@app.exception_handler(RequestValidationError)
async def unreadable(_request: Request, error: RequestValidationError) -> JSONResponse:
    """As FastAPI's own, without the input: a lone surrogate in it can't be sent back."""
    detail = [{key: violation[key] for key in ("type", "loc", "msg")} for violation in error.errors()]
    return JSONResponse({"detail": detail}, status_code=422)


# The backend's contract says no. Nothing of the request was kept.
app.add_exception_handler(PayloadError, payload_error_response)


if __name__ == "__main__":
    # uvicorn shuts down on SIGTERM, then raises it again, which would end the process with that instead of 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")), timeout_graceful_shutdown=STREAMS)
