"""The store's URL from ``DATABASES``: the same database as Django's, and no secret in a text."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from sp00ky_core import ConfigError
from sp00ky_django.app_settings import AppSettings
from sp00ky_django.store_url import NOWHERE, derived_store_url, is_in_memory
from sp00ky_store_postgres.url import read_url


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Derives the URL for keys of a database's settings, and of ``SP00KY["OPTIONS"]``."""

    def derive(alias: str = "default", options: dict[str, str] | None = None, **database: Any) -> str:
        emptied = {"USER": "", "PASSWORD": "", "HOST": "", "PORT": "", "OPTIONS": {}}
        for key, value in {**emptied, **database}.items():
            monkeypatch.setitem(connections[alias].settings_dict, key, value)
        return derived_store_url(AppSettings(config=Path("x"), database=alias, options=options or {}))

    return derive


PLACE = {"NAME": "app", "USER": "ada", "PASSWORD": "p@ss/w:rd", "HOST": "db.example.com", "PORT": "5433"}


def test_a_server(url: Any) -> None:
    found = url(**PLACE)
    assert found == "postgresql://ada:p%40ss%2Fw%3Ard@db.example.com:5433/app"
    assert read_url(found).location == "postgresql://ada@db.example.com:5433/app"


def test_a_socket_and_several_hosts(url: Any) -> None:
    assert url(NAME="app", HOST="/run/pg", PORT=5433) == "postgresql:///app?host=%2Frun%2Fpg&port=5433"
    assert url(NAME="app", HOST="a,b", PORT="1,2") == "postgresql:///app?host=a%2Cb&port=1%2C2"
    assert url(NAME="app", HOST="::1") == "postgresql://[::1]/app"
    assert url(NAME="my app") == "postgresql:///my%20app"


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ({"NAME": "", "OPTIONS": {"service": "app"}}, "a service file isn't read here"),
        ({"NAME": "app", "OPTIONS": {"options": "-c search_path=x"}}, "'schema': ..."),
    ],
)
def test_what_would_lead_elsewhere_is_refused(url: Any, database: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        url(**database)


def test_a_file(url: Any) -> None:
    assert url("lite", NAME=Path("/srv/my app.db")) == "sqlite:////srv/my%20app.db"
    with pytest.raises(ConfigError, match="write the file's path"):
        url("lite", NAME="file:app.db?mode=ro")
    with pytest.raises(ConfigError, match="no options"):
        url("lite", NAME="app.db", options={"schema": "x"})


@pytest.mark.parametrize("name", [":memory:", "file:memorydb_default?mode=memory&cache=shared"])
def test_a_database_in_memory_has_no_file(url: Any, name: str) -> None:
    assert url("lite", NAME=name) == f"sqlite:///{NOWHERE}"
    assert is_in_memory("lite")
    assert not is_in_memory("default")


def test_other_databases_are_refused(url: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["lite"], "vendor", "oracle")
    with pytest.raises(ConfigError, match="jobs are kept in PostgreSQL and SQLite"):
        url("lite", NAME="x")
