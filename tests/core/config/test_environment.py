"""What a runner needs and this process lacks, which is said all at once."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core.config import BackendConfig, Config, Secret, refuse_unready, unready


def backend(name: str, **fields: Any) -> BackendConfig:
    return BackendConfig(name=name, spec=Path("o.yml"), base_url="http://x.test", table=name, **fields)


def test_nothing_is_missing_where_tokens_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tok3n\n")
    backends = {"a": backend("a", token=Secret("t")), "b": backend("b", token_file=tmp_path / "token")}
    assert list(unready(Config(file=tmp_path / "sp00ky.yml", backends=backends))) == []


def test_what_only_others_need_is_left_out(tmp_path: Path) -> None:
    backends = {name: backend(name, token_file=tmp_path / "none") for name in ("a", "a.b", "c")}
    unset = {
        "backends.a.baseUrl": "A is not set",
        "backends.a.b.baseUrl": "B is not set",
        "apps.c.baseUrl": "C is not set",
        "retention": "R is not set",
    }
    config = Config(file=tmp_path / "sp00ky.yml", backends=backends, unset=unset)
    assert [error.key for error in unready(config, ["a.b"])] == [
        "backends.a.b.baseUrl",
        "retention",
        "backends.a.b.auth.tokenFile",
    ]
    refuse_unready(attrs.evolve(config, unset={"apps.c.baseUrl": "C is not set"}), [])


@pytest.mark.parametrize(
    ("engine", "is_installed"), [("httptools", False), ("httptools", True), ("auto", False)]
)
def test_an_engine_that_is_not_installed_is_named_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, is_installed: bool
) -> None:
    monkeypatch.setattr(
        "sp00ky_core.config.environment.find_spec", lambda name: name if is_installed else None
    )
    config = Config(file=tmp_path / "sp00ky.yml", backends={"a": backend("a", engine=engine)})
    found = list(unready(config))
    assert bool(found) is (engine == "httptools" and not is_installed)
    for error in found:
        assert error.key == "backends.a.engine"
        assert "httptools is not installed; pip install httptools" in str(error)
