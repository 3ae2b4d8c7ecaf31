"""One PostgreSQL server and one file of SQLite for all of these tests."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from tests.postgres import start_server
from tests.receiver.stacks import Place

from sp00ky_receiver import UNSIGNED, Receiver


@pytest.fixture(scope="session")
def databases() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="sp00ky-receiver", ignore_cleanup_errors=True) as folder:
        external = os.environ.get("SP00KY_TEST_POSTGRES")
        if external:
            name = f"sp00ky_receiver_{uuid4().hex[:8]}"
            with psycopg.connect(external, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
                yield Place(postgres=external.rpartition("/")[0] + f"/{name}", folder=Path(folder))
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            return
        server = start_server(Path(folder))
        try:
            yield Place(postgres=server.get_uri(), folder=Path(folder))
        finally:
            server.cleanup()


@pytest.fixture
def place(databases: Place) -> Place:
    """Empty databases."""
    databases.fresh()
    return databases


@pytest.fixture
def receiver() -> Receiver:
    """One whose requests aren't signed."""
    return Receiver(UNSIGNED)
