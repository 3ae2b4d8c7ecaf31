"""Enqueue in the transactions of callers' connections: SQLAlchemy's, Django's, and the drivers' own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
)
from functools import partial
from typing import Any

import aiomysql  # type: ignore[import-untyped]  # it carries no types
import asyncmy
import pymysql
import pytest
import sqlalchemy
from tests.callers import (
    AsynchronousCallers,
    BlockingCallers,
    async_connection,
    async_session,
    django_alone,
    django_connection,
    django_database,
    sqlalchemy_connection,
    sqlalchemy_session,
)
from tests.store_mysql.conftest import Sql, connect, url_of

from sp00ky_conformance.store.harness import new_job
from sp00ky_core.errors import OptionInvalid, SchemaError
from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobQuery
from sp00ky_store_mysql import MysqlStore
from sp00ky_store_mysql.url import address_of


def driver_options(database: str) -> dict[str, Any]:
    return {key: value for key, value in address_of(url_of(database)).driver.items() if value}


def sqlalchemy_url(database: str, driver: str) -> sqlalchemy.URL:
    options = driver_options(database)
    query = {"unix_socket": options["unix_socket"]} if "unix_socket" in options else {}
    return sqlalchemy.URL.create(
        f"mysql+{driver}",
        options["user"],
        options.get("password"),
        options["host"],
        options["port"],
        options["database"],
        query,
    )


# Blocking ones.


@contextmanager
def pymysql_connection(database: str) -> Iterator[Any]:
    rows = pymysql.cursors.DictCursor
    with closing(connect(database, autocommit=False, cursorclass=rows)) as connection:
        yield connection
        connection.commit()


@contextmanager
def pymysql_begun(database: str) -> Iterator[Any]:
    with closing(connect(database)) as connection:
        connection.begin()
        yield connection
        connection.commit()


def blocking_url(database: str) -> sqlalchemy.URL:
    return sqlalchemy_url(database, "pymysql")


def django_alias(database: str) -> str:
    pymysql.version_info = (2, 2, 1, "final", 0)  # type: ignore[assignment]  # Django asks for mysqlclient's
    pymysql.install_as_MySQLdb()
    options = driver_options(database)
    own = {"ENGINE": "django.db.backends.mysql", "NAME": database, "USER": options["user"]}
    own |= {"HOST": options.get("unix_socket", options["host"]), "PORT": str(options["port"])}
    return django_database(database, PASSWORD=options.get("password", ""), **own)


@contextmanager
def pymysql_alone(database: str) -> Iterator[Any]:
    with closing(connect(database)) as connection:
        yield connection


Begin = Callable[[str], AbstractContextManager[Any]]

BLOCKING: dict[str, Begin] = {
    "pymysql": pymysql_connection,
    "pymysql that has begun": pymysql_begun,
    "sqlalchemy": lambda database: sqlalchemy_connection(blocking_url(database)),
    "session": lambda database: sqlalchemy_session(blocking_url(database)),
    "django": lambda database: django_connection(django_alias(database)),
}
ALONE: dict[str, Begin] = {
    "pymysql": pymysql_alone,
    "sqlalchemy": lambda name: sqlalchemy_connection(blocking_url(name), isolation_level="AUTOCOMMIT"),
    "django": lambda database: django_alone(django_alias(database)),
}

# Asynchronous ones.


@asynccontextmanager
async def asyncmy_connection(database: str) -> AsyncIterator[Any]:
    async with asyncmy.connect(**driver_options(database)) as connection:
        yield connection
        await connection.commit()


@asynccontextmanager
async def aiomysql_connection(database: str) -> AsyncIterator[Any]:
    options = driver_options(database)
    options["db"] = options.pop("database")
    connection = await aiomysql.connect(cursorclass=aiomysql.DictCursor, **options)
    try:
        yield connection
        await connection.commit()
    finally:
        connection.close()


AsyncBegin = Callable[[str], AbstractAsyncContextManager[Any]]

AWAITED: dict[str, AsyncBegin] = {
    "asyncmy": asyncmy_connection,
    "aiomysql": aiomysql_connection,
    "sqlalchemy on asyncmy": lambda database: async_connection(sqlalchemy_url(database, "asyncmy")),
    "sqlalchemy on aiomysql": lambda database: async_connection(sqlalchemy_url(database, "aiomysql")),
    "session on asyncmy": lambda database: async_session(sqlalchemy_url(database, "asyncmy")),
    "session on aiomysql": lambda database: async_session(sqlalchemy_url(database, "aiomysql")),
}


def paths(sql: Sql) -> list[str]:
    return sorted(assigned for (assigned,) in sql("SELECT assigned_to FROM job"))


class TestBlockingCallers(BlockingCallers):
    @pytest.fixture(params=BLOCKING.values(), ids=BLOCKING)
    def begin(self, request: pytest.FixtureRequest, database: str) -> Any:
        return partial(request.param, database)

    @pytest.fixture(params=ALONE.values(), ids=ALONE)
    def alone(self, request: pytest.FixtureRequest, database: str) -> Any:
        return partial(request.param, database)

    @pytest.fixture
    def committed(self, store: MysqlStore, database: str) -> Any:
        def read() -> list[Job]:
            with closing(connect(database)) as connection:
                return store.find_in(connection, JobQuery())

        return read


class TestAsynchronousCallers(AsynchronousCallers):
    @pytest.fixture(params=AWAITED.values(), ids=AWAITED)
    def begin(self, request: pytest.FixtureRequest, database: str) -> Any:
        return partial(request.param, database)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "READ COMMITTED"])
async def test_a_dedup_hit_that_a_snapshot_does_not_show_is_found(
    store: MysqlStore, database: str, sql: Sql, level: str
) -> None:
    sql("CREATE TABLE orders (number INT)")
    async with asyncmy.connect(**driver_options(database)) as connection:
        async with connection.cursor() as cursor:
            await cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
            await cursor.execute("SELECT count(*) FROM job")
            (job,) = await store.add([new_job(assigned_to="theirs", dedup_key="k")])
            await cursor.execute("INSERT INTO orders VALUES (1)")
        again = [new_job(assigned_to="ours"), new_job(dedup_key="k")]
        ours, theirs = await store.add(again, connection=connection)
        assert (await store.add([new_job(dedup_key="k")], connection=connection))[0].id == job.id
        await connection.commit()
    assert theirs.id == job.id
    assert ours.assigned_to == "ours"
    assert paths(sql) == ["ours", "theirs"]
    assert sql("SELECT number FROM orders") == ((1,),)


def test_a_blocking_dedup_hit_that_a_snapshot_does_not_show_is_found(
    store: MysqlStore, database: str
) -> None:
    with pymysql_connection(database) as connection, pymysql_connection(database) as other:
        assert store.find_in(connection, JobQuery()) == []
        (job,) = store.add_in(other, [new_job(dedup_key="k")])
        other.commit()
        assert store.add_in(connection, [new_job(dedup_key="k")])[0].id == job.id


async def test_an_asynchronous_connection_that_commits_by_itself_only_reads(
    store: MysqlStore, database: str, sql: Sql
) -> None:
    async with asyncmy.connect(autocommit=True, **driver_options(database)) as connection:
        with pytest.raises(OptionInvalid, match=r"outside a transaction \(autocommit\)"):
            await store.add([new_job()], connection=connection)
        assert await store.find(JobQuery(), connection=connection) == []
        await connection.begin()
        await store.add([new_job(assigned_to="a")], connection=connection)
        await connection.commit()
    assert paths(sql) == ["a"]


async def test_closed_connections_and_others_are_refused(store: MysqlStore, database: str) -> None:
    async with asyncmy_connection(database) as connection:
        pass
    with pymysql_connection(database) as blocking:
        pass
    with pytest.raises(OptionInvalid, match="closed"):
        await store.add([new_job()], connection=connection)
    with pytest.raises(OptionInvalid, match="closed"):
        store.add_in(blocking, [new_job()])
    with pytest.raises(OptionInvalid, match="one on MySQL"):
        store.add_in(object(), [new_job()])


async def test_a_blocking_connection_is_none_for_a_loop_nor_the_other_way_round(
    store: MysqlStore, database: str
) -> None:
    with (
        pymysql_connection(database) as blocking,
        pytest.raises(OptionInvalid, match=r"pymysql.*use SyncOutbox"),
    ):
        await store.add([new_job()], connection=blocking)
    async with asyncmy_connection(database) as connection:
        with pytest.raises(OptionInvalid, match=r"asyncmy.*expected a synchronous one"):
            store.add_in(connection, [new_job()])


async def test_a_connection_to_another_database_is_told(store: MysqlStore, database: str) -> None:
    async with asyncmy.connect(**driver_options("mysql")) as connection:
        with pytest.raises(
            SchemaError, match=r"mysql\.job.* if your connection is to the database of (mariadb|mysql)://"
        ):
            await store.add([new_job()], connection=connection)
