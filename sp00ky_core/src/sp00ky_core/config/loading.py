"""From the file to a Config: finding it, joining its parts, and what they must not say together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sp00ky_core.config.nearmiss import near_miss
from sp00ky_core.config.readers import ReadProblem, store_location
from sp00ky_core.config.settings import BackendConfig, Config, SurrealdbConfig
from sp00ky_core.config.structuring import KeyProblem, refuse_near_misses, section_reader
from sp00ky_core.config.variables import VariableProblem, expanded
from sp00ky_core.config.written import WrittenBackend
from sp00ky_core.errors import ConfigError
from sp00ky_core.yamltext import YamlProblem, read_yaml

__all__ = ["find_config", "load_config"]

FILE_NAME = "sp00ky.yml"
_OURS = ["backends", "apps", "store", "surrealdb"]  # keys of the whole file
_LONGEST_NAME = 100


def find_config(start: Path | None = None) -> Path:
    """The nearest sp00ky.yml, from ``start`` (the current folder) upward. Raises ``ConfigError``."""
    folder = (start or Path.cwd()).absolute()
    for each in (folder, *folder.parents):
        if (each / FILE_NAME).is_file():
            return each / FILE_NAME
    raise ConfigError(
        file=FILE_NAME, problem=f"not found in {folder} or above it; run `sp00ky init`, or pass --config FILE"
    )


def load_config(file: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration file.

    Args:
        file: it; relative paths in it are relative to its folder.
        environ: what ``${VAR}`` stands for; by default the process's environment.

    Raises:
        ConfigError: the file, the key, and what to do; never a secret's value.
    """
    file = Path(file).absolute()
    try:
        return _config(file, _mapping(file), os.environ if environ is None else environ)
    except KeyProblem as error:
        raise ConfigError(file=str(file), key=error.key, problem=error.problem) from None


def _mapping(file: Path) -> dict[Any, Any]:
    try:
        found = read_yaml(file)
    except YamlProblem as error:
        hint = "" if file.exists() else "; run `sp00ky init`, or pass --config FILE"
        raise KeyProblem("", f"{error}{hint}") from None
    if not isinstance(found, dict):
        raise KeyProblem("", "expected a mapping at the top, with `backends:`")
    return found


def _config(file: Path, raw: Mapping[Any, Any], environ: Mapping[str, str]) -> Config:
    _at("", refuse_near_misses, raw, _OURS)
    read = section_reader(environ)
    backends: dict[str, BackendConfig] = {}
    for key, name, value in _backend_sections(raw):
        if name in backends:
            raise KeyProblem(
                key, f"there are two backends named {name!r}, one in `backends`, one in `apps`; rename one"
            )
        written: WrittenBackend = _at(key, read, value, WrittenBackend)
        backends[name] = _backend(name, written, file.parent)
        _refuse_shared_table(f"{key}.method.table", backends[name], backends)
    return Config(
        file=file,
        backends=backends,
        store=_at("store", lambda: store_location(expanded(raw["store"], environ)))
        if "store" in raw
        else None,
        surrealdb=None
        if raw.get("surrealdb") is None
        else _at("surrealdb", read, raw["surrealdb"], SurrealdbConfig),
    )


def _at(key: str, read: Callable[..., Any], *arguments: Any) -> Any:
    """What ``read`` returns; its problems get the key that they were found under."""
    try:
        return read(*arguments)
    except KeyProblem as error:
        raise KeyProblem(".".join(part for part in (key, error.key) if part), error.problem) from None
    except (ReadProblem, VariableProblem) as error:
        raise KeyProblem(key, str(error)) from None


def _backend_sections(raw: Mapping[Any, Any]) -> Iterator[tuple[str, str, Any]]:
    """Each backend's dotted key, name and mapping, from ``backends`` and from ``apps``."""
    for name, value in _named(raw, "backends"):
        yield f"backends.{name}", _name("backends", name), value
    for name, value in _named(raw, "apps"):
        kind = value.get("type") if isinstance(value, dict) else None
        if kind == "backend":
            yield f"apps.{name}", _name("apps", name), value
        elif near_miss(kind, ["backend"]):
            raise KeyProblem(f"apps.{name}.type", f"unknown type {kind!r}; did you mean 'backend'?")


def _named(raw: Mapping[Any, Any], section: str) -> Iterator[tuple[Any, Any]]:
    entries = raw.get(section)
    if entries is not None and not isinstance(entries, dict):
        raise KeyProblem(section, "expected a mapping from a name to a backend, such as `api: {spec: ...}`")
    return iter((entries or {}).items())


def _name(section: str, name: Any) -> str:
    if not isinstance(name, str):
        raise KeyProblem(f"{section}.{name}", "a backend's name is text; put it in quotes")
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or " " in name:
        raise KeyProblem(
            section, f"a backend's name has 1 to {_LONGEST_NAME} printable characters and no spaces"
        )
    return name


def _backend(name: str, written: WrittenBackend, folder: Path) -> BackendConfig:
    timeout = written.deploy.timeout if written.timeout is None else written.timeout
    overridable = written.timeout_overridable
    if overridable is None:
        overridable = written.deploy.timeout_overridable
    return BackendConfig(
        name=name,
        spec=folder / written.spec,
        base_url=written.base_url,
        table=written.method.table,
        schema=None if written.method.schema is None else folder / written.method.schema,
        token=written.auth.token if written.auth else None,
        timeout=10.0 if timeout is None else timeout,
        timeout_overridable=bool(overridable),
        concurrency=written.concurrency,
        retry=written.retry,
        give_up_on=written.give_up_on,
        breaker=written.breaker,
        retention=written.retention,
        max_response_bytes=written.max_response_bytes,
        max_payload_bytes=written.max_payload_bytes,
    )


def _refuse_shared_table(key: str, backend: BackendConfig, backends: Mapping[str, BackendConfig]) -> None:
    for other in backends.values():
        # Databases that fold names see one table in `Job` and `job`.
        if other.name != backend.name and other.table.casefold() == backend.table.casefold():
            raise KeyProblem(
                key,
                f"the backends {other.name!r} and {backend.name!r} share the table {backend.table!r}; "
                "give each a table of its own",
            )
