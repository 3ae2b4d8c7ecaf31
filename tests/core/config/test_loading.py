"""sp00ky.yml as people write it: what is read, and what is said about what is wrong."""

from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.config import (
    BackendConfig,
    BreakerConfig,
    Config,
    RateConfig,
    RetentionConfig,
    RetryConfig,
    Secret,
    SurrealdbConfig,
    find_config,
    load_config,
    refuse_unready,
    store_url,
)
from sp00ky_core.errors import ConfigError

BACKEND = "spec: api.yml, baseUrl: 'http://x.test:80', method: {table: job}"
ENVIRON = {"API_TOKEN": "t0p-s3cret", "EMPTY": "", "SECONDS": "12.5", "YES": "true", "WORD": "s3cret word"}
ENVIRON |= {"TOKEN": "t0k3n", "DB_PASSWORD": "pa55", "URL": "postgresql://localhost/app"}
Load = Callable[..., Config]
Refuse = Callable[[str], ConfigError]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(text: str, environ: dict[str, str] | None = None) -> Config:
        (tmp_path / "sp00ky.yml").write_text(text)
        return load_config(tmp_path / "sp00ky.yml", ENVIRON if environ is None else environ)

    return loaded


@pytest.fixture
def refuse(load: Load, tmp_path: Path) -> Refuse:
    def refused(text: str) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            load(text)
        assert str(caught.value).startswith(str(tmp_path / "sp00ky.yml"))
        assert "\n" not in str(caught.value)
        assert "s3cret" not in f"{caught.value} {caught.value!r}"
        assert caught.value.exit_code == 2
        return caught.value

    return refused


def one(config: Config) -> BackendConfig:
    (backend,) = config.backends.values()
    return backend


def with_keys(keys: str) -> str:
    return f"backends: {{api: {{{BACKEND}, {keys}}}}}"


def test_a_whole_file(load: Load, tmp_path: Path) -> None:
    config = load(
        """
surrealdb: {namespace: main, database: example}
backends:
  api:
    spec: ./api/openapi.yml
    baseUrl: http://127.0.0.1:3660
    auth: {type: token, token: "${API_TOKEN}"}
    method: {type: outbox, table: job, schema: ./schema/outbox.surql}
    timeout: 20
    timeoutOverridable: true
    concurrency: 5
    retry: {base: 2, factor: 3, cap: 60, jitter: 0}
    giveUpOn: [400, 422]
    breaker: {failures: 5, interval: 2}
    retention: {success: 6h, failed: 14d}
    maxResponseBytes: 10
    maxPayloadBytes: 20
store: postgresql://localhost/app
"""
    )
    assert config == Config(
        file=tmp_path / "sp00ky.yml",
        surrealdb=SurrealdbConfig(namespace="main", database="example"),
        store=Secret("postgresql://localhost/app"),
        backends={
            "api": BackendConfig(
                name="api",
                spec=tmp_path / "api" / "openapi.yml",
                base_url="http://127.0.0.1:3660",
                table="job",
                schema=tmp_path / "schema" / "outbox.surql",
                token=Secret("t0p-s3cret"),
                timeout=20.0,
                timeout_overridable=True,
                concurrency=5,
                retry=RetryConfig(base=2, factor=3, cap=60, jitter=0),
                give_up_on=frozenset({400, 422}),
                breaker=BreakerConfig(failures=5, interval=2),
                retention=RetentionConfig(success=6 * 3600, failed=14 * 86400),
                max_response_bytes=10,
                max_payload_bytes=20,
            )
        },
    )


def test_defaults(load: Load, tmp_path: Path) -> None:
    expected = BackendConfig(name="api", spec=tmp_path / "api.yml", base_url="http://x.test:80", table="job")
    assert one(load(f"backends: {{api: {{{BACKEND}}}}}")) == expected


@pytest.mark.parametrize(
    ("keys", "attribute", "value"),
    [
        ("timeoutOverridable: true", "timeout_overridable", True),
        ("timeoutOverridable: false", "timeout_overridable", False),
        ("deploy: {timeoutOverridable: true}", "timeout_overridable", True),
        ("deploy: {timeoutOverridable: true}, timeoutOverridable: false", "timeout_overridable", False),
        ("deploy: {image: x}", "timeout_overridable", False),
        ("deploy: {timeout: 7}", "timeout", 7.0),
        ("deploy: {timeout: 7}, timeout: 8", "timeout", 8.0),
        ("deploy: null", "timeout", 10.0),
        ("timeout: 86400", "timeout", 86400.0),
        ("timeout: '${SECONDS}'", "timeout", 12.5),
        ("timeoutOverridable: '${YES}'", "timeout_overridable", True),
        ("concurrency: 10000", "concurrency", 10_000),
        ("breaker: false", "breaker", None),
        ("breaker: true", "breaker", BreakerConfig()),
        ("breaker: '${YES}'", "breaker", BreakerConfig()),
        ("breaker: null", "breaker", BreakerConfig()),
        ("breaker: {failures: 9}", "breaker", BreakerConfig(failures=9)),
        ("retry: {base: 0, jitter: 1}", "retry", RetryConfig(base=0, jitter=1)),
        ("giveUpOn: []", "give_up_on", frozenset()),
        ("giveUpOn: [100, 599, 100]", "give_up_on", frozenset({100, 599})),
        ("retention: {success: 500ms, failed: 90s}", "retention", RetentionConfig(success=0.5, failed=90)),
        (
            "retention: {success: 1.5h, failed: 2w}",
            "retention",
            RetentionConfig(success=5400, failed=1209600),
        ),
        ("retention: {success: 10, failed: null}", "retention", RetentionConfig(success=10)),
        ("retention: {success: never, failed: 3m}", "retention", RetentionConfig(success=inf, failed=180)),
        ("auth: {token: a$b}", "token", Secret("a$b")),
        ("auth: {token: '$${API_TOKEN}'}", "token", Secret("${API_TOKEN}")),
        ("auth: {token: 'x-${API_TOKEN}'}", "token", Secret("x-t0p-s3cret")),
    ],
)
def test_what_a_key_may_hold(load: Load, keys: str, attribute: str, value: Any) -> None:
    assert getattr(one(load(with_keys(keys))), attribute) == value


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "https://h:65535/v1/",
        "http://[::1]:80",
        "http://10.0.0.1/a%20b",
        "http://host_1.local/",
        "HTTP://h",
    ],
)
def test_base_urls(load: Load, url: str) -> None:
    assert (
        one(load(f"backends: {{api: {{spec: a, baseUrl: '{url}', method: {{table: t}}}}}}")).base_url == url
    )


@pytest.mark.parametrize(
    ("url", "urls", "problem"),
    [
        ("http://a", "['https://b']", "isn't of the scheme of `baseUrl`, http://"),
        ("http://a", "['asgi://b:c']", "isn't of the scheme"),
        ("asgi://a:b", "['asgi://b:c']", "an application in this process can't be replaced"),
        ("http://a", "http://b", "expected a list such as"),
        ("http://a", "['b']", "item 1: expected a URL"),
    ],
)
def test_what_may_be_set_in_the_place_of_a_base_url_is_of_its_transport(
    load: Load, url: str, urls: str, problem: str
) -> None:
    text = f"backends: {{api: {{spec: a, baseUrl: '{url}', method: {{table: t}}, baseUrls: {urls}}}}}"
    with pytest.raises(ConfigError, match=rf"backends\.api\.baseUrls: .*{problem}"):
        load(text)
    allowed = text.replace(urls, "['http://b/v2']")
    assert url != "http://a" or one(load(allowed)).base_urls == ("http://b/v2",)


def test_apps_and_backends_are_merged_and_other_apps_left_alone(load: Load) -> None:
    config = load(
        f"""
backends: {{api: {{{BACKEND}}}}}
apps:
  worker: {{type: backend, spec: w.yml, baseUrl: "http://w", method: {{table: work}}}}
  web: {{type: frontend, baseURL: 1, tabel: "${{NOPE}}"}}
  odd: text
"""
    )
    assert sorted(config.backends) == ["api", "worker"]


def test_what_belongs_to_other_tools_is_left_alone(load: Load) -> None:
    foreign = "storage: {a: '${NOPE}'}\napp: x\nversion: 2\nmode: dev\nschema: s\nbuckets: []\n"
    foreign += "frontend: {timeOut: x}\n"
    keys = "image: i, port: 1, env: {A: '${NOPE}'}, resources: {}, replicas: 2, schema: s, healthcheck: /x"
    assert one(load(foreign + with_keys(keys)))
    assert (
        load(f"surrealdb: {{version: 3, mode: memory}}\n{with_keys('hosts: []')}").surrealdb
        == SurrealdbConfig()
    )


@pytest.mark.parametrize(
    ("text", "key", "suggestion"),
    [
        ("backend: {}", "", "backends"),
        ("Backends: {}", "", "backends"),
        ("stores: x", "", "store"),
        ("surreal_db: {}", "", "surrealdb"),
        ("surrealdb: {name_space: x}", "surrealdb", "namespace"),
        ("surrealdb: {pasword: s3cret}", "surrealdb", "password"),
        ("apps: {a: {type: backends}}", "apps.a.type", "backend"),
        (with_keys("base_url: x"), "backends.api", "baseUrl"),
        (with_keys("spec_: x"), "backends.api", "spec"),
        (with_keys("concurency: 1"), "backends.api", "concurrency"),
        (with_keys("concurrancy: 1"), "backends.api", "concurrency"),
        (with_keys("time-out: 1"), "backends.api", "timeout"),
        (with_keys("tiemout: 1"), "backends.api", "timeout"),
        (with_keys("timeoutOverrideable: true"), "backends.api", "timeoutOverridable"),
        (with_keys("give_up_on: []"), "backends.api", "giveUpOn"),
        (with_keys("retrys: {}"), "backends.api", "retry"),
        (with_keys("retry: {bases: 1}"), "backends.api.retry", "base"),
        (with_keys("breaker: {failure: 1}"), "backends.api.breaker", "failures"),
        (with_keys("retention: {sucess: 1h}"), "backends.api.retention", "success"),
        (with_keys("auth: {tokn: s3cret}"), "backends.api.auth", "token"),
        (with_keys("deploy: {timeouts: 1}"), "backends.api.deploy", "timeout"),
        (
            "backends: {api: {spec: a, baseUrl: 'http://x', method: {tabel: job}}}",
            "backends.api.method",
            "table",
        ),
    ],
)
def test_a_key_that_is_nearly_ours_is_suggested(refuse: Refuse, text: str, key: str, suggestion: str) -> None:
    error = refuse(text)
    assert error.key == key
    assert f"did you mean {suggestion!r}?" in error.problem


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ("timeout: '10'", "timeout"),
        ("timeout: true", "timeout"),
        ("timeout: 0", "timeout"),
        ("timeout: -1", "timeout"),
        ("timeout: 86401", "timeout"),
        ("timeout: .nan", "timeout"),
        ("timeout: .inf", "timeout"),
        ("timeout: null", "timeout"),
        ("timeout: [1]", "timeout"),
        ("timeout: 10x", "timeout"),
        ("timeout: '${WORD}'", "timeout"),
        ("timeout: '1${SECONDS}'", "timeout"),
        ("timeout: 1" + "0" * 400, "timeout"),
        ("timeoutOverridable: 'false'", "timeoutOverridable"),
        ("timeoutOverridable: 1", "timeoutOverridable"),
        ("timeoutOverridable: yes", "timeoutOverridable"),
        ("deploy: {timeout: x}", "deploy.timeout"),
        ("deploy: {timeout: x}, timeout: 5", "deploy.timeout"),
        ("deploy: x", "deploy"),
        ("concurrency: 0", "concurrency"),
        ("concurrency: 10001", "concurrency"),
        ("concurrency: 1.5", "concurrency"),
        ("concurrency: true", "concurrency"),
        ("retry: {base: -1}", "retry.base"),
        ("retry: {factor: 0.5}", "retry.factor"),
        ("retry: {cap: .inf}", "retry.cap"),
        ("retry: {jitter: 1.1}", "retry.jitter"),
        ("retry: 3", "retry"),
        ("giveUpOn: 400", "giveUpOn"),
        ("giveUpOn: [99]", "giveUpOn"),
        ("giveUpOn: [600]", "giveUpOn"),
        ("giveUpOn: ['400']", "giveUpOn"),
        ("breaker: {failures: 0}", "breaker.failures"),
        ("breaker: {interval: 0}", "breaker.interval"),
        ("breaker: 'off'", "breaker"),
        ("retention: {success: 6 moons}", "retention.success"),
        ("retention: {success: -1}", "retention.success"),
        ("retention: {success: true}", "retention.success"),
        ("retention: {failed: 1000000d}", "retention.failed"),
        ("maxResponseBytes: 0", "maxResponseBytes"),
        ("maxPayloadBytes: 1MB", "maxPayloadBytes"),
        ("auth: {type: basic, token: s3cret}", "auth.type"),
        ("auth: {type: token}", "auth"),
        ("auth: {type: apikey, token: s3cret}", "auth.type"),
        ("auth: {type: basic, username: 's3cret:x', password: x}", "auth.username"),
        ("auth: {token: 12345}", "auth.token"),
        ("auth: {token: ''}", "auth.token"),
        ("auth: {token: '${EMPTY}'}", "auth.token"),
        ('auth: {token: "s3cret\\n"}', "auth.token"),
        ("auth: {token: '${WORD}'}", "auth.token"),
        ("auth: {token: 's3cret${'}", "auth.token"),
        ("auth: {token: '${not-a-name}'}", "auth.token"),
        ("auth: s3cret", "auth"),
    ],
)
def test_what_a_key_may_not_hold(refuse: Refuse, keys: str, key: str) -> None:
    error = refuse(with_keys(keys))
    assert error.key == f"backends.api.{key}"
    assert ("apikey" not in keys) or error.problem.endswith("; did you mean 'apiKey'?")


def test_a_missing_variable_of_what_every_command_needs_is_named_with_its_key(refuse: Refuse) -> None:
    error = refuse("backends: {api: {spec: '${NOPE}', baseUrl: 'http://x', method: {}}}")
    assert error.key == "backends.api.spec"
    assert error.problem == (
        "the environment variable NOPE is not set (where no variable is meant: a plain ${ is written $${); "
        "set it"
    )
    error = refuse(with_keys("breaker: '${NOPE}'"))
    assert error.problem == "the environment variable NOPE is not set; set it"


@pytest.mark.parametrize(
    "url",
    [
        *["x.test", "/v1", "1tp://x", "file:///x", "http://", "http:///v1", "http:x", "'http://x y'"],
        *[
            "http://user@x",
            "http://user:s3cret@x",
            "'http://x?a=1'",
            "'http://x/#a'",
            "'http://x?'",
            "http://x:0",
        ],
        *[
            "http://x:99999",
            "http://x:port",
            "'http://[::1'",
            "http://x/../y",
            "http://x/%2e%2e",
            "'http://x\\y'",
        ],
        *['"http://x\\r\\ny"', "5", "''", "'http://%65vil.test'"],
    ],
)
def test_what_is_no_base_url(refuse: Refuse, url: str) -> None:
    assert (
        refuse(f"backends: {{api: {{spec: a, baseUrl: {url}, method: {{table: t}}}}}}").key
        == "backends.api.baseUrl"
    )


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (
            "backends: {api: {spec: a, baseUrl: 'http://x', method: {type: queue, table: t}}}",
            "backends.api.method.type",
            "outbox",
        ),
        ("backends: {api: text}", "backends.api", "mapping"),
        ("backends: [api]", "backends", "mapping"),
        (f"backends: {{1: {{{BACKEND}}}}}", "backends.1", "quotes"),
        (f"backends: {{'a b': {{{BACKEND}}}}}", "backends", "spaces"),
        (
            f"backends: {{a: {{{BACKEND}}}}}\napps: {{a: {{type: backend, {BACKEND}}}}}",
            "apps.a",
            "two backends named 'a'",
        ),
        ("store: 5", "store", "text"),
        ("store: here", "store", "store URL"),
        ('store: "postgresql://u:s3cret@\\nx"', "store", "store URL"),
        ("surrealdb: 'ws://x'", "surrealdb", "endpoint"),
        ("surrealdb: [v3]", "surrealdb", "mapping"),
        ("surrealdb: {namespace: 5}", "surrealdb.namespace", "text"),
        ("surrealdb: {password: 5}", "surrealdb.password", "text"),
        ("surrealdb: {endpoint: localhost:8000}", "surrealdb.endpoint", "ws://"),
        ("surrealdb: {endpoint: 'ws://u:s3cret@x'}", "surrealdb.endpoint", "user"),
        ("surrealdb: {endpoint: 'ws://x/y'}", "surrealdb.endpoint", "without a path"),
        ("- a", "", "mapping"),
        ("", "", "mapping"),
        ("a: [1", "", "no valid YAML (line 2, column 1)"),
        ("a: \tb: s3cret", "", "no valid YAML"),
        ("store: s3cret\nstore: x", "", "'store' is there twice (line 2"),
        ("a: &x [*x]", "", "contains itself"),
        ("a: !secret s3cret", "", "no valid YAML"),
        ("a: !!python/object:os.system s3cret", "", "no valid YAML"),
        ("a: \x01", "", "U+0001"),
    ],
)
def test_what_is_wrong_with_a_file(refuse: Refuse, text: str, key: str, says: str) -> None:
    error = refuse(text)
    assert error.key == key
    assert says in error.problem


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; run `sp00ky init`"):
        load_config(tmp_path / "sp00ky.yml")
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(tmp_path)
    (tmp_path / "sp00ky.yml").write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "sp00ky.yml")


def test_secrets_are_in_no_repr(load: Load) -> None:
    config = load(
        "store: 'postgresql://u:s3cret@x/y'\nsurrealdb: {password: s3cret}\n"
        + with_keys("auth: {token: s3cret}")
    )
    assert "s3cret" not in f"{config} {config!r} {config.store} {config.backends}"


def test_the_file_is_found_upward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "sp00ky.yml").mkdir(parents=True)  # a folder of that name is none
    (tmp_path / "a" / "b").mkdir()
    (tmp_path / "sp00ky.yml").write_text("")
    assert find_config(tmp_path / "a" / "b") == tmp_path / "sp00ky.yml"
    monkeypatch.chdir(tmp_path / "a")
    assert find_config() == tmp_path / "sp00ky.yml"
    (tmp_path / "sp00ky.yml").unlink()
    with pytest.raises(ConfigError, match="sp00ky init"):
        find_config(tmp_path / "a")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("store: memory://", "memory://"),
        ("store: surrealkv://./data", "surrealkv://./data"),
        ("surrealdb: {endpoint: 'mem://'}", "mem://"),
        ("surrealdb: {endpoint: 'surrealkv://x', namespace: n}", "surrealkv://x"),
        ("surrealdb: {endpoint: 'ws://h:8000', namespace: n, database: d}", "ws://h:8000/n/d"),
        ("surrealdb: {endpoint: 'ws://h:8000', version: v3.0.0}", "ws://h:8000/main/main"),
        ("surrealdb: {endpoint: 'http://h:8000/rpc', namespace: n, database: d}", "ws://h:8000/n/d"),
        ("surrealdb: {endpoint: 'https://h/', namespace: n/m, database: 'a b'}", "wss://h/n%2Fm/a%20b"),
        (
            "surrealdb: {endpoint: 'ws://h', namespace: n, database: d, username: 'u:@', password: 'p/@'}",
            "ws://u%3A%40:p%2F%40@h/n/d",
        ),
    ],
)
def test_where_the_jobs_are(load: Load, text: str, url: str) -> None:
    assert store_url(load(text), environ={}) == Secret(url)


@pytest.mark.parametrize(
    ("environ", "override", "url"),
    [
        ({"SP00KY_STORE": ""}, None, "memory://"),
        ({"SP00KY_STORE": "mem://"}, None, "mem://"),
        ({"SP00KY_STORE": "mem://"}, "surrealkv://./x", "surrealkv://./x"),
    ],
)
def test_who_says_it(load: Load, environ: dict[str, str], override: str | None, url: str) -> None:
    assert store_url(load("store: memory://"), override, environ=environ) == Secret(url)


@pytest.mark.parametrize(
    ("text", "override", "key", "says"),
    [
        ("{}", None, "store", "SP00KY_STORE, or pass --store"),
        ("surrealdb: {namespace: n}", None, "surrealdb.endpoint", "endpoint"),
        ("surrealdb: v3.0.0", None, "store", "SP00KY_STORE"),
        ("store: memory://", "u:s3cret@h", "--store", "expected a store URL"),
        ("store: '${NOPE}'", None, "store", "NOPE is not set; set it"),
        (
            "surrealdb: {endpoint: 'mem://', password: {vault: NOPE}}",
            None,
            "surrealdb.password",
            "the environment variable NOPE is not set",
        ),
    ],
)
def test_where_it_is_not_said_where_the_jobs_are(
    load: Load, text: str, override: str | None, key: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        store_url(load(text), override, {})
    assert caught.value.key == key
    assert "s3cret" not in str(caught.value)


SOUND = "spec: a.yml, baseUrl: 'http://x', method: {type: outbox}"


def test_the_oldest_spelling_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "spooky.yml").write_text(f"backends: {{api: {{type: http, {SOUND}}}}}")
    assert find_config(tmp_path / "a") == tmp_path / "spooky.yml"
    assert [*load_config(find_config(tmp_path)).backends] == ["api"]
    (tmp_path / "sp00ky.yml").write_text("")
    assert find_config(tmp_path / "a") == tmp_path / "sp00ky.yml"


def test_a_whole_file_of_today(load: Load, tmp_path: Path) -> None:
    (tmp_path / "svc").mkdir()
    (tmp_path / "svc" / "sp00ky.app.yml").write_text(
        """
type: backend
scope: all
hosting: cloud
spec: ./openapi.yml
baseUrl: http://in-the-app-file
method: {type: outbox, schema: ./outbox.surql, concurrency: 3}
auth: {type: token, token: {vault: TOKEN}}
deploy: {timeout: 30, timeoutOverridable: true, dockerfile: ./Dockerfile, port: 80, resources: {cpu: 1}}
dev: {command: "npm start"}
env: [vault, {A: "${NOPE}"}]
"""
    )
    config = load(
        """
mode: sidecar
slug: example
version: 1
schema: ./schema
surrealdb: v3.0.0
buckets: []
logLevel: debug
retention: {success: 1h, failed: 2d, runSuccess: 24h, mode: all, maxRows: 0}
apps:
  api: {path: ./svc, baseUrl: "http://beside"}
  web: {type: frontend, path: ./web, deploy: {port: 3000}}
  cache: {type: docker, image: redis}
"""
    )
    assert config.backends == {
        "api": BackendConfig(
            name="api",
            spec=tmp_path / "svc" / "openapi.yml",
            base_url="http://beside",
            table="job",
            schema=tmp_path / "svc" / "outbox.surql",
            token=Secret("t0k3n"),
            timeout=30,
            timeout_overridable=True,
            concurrency=3,
            retention=RetentionConfig(success=3_600, failed=172_800, mode="all", max_rows=0),
        )
    }
    assert config.surrealdb == SurrealdbConfig()
    assert config.notices == ()
    assert sorted(config.left_out) == ["cache", "web"]


def test_paths_beside_path_are_relative_to_the_main_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "svc").mkdir()
    (tmp_path / "svc" / "sp00ky.app.yml").write_text(
        "type: backend\nspec: in-app.yml\nmethod: {schema: in-app.surql}\nrefRoots: [r]\nauth: {tokenFile: t}"
    )
    config = load("apps: {api: {path: svc, spec: beside.yml, baseUrl: 'http://x'}}")
    api = config.backends["api"]
    assert (api.spec, api.schema) == (tmp_path / "beside.yml", tmp_path / "svc" / "in-app.surql")
    assert (api.token_file, api.ref_roots) == (tmp_path / "svc" / "t", ((tmp_path / "svc" / "r").resolve(),))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("{}", "no `spec`, no `method`, no `baseUrl`"),
        ("{baseUrl: 'http://x', method: {}}", "no `spec`"),
        ("{spec: a.yml, baseUrl: 'http://x'}", "no `method`"),
        ("{spec: a.yml, method: {}}", "no `baseUrl`"),
        (f"{{{SOUND}, scope: devOnly}}", "devOnly"),
        (f"{{{SOUND}, type: frontend}}", "frontend"),
        (f"{{{SOUND}, type: docker}}", "docker"),
        ("{path: ./nowhere}", "sp00ky.app.yml in './nowhere'"),
        ("{path: ./nowhere, type: frontend}", "its type is 'frontend'"),
    ],
)
@pytest.mark.parametrize("section", ["backends", "apps"])
def test_an_entry_that_is_no_backend_stops_no_other(
    load: Load, section: str, entry: str, reason: str
) -> None:
    if section == "apps" and "type" not in entry and "path" not in entry:
        entry = entry.replace("{", "{type: backend, ", 1).replace(", }", "}")
    config = load(f"{section}: {{good: {{type: {TYPES[section]}, {SOUND}}}, odd: {entry}}}")
    assert [*config.backends] == ["good"]
    assert reason in config.left_out["odd"]


TYPES = {"backends": "http", "apps": "backend"}


def test_tables_that_differ_in_case_only_leave_both_out(load: Load) -> None:
    config = load(
        f"backends: {{a: {{{SOUND}}}, b: {{spec: b, baseUrl: 'http://x', method: {{table: JOB}}}}, "
        "c: {spec: c, baseUrl: 'http://x', method: {table: other}}}"
    )
    assert [*config.backends] == ["c"]
    assert "JOB and job" in config.left_out["a"]
    assert config.left_out["a"] == config.left_out["b"]


def test_retention_holds_for_all_and_each_may_say_otherwise(load: Load) -> None:
    config = load(
        f"retention: {{success: 1h}}\nbackends: {{a: {{{SOUND}}}, "
        f"b: {{{SOUND}, retention: {{success: never, failed: 3d}}}}}}"
    )
    assert config.backends["a"].retention == RetentionConfig(success=3_600)
    assert config.backends["b"].retention == RetentionConfig(success=inf, failed=259_200)


@pytest.mark.parametrize(
    ("own", "keep_success", "max_rows"),
    [
        ("{}", 0.0, 100),
        ("{mode: all}", 3_600.0, 100),
        ("{success: 2h, maxRows: 0}", 7_200.0, 0),
        ("{success: 2h, mode: failures-only}", 0.0, 100),
    ],
)
def test_what_retention_says_of_successes(load: Load, own: str, keep_success: float, max_rows: int) -> None:
    whole = "{success: 1h, mode: failures-only, maxRows: 100}"
    found = (
        load(f"retention: {whole}\nbackends: {{a: {{{SOUND}, retention: {own}}}}}").backends["a"].retention
    )
    assert (found.keep_success, found.max_rows) == (keep_success, max_rows)


def test_a_backend_on_machines_of_a_pool_needs_no_url(load: Load, refuse: Refuse) -> None:
    entry = "type: backend, spec: a.yml, method: {table: gpu_job}"
    found = load(
        f"apps: {{gpu: {{{entry}, runOn: {{pool: render}}}}, own: {{{entry}, runOn: {{machine: m}}}}}}"
    )
    assert {name: backend.pool for name, backend in found.backends.items()} == {"gpu": "render"}
    assert found.left_out == {"own": "it has no `baseUrl`"}
    assert "did you mean 'pool'" in str(refuse(f"backends: {{a: {{{SOUND}, runOn: {{pol: x}}}}}}"))


def test_retries_of_a_backend(load: Load) -> None:
    keys = "retry: {maxRetries: 0, strategy: exponential, giveUpAfter: 30m}"
    retry = load(f"backends: {{a: {{{SOUND}, {keys}}}}}").backends["a"].retry
    assert (retry.max_retries, retry.strategy, retry.give_up_after) == (0, "exponential", 1_800)
    assert retry.base == 1


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("retry: {max: 9}", "unknown key 'max'; known: 'base', 'cap', 'factor', 'giveUpAfter'"),
        ("retry: {x: 9}", "unknown key 'x'; known: 'base'"),
        ("retry: {maxRetries: 1001}", "maxRetries: expected a whole number from 0 to 1000"),
        ("retry: {giveUpAfter: 0}", "giveUpAfter: expected a duration"),
        ("breaker: {threshold: 5}", "unknown key 'threshold'"),
        ("breaker: off", "not 'off'; write false"),
        ("timeoutOverridable: Yes", "not 'Yes'; write true"),
        ("giveUpOn: [400, abc]", "giveUpOn: item 2: expected a whole number from 100 to 599, not 'abc'"),
        ("refRoots: [1]", "refRoots: item 1: expected text"),
        ("retention: {runSuccess: 1h}", "unknown key 'runSuccess'"),
        ("auth: {token: t0k3n, s3cret: x}", "backends.api.auth: unknown key"),
        ("auth: {token: t0k3n, tokenFile: x}", "auth: it has both `token` and `tokenFile`; remove one"),
        ("auth: {type: token}", "auth: it has neither `token` nor `tokenFile`; write one"),
        ("auth: {token: {vault: 5}}", "auth.token: expected text, or {vault: NAME}"),
        ("auth: {token: {vault: SP00KY_STORE}}", "auth.token: SP00KY_... are sp00ky's own settings"),
        ("auth: {token: t0k3n, prefix: x}", "token has no `prefix`; remove it"),
        ("auth: {type: apiKey, name: X-A, prefix: é, token: t0k3n}", "auth.prefix: expected ASCII"),
        ("auth: {type: apiKey, in: query, name: a, prefix: A, token: t0k3n}", "auth.prefix: it stands"),
        ("auth: {type: apiKey, name: X-A, token: t0k3n}, headers: {x-a: b}", "X-A is sent by `auth`"),
        ("headers: t0k3n", "backends.api.headers: expected a mapping from a header to its text"),
        ("headers: {'a b': t0k3n}", "headers: 'a b' can't be a header's name"),
        ("headers: {X-A: 7}", "headers: 'X-A': expected text that isn't empty, in quotes"),
        ("headers: {X-A: t0k3né}", "headers: 'X-A': expected ASCII"),
        ("headers: {X-A: a, x-a: t0k3n}", "headers: 'x-a' is there twice"),
        ("headers: {authorization: t0k3n}", "by what sends the request; say it under `auth`"),
        ("headers: {Idempotency-Key: t0k3n}", "by what sends the request; remove it"),
        ("headers: {X-A: {vault: SP00KY_STORE}}", "headers: SP00KY_... are sp00ky's own settings"),
        ("header: {X-A: b}", "did you mean 'headers'?"),
        ("timeout: {vault: TOKEN}", "timeout: expected a duration"),
        ("refRoots: ./x", "refRoots: expected a list"),
        ("path: [x]", "path: expected the folder"),
        ("concurency: 3", "did you mean 'concurrency'?"),
        ("maxInflight: 3", "did you mean 'maxInFlight'?"),
        ("maxInFlight: 0", "backends.api.maxInFlight: expected a whole number from 1"),
        ("maxInFlight: 2.5", "backends.api.maxInFlight: expected a whole number from 1"),
        ("rate: {}", "backends.api.rate: it has no `limit`"),
        ("rate: 5", "backends.api.rate: expected a rate such as 20/s"),
        ("rate: {limit: 0}", "backends.api.rate.limit: expected a whole number from 1"),
        ("rate: {limit: 5, per: 0}", "backends.api.rate.per: expected a duration from 1ms to 1d"),
        ("rate: {limit: 5, per: never}", "backends.api.rate.per: expected a duration from 1ms to 1d"),
        ("rate: {limit: 5, per: 2d}", "backends.api.rate.per: expected a duration from 1ms to 1d"),
        ("rate: {limit: 5, burst: 0}", "backends.api.rate.burst: expected a whole number from 1"),
        ("rate: {limit: 5, burts: 1}", "did you mean 'burst'?"),
        ("signing_secret: x", "did you mean 'signingSecret'? Rename it"),
        ("signingSecret: {}", "backends.api.signingSecret: expected text, or {vault: NAME}"),
        ("signingSecret: []", "signingSecret: expected a secret, or a list of at least one"),
        ("signingSecret: s3cret", "signingSecret: expected whsec_ and 24 to 64 random bytes in base64"),
        ("signingSecret: whsec_s3cret", "expected whsec_ and 24 to 64 random bytes"),
        ("signingSecret: [whsec_s3cret]", "signingSecret: item 1: expected whsec_"),
        (f"signingSecret: {'s3cret00' * 6}", "expected whsec_ and 24 to 64 random bytes"),
        ("signingSecret: [{vault: SP00KY_STORE}]", "signingSecret: SP00KY_... are sp00ky's own settings"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(refuse: Refuse, value: str, says: str) -> None:
    error = refuse(f"backends: {{api: {{{SOUND}, {value}}}}}")
    assert says in str(error)
    assert "t0k3n" not in str(error)


@pytest.mark.parametrize(
    ("rate", "read"),
    [
        ("{limit: 10}", RateConfig(limit=10, per=1.0, burst=10)),
        ("{limit: 10, per: 1m}", RateConfig(limit=10, per=60.0, burst=10)),
        ("{limit: 10, per: 2, burst: 1}", RateConfig(limit=10, per=2.0, burst=1)),
    ],
)
def test_a_rate_bursts_by_its_limit(load: Load, rate: str, read: RateConfig) -> None:
    backend = load(f"backends: {{api: {{{SOUND}, rate: {rate}, maxInFlight: 7}}}}").backends["api"]
    assert (backend.rate, backend.max_in_flight) == (read, 7)
    assert read.per_second == 10 / read.per


def test_a_problem_in_an_app_file_names_it(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "sp00ky.app.yml").write_text(f"type: backend\n{SOUND.replace(', ', chr(10))}\ntimeout: x")
    error = refuse("apps: {api: {path: .}}")
    assert error.key == "apps.api.timeout"
    assert str(tmp_path / "sp00ky.app.yml") in error.problem
    (tmp_path / "sp00ky.app.yml").write_text("a: [")
    assert "sp00ky.app.yml: no valid YAML" in str(refuse("apps: {api: {path: .}}"))


@pytest.mark.parametrize(
    ("written", "read"),
    [("'${NEW}'", ["NEW"]), ("{vault: NEW}", ["NEW"]), ("['${NEW}', {vault: OLD}]", ["NEW", "OLD"])],
)
def test_signing_secrets_are_read_and_never_shown(load: Load, written: str, read: list[str]) -> None:
    environ = {"NEW": "whsec_" + "s3cret00" * 4, "OLD": "whsec_" + "s3cret11" * 5 + "s3cr"}
    backend = load(f"backends: {{api: {{{SOUND}, signingSecret: {written}}}}}", environ).backends["api"]
    assert backend.signing_secrets == tuple(Secret(environ[name]) for name in read)
    assert "s3cret" not in repr(backend)


def test_headers_are_read_and_never_shown(load: Load) -> None:
    written = "{X-Version: ' 2022-06-28 ', X-Key: {vault: KEY}, vault: '${KEY}'}"
    backend = load(f"backends: {{api: {{{SOUND}, headers: {written}}}}}", {"KEY": "s3cret"}).backends["api"]
    read = {"X-Version": "2022-06-28", "X-Key": "s3cret", "vault": "s3cret"}
    assert {name: secret.value for name, secret in backend.headers.items()} == read
    assert "s3cret" not in repr(backend)


def test_all_that_a_runner_lacks_is_said_at_once(load: Load, tmp_path: Path) -> None:
    """Not what only the connection to the store needs."""
    config = load(
        f"""
store: '${{S}}'
backends:
  a:
    {{{SOUND}, timeout: '${{T}}', auth: {{token: '${{TOKEN}}'}}, signingSecret: ['${{NEW}}'],
    headers: {{X: '${{X}}'}}}}
  b: {{{SOUND}, auth: {{tokenFile: ./gone}}}}
  c: {{{SOUND}, auth: {{token: {{vault: TOKEN}}}}}}
""",
        {},
    )
    with pytest.raises(ConfigError) as caught:
        refuse_unready(config)
    unread = f"{tmp_path / 'gone'}: no token can be read from it: No such file or directory"
    vault = "the environment variable TOKEN is not set, which the vault's TOKEN is read from"
    assert str(caught.value).split("; ") == [
        f"{config.file}: backends.a.auth.token: the environment variable TOKEN is not set",
        "set it",
        "backends.a.headers: the environment variable X is not set",
        "set it",
        "backends.a.timeout: the environment variable T is not set",
        "set it",
        "backends.a.signingSecret: the environment variable NEW is not set",
        "set it",
        f"backends.c.auth.token: {vault}",
        "set it",
        f"backends.b.auth.tokenFile: {unread}",
        "write the token into it",
    ]
