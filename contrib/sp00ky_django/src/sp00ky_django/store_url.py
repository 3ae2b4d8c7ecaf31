"""Derive the store's URL from ``DATABASES``, so that no address and no password is written twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from django.db import connections

from sp00ky_core import ConfigError
from sp00ky_django.app_settings import AppSettings, wrong_setting

__all__ = ["NOWHERE", "derived_store_url", "is_in_memory"]

CARRIED = {
    **{key: key for key in ("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword")},
    **{key: key for key in ("passfile", "target_session_attrs", "application_name")},
    "assume_role": "role",
}
"""Keys of ``OPTIONS`` that say where the server is and who connects, as the store's driver calls them.

The others, such as ``pool`` and ``isolation_level``, are about Django's own connections.
"""

NOWHERE = "/in-memory/nowhere"
"""A file that can't be opened: a database in memory is within reach of Django's connection only."""


def derived_store_url(app: AppSettings) -> str:
    """Return the URL of the database that Django uses now, a test's included; it may hold a password.

    Raises:
        ConfigError: the database is of a kind without a store, or its address isn't in ``DATABASES``.
    """
    connection = connections[app.database]
    if connection.vendor == "postgresql":
        return _postgres_url(app, connection.settings_dict)
    if connection.vendor == "sqlite":
        return _sqlite_url(app, connection)
    kept = "jobs are kept in PostgreSQL and SQLite"
    raise _wrong(
        app, "ENGINE", f"{kept}, not in {connection.display_name}", "let SP00KY['DATABASE'] name one"
    )


def is_in_memory(alias: str) -> bool:
    """Tell whether a database is SQLite's in memory, as that of a test is by default."""
    connection = connections[alias]
    if connection.vendor != "sqlite":
        return False
    name = str(connection.settings_dict["NAME"])
    return name == ":memory:" or "mode=memory" in name


def _sqlite_url(app: AppSettings, connection: Any) -> str:
    if app.options:
        problem = "a store in SQLite has no options"
        raise wrong_setting("OPTIONS", problem, "remove them")
    name = str(connection.settings_dict["NAME"])
    if is_in_memory(app.database):
        name = NOWHERE
    elif name.startswith("file:"):
        raise _wrong(app, "NAME", "a URI isn't read here", "write the file's path")
    else:
        name = str(Path(name).absolute())  # as Django opens it; the outbox's folder is that of sp00ky.yml
    return f"sqlite:///{quote(name)}"


def _postgres_url(app: AppSettings, database: Mapping[str, Any]) -> str:
    options = database.get("OPTIONS", {})
    _refuse_hidden(app, database, options)
    host, port = str(database.get("HOST") or ""), str(database.get("PORT") or "")
    query = {CARRIED[key]: str(value) for key, value in options.items() if key in CARRIED}
    if not host or host.startswith("/") or "," in host:  # a socket's folder, or several hosts
        query |= {key: value for key, value in (("host", host), ("port", port)) if value}
        place = ""
    else:
        place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    query |= app.options
    tail = f"?{urlencode(query)}" if query else ""
    return f"postgresql://{_user(database)}{place}/{quote(str(database['NAME']), safe='')}{tail}"


def _refuse_hidden(app: AppSettings, database: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Refuse what would let the store work on other tables than Django does."""
    if "service" in options or not database.get("NAME"):
        raise _wrong(app, "OPTIONS", "a service file isn't read here", "write HOST, NAME and USER there")
    if "search_path" in str(options.get("options", "")) and "schema" not in app.options:
        problem = "it sets search_path, which doesn't say where the jobs' tables are"
        raise _wrong(app, "OPTIONS", problem, "add SP00KY = {'OPTIONS': {'schema': ...}}")


def _user(database: Mapping[str, Any]) -> str:
    user, password = database.get("USER"), database.get("PASSWORD")
    if not user:
        return f":{quote(str(password), safe='')}@" if password else ""
    secret = f":{quote(str(password), safe='')}" if password else ""
    return f"{quote(str(user), safe='')}{secret}@"


def _wrong(app: AppSettings, key: str, problem: str, fix: str) -> ConfigError:
    name = f"DATABASES[{app.database!r}][{key!r}]"
    return ConfigError(file="Django's settings", key=name, problem=problem, fix=fix)
