"""Nothing is lost, and nothing is sent twice, while a release takes another's place, and back."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import attrs
import pytest
from chaos.checker import violations
from chaos.database import Database
from chaos.history import COMMITTED
from chaos.postgres import postgres
from chaos.sqlite import sqlite
from chaos.surreal import surreal, why_no_surreal
from tests.upgrade.releases import BEFORE, FIRST, THIS, Release, installed, why_not
from tests.upgrade.session import Upgrade, upgrading

INSERT = """
INSERT INTO job (path, payload, max_retries) VALUES ('/wild', '{{"n": {n}}}', {max_retries})
"""
CREATE = """
CREATE job SET path = '/wild', payload = '{{"n": {n}}}', max_retries = {max_retries}
"""

WAITING = 1000
"""Jobs that keep runners writing for as long as indexes are built."""


@attrs.frozen
class Kind:
    opened: Callable[[], AbstractAsyncContextManager[Database]]
    insert: str = INSERT
    why_not: Callable[[], str] = str


POSTGRES, SQLITE = Kind(postgres), Kind(sqlite)  # the release before has no store on MySQL
SURREAL = {
    "surrealkv": Kind(surreal, CREATE, why_no_surreal),
    "surreal-memory": Kind(partial(surreal, "memory"), CREATE, why_no_surreal),
}


@pytest.fixture(
    params=[
        pytest.param(POSTGRES, id="postgres"),
        pytest.param(SQLITE, id="sqlite"),
        *(pytest.param(kind, id=name, marks=pytest.mark.slow) for name, kind in SURREAL.items()),
    ]
)
def kind(request: pytest.FixtureRequest) -> Kind:
    if request.param.why_not():
        pytest.skip(request.param.why_not())
    return request.param


def release(commit: str) -> Release:
    if why_not(commit):
        pytest.skip(why_not(commit))
    return installed(commit)


async def check(upgrade: Upgrade) -> None:
    """Nothing was lost or sent too often, no client was refused, and no runner complains."""
    ending = await upgrade.finish()
    assert violations(ending.history) == []
    assert ending.complaints() == []
    assert [enqueue for enqueue in ending.history.enqueues if enqueue.fate != COMMITTED] == []


@pytest.mark.timeout(900)
async def test_there_and_back_with_everybody_at_work(kind: Kind, tmp_path: Path) -> None:
    before = release(BEFORE)
    async with kind.opened() as database, upgrading(database, tmp_path, kind.insert) as upgrade:
        await upgrade.begin(before)
        await upgrade.enqueue(before)
        await upgrade.flows()
        await upgrade.command(THIS, "migrate")
        await upgrade.flows()  # the older runners and clients, on the newer tables
        await upgrade.enqueue(THIS)
        await upgrade.replace(THIS)
        await upgrade.command(THIS, "check")
        await upgrade.flows()
        await upgrade.command(before, "migrate")  # as a deploy of the release before would
        await upgrade.command(before, "check")
        await upgrade.replace(before)
        await upgrade.flows()
        await upgrade.command(THIS, "migrate")
        await upgrade.replace(THIS)
        await check(upgrade)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("turn", range(10))
@pytest.mark.parametrize("kind", SURREAL.values(), ids=SURREAL, indirect=True)
async def test_indexes_that_are_built_beside_writers_are_whole(kind: Kind, turn: int, tmp_path: Path) -> None:
    """Runners of 0.1, which knew other indexes, are at work meanwhile, though they ought to be stopped."""
    first = release(FIRST)
    async with kind.opened() as database, upgrading(database, tmp_path, kind.insert) as upgrade:
        await upgrade.begin(first, waiting=WAITING)
        await upgrade.command(THIS, "migrate")
        await upgrade.stop_runners()
        await upgrade.enqueue(THIS)
        await upgrade.start_runners(THIS)
        await upgrade.command(THIS, "check")
        await upgrade.flows()
        await check(upgrade)
