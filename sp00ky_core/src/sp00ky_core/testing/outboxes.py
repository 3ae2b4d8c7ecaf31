"""Open an outbox over a store that you have made, without a sp00ky.yml: for tests of runners."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import attrs

from sp00ky_core.backend import load_backends
from sp00ky_core.config import BackendConfig, Config
from sp00ky_core.outbox import Outbox
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import JobTable, Store

__all__ = ["outbox_over"]


def outbox_over(
    store: Store,
    tables: Collection[JobTable],
    folder: Path,
    *,
    paths: Collection[str] = ("/spookify",),
    plugins: Plugins | None = None,
    **settings: Any,
) -> Outbox:
    """Make an outbox; its store is opened and closed with it, or by you.

    Args:
        store: made for these tables.
        tables: one backend each; their timeouts and margins are kept.
        folder: where the backends' OpenAPI document is written.
        paths: the routes of every backend, each by POST.
        plugins: by default none.
        settings: of every backend, by their names in ``BackendConfig``.
    """
    spec = folder / "openapi.json"
    operation = {"post": {"responses": {"200": {"description": "ok"}}}}
    info = {"title": "api", "version": "1"}
    spec.write_text(json.dumps({"openapi": "3.1.0", "info": info, "paths": dict.fromkeys(paths, operation)}))
    fields: dict[str, Any] = {"spec": spec, "base_url": "http://127.0.0.1:1"} | settings
    configs = {
        each.backend: BackendConfig(
            **{"timeout": each.timeout, "timeout_overridable": each.timeout_overridable}
            | fields
            | {"name": each.backend, "table": each.table}
        )
        for each in tables
    }
    config = Config(file=folder / "sp00ky.yml", backends=configs)
    plugins = plugins or Plugins()
    loaded = load_backends(config, frozenset(plugins.strategies))
    backends = {each.backend: attrs.evolve(loaded[each.backend], table=each) for each in tables}
    return Outbox(config, store=store, plugins=plugins, backends=backends)
