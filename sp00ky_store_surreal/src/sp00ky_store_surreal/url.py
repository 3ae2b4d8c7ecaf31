"""Read a store's URL and options: where to connect, as whom, to which database."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import attrs

from sp00ky_core.config import SurrealdbConfig
from sp00ky_core.error_texts import nearest
from sp00ky_core.errors import ConfigError
from sp00ky_core.ports import StoreOptions

_HOST = re.compile(r"([^@]*@)?([^@:\[\]]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?")
PARAMETERS = ("auth", "token")
"""What may stand behind ``?``."""


@attrs.frozen(kw_only=True)
class Target:
    """A place to connect to.

    Attributes:
        location: The one part that may be printed.
        sdk_url: The URL for the SDK, and for the WebSocket.
        namespace: The namespace's name.
        database: The database's name.
        embedded: Whether the engine runs in this process.
        file: The file of ``surrealkv://``.
        auth: Where the user is defined: ``root``, ``namespace`` or ``database``.
        username: Who signs in.
        password: The user's.
        token: What signs in instead of a user.
    """

    location: str
    sdk_url: str = attrs.field(repr=False)
    namespace: str
    database: str
    embedded: bool
    file: Path | None = None
    auth: str = "root"
    username: str = ""
    password: str = attrs.field(default="", repr=False)
    token: str = attrs.field(default="", repr=False)


def target_of(options: StoreOptions) -> Target:
    """Read the URL. Raises ``ConfigError`` where it can't be used."""
    block = options.surrealdb or SurrealdbConfig()
    scheme, _, rest = options.url.partition("://")
    if scheme == "mem":
        if rest.strip("/"):
            raise _wrong("nothing stands after mem://; a file is surrealkv://PATH")
        return _embedded("mem://", None, block)
    if scheme == "surrealkv":
        if not rest:
            raise _wrong("surrealkv:// needs a path, as in surrealkv://./jobs.db")
        return _embedded(f"surrealkv://{rest}", (options.directory / rest).resolve(), block)
    return _remote(options.url, block)


def _embedded(location: str, file: Path | None, block: SurrealdbConfig) -> Target:
    return Target(
        location=location,
        sdk_url="mem://" if file is None else f"surrealkv://{file}",
        namespace=block.namespace or "main",
        database=block.database or "main",
        embedded=True,
        file=file,
    )


def _remote(url: str, block: SurrealdbConfig) -> Target:
    parts = urlsplit(url)
    if not _is_in_order(parts):
        raise _wrong(
            "it begins with ws://USER:PASSWORD@HOST:PORT; in a password, write @ / ? # : % "
            "as %40 %2F %3F %23 %3A %25"
        )
    names = [unquote(name) for name in parts.path.split("/") if name and name != "rpc"]
    query = parse_qs(parts.query, keep_blank_values=True)
    secret = block.password.value if block.password else ""
    host = parts.netloc.rpartition("@")[2]
    if names[2:]:
        raise _wrong("its path is /NAMESPACE/DATABASE, and it has more")
    for key in sorted(query.keys() - set(PARAMETERS)):
        raise _wrong(f"it has a parameter {key!r}, {nearest(key, PARAMETERS)}")
    auth = query.get("auth", ["root"])[0]
    if auth not in {"root", "namespace", "database"}:
        raise _wrong("auth is root, namespace or database")
    return Target(
        location=f"{parts.scheme}://{host}{parts.path}",
        sdk_url=f"{parts.scheme}://{host}",
        namespace=(names[0] if names else block.namespace) or "main",
        database=(names[1] if names[1:] else block.database) or "main",
        embedded=False,
        auth=auth,
        username=unquote(parts.username) if parts.username else block.username or "",
        password=unquote(parts.password) if parts.password else secret,
        token=query.get("token", [""])[0],
    )


def _is_in_order(parts: SplitResult) -> bool:
    """Whether each part is in its place, which an @ or a / in a password moves."""
    try:
        has_host = _HOST.fullmatch(parts.netloc) and parts.port != 0
    except ValueError:  # the port is too large
        return False
    return bool(has_host) and not parts.fragment and "@" not in f"{parts.path}{parts.query}"


def _wrong(problem: str) -> ConfigError:
    return ConfigError(file="the store's URL", problem=problem)
