"""The synchronous outbox, on the memory store and on SQLite."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.errors import (
    JobNotFound,
    OptionInvalid,
    PayloadInvalid,
    StoreClosed,
    UnknownBackend,
    UnknownRoute,
)
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.sync import SyncOutbox
from sp00ky_store_kit import memory as memory_plugin

SPEC = """{"openapi": "3.1.0", "info": {"title": "api", "version": "1"}, "paths": {
    "/a": {"post": {"requestBody": {"content": {"application/json": {"schema": {
        "type": "object", "properties": {"id": {"type": "integer"}}}}}}}},
    "/b": {"post": {}}}}"""
BACKENDS = """
backends:
  api: {spec: openapi.json, baseUrl: 'http://127.0.0.1:1', method: {table: job}}
"""
TRACEPARENT = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "openapi.json").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(BACKENDS)
    return tmp_path


@pytest.fixture
def outbox(folder: Path) -> Iterator[SyncOutbox]:
    with SyncOutbox.open(folder / "sp00ky.yml", store="sqlite:///app.db") as outbox:
        outbox.migrate()
        yield outbox


@pytest.fixture
def connection(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        yield connection


def test_a_job_is_there_when_the_caller_commits(outbox: SyncOutbox, connection: sqlite3.Connection) -> None:
    options: Any = {"dedup_key": "k", "ordering_key": "o", "priority": 3, "delay": timedelta(hours=1)}
    job = outbox.run("api", "/a", {"id": 1}, connection=connection, assigned_to="t:1", **options)
    same = outbox.run("api", "/a", {"id": 2}, connection=connection, dedup_key="k")
    many = outbox.run_many("api", [NewJob(path="/b"), NewJob(path="/b")], connection=connection)
    assert same == job
    assert outbox.find() == []
    assert outbox.find(connection=connection, path="/a") == [job]
    assert outbox.get(many[1].id, connection=connection) == many[1]
    connection.commit()
    assert {stored.id for stored in outbox.find()} == {added.id for added in (job, *many)}
    assert outbox.run_many("api", [], connection=connection) == []


def test_a_job_is_gone_when_the_caller_rolls_back(outbox: SyncOutbox, connection: sqlite3.Connection) -> None:
    job = outbox.run("api", "/b", connection=connection)
    connection.rollback()
    with pytest.raises(JobNotFound):
        outbox.get(job.id)
    assert outbox.find(connection=connection) == []


def test_an_export_is_read_step_by_step_and_may_be_left(outbox: SyncOutbox) -> None:
    ids = [job.id for job in outbox.run_many("api", [NewJob(path="/b")] * 3, autocommit=True)]
    assert {record["id"] for record in outbox.export()} == set(ids)
    with pytest.raises(OptionInvalid, match="limit is -1"):
        next(outbox.export(limit=-1))
    records = outbox.export(limit=2)
    assert next(records)["id"] in ids
    outbox.close()
    records.close()
    with pytest.raises(StoreClosed):
        next(outbox.export())


def test_an_enqueue_starts_no_thread_and_no_loop(
    folder: Path, outbox: SyncOutbox, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("it is started")

    other = SyncOutbox.open(folder / "sp00ky.yml", store="sqlite:///app.db")
    monkeypatch.setattr(asyncio, "new_event_loop", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    job = other.run("api", "/a", {"id": 1}, connection=connection)
    assert other.find(connection=connection) == [job]
    other.close()
    with pytest.raises(AssertionError, match="it is started"):
        SyncOutbox.open(folder / "sp00ky.yml", store="sqlite:///app.db").find()


def test_the_contract_is_checked_before_anything_is_written(
    outbox: SyncOutbox, connection: sqlite3.Connection
) -> None:
    with pytest.raises(PayloadInvalid, match="/id"):
        outbox.run("api", "/a", {"id": "1"}, connection=connection)
    with pytest.raises(UnknownRoute):
        outbox.run("api", "/c", connection=connection)
    with pytest.raises(UnknownBackend):
        outbox.run("none", "/a", connection=connection)
    with pytest.raises(UnknownBackend):
        outbox.find(backend="none", connection=connection)
    with pytest.raises(OptionInvalid, match="an HTTP status"):
        outbox.find(code=999, connection=connection)
    with pytest.raises(OptionInvalid, match="priority"):
        outbox.run("api", "/a", connection=connection, priority=4)
    assert not connection.in_transaction


def test_without_a_connection_it_must_be_said(outbox: SyncOutbox, connection: sqlite3.Connection) -> None:
    with pytest.raises(OptionInvalid, match=r"connection is left out; .* autocommit=True"):
        outbox.run("api", "/b")
    with pytest.raises(OptionInvalid, match=r"autocommit is True; expected left out"):
        outbox.run("api", "/b", connection=connection, autocommit=True)
    with pytest.raises(OptionInvalid, match=r"connection is None; .* or autocommit=True"):
        outbox.run("api", "/b", connection=None)
    calls: list[Callable[[], object]] = [
        lambda: outbox.run_many("api", [], connection=None),
        lambda: outbox.get("job:1", connection=None),
        lambda: outbox.find(connection=None),
    ]
    for call in calls:
        with pytest.raises(OptionInvalid, match="connection is None"):
            call()
    assert outbox.find() == []
    job = outbox.run("api", "/b", autocommit=True)
    assert outbox.find() == [job]
    assert len(outbox.run_many("api", [NewJob(path="/b")] * 2, autocommit=True)) == 2


class Here:
    """Notes the jobs that are enqueued, and in which thread it is called."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.threads: set[threading.Thread] = set()

    def note(self, jobs: Sequence[Job]) -> None:
        self.seen += [job.id for job in jobs]
        self.threads.add(threading.current_thread())

    @hookimpl
    def sp00ky_job_enqueued(self, jobs: Sequence[Job]) -> None:
        self.note(jobs)

    @hookimpl
    def sp00ky_traceparent(self, job: NewJob) -> str:
        return TRACEPARENT


class Later(Here):
    """The same, asynchronously."""

    @hookimpl
    async def sp00ky_job_enqueued(self, jobs: Sequence[Job]) -> None:  # type: ignore[override]  # either is one
        await asyncio.sleep(0)
        self.note(jobs)


@pytest.mark.parametrize("observer", [Here(), Later()], ids=["synchronous", "asynchronous"])
def test_plugins_see_an_enqueue(folder: Path, observer: Here) -> None:
    plugins = Plugins()
    plugins.register(memory_plugin, name="core", distribution="sp00ky-core")
    plugins.register(observer, name="observer", distribution="test")
    with (
        SyncOutbox.open(folder / "sp00ky.yml", store="memory://", plugins=plugins) as outbox,
        closing(sqlite3.connect(":memory:")) as connection,
    ):
        jobs = [outbox.run("api", "/b", connection=connection), outbox.run("api", "/b", autocommit=True)]
    assert observer.seen == [job.id for job in jobs]
    assert {job.traceparent for job in jobs} == {TRACEPARENT}
    assert (observer.threads == {threading.current_thread()}) is not isinstance(observer, Later)
