"""Config -> the mapping that a sp00ky.yml would hold."""

from __future__ import annotations

import math
from typing import Any

from sp00ky_core.config.settings import BackendConfig, Config, Secret
from sp00ky_core.config.variables import escaped
from sp00ky_core.config.written import SECTIONS, WrittenAuth, WrittenBackend, WrittenMethod

__all__ = ["dump_config"]


def dump_config(config: Config, *, show_secrets: bool = False) -> dict[str, Any]:
    """The configuration in sp00ky.yml's shape: every default said, paths absolute.

    With ``show_secrets``, loading it gives the same configuration; without, each secret reads ``***``.
    """
    dumped: dict[str, Any] = {
        "backends": {name: _dump(_written(each), show_secrets) for name, each in config.backends.items()}
    }
    if config.surrealdb is not None:
        dumped["surrealdb"] = _dump(config.surrealdb, show_secrets)
    if config.store is not None:
        dumped["store"] = _dump(config.store, show_secrets)
    return dumped


def _written(backend: BackendConfig) -> WrittenBackend:
    return WrittenBackend(
        spec=str(backend.spec),
        base_url=backend.base_url,
        method=WrittenMethod(
            table=backend.table, schema=None if backend.schema is None else str(backend.schema)
        ),
        auth=None if backend.token is None else WrittenAuth(token=backend.token),
        timeout=backend.timeout,
        timeout_overridable=backend.timeout_overridable,
        concurrency=backend.concurrency,
        retry=backend.retry,
        give_up_on=backend.give_up_on,
        breaker=backend.breaker,
        retention=backend.retention,
        max_response_bytes=backend.max_response_bytes,
        max_payload_bytes=backend.max_payload_bytes,
    )


def _dump(value: Any, show_secrets: bool) -> Any:
    if isinstance(value, Secret):
        return escaped(value.value) if show_secrets else "***"
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, float) and math.isinf(value):
        return "never"  # of retention, the only place for infinity
    if type(value) in SECTIONS:
        return _dump_section(value, show_secrets)
    return value


def _dump_section(section: Any, show_secrets: bool) -> dict[str, Any]:
    keys = SECTIONS[type(section)]
    values = {name: getattr(section, name) for name in keys}
    dumped = {
        keys[name].name: _dump(value, show_secrets) for name, value in values.items() if value is not None
    }
    if isinstance(section, WrittenBackend) and section.breaker is None:
        dumped["breaker"] = False
    return {name: value for name, value in dumped.items() if value != {}}
