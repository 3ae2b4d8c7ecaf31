"""The store's URL, and what is said where the server can't be used."""

import re
from typing import Any

import attrs
import pytest
from tests.store_mysql.conftest import Sql

from sp00ky_core.errors import ConfigError, StoreError, StoreUnavailable
from sp00ky_core.ports import StoreOptions
from sp00ky_store_mysql import MysqlStore
from sp00ky_store_mysql.session import collation_of
from sp00ky_store_mysql.url import address_of


@pytest.mark.parametrize(
    ("url", "location", "driver"),
    [
        (
            "mysql://localhost/app",
            "mysql://localhost/app",
            {"host": "localhost", "port": 3306, "user": "root"},
        ),
        (
            "mariadb://me:p%40ss@db:3307/a%20b",
            "mariadb://me@db:3307/a%20b",
            {"host": "db", "port": 3307, "user": "me", "password": "p@ss", "database": "a b"},
        ),
        ("mysql://h/app?ssl=true", "mysql://h/app?ssl=true", {"ssl": True}),
        ("mysql://h/app?ssl_ca=/ca.pem", "mysql://h/app?ssl_ca=/ca.pem", {"ssl": {"ca": "/ca.pem"}}),
        ("mysql://h/a?unix_socket=/s", "mysql://h/a?unix_socket=/s", {"unix_socket": "/s", "ssl": False}),
    ],
)
def test_what_the_driver_gets(url: str, location: str, driver: dict[str, Any]) -> None:
    address = address_of(url)
    assert address.location == location
    assert {key: address.driver[key] for key in driver} == driver
    assert "p@ss" not in repr(address)


def test_several_servers() -> None:
    address = address_of("mariadb://me:p%40ss@db1,db2:3307,[::1]:3308/app")
    assert address.location == "mariadb://me@db1,db2:3307,[::1]:3308/app"
    places = [(each["host"], each["port"], each["password"]) for each in address.drivers]
    assert places == [("db1", 3306, "p@ss"), ("db2", 3307, "p@ss"), ("::1", 3308, "p@ss")]


@pytest.mark.parametrize(
    "url",
    [
        "mysql://localhost",
        "mysql://db1,db2:x/app",
        "mysql://db1:0/app",
        "mysql://localhost/",
        "mysql://localhost/a/b",
        "mysql://me:p@ss@localhost/app",
        "mysql://me:p/ss@localhost/app",
        "mysql://localhost:70000/app",
        "mysql://localhost/app?sslmode=require",
        "mysql://localhost/app?ssl=yes",
        "mysql://localhost/app#x",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="mysql://USER:PASSWORD@HOST:PORT/DATABASE") as caught:
        MysqlStore(StoreOptions(url=url, tables=()))
    assert "ss@" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "collation"),
    [
        ("11.8.9-MariaDB-0+deb13u1 from Debian", "utf8mb4_nopad_bin"),
        ("5.5.5-10.11.6-MariaDB-1:10.11.6+maria~ubu2204", "utf8mb4_nopad_bin"),
        ("8.0.36", "utf8mb4_0900_bin"),
        ("8.4.2-log", "utf8mb4_0900_bin"),
    ],
)
def test_servers_that_are_new_enough(version: str, collation: str) -> None:
    assert collation_of(version, "mysql://h/app") == collation


@pytest.mark.parametrize(
    ("version", "needed"),
    [("5.7.44", "MySQL 8.0"), ("5.5.5-10.6.18-MariaDB", "MariaDB 10.11"), ("?", "MySQL")],
)
def test_a_server_that_is_too_old(version: str, needed: str) -> None:
    with pytest.raises(StoreError, match=f"^mysql://h/app: the server is too old: {needed}.*{version[:1]}"):
        collation_of(version, "mysql://h/app")


async def said_by(url: str, options: StoreOptions) -> str:
    store = MysqlStore(attrs.evolve(options, url=url))
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    await store.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_wrong_credentials(options: StoreOptions, database: str, sql: Sql) -> None:
    url = re.sub("//.*@", "//nobody:hunter2@", options.url)
    assert "://nobody@" in (said := await said_by(url, options))
    assert "Access denied for user 'nobody'" in said
    assert "hunter2" not in said


async def test_a_database_that_is_missing(options: StoreOptions, database: str) -> None:
    assert "Unknown database 'nowhere'" in await said_by(options.url.replace(database, "nowhere"), options)


async def test_a_server_that_is_away(options: StoreOptions) -> None:
    assert "Can't connect to MySQL server" in await said_by("mysql://127.0.0.1:1/app", options)
