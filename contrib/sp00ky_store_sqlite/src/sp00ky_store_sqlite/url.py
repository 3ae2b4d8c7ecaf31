"""Read a store's URL: ``sqlite:///PATH``, relative to the configuration's folder, or ``sqlite:////PATH``."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from sp00ky_core.errors import ConfigError
from sp00ky_core.ports import StoreOptions

__all__ = ["path_of"]


def path_of(options: StoreOptions) -> Path:
    """Return the database's file. Raises ``ConfigError`` where the URL names none."""
    rest = options.url.partition("://")[2]
    name = unquote(rest[1:])
    if not rest.startswith("/") or not name or "?" in rest or "#" in rest or name.startswith(":"):
        problem = "expected sqlite:///PATH, of a file: a database in memory can't be shared; see memory://"
        raise ConfigError(file="the store's URL", problem=problem)
    return (options.directory / name).resolve()
