"""sp00ky.yml as existing Sp00ky projects have it; an entry that is no backend stops no other."""

from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest

from sp00ky_core.config import (
    BackendConfig,
    Config,
    RateConfig,
    RetentionConfig,
    Secret,
    SurrealdbConfig,
    find_config,
    load_config,
    refuse_unready,
    store_url,
)
from sp00ky_core.errors import ConfigError

SOUND = "spec: a.yml, baseUrl: 'http://x', method: {type: outbox}"
SECRETS = {"TOKEN": "t0k3n", "DB_PASSWORD": "pa55", "URL": "postgresql://localhost/app"}
Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(text: str, environ: dict[str, str] | None = None) -> Config:
        (tmp_path / "sp00ky.yml").write_text(text)
        return load_config(tmp_path / "sp00ky.yml", SECRETS if environ is None else environ)

    return loaded


def refused(load: Load, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert "sp00ky.yml: " in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


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


def test_a_backend_on_machines_of_a_pool_needs_no_url(load: Load) -> None:
    entry = "type: backend, spec: a.yml, method: {table: gpu_job}"
    found = load(
        f"apps: {{gpu: {{{entry}, runOn: {{pool: render}}}}, own: {{{entry}, runOn: {{machine: m}}}}}}"
    )
    assert {name: each.pool for name, each in found.backends.items()} == {"gpu": "render"}
    assert found.left_out == {"own": "it has no `baseUrl`"}
    assert "did you mean 'pool'" in str(refused(load, f"backends: {{a: {{{SOUND}, runOn: {{pol: x}}}}}}"))


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
        ("timeout: {vault: TOKEN}", "timeout: expected a number"),
        ("refRoots: ./x", "refRoots: expected a list"),
        ("path: [x]", "path: expected the folder"),
        ("concurency: 3", "did you mean 'concurrency'?"),
        ("maxInflight: 3", "did you mean 'maxInFlight'?"),
        ("maxInFlight: 0", "backends.api.maxInFlight: expected a whole number from 1"),
        ("maxInFlight: 2.5", "backends.api.maxInFlight: expected a whole number from 1"),
        ("rate: {}", "backends.api.rate: it has no `limit`"),
        ("rate: 5", "backends.api.rate: expected a mapping"),
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
def test_what_is_wrong_is_said_with_its_key(load: Load, value: str, says: str) -> None:
    error = refused(load, f"backends: {{api: {{{SOUND}, {value}}}}}")
    assert says in str(error)
    assert "t0k3n" not in str(error)
    assert "s3cret" not in str(error)


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


def test_a_problem_in_an_app_file_names_it(load: Load, tmp_path: Path) -> None:
    (tmp_path / "sp00ky.app.yml").write_text(f"type: backend\n{SOUND.replace(', ', chr(10))}\ntimeout: x")
    error = refused(load, "apps: {api: {path: .}}")
    assert error.key == "apps.api.timeout"
    assert str(tmp_path / "sp00ky.app.yml") in error.problem
    (tmp_path / "sp00ky.app.yml").write_text("a: [")
    assert "sp00ky.app.yml: no valid YAML" in str(refused(load, "apps: {api: {path: .}}"))


@pytest.mark.parametrize(
    ("written", "read"),
    [("'${NEW}'", ["NEW"]), ("{vault: NEW}", ["NEW"]), ("['${NEW}', {vault: OLD}]", ["NEW", "OLD"])],
)
def test_signing_secrets_are_read_and_never_shown(load: Load, written: str, read: list[str]) -> None:
    environ = {"NEW": "whsec_" + "s3cret00" * 4, "OLD": "whsec_" + "s3cret11" * 5 + "s3cr"}
    backend = load(f"backends: {{api: {{{SOUND}, signingSecret: {written}}}}}", environ).backends["api"]
    assert backend.signing_secrets == tuple(Secret(environ[name]) for name in read)
    assert "s3cret" not in repr(backend)


def test_all_that_a_runner_lacks_is_said_at_once(load: Load, tmp_path: Path) -> None:
    one, other = "auth: {token: '${TOKEN}'}", "auth: {tokenFile: ./gone}"
    config = load(f"backends: {{a: {{{SOUND}, timeout: '${{T}}', {one}}}, b: {{{SOUND}, {other}}}}}", {})
    with pytest.raises(ConfigError) as caught:
        refuse_unready(config)
    unread = f"{tmp_path / 'gone'}: no token can be read from it: No such file or directory"
    assert str(caught.value).split("; ") == [
        f"{config.file}: backends.a.auth.token: the environment variable TOKEN is not set",
        "set it",
        "backends.a.timeout: the environment variable T is not set",
        "set it",
        f"backends.b.auth.tokenFile: {unread}",
        "write the token into it",
    ]


@pytest.mark.parametrize("token", ["'${TOKEN}'", "{vault: TOKEN}"])
def test_a_missing_token_is_an_error_of_what_sends_it(load: Load, token: str) -> None:
    config = load(f"backends: {{api: {{{SOUND}, auth: {{token: {token}}}}}}}", {})
    with pytest.raises(ConfigError) as caught:
        refuse_unready(config)
    assert caught.value.key == "backends.api.auth.token"
    assert "TOKEN is not set" in caught.value.problem


def test_a_missing_signing_secret_is_an_error_of_what_signs(load: Load) -> None:
    config = load(f"backends: {{api: {{{SOUND}, signingSecret: ['${{NEW}}']}}}}", {})
    with pytest.raises(ConfigError) as caught:
        refuse_unready(config)
    assert caught.value.key == "backends.api.signingSecret"
    assert "NEW is not set" in caught.value.problem


def test_a_missing_password_is_an_error_of_the_connection(load: Load) -> None:
    config = load("surrealdb: {endpoint: 'mem://', password: {vault: NOPE}}")
    with pytest.raises(ConfigError, match=r"surrealdb.password: the environment variable NOPE"):
        store_url(config, environ={})
