"""Measure one enqueue from synchronous code beside the bare INSERT of its row, through the same driver."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import django
import psycopg
import sqlalchemy
from django.conf import settings
from django.db import connections, transaction
from sqlalchemy.orm import Session

from benchmarks.measure import Sample, Stopwatch, median_ratio
from benchmarks.project import project
from benchmarks.report import Bound, Section, rate_rows
from benchmarks.setting import Setting
from sp00ky_core import load_plugins
from sp00ky_core.sync import SyncOutbox

__all__ = ["run"]

PATH, PAYLOAD = "/spookify", {"id": 7, "text": "x" * 180}
MOST = 1.3
"""Times as long as the bare INSERT."""

BY_FORMAT = "INSERT INTO job (path, payload) VALUES (%s, %s)"
BY_QMARK = "INSERT INTO job (path, payload) VALUES (?, ?)"
BY_NAME = sqlalchemy.text("INSERT INTO job (path, payload) VALUES (:path, :payload)")

Insert = Callable[[Any], object]


@attrs.frozen(kw_only=True)
class Driver:
    """One way to a database.

    Attributes:
        begin: Enters a transaction, to the ``connection`` of an enqueue.
        insert: Inserts the row of the same job, as an application would by hand.
        outbox: Of that database.
    """

    begin: Callable[[], AbstractContextManager[Any]]
    insert: Insert
    outbox: SyncOutbox

    def enqueue(self, connection: Any) -> object:
        """Enqueue a job."""
        return self.outbox.run("api", PATH, PAYLOAD, connection=connection)


async def run(setting: Setting) -> Section:
    """Enqueue one job in a transaction of its own, by each driver; in turns with its bare INSERT."""
    chunks, jobs = setting.count(20, 2), setting.count(100, 10)
    async with setting.postgres.database() as url:
        samples = await asyncio.to_thread(_measured, url, chunks, jobs)
    names = [name for name in samples if not name.endswith(", bare")]
    return Section(
        title="Enqueue from synchronous code",
        rows=rate_rows(samples),
        bounds=[
            Bound(
                what=f"one enqueue through {name}, to its bare INSERT",
                measured=median_ratio(samples, f"{name}, bare", name),
                at_most=MOST,
            )
            for name in names
        ],
        note=f"{chunks * jobs:,} jobs of 200 bytes, each in a transaction of its own, from its begin to its "
        "commit. Ours: checked against its contract.",
        rounds=samples,
    )


def _measured(url: str, chunks: int, jobs: int) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {}
    with ExitStack() as stack:
        for name, driver in _drivers(url, stack).items():
            turns = {f"{name}, bare": driver.insert, name: driver.enqueue}
            for add in turns.values():
                _chunk(driver, add, jobs)  # connects, prepares
            for number in range(chunks):
                for turn in sorted(turns, reverse=bool(number % 2)):
                    samples.setdefault(turn, []).append(_chunk(driver, turns[turn], jobs))
    return samples


def _chunk(driver: Driver, insert: Insert, jobs: int) -> Sample:
    with Stopwatch() as watch:
        for _ in range(jobs):
            with driver.begin() as connection:
                insert(connection)
    return watch.sample(jobs)


def _drivers(url: str, stack: ExitStack) -> dict[str, Driver]:
    config = stack.enter_context(project(store=url, base_url="http://127.0.0.1:9"))
    database = config.with_name("jobs.db")
    _configure_django(url, database)
    postgres, lite = _outbox(config, url, stack), _outbox(config, f"sqlite:///{database}", stack)
    on_postgres = url.replace("postgresql:", "postgresql+psycopg:", 1)
    return {
        "psycopg": Driver(begin=_by_psycopg(url, stack), insert=_insert_by_format, outbox=postgres),
        "SQLAlchemy": Driver(begin=_by_session(on_postgres, stack), insert=_insert_by_name, outbox=postgres),
        "Django": Driver(begin=_by_django("default", stack), insert=_insert_by_cursor, outbox=postgres),
        "sqlite3": Driver(begin=_by_sqlite3(database, stack), insert=_insert_by_qmark, outbox=lite),
        "SQLAlchemy on SQLite": Driver(
            begin=_by_session(f"sqlite:///{database}", stack), insert=_insert_by_name, outbox=lite
        ),
        "Django on SQLite": Driver(begin=_by_django("lite", stack), insert=_insert_by_cursor, outbox=lite),
    }


def _outbox(config: Path, store: str, stack: ExitStack) -> SyncOutbox:
    """Open one without observers: what those do is no part of an enqueue."""
    own = [point for point in entry_points(group="sp00ky") if "opentelemetry" not in point.value]
    outbox = SyncOutbox.open(config, store=store, plugins=load_plugins(own))
    stack.enter_context(outbox)
    outbox.migrate()
    return outbox


def _configure_django(url: str, database: Path) -> None:
    server = urlsplit(url)
    postgres = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": server.path[1:],
        "USER": server.username or "",
        "PASSWORD": server.password or "",
        "HOST": parse_qs(server.query).get("host", [server.hostname or ""])[0],
        "PORT": str(server.port or ""),
    }
    databases = {"default": postgres, "lite": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}}
    if not settings.configured:
        settings.configure(USE_TZ=True)
        django.setup()
    connections.settings = connections.configure_settings(databases)


def _by_psycopg(url: str, stack: ExitStack) -> Callable[[], AbstractContextManager[Any]]:
    connection = stack.enter_context(psycopg.connect(url))

    @contextmanager
    def begin() -> Iterator[Any]:
        yield connection
        connection.commit()

    return begin


def _by_session(url: str, stack: ExitStack) -> Callable[[], AbstractContextManager[Any]]:
    engine = sqlalchemy.create_engine(url)
    stack.callback(engine.dispose)

    @contextmanager
    def begin() -> Iterator[Any]:
        with Session(engine) as session, session.begin():
            yield session

    return begin


def _by_django(alias: str, stack: ExitStack) -> Callable[[], AbstractContextManager[Any]]:
    stack.callback(connections.close_all)

    @contextmanager
    def begin() -> Iterator[Any]:
        with transaction.atomic(using=alias):
            yield connections[alias]

    return begin


def _by_sqlite3(database: Path, stack: ExitStack) -> Callable[[], AbstractContextManager[Any]]:
    connection = sqlite3.connect(database)
    stack.callback(connection.close)

    @contextmanager
    def begin() -> Iterator[Any]:
        with connection:
            yield connection

    return begin


def _insert_by_format(connection: Any) -> object:
    return connection.execute(BY_FORMAT, (PATH, json.dumps(PAYLOAD)))


def _insert_by_qmark(connection: Any) -> object:
    return connection.execute(BY_QMARK, (PATH, json.dumps(PAYLOAD)))


def _insert_by_name(connection: Any) -> object:
    return connection.execute(BY_NAME, {"path": PATH, "payload": json.dumps(PAYLOAD)})


def _insert_by_cursor(connection: Any) -> object:
    with connection.cursor() as cursor:
        return cursor.execute(BY_FORMAT, (PATH, json.dumps(PAYLOAD)))
