"""A configuration that is dumped and loaded is the same; whatever a file holds, an error is one line."""

import math
import tempfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.core.config.dumping import dump_config, dump_yaml, escaped

from sp00ky_core.config import (
    BackendConfig,
    BreakerConfig,
    Config,
    RateConfig,
    RetentionConfig,
    RetryConfig,
    Secret,
    SurrealdbConfig,
    TlsConfig,
    load_config,
)
from sp00ky_core.config.variables import FromVariable, expanded
from sp00ky_core.encoding.yaml_text import YamlProblem, parse_yaml
from sp00ky_core.errors import ConfigError

ODD = ["$${", "${X}", "$", "0o17", "1e5", "yes", "null", "~", "#", "a: b", "'", '"', "\\"]
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    st.sampled_from(ODD),
)
TOKENS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1) | st.sampled_from(
    ["${X}", "0o17"]
)
NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20) | st.sampled_from(
    ["1", "true", "~"]
)
SECONDS = st.floats(0, 1e9)
ABOVE_0 = st.floats(0, 86_400, exclude_min=True)
KEPT = st.none() | st.just(math.inf) | st.floats(0, 3e9)
PATHS = TEXT.map(lambda name: Path("/project") / name)

SECRETS = TEXT.map(Secret)
AUTH = st.one_of(
    st.fixed_dictionaries({}, optional={"token": TOKENS.map(Secret)}),
    st.fixed_dictionaries({"token_file": PATHS}),
    st.fixed_dictionaries({"auth": st.just("basic"), "username": SECRETS, "password": SECRETS}),
    st.fixed_dictionaries(
        {"auth": st.just("apiKey"), "auth_name": st.just("X-Key"), "token": TOKENS.map(Secret)},
        optional={"auth_place": st.sampled_from(["header", "query", "cookie"])},
    ),
)
TLS = st.builds(TlsConfig, ca=PATHS, cert=st.none() | PATHS) | st.builds(TlsConfig, cert=PATHS, key=PATHS)
ROOTS = st.sampled_from([Path("/project/shared"), Path("/${X}/schemas")])

LIMITS = st.integers(1, 1_000_000)
RATES = st.builds(RateConfig, limit=LIMITS, per=st.floats(0.001, 86_400), burst=LIMITS)
SIGNING = st.lists(st.binary(min_size=24, max_size=64), max_size=2).map(
    lambda keys: tuple(Secret("whsec_" + b64encode(key).decode()) for key in keys)
)
ENGINES = st.fixed_dictionaries({"engine": st.sampled_from(["auto", "aiohttp", "httptools"])}) | (
    st.fixed_dictionaries(
        {
            "engine": st.sampled_from(["auto", "aiohttp"]),
            "proxy": TOKENS.map(lambda word: Secret(f"http://u:{quote(word, safe='')}@proxy:3128")),
        }
    )
)


@st.composite
def backends(draw: st.DrawFn, name: str, number: int) -> BackendConfig:
    return BackendConfig(
        name=name,
        spec=draw(PATHS),
        base_url=draw(
            st.sampled_from(
                ["http://x.test", "https://10.0.0.1:8443/v1/", "http://[::1]:80", "nats://x:4222/jobs"]
            )
        ),
        table=draw(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,30}", fullmatch=True)) + f"_{number}",
        schema=draw(st.none() | PATHS),
        **draw(AUTH),
        timeout=draw(ABOVE_0),
        timeout_overridable=draw(st.booleans()),
        concurrency=draw(st.integers(1, 10_000)),
        max_in_flight=draw(st.none() | LIMITS),
        rate=draw(
            st.none() | st.builds(RateConfig, limit=LIMITS, per=st.floats(0.001, 86_400), burst=LIMITS)
        ),
        retry=RetryConfig(
            base=draw(SECONDS),
            factor=draw(st.floats(1, 1e9)),
            cap=draw(SECONDS),
            jitter=draw(st.floats(0, 1)),
            max_retries=draw(st.integers(0, 1_000)),
            strategy=draw(TEXT),
            give_up_after=draw(st.just(math.inf) | st.floats(0, 3e9, exclude_min=True)),
        ),
        give_up_on=draw(st.frozensets(st.integers(100, 599), max_size=5)),
        breaker=draw(st.none() | st.builds(BreakerConfig, failures=st.integers(1, 10**9), interval=ABOVE_0)),
        retention=RetentionConfig(success=draw(KEPT), failed=draw(KEPT)),
        max_response_bytes=draw(st.integers(1, 2**40)),
        max_payload_bytes=draw(st.integers(1, 2**40)),
        ref_roots=tuple(sorted(draw(st.lists(ROOTS, max_size=2)))),
        transport=draw(st.none() | TEXT),
        check_rows=draw(st.booleans()),
        tls=draw(st.none() | TLS),
        signing_secrets=draw(SIGNING),
        **draw(ENGINES),
    )


@st.composite
def configs(draw: st.DrawFn) -> Config:
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    surrealdb = st.builds(
        SurrealdbConfig,
        namespace=st.none() | TEXT,
        database=st.none() | TEXT,
        endpoint=st.sampled_from([None, "ws://localhost:8000", "mem://", "https://x.test/rpc"]),
        username=st.none() | TEXT,
        password=st.none() | TEXT.map(Secret),
    )
    return Config(
        file=Path("/project/sp00ky.yml"),
        backends={name: draw(backends(name, number)) for number, name in enumerate(names)},
        store=draw(
            st.none() | TOKENS.map(lambda rest: Secret(f"postgresql://u:{quote(rest)}@localhost/app"))
        ),
        surrealdb=draw(st.none() | surrealdb),
    )


@pytest.fixture(scope="module")
def file() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "sp00ky.yml"


@given(config=configs())
def test_what_is_dumped_loads_as_the_same_configuration(file: Path, config: Config) -> None:
    file.write_text(dump_yaml(dump_config(config, show_secrets=True)), encoding="utf-8")
    loaded = load_config(file, {})
    assert loaded.backends == config.backends
    assert loaded.store == config.store
    assert (loaded.surrealdb or SurrealdbConfig()) == (config.surrealdb or SurrealdbConfig())


@given(config=configs())
def test_without_being_asked_a_dump_shows_no_secret(config: Config) -> None:
    dumped = dump_config(config)
    auths = [each.get("auth", {}) for each in dumped["backends"].values()]
    shown = [auth[name] for auth in auths for name in ("token", "username", "password") if name in auth]
    shown += [dumped[key] for key in ("store",) if key in dumped]
    shown += [dumped["surrealdb"]["password"]] if config.surrealdb and config.surrealdb.password else []
    shown += [each for backend in dumped["backends"].values() for each in backend.get("signingSecret", [])]
    assert set(shown) <= {"***"}


KEYS = [
    "backends",
    "apps",
    "api",
    "type",
    "spec",
    "baseUrl",
    "method",
    "table",
    "auth",
    "token",
    "timeout",
    "retry",
    "maxRetries",
    "tokenFile",
    "refRoots",
    "path",
    "vault",
    "rate",
    "signingSecret",
]
KEYS += [
    "base",
    "breaker",
    "retention",
    "success",
    "giveUpOn",
    "store",
    "surrealdb",
    "endpoint",
    "deploy",
    "x",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["backend", "${X}", "http://x", "job", ""])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
)
MEANT = st.fixed_dictionaries(
    {"spec": st.just("a.yml"), "baseUrl": st.just("http://x"), "method": st.just({"table": "job"})},
    optional=dict.fromkeys(
        ["auth", "timeout", "retry", "breaker", "retention", "giveUpOn", "deploy", "concurrency"], TREES
    ),
)


def problem(call: Callable[[], object]) -> str | None:
    """What a call says is wrong; any other exception fails the test."""
    try:
        call()
    except (ConfigError, YamlProblem) as error:
        return str(error)
    return None


@given(tree=TREES | st.fixed_dictionaries({"backends": st.fixed_dictionaries({"api": MEANT})}))
def test_whatever_a_file_says_it_is_a_configuration_or_one_line(file: Path, tree: Any) -> None:
    file.write_text(dump_yaml(tree), encoding="utf-8")
    said = problem(lambda: load_config(file, {}))
    assert said is None or said.startswith(str(file))
    assert "\n" not in (said or "")


@given(text=st.text(st.sampled_from("{}[]:,-&*!|>'\"%@`#?~ \n\tab01.<$")))
@example(text="? [a]\n: b")
@example(text="!!int 0o")
def test_whatever_text_is_yaml_or_a_problem(text: str) -> None:
    assert "\n" not in (problem(lambda: parse_yaml(text)) or "")


@given(TEXT)
@example("$${")
@example("$$${X}")
def test_text_that_is_escaped_expands_to_itself(text: str) -> None:
    found = expanded(escaped(text), {})
    assert found == text
    assert not isinstance(found, FromVariable)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
        lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
        max_leaves=10,
    )
)
def test_what_is_dumped_as_yaml_is_read_as_the_same_value(value: Any) -> None:
    assert parse_yaml(dump_yaml(value)) == value
