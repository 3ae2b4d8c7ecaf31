"""Load a Config from its file: find it, join its parts, and refuse what they must not say together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from sp00ky_core.config.keys import Finding, KeyProblem, SectionReader, keys_of, mapping_in, near_miss
from sp00ky_core.config.model import BackendConfig, Config, TransportTraits
from sp00ky_core.error_texts import EXTENSIONS, install_hint, shown
from sp00ky_core.errors import ConfigError

FILE_NAME = "sp00ky.yml"
OLD_NAME = "spooky.yml"
"""The name of the file in the first projects."""


def find_config(start: Path | None = None) -> Path:
    """Return the nearest sp00ky.yml (or spooky.yml), from ``start`` (the current folder) upward.

    Raises:
        ConfigError: there is none.
    """
    folder = (start or Path.cwd()).absolute()
    for parent in (folder, *folder.parents):
        for name in (FILE_NAME, OLD_NAME):
            if (parent / name).is_file():
                return parent / name
    raise ConfigError(
        file=FILE_NAME, problem=f"not found in {folder} or above it; run `sp00ky init`, or pass --config FILE"
    )


Transports = Mapping[str, TransportTraits]
"""Entries of transports, by the scheme that each is registered for."""


Sections = Mapping[str, type | None]
"""The class of each extension's options, by the key of sp00ky.yml that it reads; None: it has none."""


def load_config(
    file: Path,
    environ: Mapping[str, str] | None = None,
    *,
    transports: Transports | None = None,
    sections: Sections | None = None,
) -> Config:
    """Read a configuration file; ``environ`` is by default the process's environment.

    Backends of ``transports`` that aren't given are read like those of HTTP, without a section of their own.
    ``sections`` are the extensions whose keys at the top are read.

    Raises:
        ConfigError: the file, the key, and what to do; never a secret's value.
    """
    file = Path(file).absolute()
    try:
        hint = "" if file.exists() and not file.is_dir() else "; run `sp00ky init`, or pass --config FILE"
        raw = mapping_in(file, " at the top, with `backends:`", hint=hint)
        whole = os.environ if environ is None else environ
        return _config(file, raw, whole, transports or {}, sections or {})
    except KeyProblem as error:
        raise ConfigError(file=str(file), key=error.key, problem=error.problem) from None


def _config(
    file: Path, raw: Mapping[Any, Any], environ: Mapping[str, str], transports: Transports, sections: Sections
) -> Config:
    reader = SectionReader(environ)
    whole = reader.read({**raw, **_version(raw)}, Config, "", "", sections, file=file, backends={})
    listed = list(entries(raw, file.parent, partial(_without_spec, reader, transports)))
    backends: dict[str, BackendConfig] = {}
    for entry in listed:
        if not entry.reason:
            if entry.name in backends:
                both = f"two backends named {entry.name!r}, one in `backends`, one in `apps`"
                raise KeyProblem(entry.at, f"there are {both}; rename one")
            backends[entry.name] = _backend(reader, entry, whole, transports)
    left_out = {entry.name: entry.reason for entry in listed if entry.reason and entry.name not in backends}
    clashing = _clashing(backends)
    extensions = {key: _section(reader, raw, key, options, file) for key, options in sections.items()}
    return attrs.evolve(
        whole,
        backends={name: backend for name, backend in backends.items() if name not in clashing},
        left_out=left_out | clashing,
        extensions=extensions,
        notices=(*reader.notices, *_beside(listed, backends), *_without_reader(raw, sections)),
        unset=reader.unset,
    )


def _section(
    reader: SectionReader, raw: Mapping[Any, Any], key: str, options: type | None, file: Path
) -> Any:
    """Read an extension's section; one that isn't there has its defaults."""
    written = {} if raw.get(key) is None else raw[key]
    read = getattr(options, "read_section", None)
    if read is not None:
        return read(written, file.parent, reader)
    if options is None:
        return written
    return _absolute(reader.read(written, options, key, key), file.parent)


def _version(raw: Mapping[Any, Any]) -> dict[str, Any]:
    """Return an empty ``surrealdb`` block in place of a version, such as v3.0.0, or 3."""
    version = raw.get("surrealdb")
    if isinstance(version, str) and "://" in version:
        raise KeyProblem("surrealdb", "expected a mapping or a version; an address is its `endpoint`")
    return {"surrealdb": {}} if isinstance(version, str) or type(version) in (int, float) else {}


def _beside(listed: Iterable[Entry], backends: Mapping[str, BackendConfig]) -> Iterator[Finding]:
    """Yield what is said of an entry that is no backend, and that has a backend's name."""
    for entry in listed:
        if entry.reason and entry.name in backends:
            consequence = f"only the other entry that is named {entry.name!r} gets jobs"
            fix = "nothing if that is meant; else fix it, and rename one of the two"
            yield Finding.warning(entry.at, f"left out: {entry.reason}", consequence, fix)


def _without_spec(reader: SectionReader, transports: Transports, raw: Mapping[Any, Any]) -> str | None:
    """Say more of a backend without an OpenAPI document of its own; None: its transport needs none."""
    name = _transport_of(raw, reader)
    if name in transports:
        return "" if transports[name].contract == "openapi" else None
    is_http = name in {"http", "https"}
    return "" if is_http else f"; no transport is installed for {shown(name)}, which may need none"


def _transport_of(raw: Mapping[Any, Any], reader: SectionReader) -> str:
    scheme, is_url, _ = reader.text_of(raw.get("baseUrl")).partition("://")
    return reader.text_of(raw.get("transport")) or (scheme.lower() if is_url else "http")


def _backend(reader: SectionReader, entry: Entry, whole: Config, transports: Transports) -> BackendConfig:
    try:
        backend = _read(reader, entry, transports, whole.file.parent)
        _check_auth(entry, backend)
        _check_tls(entry)
        _check_base_urls(reader, entry, backend)
    except KeyProblem as error:
        key = error.key.removeprefix(f"{entry.at}.").partition(".")[0]
        where = f"in {entry.app_file}: " if key in entry.from_app else ""
        raise KeyProblem(error.key, f"{where}{error.problem}") from None
    return _placed(entry, backend, whole)


_SECURE = {"https": "http"}
"""Names of transports that say more than the scheme of their codes."""


def _read(reader: SectionReader, entry: Entry, transports: Transports, folder: Path) -> BackendConfig:
    """Read a backend, with what it says to its transport."""
    name = _transport_of(entry.raw, reader)
    traits = transports.get(name) or TransportTraits(scheme=_SECURE.get(name, name))
    own = {traits.scheme} if traits.options else set[str]()
    for other in {transport.scheme for transport in transports.values() if transport.options} - own:
        if other in entry.raw:
            problem = f"its transport is {name}, which doesn't read it; remove it"
            raise KeyProblem(f"{entry.at}.{other}", problem)
    of_transport: dict[str, Any] = {"scheme": traits.codes, "isolation": traits.isolation}
    of_transport |= {"timeout_overridable": traits.timeout_overridable, "name": entry.name}
    backend = reader.read(entry.raw, BackendConfig, entry.at, "backend", own, **of_transport)
    _check_credentials(entry, backend, name, traits)
    if traits.options is None:
        return backend
    at, written = f"{entry.at}.{traits.scheme}", entry.raw.get(traits.scheme)
    options = reader.read({} if written is None else written, traits.options, at, f"backend.{traits.scheme}")
    return attrs.evolve(backend, options=_absolute(options, entry.folder(traits.scheme, folder)))


def _check_credentials(entry: Entry, backend: BackendConfig, name: str, traits: TransportTraits) -> None:
    if entry.raw.get("headers") and not traits.headers:
        raise KeyProblem(f"{entry.at}.headers", f"the transport {name} sends no headers; remove it")
    if entry.raw.get("auth") is None or (backend.auth or "token") in traits.credentials:
        return
    if not traits.credentials:
        raise KeyProblem(f"{entry.at}.auth", f"the transport {name} sends no credentials; remove it")
    types = " or ".join(sorted(traits.credentials))
    raise KeyProblem(f"{entry.at}.auth.type", f"the transport {name} sends {types} only")


def _placed(entry: Entry, backend: BackendConfig, whole: Config) -> BackendConfig:
    """Make its paths absolute, and add what holds for all backends."""
    folders = {
        name: entry.folder(key.places[0].partition(".")[0], whole.file.parent)
        for name, key in keys_of(BackendConfig).items()
    }
    placed = {name: _absolute(getattr(backend, name), folder) for name, folder in folders.items()}
    placed["ref_roots"] = tuple(folder.resolve() for folder in placed["ref_roots"])
    return attrs.evolve(backend, **{**placed, "retention": backend.retention.over(whole.retention)})


def _absolute(value: Any, folder: Path) -> Any:
    """Return a value with each path in it made absolute."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, tuple):
        return tuple(_absolute(item, folder) for item in value)
    if attrs.has(type(value)):
        inner = attrs.asdict(value, recurse=False)
        return attrs.evolve(value, **{name: _absolute(item, folder) for name, item in inner.items()})
    return value


def _check_tls(entry: Entry) -> None:
    written = entry.raw.get("tls") or {}
    if "key" in written and "cert" not in written:
        problem = "it has a `key` without a `cert`; write the certificate's file"
        raise KeyProblem(f"{entry.at}.tls", problem)


def _check_auth(entry: Entry, backend: BackendConfig) -> None:
    if "auth" not in entry.raw:
        return
    at, tokens = f"{entry.at}.auth", {"token", "tokenFile"}
    written = {*(entry.raw["auth"] or ())} - {"type"}
    kind = backend.auth or "token"
    needed, allowed = _BY_TYPE.get(kind, (set[str](), tokens))
    for name in sorted(written - needed - allowed):
        raise KeyProblem(f"{at}.type", f"{kind} has no `{name}`; remove it, or write another type")
    for name in sorted(needed - written):
        raise KeyProblem(f"{at}.type", f"{kind} needs `{name}`; write it")
    if tokens <= written:
        raise KeyProblem(at, "it has both `token` and `tokenFile`; remove one")
    if backend.auth_prefix is not None and backend.auth_place in ("query", "cookie"):
        raise KeyProblem(f"{at}.prefix", "it stands before a key in a header alone; remove it, or `in`")
    if backend.auth_name and backend.auth_name.lower() in map(str.lower, backend.headers):
        raise KeyProblem(f"{entry.at}.headers", f"{backend.auth_name} is sent by `auth`, too; remove one")
    if allowed and written.isdisjoint(tokens):
        raise KeyProblem(at, "it has neither `token` nor `tokenFile`; write one")


_BY_TYPE = {
    "basic": ({"username", "password"}, set[str]()),
    "apiKey": ({"name"}, {"in", "prefix", "token", "tokenFile"}),
}
"""Keys that ``auth`` needs, and that it may have besides, by its type."""


def _check_base_urls(reader: SectionReader, entry: Entry, backend: BackendConfig) -> None:
    """Refuse what no operator may put in the place of ``baseUrl``: its transport stays the same."""
    scheme, at = backend.base_url.partition("://")[0].lower(), f"{entry.at}.baseUrls"
    if scheme in {"asgi", "python"} and backend.base_urls:
        raise KeyProblem(at, "an application in this process can't be replaced at run time; remove it")
    for url in () if f"{entry.at}.baseUrl" in reader.unset else backend.base_urls:
        if url.partition("://")[0].lower() != scheme:
            raise KeyProblem(at, f"{url!r:.80} isn't of the scheme of `baseUrl`, {scheme}://")


def _clashing(backends: Mapping[str, BackendConfig]) -> dict[str, str]:
    """Return backends whose tables differ in nothing but case: databases that fold names see one table."""
    tables: dict[str, dict[str, str]] = {}
    for name, backend in backends.items():
        tables.setdefault(backend.table.casefold(), {})[name] = backend.table
    return {
        name: f"the tables {' and '.join(sorted(set(group.values())))} of the backends "
        f"{' and '.join(map(repr, group))} differ in case only; rename one"
        for group in tables.values()
        if len(set(group.values())) > 1
        for name in group
    }


FOREIGN_TOO = frozenset({"workflows"})
"""Sections that another Sp00ky may read: its projects' files work here as they are, and a warning says it."""


def _without_reader(raw: Mapping[Any, Any], sections: Sections) -> Iterator[Finding]:
    """Yield what is said of sections that only a distribution reads which isn't installed."""
    for name, distribution in EXTENSIONS.items():
        if raw.get(name) and name not in sections:
            say = Finding.warning if name in FOREIGN_TOO else Finding.stopping
            yield say(
                name,
                f"{distribution}, which reads it, isn't installed here, or can't be loaded",
                "nothing is made of what stands there",
                f"{install_hint(distribution)}; or remove it",
            )


APP_FILE = "sp00ky.app.yml"
"""The file that is in the folder which an app's ``path`` names."""

_LONGEST_NAME = 100
_NEEDED = ("spec", "method", "baseUrl")
_NO_URL = "http://pool.invalid"
"""Stands for the ``baseUrl`` that a backend on machines of a pool needs none of: no runner here calls it."""

_BACKEND_TYPES = {"backends": ("http", "backend"), "apps": ("backend", "http")}


@attrs.frozen(kw_only=True)
class Entry:
    """One entry, with the keys of its app file merged in.

    Attributes:
        at: Its dotted key.
        name: The backend's name.
        raw: Its keys, as YAML gave them.
        app_file: Of an app with ``path``.
        from_app: The keys that came from there: relative paths in them are relative to its folder.
        reason: Why it can't be a backend here; empty where it can.
    """

    at: str
    name: str
    raw: Mapping[Any, Any]
    app_file: Path | None = None
    from_app: frozenset[Any] = frozenset()
    reason: str = ""

    def folder(self, key: str, default: Path) -> Path:
        """Return the folder that a relative path under a key is relative to."""
        return self.app_file.parent if self.app_file and key in self.from_app else default


WithoutSpec = Callable[[Mapping[Any, Any]], str | None]
"""Says more of an entry that names no OpenAPI document; None: it needs none, by its transport."""


def entries(raw: Mapping[Any, Any], folder: Path, without_spec: WithoutSpec) -> Iterator[Entry]:
    """Yield every entry of the file. Raises ``KeyProblem``."""
    for section in _BACKEND_TYPES:
        held = {} if raw.get(section) is None else raw[section]
        if not isinstance(held, dict):
            expected = "expected a mapping from a name to a backend, such as `api: {spec: ...}`"
            raise KeyProblem(section, expected)
        for name, value in held.items():
            yield _entry(section, name, value, folder, without_spec)


def _entry(section: str, name: Any, value: Any, folder: Path, without_spec: WithoutSpec) -> Entry:
    at = f"{section}.{name}"
    value = {} if value is None else value
    if not isinstance(value, dict):
        if section == "backends":
            raise KeyProblem(at, "expected a mapping such as {spec: ..., baseUrl: ..., method: ...}")
        return Entry(at=at, name=str(name), raw={}, reason="it isn't a mapping")
    entry = _pooled(_with_app_file(Entry(at=at, name=str(name), raw=value), folder))
    reason = _why_none(section, entry, without_spec(entry.raw))
    return attrs.evolve(entry, reason=reason, name=str(name) if reason else _checked(section, name))


def _checked(section: str, name: Any) -> str:
    if not isinstance(name, str):
        raise KeyProblem(f"{section}.{name}", "a backend's name is text; put it in quotes")
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or " " in name:
        raise KeyProblem(
            section, f"a backend's name has 1 to {_LONGEST_NAME} printable characters and no spaces"
        )
    return name


def _with_app_file(entry: Entry, folder: Path) -> Entry:
    """Merge in what ``path`` names; keys beside it win."""
    path = entry.raw.get("path")
    if path is None:
        return entry
    if not isinstance(path, str) or not path or "\0" in path:
        raise KeyProblem(f"{entry.at}.path", f"expected the folder of its {APP_FILE}, as text")
    file = folder / path / APP_FILE
    if not file.is_file():
        missing = f"there is no {APP_FILE} in {path[:200]!r}; write one there, or fix `path`"
        has_needed = all(entry.raw.get(key) is not None for key in _NEEDED)
        return attrs.evolve(entry, reason="" if has_needed else missing)
    app = mapping_in(file, ", such as `type: backend`", at=f"{entry.at}.path", where=f"{file}: ")
    own = app.keys() - entry.raw.keys()
    return attrs.evolve(entry, raw={**app, **entry.raw}, app_file=file, from_app=frozenset(own))


def _pooled(entry: Entry) -> Entry:
    run_on = entry.raw.get("runOn")
    is_pooled = isinstance(run_on, dict) and run_on.get("pool") is not None
    needs_url = is_pooled and entry.raw.get("baseUrl") is None
    return attrs.evolve(entry, raw={**entry.raw, "baseUrl": _NO_URL}) if needs_url else entry


def _why_none(section: str, entry: Entry, without_spec: str | None) -> str:
    """Return why an entry is no backend; empty: it is one. Raises ``KeyProblem`` for a misspelt type."""
    raw, kind, expected = entry.raw, entry.raw.get("type"), _BACKEND_TYPES[section]
    if kind is not None and kind not in expected:
        if near_miss(kind, expected):
            raise KeyProblem(f"{entry.at}.type", f"unknown type {kind!r}; did you mean {expected[0]!r}?")
        return f"its type is {kind!r:.60}, which gets no jobs"
    if entry.reason:
        return entry.reason
    if kind is None and section == "apps" and "method" not in raw:
        return "it has no `type: backend`"
    if raw.get("scope") == "devOnly":
        return "its scope is devOnly"
    # A key that is misspelt is to be said as a slip, not to be left out.
    absent = [key for key in _NEEDED[without_spec is None :] if raw.get(key) is None]
    missing = [key for key in absent if not any(near_miss(written, [key]) for written in raw)]
    more = without_spec if "spec" in missing else ""
    return f"it has no `{'`, no `'.join(missing)}`{more}" if missing else ""
