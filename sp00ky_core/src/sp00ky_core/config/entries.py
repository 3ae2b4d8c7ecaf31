"""Find the backends among the entries of ``backends`` and ``apps``, and say why the others are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from sp00ky_core.config.keys import near_miss
from sp00ky_core.config.structuring import KeyProblem
from sp00ky_core.encoding.yaml_text import YamlProblem, read_yaml

APP_FILE = "sp00ky.app.yml"
"""What an app's ``path`` holds."""

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


NeedsSpec = Callable[[Mapping[Any, Any]], bool]
"""Says whether an entry has to name an OpenAPI document; its transport may have its own, or none."""


def entries(raw: Mapping[Any, Any], folder: Path, needs_spec: NeedsSpec = bool) -> Iterator[Entry]:
    """Yield every entry of the file. Raises ``KeyProblem``."""
    for section in ("backends", "apps"):
        for name, value in _named(raw, section):
            yield _entry(section, name, value, folder, needs_spec)


def _named(raw: Mapping[Any, Any], section: str) -> Iterator[tuple[Any, Any]]:
    found = raw.get(section)
    if found is not None and not isinstance(found, dict):
        raise KeyProblem(section, "expected a mapping from a name to a backend, such as `api: {spec: ...}`")
    return iter((found or {}).items())


def _entry(section: str, name: Any, value: Any, folder: Path, needs_spec: NeedsSpec) -> Entry:
    at = f"{section}.{name}"
    value = {} if value is None else value
    if not isinstance(value, dict):
        if section == "backends":
            raise KeyProblem(at, "expected a mapping such as {spec: ..., baseUrl: ..., method: ...}")
        return Entry(at=at, name=str(name), raw={}, reason="it isn't a mapping")
    entry = _pooled(_with_app_file(Entry(at=at, name=str(name), raw=value), folder))
    needed = _NEEDED if needs_spec(entry.raw) else _NEEDED[1:]
    reason = _why_none(section, entry, needed)
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
        return attrs.evolve(entry, reason="" if _has_needed(entry) else missing)
    found = _app(file, entry.at)
    own = {key for key in found if key not in entry.raw}
    return attrs.evolve(entry, raw={**found, **entry.raw}, app_file=file, from_app=frozenset(own))


def _pooled(entry: Entry) -> Entry:
    run_on = entry.raw.get("runOn")
    is_pooled = isinstance(run_on, dict) and run_on.get("pool") is not None
    needs_url = is_pooled and entry.raw.get("baseUrl") is None
    return attrs.evolve(entry, raw={**entry.raw, "baseUrl": _NO_URL}) if needs_url else entry


def _app(file: Path, at: str) -> dict[Any, Any]:
    try:
        found = read_yaml(file)
    except YamlProblem as error:
        raise KeyProblem(f"{at}.path", f"{file}: {error}") from None
    if not isinstance(found, dict):
        raise KeyProblem(f"{at}.path", f"{file}: expected a mapping, such as `type: backend`")
    return found


def _has_needed(entry: Entry) -> bool:
    return all(entry.raw.get(key) is not None for key in _NEEDED)


def _why_none(section: str, entry: Entry, needed: Sequence[str]) -> str:
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
    absent = [key for key in needed if raw.get(key) is None]
    missing = [key for key in absent if not any(near_miss(each, [key]) for each in raw)]
    return f"it has no `{'`, no `'.join(missing)}`" if missing else ""
