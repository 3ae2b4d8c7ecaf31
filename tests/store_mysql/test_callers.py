"""Enqueue in the transactions of callers' connections: SQLAlchemy's, Django's, and the drivers' own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
)
from typing import Any

import aiomysql  # type: ignore[import-untyped]  # it carries no types
import asyncmy
import pymysql
import pytest
import sqlalchemy
from django.db import connections, transaction
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from tests.store_mysql.conftest import Sql, connect, migrated, url_of
from tests.store_postgres.blocking_callers import configure_django

from sp00ky_core.errors import OptionInvalid, RowRefused, SchemaError
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobQuery, StoreOptions
from sp00ky_store_mysql import MysqlStore
from sp00ky_store_mysql.url import address_of


def new_job(**fields: Any) -> NewJob:
    return NewJob(backend="api", path="/spookify", payload={"id": 1}, **fields)


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


@contextmanager
def engine_of(database: str, **options: Any) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(sqlalchemy_url(database, "pymysql"), **options)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def sqlalchemy_connection(database: str) -> Iterator[Any]:
    with engine_of(database) as engine, engine.connect() as connection:
        yield connection
        connection.commit()  # of the transaction that the enqueue has begun


@contextmanager
def sqlalchemy_session(database: str) -> Iterator[Any]:
    with engine_of(database) as engine, Session(engine) as session, session.begin():
        yield session


@contextmanager
def django_alias(database: str) -> Iterator[str]:
    configure_django()
    pymysql.version_info = (2, 2, 1, "final", 0)  # type: ignore[assignment]  # Django asks for mysqlclient's
    pymysql.install_as_MySQLdb()
    options = driver_options(database)
    own = {"ENGINE": "django.db.backends.mysql", "NAME": database, "USER": options["user"]}
    own |= {"HOST": options.get("unix_socket", options["host"]), "PORT": str(options["port"])}
    own |= {"PASSWORD": options.get("password", "")}
    connections.databases[database] = connections.configure_settings({"default": {}, database: own})[database]
    try:
        yield database
    finally:
        connections[database].close()


@contextmanager
def django_connection(database: str) -> Iterator[Any]:
    with django_alias(database) as alias, transaction.atomic(using=alias):
        yield connections[alias]


Begin = Callable[[str], AbstractContextManager[Any]]

BLOCKING: dict[str, Begin] = {
    "pymysql": pymysql_connection,
    "pymysql that has begun": pymysql_begun,
    "sqlalchemy": sqlalchemy_connection,
    "session": sqlalchemy_session,
    "django": django_connection,
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


def async_connection(driver: str) -> Callable[[str], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def begin(database: str) -> AsyncIterator[Any]:
        engine = create_async_engine(sqlalchemy_url(database, driver))
        try:
            async with engine.connect() as connection:
                yield connection
                await connection.commit()  # of the transaction that the enqueue has begun
        finally:
            await engine.dispose()

    return begin


def async_session(driver: str) -> Callable[[str], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def begin(database: str) -> AsyncIterator[Any]:
        engine = create_async_engine(sqlalchemy_url(database, driver))
        try:
            async with AsyncSession(engine) as session, session.begin():
                yield session
        finally:
            await engine.dispose()

    return begin


AsyncBegin = Callable[[str], AbstractAsyncContextManager[Any]]

AWAITED: dict[str, AsyncBegin] = {
    "asyncmy": asyncmy_connection,
    "aiomysql": aiomysql_connection,
    "sqlalchemy on asyncmy": async_connection("asyncmy"),
    "sqlalchemy on aiomysql": async_connection("aiomysql"),
    "session on asyncmy": async_session("asyncmy"),
    "session on aiomysql": async_session("aiomysql"),
}


@pytest.fixture
def closed_store(options: StoreOptions) -> MysqlStore:
    """A store that isn't open: callers' connections are enough."""

    async def migrate() -> MysqlStore:
        store = await migrated(options)
        await store.close()
        return store

    return asyncio.run(migrate())


def paths(sql: Sql) -> list[str]:
    return sorted(assigned for (assigned,) in sql("SELECT assigned_to FROM job"))


@pytest.mark.parametrize("begin", BLOCKING.values(), ids=BLOCKING)
def test_blocking_jobs_are_there_when_it_commits_and_not_before(
    closed_store: MysqlStore, database: str, sql: Sql, begin: Begin
) -> None:
    with begin(database) as connection:
        added = closed_store.add_in(connection, [new_job(assigned_to="a")])
        one, same, _ = closed_store.add_in(
            connection,
            [
                new_job(assigned_to="b", dedup_key="k"),
                new_job(assigned_to="b", dedup_key="k"),
                new_job(assigned_to="c"),
            ],
        )
        assert closed_store.get_in(connection, added[0].id) == added[0]
        assert len(closed_store.find_in(connection, JobQuery())) == 3
        assert paths(sql) == []
    assert one == same
    assert paths(sql) == ["a", "b", "c"]


@pytest.mark.parametrize("begin", BLOCKING.values(), ids=BLOCKING)
def test_blocking_jobs_are_gone_when_it_rolls_back(
    closed_store: MysqlStore, database: str, sql: Sql, begin: Begin
) -> None:
    with pytest.raises(ZeroDivisionError), begin(database) as connection:  # noqa: PT012  # it is rolled back
        closed_store.add_in(connection, [new_job(), new_job(dedup_key="k")])
        raise ZeroDivisionError
    assert paths(sql) == []


@pytest.mark.parametrize("begin", AWAITED.values(), ids=AWAITED)
async def test_jobs_are_there_when_it_commits_and_not_before(
    store: MysqlStore, database: str, sql: Sql, begin: AsyncBegin
) -> None:
    async with begin(database) as connection:
        (job,) = await store.add([new_job(assigned_to="a")], connection=connection)
        await store.add(
            [new_job(assigned_to="b", dedup_key="k"), new_job(assigned_to="c")], connection=connection
        )
        assert await store.get(job.id, connection=connection) == job
        assert len(await store.find(JobQuery(), connection=connection)) == 3
        assert paths(sql) == []
    assert paths(sql) == ["a", "b", "c"]


@pytest.mark.parametrize("begin", AWAITED.values(), ids=AWAITED)
async def test_jobs_are_gone_when_it_rolls_back(
    store: MysqlStore, database: str, sql: Sql, begin: AsyncBegin
) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012  # the block is rolled back
        async with begin(database) as connection:
            await store.add([new_job(), new_job(dedup_key="k")], connection=connection)
            raise ZeroDivisionError
    assert paths(sql) == []


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
    closed_store: MysqlStore, database: str
) -> None:
    with pymysql_connection(database) as connection, pymysql_connection(database) as other:
        assert closed_store.find_in(connection, JobQuery()) == []
        (job,) = closed_store.add_in(other, [new_job(dedup_key="k")])
        other.commit()
        assert closed_store.add_in(connection, [new_job(dedup_key="k")])[0].id == job.id


async def test_a_refused_job_leaves_the_transaction_as_it_was(
    store: MysqlStore, database: str, sql: Sql
) -> None:
    signal = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'assigned_to is missing'"
    condition = f"IF NEW.assigned_to IS NULL THEN {signal}; END IF"
    sql(f"CREATE TRIGGER t BEFORE INSERT ON job FOR EACH ROW {condition}")
    async with asyncmy_connection(database) as connection:
        await store.add([new_job(assigned_to="u:1")], connection=connection)
        for jobs in ([new_job()], [new_job(assigned_to="u:2"), new_job()]):
            with pytest.raises(RowRefused, match=r"assigned_to is missing$"):
                await store.add(jobs, connection=connection)
    assert paths(sql) == ["u:1"]


@contextmanager
def pymysql_alone(database: str) -> Iterator[Any]:
    with closing(connect(database)) as connection:
        yield connection


@contextmanager
def sqlalchemy_alone(database: str) -> Iterator[Any]:
    with engine_of(database, isolation_level="AUTOCOMMIT") as engine, engine.connect() as connection:
        yield connection


@contextmanager
def django_alone(database: str) -> Iterator[Any]:
    with django_alias(database) as alias:
        yield connections[alias]


ALONE: dict[str, Begin] = {"pymysql": pymysql_alone, "sqlalchemy": sqlalchemy_alone, "django": django_alone}


@pytest.mark.parametrize("begin", ALONE.values(), ids=ALONE)
def test_a_connection_that_commits_by_itself_only_reads(
    closed_store: MysqlStore, database: str, sql: Sql, begin: Begin
) -> None:
    with begin(database) as connection:
        with pytest.raises(OptionInvalid, match=r"is outside a transaction \(autocommit\); expected one"):
            closed_store.add_in(connection, [new_job()])
        assert closed_store.find_in(connection, JobQuery()) == []
    assert paths(sql) == []


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
            SchemaError, match=r"mysql\.job.* if your connection is to the database of mariadb://"
        ):
            await store.add([new_job()], connection=connection)
