"""Which store a configuration means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from sp00ky_core.config.readers import ReadProblem, store_location
from sp00ky_core.config.settings import Config, Secret, SurrealdbConfig
from sp00ky_core.errors import ConfigError

__all__ = ["store_url"]


def store_url(
    config: Config, override: str | None = None, environ: Mapping[str, str] | None = None
) -> Secret:
    """The store's URL: ``override``, or ``SP00KY_STORE``, or ``store:``, or from the ``surrealdb`` block.

    Args:
        config: the file's.
        override: ``--store``, or what a caller passed.
        environ: the environment; by default the process's.

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
    return config.store or Secret(_surrealdb_url(config))


def _surrealdb_url(config: Config) -> str:
    block = config.surrealdb
    if block is None or block.endpoint is None:
        where = "store" if block is None else "surrealdb.endpoint"
        raise ConfigError(
            file=str(config.file),
            key=where,
            problem="it isn't said where the jobs are: add `store: surrealkv://./data`, "
            "`store: postgresql://...` or "
            "`surrealdb: {endpoint: ws://localhost:8000}`, or set SP00KY_STORE, or pass --store",
        )
    if not block.endpoint.startswith(("ws", "http")):
        return block.endpoint  # embedded: the store finds namespace and database in the block
    return _server_url(config, block, block.endpoint)


def _server_url(config: Config, block: SurrealdbConfig, endpoint: str) -> str:
    for key, value in (("namespace", block.namespace), ("database", block.database)):
        if value is None:
            raise ConfigError(
                file=str(config.file),
                key=f"surrealdb.{key}",
                problem=f"it is missing; a server needs its {key}",
            )
    url = urlsplit(endpoint)
    scheme = {"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)
    place = "/".join(quote(part or "", safe="") for part in (block.namespace, block.database))
    return f"{scheme}://{_userinfo(block)}{url.netloc}/{place}"


def _userinfo(block: SurrealdbConfig) -> str:
    if block.username is None:
        return ""
    password = f":{quote(block.password.value, safe='')}" if block.password else ""
    return f"{quote(block.username, safe='')}{password}@"
