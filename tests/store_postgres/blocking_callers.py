"""Blocking connections as callers have them, each kind that is known, within a transaction."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg.rows import dict_row
from sqlalchemy.orm import scoped_session, sessionmaker
from tests.callers import (
    django_connection,
    django_database,
    engine_of,
    sqlalchemy_connection,
    sqlalchemy_session,
)

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


def url_of(dsn: str, driver: str) -> str:
    return dsn.replace("postgresql://", f"postgresql+{driver}://", 1)


def sqlalchemy_kind(kind: Any, driver: str, **options: Any) -> Begin:
    return lambda dsn: kind(url_of(dsn, driver), pool_pre_ping=True, **options)


@contextmanager
def sqlalchemy_scoped_session(dsn: str) -> Iterator[Any]:
    """As Flask-SQLAlchemy has it."""
    with engine_of(url_of(dsn, "psycopg"), pool_pre_ping=True) as engine:
        session = scoped_session(sessionmaker(engine))
        try:
            with session.begin():
                yield session
        finally:
            session.remove()


def django_alias(dsn: str, **options: Any) -> str:
    """Tell Django of the database; the alias is the options'."""
    server = urlsplit(dsn)
    default = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": server.path[1:] or "postgres",
        "USER": server.username or "postgres",
        "PASSWORD": server.password or "",
        "HOST": parse_qs(server.query).get("host", [server.hostname or ""])[0],
        "PORT": str(server.port or ""),
        "CONN_HEALTH_CHECKS": True,
    }
    return django_database(f"sp00ky {sorted(options.items())}", **default | options)


KINDS: dict[str, Begin] = {
    "psycopg": psycopg_connection,
    "psycopg cursor": psycopg_cursor,
    "psycopg client cursor": psycopg_client_cursor,
    "psycopg pipeline": psycopg_pipeline,
    "sqlalchemy psycopg": sqlalchemy_kind(sqlalchemy_connection, "psycopg"),
    "sqlalchemy psycopg2": sqlalchemy_kind(sqlalchemy_connection, "psycopg2"),
    "session psycopg": sqlalchemy_kind(sqlalchemy_session, "psycopg"),
    "session psycopg2": sqlalchemy_kind(sqlalchemy_session, "psycopg2"),
    "scoped session": sqlalchemy_scoped_session,
    "django": lambda dsn: django_connection(django_alias(dsn)),
    "django server binding": lambda dsn: django_connection(
        django_alias(dsn, OPTIONS={"server_side_binding": True})
    ),
}
