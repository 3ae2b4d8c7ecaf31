"""The GRANTs that are printed are enough for who enqueues, runs or operates, and no more."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import attrs
import pytest
from tests.command_line import answering, each_role_is_held_against_its_use, write_project
from tests.store_mysql.conftest import Sql, new_job

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.ports import Act, StoreOptions
from sp00ky_store_mysql import MysqlStore

ROLES = ("app_role", "runner_role", "operator_role")


@pytest.fixture
def users(store: MysqlStore, database: str, sql: Sql) -> Iterator[dict[str, str]]:
    """A user of each role, by its name; the grants are theirs."""
    users = {role: f"{role}_{database[-8:]}" for role in ROLES}
    for user in users.values():
        sql(f"CREATE USER `{user}`@localhost")
    for statement in store.grants():
        sql(re.sub(r"\b\w+_role\b", lambda found: f"`{users[found[0]]}`@localhost", statement))
    yield users
    for user in users.values():
        sql(f"DROP USER `{user}`@localhost")


@asynccontextmanager
async def as_user(options: StoreOptions, user: str) -> AsyncIterator[MysqlStore]:
    parts = urlsplit(options.url)
    netloc = f"{user}@{parts.netloc.rpartition('@')[2]}"
    store = MysqlStore(attrs.evolve(options, url=urlunsplit(parts._replace(netloc=netloc))))
    await store.open()
    yield store
    await store.close()


async def test_check_holds_each_role_against_its_use(
    tmp_path: Path, options: StoreOptions, database: str, sql: Sql
) -> None:
    def as_role(role: str) -> str:
        netloc = f"{role}_{database[-8:]}@{urlsplit(options.url).netloc.rpartition('@')[2]}"
        return urlunsplit(urlsplit(options.url)._replace(netloc=netloc))

    async def grant(statement: str) -> None:
        sql(re.sub(r"\b(\w+_role)\b", rf"`\1_{database[-8:]}`@localhost", statement))

    for role in ROLES:
        sql(f"CREATE USER `{role}_{database[-8:]}`@localhost")
    try:
        async with answering() as backend:
            project = write_project(tmp_path, backend, options.url)
            await each_role_is_held_against_its_use(project, options.url, grant, as_role)
    finally:
        for role in ROLES:
            sql(f"DROP USER `{role}_{database[-8:]}`@localhost")


async def test_the_grants_are_enough(options: StoreOptions, users: dict[str, Any]) -> None:
    async with (
        as_user(options, users["app_role"]) as client,
        as_user(options, users["runner_role"]) as runner,
        as_user(options, users["operator_role"]) as operator,
    ):
        (job,) = await client.add([new_job()])
        assert (await client.get(job.id)).id == job.id
        await runner.beat("r")
        assert await runner.check() == []
        (claimed,) = await runner.claim({"api": 10}, "r")
        assert claimed.id == job.id
        await runner.prune()
        assert (await operator.stats())["api"].processing == 1
        entry = await operator.start_audit(Act(action="pause"))
        assert await operator.pause("api")
        assert await operator.drain_runner("r")
        await operator.update_audit(entry, count=1, ended=True)
        with pytest.raises(Sp00kyError, match="denied"):
            await client.claim({"api": 1}, "r")
        with pytest.raises(Sp00kyError, match="denied"):
            await operator.beat("other")
