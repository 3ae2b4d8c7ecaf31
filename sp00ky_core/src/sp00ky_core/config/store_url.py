"""Find which store a configuration means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from sp00ky_core.config.settings import Config, Secret, SurrealdbConfig
from sp00ky_core.config.values import ReadProblem, store_location
from sp00ky_core.errors import ConfigError

__all__ = ["store_url"]


def store_url(
    config: Config, override: str | None = None, environ: Mapping[str, str] | None = None
) -> Secret:
    """Return the store's URL: ``override``, or ``SP00KY_STORE``, or ``store:``, or the ``surrealdb`` block's.

    Raises:
        ConfigError: none of them says which, or one is no URL; the text holds no part of it.
    """
    given = override or (os.environ if environ is None else environ).get("SP00KY_STORE")
    if given:
        source = "--store" if override else "SP00KY_STORE"
        try:
            return store_location(given)
        except ReadProblem as error:
            raise ConfigError(file=str(config.file), key=source, problem=str(error)) from None
    _refuse_unset(config, "store")
    return config.store or Secret(_surrealdb_url(config))


def _refuse_unset(config: Config, *prefixes: str) -> None:
    for key, problem in config.unset.items():
        if key.startswith(prefixes):
            raise ConfigError(file=str(config.file), key=key, problem=problem, fix="set it")


def _surrealdb_url(config: Config) -> str:
    block = config.surrealdb
    _refuse_unset(config, "surrealdb.")
    if block is None or block.endpoint is None:
        raise _nowhere(config, block)
    if not block.endpoint.startswith(("ws", "http")):
        return block.endpoint  # embedded: the store finds namespace and database in the block
    return _server_url(block, block.endpoint)


def _nowhere(config: Config, block: SurrealdbConfig | None) -> ConfigError:
    ways = "add `store: surrealkv://./data`, `store: postgresql://...` or "
    ways += "`surrealdb: {endpoint: ws://localhost:8000}`, or set SP00KY_STORE, or pass --store"
    if block is not None:
        place = "/".join(_place(block))
        ways += f" (a Sp00ky project's local server is ws://root:root@localhost:8666/{place})"
    return ConfigError(
        file=str(config.file),
        key="store" if block in (None, SurrealdbConfig()) else "surrealdb.endpoint",
        problem=f"it isn't said where the jobs are: {ways}",
    )


def _server_url(block: SurrealdbConfig, endpoint: str) -> str:
    url = urlsplit(endpoint)
    scheme = {"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)
    place = "/".join(quote(part, safe="") for part in _place(block))
    return f"{scheme}://{_userinfo(block)}{url.netloc}/{place}"


def _place(block: SurrealdbConfig) -> tuple[str, str]:
    """Return the namespace and the database, by default those of Sp00ky's projects."""
    return block.namespace or "main", block.database or "main"


def _userinfo(block: SurrealdbConfig) -> str:
    if block.username is None:
        return ""
    password = f":{quote(block.password.value, safe='')}" if block.password else ""
    return f"{quote(block.username, safe='')}{password}@"
