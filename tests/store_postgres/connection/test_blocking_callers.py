"""Enqueue in the transaction of a caller's blocking connection, on each kind that is known."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
import sqlalchemy
from django.db import DatabaseError, connections, transaction
from tests.callers import BlockingCallers, django_alone, sqlalchemy_connection, sqlalchemy_session
from tests.store_postgres.blocking_callers import KINDS, Begin, django_alias, sqlalchemy_kind
from tests.store_postgres.conftest import with_query

from sp00ky_core.errors import OptionInvalid, RowRefused, SchemaError, Sp00kyError, StoreError
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_store_postgres import PostgresStore


@pytest.fixture(scope="module")
def module_store(dsn: str) -> Iterator[PostgresStore]:
    """A store that is migrated, and closed: callers' connections are enough."""
    schema = f"sync_{new_key()[-12:]}"
    options = StoreOptions(url=with_query(dsn, schema=schema), tables=(JobTable(backend="api", table="job"),))
    store = PostgresStore(options)
    asyncio.run(store.migrate())
    yield store
    with psycopg.connect(dsn) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def job_table(module_store: PostgresStore) -> str:
    """The name of its table in SQL."""
    return module_store.sql_statement(NewJob(backend="api", path="/"), "format").text.split()[2]


@pytest.fixture
def store(module_store: PostgresStore, dsn: str, job_table: str) -> Iterator[PostgresStore]:
    """The same without a job."""
    yield module_store
    with psycopg.connect(dsn) as connection:
        connection.execute(
            f"TRUNCATE {job_table}; ALTER TABLE {job_table} DROP CONSTRAINT IF EXISTS assigned"
        )


@pytest.fixture
def committed(store: PostgresStore, dsn: str) -> Any:
    """Reads what is committed."""

    def committed() -> list[Job]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return store.find_in(connection, JobQuery())

    return committed


@contextmanager
def psycopg_alone(dsn: str) -> Iterator[Any]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@contextmanager
def psycopg_alone_in_a_pipeline(dsn: str) -> Iterator[Any]:
    with psycopg.connect(dsn, autocommit=True) as connection, connection.pipeline():
        yield connection


ALONE: dict[str, Begin] = {
    "psycopg": psycopg_alone,
    "psycopg in a pipeline": psycopg_alone_in_a_pipeline,
    "sqlalchemy": sqlalchemy_kind(sqlalchemy_connection, "psycopg", isolation_level="AUTOCOMMIT"),
    "session": sqlalchemy_kind(sqlalchemy_session, "psycopg2", isolation_level="AUTOCOMMIT"),
    "django": lambda dsn: django_alone(django_alias(dsn)),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def begin(request: pytest.FixtureRequest, dsn: str) -> Any:
    return partial(request.param, dsn)


class TestCallers(BlockingCallers):
    outside = r"outside a transaction.* pass autocommit=True"

    @pytest.fixture(params=ALONE.values(), ids=ALONE)
    def alone(self, request: pytest.FixtureRequest, dsn: str) -> Any:
        return partial(request.param, dsn)


def kill(dsn: str) -> None:
    """End the server's side of the transaction that is open."""
    with psycopg.connect(dsn, autocommit=True) as other:
        open_ones = "FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
        open_ones += " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"  # no vacuum
        rows = other.execute(f"SELECT pg_terminate_backend(pid, 5000) {open_ones}").fetchall()
    assert rows == [(True,)]


def test_a_lost_transaction_takes_no_job_outside_of_itself(
    store: PostgresStore, begin: Any, new_job: Any, committed: Any, dsn: str
) -> None:
    refused: list[str] = []
    with suppress(Exception), begin() as connection:  # how a library leaves the block is its own affair
        store.add_in(connection, [new_job()])
        kill(dsn)
        for _ in range(3):
            try:
                store.add_in(connection, [new_job()])
            except Sp00kyError as error:
                refused.append(str(error))
    assert len(refused) == 3
    assert "\n" not in "".join(refused)
    assert committed() == []


def test_a_connection_that_django_finds_dead_is_refused(
    store: PostgresStore, new_job: Any, committed: Any, dsn: str
) -> None:
    """It makes another one then, which would commit the job by itself."""
    with suppress(Exception), KINDS["django"](dsn) as connection:
        kill(dsn)
        connection.health_check_done = False  # as at the end of a request
        with pytest.raises(OptionInvalid, match="closed"):
            store.add_in(connection, [new_job()])
        raise ZeroDivisionError
    assert committed() == []


def test_what_the_database_refuses_is_said(
    store: PostgresStore, begin: Any, new_job: Any, dsn: str, job_table: str
) -> None:
    with psycopg.connect(dsn) as other:
        other.execute(f"ALTER TABLE {job_table} ADD CONSTRAINT assigned CHECK (assigned_to IS NOT NULL)")
    with suppress(Exception), begin() as connection:
        with pytest.raises(RowRefused, match="check"):
            store.add_in(connection, [new_job()])
        raise ZeroDivisionError


def test_a_transaction_that_was_begun_by_hand_is_one(
    store: PostgresStore, dsn: str, new_job: Any, committed: Any
) -> None:
    with psycopg_alone(dsn) as plain, psycopg_alone_in_a_pipeline(dsn) as piped:
        for connection in (plain, piped):
            connection.execute("BEGIN")
            store.add_in(connection, [new_job()])
            connection.execute("COMMIT")
    assert len(committed()) == 2


def test_a_closed_connection_is_refused(store: PostgresStore, dsn: str, new_job: Any) -> None:
    with psycopg.connect(dsn) as plain, KINDS["sqlalchemy psycopg"](dsn) as known:
        pass
    for connection in (plain, plain.cursor, known):
        with pytest.raises(OptionInvalid, match=r"closed|of type"):
            store.add_in(connection, [new_job()])


def test_an_engine_of_another_database_is_refused(store: PostgresStore, new_job: Any) -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.begin() as connection, pytest.raises(OptionInvalid, match="on psycopg or psycopg2"):
        store.add_in(connection, [new_job()])
    engine.dispose()


def test_a_connection_to_another_database_is_said(make: Any, dsn: str, new_job: Any) -> None:
    said = "run: sp00ky migrate, if your connection is to the database of postgresql://"
    with psycopg.connect(dsn) as connection, pytest.raises(SchemaError, match=said):
        make(schema="elsewhere").add_in(connection, [new_job()])


def test_in_asynchronous_code_django_s_guard_is_one_line(
    store: PostgresStore, dsn: str, new_job: Any
) -> None:
    connection = connections[django_alias(dsn)]

    async def enqueue() -> None:
        store.add_in(connection, [new_job()])

    with pytest.raises(OptionInvalid, match=r"in asynchronous code; expected .*sync_to_async"):
        asyncio.run(enqueue())


def test_in_django_under_asyncio(store: PostgresStore, dsn: str, new_job: Any, committed: Any) -> None:
    from asgiref.sync import sync_to_async  # noqa: PLC0415  # Django's

    alias = django_alias(dsn)

    def view() -> None:
        with transaction.atomic(using=alias):
            store.add_in(connections[alias], [new_job()])
        connections[alias].close()

    asyncio.run(sync_to_async(view)())
    assert len(committed()) == 1


def test_a_django_transaction_that_failed_is_refused(store: PostgresStore, dsn: str, new_job: Any) -> None:
    with suppress(Exception), KINDS["django"](dsn) as connection:
        connection.set_rollback(True)
        with pytest.raises(OptionInvalid, match="in a transaction that failed; expected"):
            store.add_in(connection, [new_job()])


@pytest.mark.parametrize("kind", ["psycopg", "django"])
def test_a_transaction_that_was_aborted_says_what_to_do(
    store: PostgresStore, dsn: str, new_job: Any, kind: str
) -> None:
    with suppress(psycopg.Error, DatabaseError), KINDS[kind](dsn) as connection:
        with suppress(psycopg.Error, DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT nowhere")
        with pytest.raises(StoreError, match=r"aborted.*; roll your transaction back and repeat it"):
            store.add_in(connection, [new_job()])


def test_instants_are_right_where_django_uses_no_time_zones(
    store: PostgresStore, dsn: str, new_job: Any, settings_without_zones: None
) -> None:
    with KINDS["django"](dsn) as connection:
        (job,) = store.add_in(connection, [new_job()])
        assert store.get_in(connection, job.id) == job
        assert job.created_at is not None
        assert abs(datetime.now(UTC) - job.created_at) < timedelta(minutes=5)


@pytest.fixture
def settings_without_zones(dsn: str) -> Iterator[None]:
    from django.test.utils import override_settings  # noqa: PLC0415  # reads the settings

    connections[django_alias(dsn)].close()
    with override_settings(USE_TZ=False, TIME_ZONE="Asia/Kolkata"):
        wrapper = connections[django_alias(dsn)]
        for name in ("timezone", "timezone_name"):
            wrapper.__dict__.pop(name, None)
        yield
    for name in ("timezone", "timezone_name"):
        wrapper.__dict__.pop(name, None)
