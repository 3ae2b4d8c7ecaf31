"""Make outboxes over a test's own store."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import attrs

from sp00ky_core.backend.backend import load_backends
from sp00ky_core.config import BackendConfig, Config
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import JobTable, Store


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
    body: dict[str, Any] = {"content": {"application/json": {}}}
    operation = {"post": {"requestBody": body, "responses": {"200": {"description": "ok"}}}}
    info = {"title": "api", "version": "1"}
    spec.write_text(json.dumps({"openapi": "3.1.0", "info": info, "paths": dict.fromkeys(paths, operation)}))
    configs = {}
    for table in tables:
        fields: dict[str, Any] = {"spec": spec, "base_url": "http://127.0.0.1:1", "timeout": table.timeout}
        fields |= {"timeout_overridable": table.timeout_overridable} | settings
        configs[table.backend] = BackendConfig(**fields | {"name": table.backend, "table": table.table})
    config = Config(file=folder / "sp00ky.yml", backends=configs)
    plugins = plugins or Plugins()
    loaded = load_backends(config, frozenset(plugins.strategies), plugins.transports)
    backends = {table.backend: attrs.evolve(loaded[table.backend], table=table) for table in tables}
    return Outbox(config, store=store, plugins=plugins, backends=backends)
