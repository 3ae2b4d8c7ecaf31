"""Who signs in to a server, over what, and what is said when it doesn't work."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from surrealdb import AsyncSurreal
from surrealdb.errors import SurrealError

from sp00ky_core.errors import SchemaError, StoreError, StoreUnavailable
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobQuery, StoreOptions
from sp00ky_core.stores.transitions import clear, kill, retry
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.url import target_of

MakeStore = Callable[..., SurrealStore]


@pytest.fixture
async def server(surreal_url: str, make_store: MakeStore) -> Any:
    """``ws://`` and host, ``NAMESPACE/DATABASE``, and a store that root has opened and migrated there."""
    store = make_store(surreal_url)
    await store.open()
    await store.migrate()
    address, _, names = surreal_url.partition("@")[2].partition("/")
    yield address, names, store
    await store.close()


async def worked(store: SurrealStore) -> None:
    await store.open()
    await store.add([NewJob(path="/a", backend="api")])
    assert len(await store.claim({"api": 1}, "r")) == 1
    await store.close()


@pytest.mark.parametrize("level", ["namespace", "database"])
async def test_a_user_of_the_namespace_or_the_database(
    server: Any, level: str, make_store: MakeStore
) -> None:
    address, names, root = server
    await root._connection.write(f"DEFINE USER worker ON {level.upper()} PASSWORD 'p@ss/word' ROLES EDITOR")
    await worked(make_store(f"ws://worker:{quote('p@ss/word', safe='')}@{address}/{names}?auth={level}"))


async def test_a_token(server: Any, make_store: MakeStore) -> None:
    address, names, root = server
    await root._connection.write("DEFINE USER worker ON DATABASE PASSWORD 'x' ROLES EDITOR")
    namespace, _, database = names.partition("/")
    async with AsyncSurreal(f"ws://{address}") as sdk:
        who = {"namespace": namespace, "database": database, "username": "worker", "password": "x"}
        token = (await sdk.signin(who)).access
    await worked(make_store(f"ws://{address}/{names}?token={token}"))


MAY = r"ROLES EDITOR of root, the namespace or the database, and not with a record user's token"


async def test_a_user_who_may_define_nothing_is_told_who_may(server: Any, make_store: MakeStore) -> None:
    address, names, root = server
    await root._connection.write("DEFINE USER vi ON DATABASE PASSWORD 'pw' ROLES VIEWER; REMOVE TABLE job")
    store = make_store(f"ws://vi:pw@{address}/{names}?auth=database")
    await store.open()
    with pytest.raises(StoreError, match=f"Not enough permissions.*: sign in as a user with {MAY}"):
        await store.migrate()
    await store.close()


async def test_a_record_users_token_is_told_who_may(spooky_app: Any, make_store: MakeStore) -> None:
    async with AsyncSurreal(spooky_app.address) as sdk:
        place = {"namespace": spooky_app.name, "database": spooky_app.name}
        variables = {"name": "a", "password": "secret"}
        token = (await sdk.signup({**place, "access": "account", "variables": variables})).access
    names = "/".join(place.values())
    store = make_store(f"{spooky_app.address}/{names}?token={token}")
    await store.open()
    for call in (store.check, store.migrate):
        with pytest.raises(StoreError, match=f"Not enough permissions.*: sign in as a user with {MAY}"):
            await call()
    await store.close()


async def test_a_session_that_ends_is_begun_anew(server: Any, make_store: MakeStore) -> None:
    address, names, root = server
    duration = "DURATION FOR TOKEN 1m, FOR SESSION 1s"
    await root._connection.write(f"DEFINE USER worker ON DATABASE PASSWORD 'x' ROLES EDITOR {duration}")
    store = make_store(f"ws://worker:x@{address}/{names}?auth=database")
    await store.open()
    for count in range(1, 3):
        await store.add([NewJob(path="/a", backend="api")])
        assert len(await store.claim({"api": 1}, "r")) == 1
        await store.beat("r")
        assert len(await store.find(JobQuery())) == count
        await asyncio.sleep(1.2)
    await store.close()


async def use_until_refused(sdk: Any, token: str) -> None:
    while True:
        await sdk.authenticate(token)
        await asyncio.sleep(0.2)


async def test_a_token_that_has_expired_is_said(server: Any, make_store: MakeStore) -> None:
    address, names, root = server
    await root._connection.write(
        "DEFINE USER worker ON DATABASE PASSWORD 'x' ROLES EDITOR DURATION FOR TOKEN 1s"
    )
    namespace, _, database = names.partition("/")
    who = {"namespace": namespace, "database": database, "username": "worker", "password": "x"}
    async with AsyncSurreal(f"ws://{address}") as sdk:
        token = (await sdk.signin(who)).access
        with pytest.raises(SurrealError, match="expired"):
            await use_until_refused(sdk, token)
    with pytest.raises(StoreError, match="token has expired: put a new one") as caught:
        await make_store(f"ws://{address}/{names}?token={token}").open()
    assert token not in str(caught.value)


async def test_a_wrong_password_is_said_without_it(server: Any, make_store: MakeStore) -> None:
    address, names, _ = server
    with pytest.raises(StoreError, match=r"sign in.*password") as caught:
        await make_store(f"ws://root:hunter2@{address}/{names}").open()
    assert "hunter2" not in str(caught.value)


async def test_tls(
    server: Any,
    proxy: Any,
    proxied_url: str,
    make_store: MakeStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    await proxy.stop()
    await proxy.start(tls)
    user, _, rest = proxied_url.replace("ws://", "wss://").partition("@")
    store = make_store(f"{user}@{proxy.address}/{rest.partition('/')[2]}")
    with pytest.raises(StoreUnavailable, match="certificate"):
        await store.open()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    await worked(store)


async def places(url: str) -> Any:
    target = target_of(StoreOptions(url=url, tables=()))
    async with AsyncSurreal(target.sdk_url) as root:
        await root.signin({"username": target.username, "password": target.password})
        (info,) = (await root.query_raw("INFO FOR ROOT"))["result"]
        return info["result"]["namespaces"]


async def test_a_namespace_that_isnt_there_is_said_and_made_by_migrate_alone(
    missing_surreal_url: str, make_store: MakeStore
) -> None:
    store = make_store(missing_surreal_url)
    await store.open()
    name = missing_surreal_url.rpartition("/")[2]
    for call in (store.check(), store.find(JobQuery()), store.beat("r"), store.claim({"api": 1}, "r")):
        with pytest.raises(SchemaError, match=r"namespace or database.*check their names.*sp00ky migrate"):
            await call
    steps = await store.migration()
    assert (steps[0].table, name in steps[0].statement) == (f"{name}/{name}", True)
    assert name not in await places(missing_surreal_url)
    assert await store.migrate() == steps
    assert name in await places(missing_surreal_url)
    await store.add([NewJob(path="/a", backend="api")])
    assert len(await store.claim({"api": 1}, "r")) == 1
    assert await store.check() == []
    await store.close()


async def test_a_runner_whose_rights_are_taken_is_told(
    server: Any, proxy: Any, make_store: MakeStore
) -> None:
    """A connection keeps the role that it signed in with; what the next one writes is dropped silently."""
    _, names, root = server
    define = "DEFINE USER OVERWRITE worker ON DATABASE PASSWORD 'pw' ROLES {}".format
    await root._connection.write(define("EDITOR"))
    store = make_store(f"ws://worker:pw@{proxy.address}/{names}?auth=database")
    await store.open()
    assert "r" in await store.beat("r")
    await root._connection.write(define("VIEWER"))
    proxy.cut()
    with pytest.raises(SchemaError, match="may not write table 'sp00ky_runner': it needs ROLES EDITOR"):
        await store.beat("r")  # though its row, of the beat before, is there
    await store.close()


@pytest.fixture
async def viewer(server: Any, make_store: MakeStore) -> AsyncIterator[SurrealStore]:
    """An open store whose user may read, and whose writes the server drops without a word."""
    address, names, root = server
    await root._connection.write("DEFINE USER vi ON DATABASE PASSWORD 'pw' ROLES VIEWER")
    store = make_store(f"ws://vi:pw@{address}/{names}?auth=database")
    await store.open()
    yield store
    await store.close()


MAY_NOT = "may not write table 'job': it needs ROLES EDITOR"


async def test_a_user_who_may_not_write_changes_no_job_and_is_told(server: Any, viewer: SurrealStore) -> None:
    root = server[2]
    statuses = ("pending", "processing", "failed", "success")
    for status in statuses:
        await root._connection.write(
            f"CREATE job:{status} SET path = '/a', payload = '{{}}', status = '{status}'"
        )
    ids = [f"job:{status}" for status in statuses]
    with pytest.raises(SchemaError, match=MAY_NOT):
        await kill(viewer, ids)
    with pytest.raises(SchemaError, match=MAY_NOT):
        await retry(viewer, ids)
    with pytest.raises(SchemaError, match=MAY_NOT):
        await clear(viewer, ids)
    assert {job.id: job.status.value for job in await root.find(JobQuery())} == dict(
        zip(ids, statuses, strict=True)
    )
