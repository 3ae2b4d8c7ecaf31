import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core import Outbox
from sp00ky_generate.module import module_text

CONFIG = """\
store: memory://
backends:
  api: {spec: ./openapi.json, baseUrl: "http://127.0.0.1:1", method: {type: outbox, table: job}}
"""

Written = Callable[[Mapping[str, Any]], Path]
"""Writes a configuration whose one backend has this document; its file."""


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(document: Mapping[str, Any]) -> Path:
        (tmp_path / "openapi.json").write_text(json.dumps(document))
        (tmp_path / "sp00ky.yml").write_text(CONFIG)
        return tmp_path / "sp00ky.yml"

    return write


def document_of(schemas: Mapping[str, Any], **operations: Any) -> dict[str, Any]:
    """A document with a route for each schema, by its name, and further paths."""
    paths = {
        f"/{name}": {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}
        for name, schema in schemas.items()
    }
    return {"openapi": "3.1.0", "info": {}, "paths": paths | operations, "components": {"schemas": schemas}}


def generated(config: Path) -> str:
    outbox = Outbox.open(config)
    return module_text(outbox.backends, outbox.plugins.strategies)
