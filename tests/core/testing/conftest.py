"""A project with two backends that share a table, and one that is apart."""

import json
from pathlib import Path

import pytest

CONFIG = """\
store: "${NO_SUCH_DATABASE}"
backends:
  api:
    spec: api.json
    baseUrl: http://127.0.0.1:1
    method: {table: job}
    retry: {maxRetries: 2}
    giveUpOn: [422]
    rate: {limit: 1, per: 1h}
  shop:
    spec: shop.json
    baseUrl: http://127.0.0.1:1
    method: {table: job}
    timeoutOverridable: true
    retry: {maxRetries: 2}
"""


def document(*paths: str) -> str:
    operation = {"post": {"responses": {"200": {"description": "ok"}}}}
    info = {"title": "api", "version": "1"}
    return json.dumps({"openapi": "3.1.0", "info": info, "paths": dict.fromkeys(paths, operation)})


@pytest.fixture
def sp00ky_config(tmp_path: Path) -> Path:
    (tmp_path / "api.json").write_text(document("/spookify", "/boo"))
    (tmp_path / "shop.json").write_text(document("/order"))
    (tmp_path / "sp00ky.yml").write_text(CONFIG)
    return tmp_path / "sp00ky.yml"
