"""Backends share a table where it is clear whose job each is."""

from pathlib import Path

import pytest

from sp00ky_core.backend.backend import Backends
from sp00ky_core.backend.loading import load_backends
from sp00ky_core.backend.shared_tables import stored_table
from sp00ky_core.config import BackendConfig, Config
from sp00ky_core.errors import ConfigError


def test_backends_of_a_table_share_neither_a_path_nor_an_operation_id(tmp_path: Path) -> None:
    def loaded(second: str) -> Backends:
        documents = {"one": "/a: {get: {operationId: same}, post: {operationId: mine}}", "two": second}
        for name, paths in documents.items():
            (tmp_path / f"{name}.yml").write_text(f"openapi: 3.1.0\npaths:\n  {paths}\n")
        backends = {
            name: BackendConfig(name=name, spec=tmp_path / f"{name}.yml", base_url="http://x.test")
            for name in documents
        }
        return load_backends(Config(file=tmp_path / "sp00ky.yml", backends=backends), frozenset({"linear"}))

    with pytest.raises(ConfigError, match="both have '/a'"):
        loaded("/a: {put: {}}")
    backends = loaded("/b: {put: {operationId: same}}")
    for name, operation in (("one", "GET /a"), ("two", "/b")):
        contract = backends[name].contract
        assert contract.operation("same") is None
        assert "one and two" in contract.why_not("same")
        assert contract.operation(operation) is not None
    assert backends["one"].serving("mine").name == "one"
    assert backends["one"].serving("PUT /b").name == "two"
    assert stored_table(backends["one"]).routes == {"GET /a", "/a", "POST /a", "mine", "/b", "PUT /b"}
