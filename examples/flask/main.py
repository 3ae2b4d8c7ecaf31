"""A service that keeps threads and has each of them spookified by a backend.

A thread and its job are written in one transaction of SQLAlchemy's. `sp00ky run` delivers the jobs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from sp00ky_core import JobNotFound, PayloadInvalid
from sp00ky_core.sync import SyncOutbox

CONFIG = Path(__file__).with_name("sp00ky.yml")


class Base(DeclarativeBase):
    """This application's tables; the outbox's own aren't among them."""


class Thread(Base):
    __tablename__ = "thread"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
engine = create_engine(url, pool_pre_ping=True)
sessions = sessionmaker(engine, expire_on_commit=False)
outbox = SyncOutbox.open(CONFIG)  # connects to nothing: jobs are written through the session
app = Flask(__name__)


@app.post("/threads")
def create_thread() -> ResponseReturnValue:
    title = title_of(request.get_json(force=True))
    with sessions.begin() as session:
        thread = Thread(title=title)
        session.add(thread)
        session.flush()  # gives it its id
        name = f"thread:{thread.id}"
        payload = {"id": name, "title": title}
        job = outbox.run("api", "/spookify", payload, assigned_to=name, connection=session)
    return {"thread_id": thread.id, "job_id": job.id}, 202


@app.get("/jobs/<job_id>")
def job_now(job_id: str) -> ResponseReturnValue:
    with sessions.begin() as session:
        job = outbox.get(job_id, connection=session)
    return {"id": job.id, "status": job.status, "retries": job.retries, "result": job.result}


@app.errorhandler(PayloadInvalid)
def refused(error: PayloadInvalid) -> ResponseReturnValue:
    """The backend's contract says no. Nothing of the request was kept."""
    return {"detail": [str(violation) for violation in error.violations]}, 422


@app.errorhandler(JobNotFound)
def not_found(error: JobNotFound) -> ResponseReturnValue:
    return {"detail": str(error)}, 404


@app.errorhandler(ValueError)
def unreadable(error: ValueError) -> ResponseReturnValue:
    return {"detail": str(error)}, 400


def title_of(body: Any) -> str:
    """The title in a body. Raises ValueError."""
    title = body.get("title") if isinstance(body, dict) else None
    if not isinstance(title, str) or not title.isprintable():  # PostgreSQL can't keep NUL, nor half a pair
        raise ValueError('expected {"title": TEXT}')
    return title


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8000")))
