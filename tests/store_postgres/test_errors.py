"""What the drivers raise becomes one line that says what to do, without a secret."""

import re
from typing import Any

import pytest

from sp00ky_core.errors import Sp00kyError, StoreError, StoreUnavailable
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.errors import translated

TABLES = (JobTable(backend="api", table="job"),)


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


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"shema": "x"}, 'unrecognized configuration parameter "shema"'),
        ({"sslmod": "require"}, 'unrecognized configuration parameter "sslmod"'),
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


def test_a_dsn_or_a_password_in_a_drivers_text_is_blacked_out() -> None:
    error = OSError("can't use postgresql://me:s3cret@db/app password=s3cret\nDETAIL: Key (k)=(s3cret)")
    assert "s3cret" not in str(translated(error, "postgresql://db/app"))


async def test_an_enqueue_on_a_server_that_takes_no_writes_says_what_to_do(
    store: PostgresStore, make: Any, new_job: Any
) -> None:
    standby = make(default_transaction_read_only="on")
    await standby.open()
    with pytest.raises(
        StoreUnavailable, match=r"read-only transaction: it takes no writes.*Connect to the primary"
    ):
        await standby.add([new_job()])
    await standby.close()
