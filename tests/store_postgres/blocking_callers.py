"""Blocking connections as callers have them, each kind that is known, within a transaction."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
import psycopg
import sqlalchemy
from django.conf import settings
from django.db import connections, transaction
from psycopg.rows import dict_row
from sqlalchemy.orm import Session, scoped_session, sessionmaker

Begin = Callable[[str], AbstractContextManager[Any]]


@contextmanager
def psycopg_connection(dsn: str) -> Iterator[Any]:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute("SET TIME ZONE 'Asia/Kolkata'")
        yield connection


@contextmanager
def psycopg_cursor(dsn: str) -> Iterator[Any]:
    with psycopg.connect(dsn, cursor_factory=psycopg.RawCursor) as connection:
        yield connection.cursor()


@contextmanager
def psycopg_client_cursor(dsn: str) -> Iterator[Any]:
    with psycopg.connect(dsn, autocommit=True) as connection, connection.transaction():
        yield psycopg.ClientCursor(connection)


@contextmanager
def psycopg_pipeline(dsn: str) -> Iterator[Any]:
    with psycopg.connect(dsn) as connection, connection.pipeline():
        yield connection


@contextmanager
def engine_of(dsn: str, driver: str, **options: Any) -> Iterator[sqlalchemy.Engine]:
    url = dsn.replace("postgresql://", f"postgresql+{driver}://", 1)
    engine = sqlalchemy.create_engine(url, pool_pre_ping=True, **options)
    try:
        yield engine
    finally:
        engine.dispose()


def sqlalchemy_connection(driver: str) -> Begin:
    @contextmanager
    def begin(dsn: str) -> Iterator[Any]:
        with engine_of(dsn, driver) as engine, engine.begin() as connection:
            yield connection

    return begin


def sqlalchemy_session(driver: str) -> Begin:
    @contextmanager
    def begin(dsn: str) -> Iterator[Any]:
        with engine_of(dsn, driver) as engine, Session(engine) as session, session.begin():
            yield session

    return begin


@contextmanager
def sqlalchemy_scoped_session(dsn: str) -> Iterator[Any]:
    """As Flask-SQLAlchemy has it."""
    with engine_of(dsn, "psycopg") as engine:
        session = scoped_session(sessionmaker(engine))
        try:
            with session.begin():
                yield session
        finally:
            session.remove()


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


def django_alias(dsn: str, **options: Any) -> str:
    """Tell Django of the database; the alias is the options'."""
    configure_django()
    server = urlsplit(dsn)
    alias = f"sp00ky {sorted(options.items())}"
    default = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": server.path[1:] or "postgres",
        "USER": server.username or "postgres",
        "PASSWORD": server.password or "",
        "HOST": parse_qs(server.query).get("host", [server.hostname or ""])[0],
        "PORT": str(server.port or ""),
        "CONN_HEALTH_CHECKS": True,
    }
    connections.databases[alias] = connections.configure_settings({"default": {}, alias: default | options})[
        alias
    ]
    return alias


def django_connection(**options: Any) -> Begin:
    @contextmanager
    def begin(dsn: str) -> Iterator[Any]:
        alias = django_alias(dsn, **options)
        try:
            with transaction.atomic(using=alias):
                yield connections[alias]
        finally:
            connections[alias].close()

    return begin


KINDS: dict[str, Begin] = {
    "psycopg": psycopg_connection,
    "psycopg cursor": psycopg_cursor,
    "psycopg client cursor": psycopg_client_cursor,
    "psycopg pipeline": psycopg_pipeline,
    "sqlalchemy psycopg": sqlalchemy_connection("psycopg"),
    "sqlalchemy psycopg2": sqlalchemy_connection("psycopg2"),
    "session psycopg": sqlalchemy_session("psycopg"),
    "session psycopg2": sqlalchemy_session("psycopg2"),
    "scoped session": sqlalchemy_scoped_session,
    "django": django_connection(),
    "django server binding": django_connection(OPTIONS={"server_side_binding": True}),
}
