"""Rows that clients could write: no runner crashes, stalls, leaves its origin or gives its token away.

``nox -s fuzz`` looks at far more of them.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from chaos.postgres import postgres
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hostile.arena import Arena, Victim, arena
from tests.hostile.backend import TOKEN
from tests.hostile.postgres import PostgresVictim
from tests.hostile.surreal import ANY, SPEC, EmbeddedVictim, SurrealVictim

from sp00ky_conformance.transport.backend import MisbehavingBackend

EXAMPLES = int(os.environ.get("SP00KY_FUZZ", "30")) // 10 or 1
ROWS = 30
"""Statements of an example, at most."""

Opened = AbstractAsyncContextManager[Victim]


@asynccontextmanager
async def on_postgres(_: pytest.FixtureRequest) -> AsyncIterator[Victim]:
    async with postgres() as database:
        yield PostgresVictim(database.dsn)


def on_server(schema: str, *, as_user: bool = False) -> Callable[[pytest.FixtureRequest], Opened]:
    @asynccontextmanager
    async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Victim]:
        name = f"hostile_{uuid4().hex[:12]}"
        url = f"ws://{request.getfixturevalue('surreal_address')}/{name}/{name}"
        yield SurrealVictim(url, schema, as_user=as_user)

    return opened


def embedded(schema: str) -> Callable[[pytest.FixtureRequest], Opened]:
    @asynccontextmanager
    async def opened(_: pytest.FixtureRequest) -> AsyncIterator[Victim]:
        yield EmbeddedVictim(schema)

    return opened


VICTIMS = {
    "postgres": on_postgres,
    "surreal: a record user": on_server(SPEC, as_user=True),
    "surreal: root": on_server(""),
    "surreal: any types": on_server(ANY),
    "embedded": embedded(""),
    "embedded: any types": embedded(ANY),
}


@pytest.mark.timeout(900 if EXAMPLES <= 10 else 3_600)
@pytest.mark.parametrize(
    ("victim", "apart"),
    [
        *((victim, False) for victim in VICTIMS),
        pytest.param("postgres", True, marks=pytest.mark.slow),
        pytest.param("surreal: any types", True, marks=pytest.mark.slow),
    ],
)
def test_hostile_rows_are_survived(
    victim: str, apart: bool, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a process that tells everything, apart from the test's own."""
    monkeypatch.setenv("API_TOKEN", TOKEN)
    if victim.startswith("surreal"):
        request.getfixturevalue("surreal_address")  # skips where there is none
    with asyncio.Runner() as loop:
        attack(loop, VICTIMS[victim](request), tmp_path, apart=apart)


def attack(loop: asyncio.Runner, opened: Opened, folder: Path, *, apart: bool) -> None:
    """Let Hypothesis choose what the client sends, again and again, while one runner goes on."""
    scene = scenery(opened, folder, apart=apart)
    place, statements = loop.run(scene.__aenter__())
    try:

        @settings(max_examples=max(EXAMPLES // 5, 2) if apart else EXAMPLES)
        @given(st.lists(statements, min_size=ROWS // 2, max_size=ROWS))
        def survive(sent: list[str]) -> None:
            loop.run(place.attack(sent))

        survive()
    finally:
        loop.run(scene.__aexit__(None, None, None))


@asynccontextmanager
async def scenery(
    opened: Opened, folder: Path, *, apart: bool
) -> AsyncIterator[tuple[Arena, st.SearchStrategy[str]]]:
    async with (
        opened as victim,
        MisbehavingBackend() as away,
        arena(victim, folder, away, apart=apart) as place,
    ):
        yield place, victim.statements(urlsplit(away.url).netloc)
