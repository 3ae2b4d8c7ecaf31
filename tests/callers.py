"""Connections that applications have, by SQLAlchemy and Django, and what holds on each kind of connection."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import django
import pytest
import sqlalchemy
from django.conf import settings
from django.db import connections, transaction
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from sp00ky_conformance.store.harness import new_job
from sp00ky_core.errors import JobNotFound, OptionInvalid
from sp00ky_core.ports import JobQuery


@contextmanager
def engine_of(url: Any, **options: Any) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(url, **options)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def sqlalchemy_connection(url: Any, **options: Any) -> Iterator[Any]:
    with engine_of(url, **options) as engine, engine.connect() as connection:
        yield connection
        connection.commit()  # of the transaction that the enqueue has begun


@contextmanager
def sqlalchemy_session(url: Any, **options: Any) -> Iterator[Any]:
    with engine_of(url, **options) as engine, Session(engine) as session, session.begin():
        yield session


@asynccontextmanager
async def async_engine_of(url: Any, **options: Any) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url, **options)
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def async_connection(url: Any, **options: Any) -> AsyncIterator[Any]:
    async with async_engine_of(url, **options) as engine, engine.connect() as connection:
        yield connection
        await connection.commit()  # of the transaction that the enqueue has begun


@asynccontextmanager
async def async_session(url: Any, **options: Any) -> AsyncIterator[Any]:
    async with async_engine_of(url, **options) as engine, AsyncSession(engine) as session, session.begin():
        yield session


def configure_django() -> None:
    """Configure it once in a process, also for tests/dashboard/test_mounted.py."""
    if not settings.configured:
        settings.configure(
            SECRET_KEY="of-the-test",
            ROOT_URLCONF="tests.dashboard.test_mounted",
            ALLOWED_HOSTS=["*"],
            INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
            SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        )
        django.setup()


def django_database(alias: str, **own: Any) -> str:
    """Tell Django of a database; its alias."""
    configure_django()
    connections.databases[alias] = connections.configure_settings({"default": {}, alias: own})[alias]
    return alias


@contextmanager
def django_alone(alias: str) -> Iterator[Any]:
    try:
        yield connections[alias]
    finally:
        connections[alias].close()


@contextmanager
def django_connection(alias: str) -> Iterator[Any]:
    with django_alone(alias) as connection, transaction.atomic(using=alias):
        yield connection


class BlockingCallers:
    """What holds on each kind: ``begin`` opens one, ``alone`` one that commits each statement."""

    outside = r"is outside a transaction \(autocommit\); expected one"

    def test_jobs_are_there_when_it_commits_and_not_before(
        self, store: Any, begin: Any, committed: Any
    ) -> None:
        run_at = datetime(2042, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
        options = {"dedup_key": "k", "timeout": 5, "assigned_to": "t:1", "ordering_key": "o", "priority": 2}
        with begin() as connection:
            added = store.add_in(connection, [new_job(payload={"%s": "100 % $1 \u00fc"})])
            added += store.add_in(connection, [new_job(delay=timedelta(hours=1), expires_at=run_at)])
            added += store.add_in(connection, [new_job() for _ in range(3)])
            batch = [new_job(**options), new_job(dedup_key="k"), new_job(run_at=run_at)]
            keyed = store.add_in(connection, batch)
            added += keyed[1:]
            assert committed() == []
            assert store.get_in(connection, keyed[0].id) == keyed[0]
            found = store.find_in(connection, JobQuery(limit=3))
            assert {job.id: job for job in found}.items() <= {job.id: job for job in added}.items()
            assert len(store.find_in(connection, JobQuery(after=found[-1].id))) == 4
        assert keyed[0] == keyed[1]
        assert {job.id: job for job in committed()} == {job.id: job for job in added}

    def test_jobs_are_gone_when_it_rolls_back(self, store: Any, begin: Any, committed: Any) -> None:
        with pytest.raises(ZeroDivisionError), begin() as connection:  # noqa: PT012  # the block is rolled back
            store.add_in(connection, [new_job()])
            store.add_in(connection, [new_job(dedup_key="k"), new_job()])
            raise ZeroDivisionError
        assert committed() == []

    def test_a_connection_that_commits_by_itself_only_reads(
        self, store: Any, alone: Any, committed: Any
    ) -> None:
        with alone() as connection:
            with pytest.raises(OptionInvalid, match=self.outside):
                store.add_in(connection, [new_job()])
            assert store.find_in(connection, JobQuery()) == []
            with pytest.raises(JobNotFound):
                store.get_in(connection, "job:1")
        assert committed() == []


class AsynchronousCallers:
    """What holds on each kind: ``begin`` opens one."""

    async def test_jobs_are_there_when_it_commits_and_not_before(self, store: Any, begin: Any) -> None:
        keyed = [
            new_job(dedup_key="k", timeout=5, assigned_to="thread:1"),
            new_job(dedup_key="k"),
            new_job(timeout=2.5),
        ]
        async with begin() as connection:
            added = await store.add([new_job(payload={"%s": "100 % $1 \u00fc"})], connection=connection)
            added += await store.add([new_job() for _ in range(3)], connection=connection)
            one, *others = await store.add(keyed, connection=connection)
            added += others
            assert await store.get(one.id, connection=connection) == one
            assert len(await store.find(JobQuery(), connection=connection)) == 6
            assert await store.find(JobQuery()) == []
        assert one.id == others[0].id
        assert {job.id: job for job in await store.find(JobQuery())} == {job.id: job for job in added}

    async def test_jobs_are_gone_when_it_rolls_back(self, store: Any, begin: Any) -> None:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012  # the block is what is rolled back
            async with begin() as connection:
                await store.add([new_job()], connection=connection)
                await store.add([new_job(dedup_key="k"), new_job()], connection=connection)
                raise ZeroDivisionError
        assert await store.find(JobQuery()) == []
