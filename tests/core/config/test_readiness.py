"""Which store is meant, and what a runner needs and this process lacks, which is said all at once."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core.config import (
    BackendConfig,
    Config,
    Secret,
    SurrealdbConfig,
    refuse_unready,
    store_url,
    unready,
)
from sp00ky_core.errors import ConfigError


def backend(name: str, **fields: Any) -> BackendConfig:
    return BackendConfig(name=name, spec=Path("o.yml"), base_url="http://x.test", table=name, **fields)


def test_nothing_is_missing_where_tokens_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tok3n\n")
    backends = {"a": backend("a", token=Secret("t")), "b": backend("b", token_file=tmp_path / "token")}
    assert list(unready(Config(file=tmp_path / "sp00ky.yml", backends=backends))) == []


def test_all_that_is_missing_is_one_error(tmp_path: Path) -> None:
    backends = {"a": backend("a", token_file=tmp_path / "none")}
    unset = {
        "backends.a.baseUrl": "API_URL is not set",
        "store": "DATABASE_URL is not set",
        "surrealdb.password": "PASSWORD is not set",
    }
    config = Config(file=tmp_path / "sp00ky.yml", backends=backends, unset=unset)
    assert [each.key for each in unready(config)] == ["backends.a.baseUrl", "backends.a.auth.tokenFile"]
    with pytest.raises(ConfigError) as raised:
        refuse_unready(config)
    assert "API_URL is not set; set it; backends.a.auth.tokenFile: " in str(raised.value)
    assert "none: no token can be read from it" in str(raised.value)


def test_what_only_others_need_is_left_out(tmp_path: Path) -> None:
    backends = {name: backend(name, token_file=tmp_path / "none") for name in ("a", "a.b", "c")}
    unset = {
        "backends.a.baseUrl": "A is not set",
        "backends.a.b.baseUrl": "B is not set",
        "apps.c.baseUrl": "C is not set",
        "retention": "R is not set",
    }
    config = Config(file=tmp_path / "sp00ky.yml", backends=backends, unset=unset)
    assert [each.key for each in unready(config, ["a.b"])] == [
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
    monkeypatch.setattr("sp00ky_core.config.readiness.find_spec", lambda name: name if is_installed else None)
    config = Config(file=tmp_path / "sp00ky.yml", backends={"a": backend("a", engine=engine)})
    found = list(unready(config))
    assert bool(found) is (engine == "httptools" and not is_installed)
    for error in found:
        assert error.key == "backends.a.engine"
        assert "httptools is not installed; pip install httptools" in str(error)


FILE = Path("/p/sp00ky.yml")
BLOCK = SurrealdbConfig(endpoint="ws://host:8000", username="ro:ot", password=Secret("p@ss"), database="app")


@pytest.mark.parametrize(
    ("config", "override", "environ", "url"),
    [
        (Config(file=FILE, backends={}, store=Secret("memory://")), None, {}, "memory://"),
        (
            Config(file=FILE, backends={}, store=Secret("memory://")),
            None,
            {"SP00KY_STORE": "mem://"},
            "mem://",
        ),
        (Config(file=FILE, backends={}), "surrealkv://./x", {"SP00KY_STORE": "mem://"}, "surrealkv://./x"),
        (Config(file=FILE, backends={}, surrealdb=BLOCK), None, {}, "ws://ro%3Aot:p%40ss@host:8000/main/app"),
        (
            Config(file=FILE, backends={}, surrealdb=SurrealdbConfig(endpoint="http://host:8000")),
            None,
            {"SP00KY_STORE": ""},
            "ws://host:8000/main/main",
        ),
        (
            Config(file=FILE, backends={}, surrealdb=SurrealdbConfig(endpoint="surrealkv://./data")),
            None,
            {},
            "surrealkv://./data",
        ),
    ],
)
def test_who_says_it(config: Config, override: str | None, environ: dict[str, str], url: str) -> None:
    assert store_url(config, override, environ=environ).value == url


@pytest.mark.parametrize(
    ("config", "override", "says"),
    [
        (Config(file=FILE, backends={}), None, "SP00KY_STORE, or pass --store"),
        (Config(file=FILE, backends={}), "no-url:s3cret", "--store: expected a store URL"),
        (
            Config(file=FILE, backends={}, unset={"store": "URL is not set"}),
            None,
            "store: URL is not set; set it",
        ),
        (
            Config(file=FILE, backends={}, surrealdb=BLOCK, unset={"surrealdb.password": "P is not set"}),
            None,
            "surrealdb.password: P is not set",
        ),
    ],
)
def test_what_is_missing(config: Config, override: str | None, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        store_url(config, override, environ={})
    assert "s3cret" not in str(raised.value)
