"""The store's URL, and what is said when it can't be used: one line, without a secret."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from sp00ky_core.errors import OptionInvalid, PayloadNotJson, Sp00kyError, StoreError, StoreUnavailable
from sp00ky_core.jsontext import JsonText
from sp00ky_core.plugins import load_plugins
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.errors import translated
from sp00ky_store_postgres.options import read_url

TABLES = (JobTable(backend="api", table="job"),)


def test_the_defaults() -> None:
    options = read_url("postgresql://localhost/app")
    assert (options.schema, options.notify, options.pooled, options.connections) == (
        "public",
        True,
        False,
        10,
    )
    assert (options.dsn, options.direct_dsn) == ("postgresql://localhost/app",) * 2


@pytest.mark.parametrize("scheme", ["postgresql+asyncpg", "postgresql+psycopg"])
def test_sqlalchemys_url_is_taken_as_it_is(scheme: str) -> None:
    assert load_plugins().store(scheme) is PostgresStore
    assert read_url(f"{scheme}://u:p@h/app").dsn == "postgresql://u:p@h/app"


@pytest.mark.parametrize("hosts", ["h1:5432,h2:5433", "h1,h2", "[::1]:5432,h2"])
def test_a_url_may_name_several_hosts(hosts: str) -> None:
    url = f"postgresql://u:p@{hosts}/app?target_session_attrs=read-write"
    assert read_url(url).dsn == url


@pytest.mark.parametrize("port", ["x", "123456", "5432,h2:x"])
def test_a_port_that_is_none_is_named_without_the_password(port: str) -> None:
    with pytest.raises(OptionInvalid, match="port") as caught:
        read_url(f"postgresql://u:s3cret@h:{port}/app")
    assert "s3cret" not in str(caught.value)


def test_our_keys_are_read_and_the_drivers_are_left() -> None:
    direct = "postgresql://me:pw@db:5433/app?sslmode=require"
    options = read_url(
        "postgresql://me:pw@pool/app?sslmode=disable&schema=My%20Schema&notify=off&pgbouncer=1&connections=3"
        f"&listen_url={direct.replace('?', '%3F').replace('&', '%26')}"
    )
    assert options.dsn == "postgresql://me:pw@pool/app?sslmode=disable"
    assert options.listen_url == options.direct_dsn == direct
    assert (options.schema, options.notify, options.pooled, options.connections) == (
        "My Schema",
        False,
        True,
        3,
    )
    assert read_url("postgresql://pool/app?statement_cache_size=0").pooled
    assert not read_url("postgresql://pool/app?statement_cache_size=50").pooled


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("notify=maybe", "notify"),
        ("pgbouncer=2", "pgbouncer"),
        ("schema=", "schema"),
        (f"schema={'x' * 62}%C3%BC", "schema.*at most 63 bytes"),
        ("connections=many", "connections"),
        ("listen_url=ws://me:s3cret@x", "listen_url"),
    ],
)
def test_a_wrong_value_names_its_key(query: str, word: str) -> None:
    with pytest.raises(OptionInvalid, match=word) as caught:
        PostgresStore(StoreOptions(url=f"postgresql://me:s3cret@localhost/app?{query}", tables=TABLES))
    assert "s3cret" not in str(caught.value)


def test_its_location_holds_no_secret() -> None:
    url = (
        "postgresql://me:s3cret@db:5432/app?password=s3cret&schema=x&sslpassword=s3cret"
        "&listen_url=postgresql%3A%2F%2Fme%3As3cret%40db%2Fapp%3Fpassword%3Ds3cret"
    )
    store = PostgresStore(StoreOptions(url=url, tables=TABLES))
    assert "s3cret" not in store.location
    assert store.location.startswith("postgresql://me@db:5432/app?schema=x")
    assert "s3cret" not in repr(store._options)


def test_both_spellings_are_registered() -> None:
    plugins = load_plugins()
    assert plugins.store("postgresql") is plugins.store("postgres") is PostgresStore


@pytest.mark.parametrize(
    ("url", "kind", "word"),
    [
        ("postgresql://me:s3cret@127.0.0.1:1/app", StoreUnavailable, "127.0.0.1:1"),
        ("postgresql://me:s3cret@no-such-host.invalid/app", StoreUnavailable, "no-such-host.invalid"),
        ("postgresql://me:s3cret@/app?host=/no/such/folder", StoreUnavailable, "No such file"),
    ],
    ids=["refused", "no such host", "no socket"],
)
async def test_what_cannot_be_reached_is_said_in_a_line(url: str, kind: type[Sp00kyError], word: str) -> None:
    store = PostgresStore(StoreOptions(url=url, tables=TABLES))
    for call in (store.open, store.migrate, store.migration, store.check):
        with pytest.raises(kind, match=word) as caught:
            await call()
        assert "\n" not in str(caught.value)
        assert "s3cret" not in str(caught.value)
        assert caught.value.__cause__ is not None
    await store.close()


async def test_a_database_or_a_setting_that_is_not_there(dsn: str, make: Any) -> None:
    store = make(base=urlunsplit(urlsplit(dsn)._replace(path="/nowhere")))
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        await store.open()
    store = make(base=dsn, shema="x")
    with pytest.raises(StoreError, match="shema"):
        await store.open()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@s3cret@h/app",
        "postgresql://u:p/s3cret@h/app",
        "postgresql://u:p@s3cret/x@h/app",
        "postgresql://u:p@s3cret#x@h/app",
        "postgresql://u:p@s3cret?x@h/app",
    ],
)
def test_a_password_that_is_not_escaped_is_named_and_not_shown(url: str) -> None:
    with pytest.raises(OptionInvalid, match=r"password.*%40 %2F") as caught:
        read_url(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"shema": "x"}, "shema stands in the store's URL, did you mean 'schema'"),
        ({"sslmod": "require"}, "sslmod stands in the store's URL, did you mean 'sslmode'"),
        (
            {"aplication_name": "x"},
            "aplication_name stands in the store's URL, did you mean 'application_name'",
        ),
        (
            {"zzz": "x"},
            "zzz stands in the store's URL, known: 'connections', 'listen_url', 'notify', 'pgbouncer'",
        ),
        ({"work_mem": "much"}, 'invalid value for parameter "work_mem"'),
        ({"sslmode": "requir"}, "`sslmode` parameter must be one of"),
        ({"listen_url": "postgresql://me:s3cret@127.0.0.1:1/app"}, "can't connect to me@127.0.0.1:1: "),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(make: Any, query: dict[str, str], said: str) -> None:
    store = make(**query)
    with pytest.raises(StoreError, match=re.escape(said)) as caught:
        await store.check()
    assert "sp00ky migrate" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_a_file_that_the_url_names_and_nobody_has_is_said(dsn: str, make: Any) -> None:
    elsewhere = urlunsplit(urlsplit(dsn)._replace(netloc="u@127.0.0.1:1", query=""))
    with pytest.raises(StoreUnavailable, match="what sslrootcert of the URL names"):
        await make(base=elsewhere, sslmode="verify-full", sslrootcert="/no/such/file").check()


async def test_a_wrong_user_is_named(url: str, make: Any, as_role: Any) -> None:
    with pytest.raises(StoreError, match='role "nobody_at_all" does not exist'):
        await make(base=as_role(url, "nobody_at_all")).open()


async def test_a_store_that_is_not_open_says_so(make: Any, new_job: Any) -> None:
    with pytest.raises(StoreUnavailable, match="open"):
        await make().add([new_job()])


def test_a_dsn_or_a_password_in_a_drivers_text_is_blacked_out() -> None:
    error = OSError("can't use postgresql://me:s3cret@db/app password=s3cret\nDETAIL: Key (k)=(s3cret)")
    assert "s3cret" not in str(translated(error, "postgresql://db/app"))


@pytest.mark.parametrize(
    "text",
    ['{"n": 1e400}', '{"n": [{"m": -1E+999}]}', '{"n": %s}' % ("9" * 400)],
    ids=["exponent", "nested", "digits"],
)
async def test_a_number_beyond_float_is_refused_before_the_write(
    store: PostgresStore, new_job: Any, text: str
) -> None:
    with pytest.raises(PayloadNotJson, match="float"):
        await store.add([new_job(), new_job(payload=JsonText(text.encode()))])
    assert await store.find(JobQuery()) == []


@pytest.mark.parametrize("text", ['{"n": "e999 %s"}' % ("9" * 400), '{"n": 1e300}', '{"n": 1e-999}'])
async def test_what_only_looks_like_it_is_taken(store: PostgresStore, new_job: Any, text: str) -> None:
    await store.add([new_job(payload=JsonText(text.encode()))])
    (job,) = await store.claim({"api": 1}, "r1")
    assert job.payload_json == text.encode()


@pytest.mark.parametrize("text", [b'{"n": "\0"}', b"{oops", b"[1]", b'{"n": "\xff"}'], ids=repr)
@pytest.mark.parametrize("count", [1, 2])
async def test_text_that_is_no_json_object_is_a_named_error(
    store: PostgresStore, new_job: Any, text: bytes, count: int
) -> None:
    with pytest.raises(Sp00kyError):
        await store.add([new_job(payload=JsonText(text)) for _ in range(count)])
    assert await store.find(JobQuery()) == []


async def test_a_large_payload_comes_back_whole(store: PostgresStore, new_job: Any) -> None:
    text = b'{"x": "%s"}' % (b"\xc3\xbc" * 500_000)
    await store.add([new_job(payload=JsonText(text))])
    (job,) = await store.claim({"api": 1}, "r1")
    assert job.payload_json == text


async def test_a_key_with_dashes_is_found(store: PostgresStore, new_job: Any, sql: Any) -> None:
    (job,) = await store.add([new_job()])
    key = job.id[-36:]
    dashed = f"job:{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}".upper().replace("JOB", "job")
    assert await store.get(dashed) == job


async def test_an_open_breaker_keeps_a_backend_out(
    store: PostgresStore, new_job: Any, sql: Any, schema: str
) -> None:
    quoted = '"' + schema.replace('"', '""') + '"'
    await store.add([new_job()])
    insert = f"INSERT INTO {quoted}.sp00ky_breaker (backend, state, paused_until) VALUES ('api', 'open', %s)"
    await sql.execute(insert % "now() + interval '1 minute'")
    assert await store.claim({"api": 5}, "r1") == []
    breaker = (await store.stats())["api"].breaker
    assert breaker.state == "open"
    assert 50 < breaker.paused_for_s <= 60
    await sql.execute(f"UPDATE {quoted}.sp00ky_breaker SET paused_until = now() - interval '1 second'")
    assert len(await store.claim({"api": 5}, "r1")) == 1


async def test_silent_runners_are_forgotten_and_live_rows_are_never_pruned(
    store: PostgresStore, new_job: Any, sql: Any, schema: str
) -> None:
    quoted = '"' + schema.replace('"', '""') + '"'
    await store.beat("gone")
    await sql.execute(f"UPDATE {quoted}.sp00ky_runner SET beat_at = now() - interval '2 days'")
    await sql.execute(
        f"INSERT INTO {quoted}.job (path, payload, status, updated_at) "
        "SELECT '/a', '{}', status, now() - age * interval '1 hour' "
        "FROM unnest(ARRAY['pending', 'processing', 'success', 'failed']) AS status, "
        "unnest(ARRAY[5, 7, 24 * 15]) AS age"
    )
    assert await store.prune() == 3  # success after 6 hours, failed after 14 days
    counts = await sql.fetch(f"SELECT status, count(*) FROM {quoted}.job GROUP BY 1")
    assert dict(map(tuple, counts)) == {"pending": 3, "processing": 3, "success": 1, "failed": 2}
    assert set(await store.beat("here")) == {"here"}
