"""Find what a runner needs and this process lacks: variables, files of tokens and of TLS, HTTP libraries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from importlib.util import find_spec

import attrs

from sp00ky_core.config.settings import BackendConfig, Config
from sp00ky_core.errors import ConfigError

__all__ = ["refuse_unready", "unready"]


def unready(config: Config, backends: Collection[str] | None = None) -> Iterator[ConfigError]:
    """Yield what keeps these backends, or all, from being called from here."""
    wanted = config.backends if backends is None else backends
    others = _places(each for each in config.backends if each not in wanted)
    for key, problem in config.unset.items():
        is_of_another = key.startswith(others) and not key.startswith(_places(wanted))
        # Those of the store are of the connection.
        if key != "store" and not key.startswith("surrealdb.") and not is_of_another:
            yield ConfigError(file=str(config.file), key=key, problem=problem, fix="set it")
    for backend in config.backends.values():
        if backend.name not in wanted:
            continue
        for key, read in _files(backend):
            try:
                read()
            except ConfigError as error:
                at, problem = f"backends.{backend.name}.{key}", f"{error.file}: {error.problem}"
                fix = error.fix or "fix the file, or the key"
                yield ConfigError(file=str(config.file), key=at, problem=problem, fix=fix)
        if backend.engine == "httptools" and find_spec("httptools") is None:
            at, fix = f"backends.{backend.name}.engine", "pip install httptools"
            yield ConfigError(file=str(config.file), key=at, problem="httptools is not installed", fix=fix)


def _places(backends: Iterable[str]) -> tuple[str, ...]:
    """Return the beginnings of these backends' keys."""
    return tuple(f"{place}.{name}." for name in backends for place in ("backends", "apps"))


def _files(backend: BackendConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the keys that name files, and what reads these."""
    yield "auth.tokenFile", backend.current_token
    if backend.tls is not None:
        yield "tls", backend.tls.context


def refuse_unready(config: Config, backends: Collection[str] | None = None) -> None:
    """Raise a ``ConfigError`` that says all of it, of these backends; None: of all."""
    found = list(unready(config, backends))
    if found:
        first, *others = found
        more = "".join(f"; {each.key}: {each.problem}; {each.fix}" for each in others)
        raise attrs.evolve(first, fix=first.fix + more)
