"""The store's URL, and what is said when it can't be used: one line, without a secret."""

import pytest

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.url import read_url

TABLES = (JobTable(backend="api", table="job"),)


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
    assert "s3cret" not in repr(store._url)


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
