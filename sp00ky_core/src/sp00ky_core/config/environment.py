"""Find the store that a process uses, and what it lacks to run: variables, files, HTTP libraries."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.util import find_spec
from urllib.parse import quote, urlsplit

import attrs

from sp00ky_core.config.model import Config, Secret, SurrealdbConfig
from sp00ky_core.config.values import ReadProblem, store_location
from sp00ky_core.error_texts import EXTENSIONS
from sp00ky_core.errors import ConfigError


def unready(config: Config, backends: Collection[str] | None = None) -> Iterator[ConfigError]:
    """Yield what keeps these backends, or all, from being called from here."""
    wanted = config.backends if backends is None else backends
    others = _places(name for name in config.backends if name not in wanted)
    for key, problem in config.unset.items():
        is_of_another = key.startswith(others) and not key.startswith(_places(wanted))
        # Those of the store are of the connection.
        if key != "store" and not key.startswith("surrealdb.") and not is_of_another:
            yield config.error(key, problem, "set it")
    for backend in config.backends.values():
        if backend.name not in wanted:
            continue
        files = {"auth.tokenFile": backend.current_token}
        for key, read in (files | ({"tls": backend.tls.context} if backend.tls else {})).items():
            try:
                read()
            except ConfigError as error:
                fix = error.fix or "fix the file, or the key"
                yield config.error(f"backends.{backend.name}.{key}", f"{error.file}: {error.problem}", fix)
        if backend.engine == "httptools" and find_spec("httptools") is None:
            at, fix = f"backends.{backend.name}.engine", "pip install httptools"
            yield config.error(at, "httptools is not installed", fix)


def _places(backends: Iterable[str]) -> tuple[str, ...]:
    """Return the beginnings of these backends' keys."""
    return tuple(f"{place}.{name}." for name in backends for place in ("backends", "apps"))


def refuse_unready(config: Config, backends: Collection[str] | None = None) -> None:
    """Raise a ``ConfigError`` that says all of it, of these backends; None: of all."""
    refuse_unread(config)
    _refuse(unready(config, backends))


def refuse_unread(config: Config) -> None:
    """Raise a ``ConfigError`` that names the sections which no installed distribution reads."""
    stopping = (one for one in config.notices if one.stops_jobs and one.subject in EXTENSIONS)
    _refuse(config.error(notice.subject, notice.problem, notice.fix) for notice in stopping)


def _refuse(problems: Iterable[ConfigError]) -> None:
    if found := list(problems):
        first, *others = found
        more = "".join(f"; {error.key}: {error.problem}; {error.fix}" for error in others)
        raise attrs.evolve(first, fix=first.fix + more)


def store_url(
    config: Config, override: str | None = None, environ: Mapping[str, str] | None = None
) -> Secret:
    """Return the store's URL: ``override``, or ``SP00KY_STORE``, or ``store:``, or the ``surrealdb`` block's.

    Raises:
        ConfigError: none of them says which, or one is no URL; the text holds no part of it.
    """
    given = override or (os.environ if environ is None else environ).get("SP00KY_STORE")
    if given:
        try:
            return store_location(given)
        except ReadProblem as error:
            raise config.error("--store" if override else "SP00KY_STORE", str(error)) from None
    _refuse_unset(config, "store")
    return config.store or Secret(_surrealdb_url(config))


def _refuse_unset(config: Config, *prefixes: str) -> None:
    for key, problem in config.unset.items():
        if key.startswith(prefixes):
            raise config.error(key, problem, "set it")


def _surrealdb_url(config: Config) -> str:
    block = config.surrealdb
    _refuse_unset(config, "surrealdb.")
    if block is None or block.endpoint is None:
        raise _nowhere(config, block)
    if not block.endpoint.startswith(("ws", "http")):
        return block.endpoint  # embedded: the store finds namespace and database in the block
    url = urlsplit(block.endpoint)
    scheme = {"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)
    place = "/".join(quote(name, safe="") for name in _place(block))
    return f"{scheme}://{_userinfo(block)}{url.netloc}/{place}"


def _nowhere(config: Config, block: SurrealdbConfig | None) -> ConfigError:
    ways = "add `store: surrealkv://./data`, `store: postgresql://...` or "
    ways += "`surrealdb: {endpoint: ws://localhost:8000}`, or set SP00KY_STORE, or pass --store"
    if block is not None:
        place = "/".join(_place(block))
        ways += f" (a Sp00ky project's local server is ws://root:root@localhost:8666/{place})"
    key = "store" if block in (None, SurrealdbConfig()) else "surrealdb.endpoint"
    return config.error(key, f"it isn't said where the jobs are: {ways}")


def _place(block: SurrealdbConfig) -> tuple[str, str]:
    """Return the namespace and the database, by default those of Sp00ky's projects."""
    return block.namespace or "main", block.database or "main"


def _userinfo(block: SurrealdbConfig) -> str:
    if block.username is None:
        return ""
    password = f":{quote(block.password.value, safe='')}" if block.password else ""
    return f"{quote(block.username, safe='')}{password}@"
