"""Django on a PostgreSQL server, migrated once; each test's writes are rolled back, or deleted."""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from tests.django.configuration import configure

configure()


@pytest.fixture(scope="session")
def empty_database(dsn: str) -> Iterator[dict[str, Any]]:
    """The settings of ``default``, whose address is now that of a new database."""
    name = f"django_{os.getpid()}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    parts = urlsplit(dsn)
    found: dict[str, Any] = connections.settings["default"]
    found |= {
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": dict(parse_qsl(parts.query)).get("host") or parts.hostname or "",
        "PORT": str(parts.port or ""),
    }
    yield found
    for connection in connections.all(initialized_only=True):
        connection.close()
    with psycopg.connect(dsn, autocommit=True) as admin:  # tests end connections that they don't know
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def migrated(empty_database: dict[str, Any]) -> dict[str, Any]:
    """The settings of ``default``, which Django's own command has migrated."""
    call_command("migrate", verbosity=0)
    return empty_database
