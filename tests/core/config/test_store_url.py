"""Which store is meant: what is passed, what the environment says, the file, Sp00ky's own block."""

from pathlib import Path

import pytest

from sp00ky_core.config import Config, Secret, SurrealdbConfig, store_url
from sp00ky_core.errors import ConfigError

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
