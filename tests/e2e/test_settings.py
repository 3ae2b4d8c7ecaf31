"""What operators set at run time reaches two runner processes, on each kind of store."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
import pytest
from tests.conftest import as_root
from tests.e2e.test_shared_table import write_document

from sp00ky_conformance.transport.answering import Answering
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_core import NewJob, Outbox

SP00KY = Path(sys.executable).with_name("sp00ky")
CONFIG = """\
store: "{store}"
backends:
  api:
    spec: ./openapi.json
    baseUrl: {first}
    baseUrls: ["{second}"]
    method: {{table: job}}
    concurrency: 1
    timeout: 120
"""

PATIENCE = 60.0
"""Seconds: a busy machine takes long to start processes."""


@attrs.define(eq=False)
class Holding:
    """A backend that answers nothing until it is told to."""

    in_flight: int = 0
    _changed: asyncio.Condition = attrs.field(factory=asyncio.Condition)
    _answered: int = 0

    async def __call__(self, to: Answering) -> bool:
        async with self._changed:
            self.in_flight += 1
            mine = self._answered
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._answered > mine)
            self.in_flight -= 1
            self._changed.notify_all()
        await to.answer("200 OK", b"{}")
        return True

    async def answer_all(self) -> None:
        """Answer what is there now."""
        async with self._changed:
            self._answered += 1
            self._changed.notify_all()

    async def holds(self, count: int) -> None:
        """Wait until so many requests are held."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: self.in_flight == count)


@pytest.fixture(params=["postgres", "sqlite", "surreal"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    if request.param == "surreal":
        return str(request.getfixturevalue("surreal_url"))
    url = request.getfixturevalue("dsn")
    return f"{url}{'&' if '?' in url else '?'}schema=test_{uuid4().hex[:12]}"


async def sp00ky(folder: Path, *arguments: str) -> str:
    """Run the command; what it printed."""
    process = await asyncio.create_subprocess_exec(
        SP00KY, *arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.fixture
async def backends() -> AsyncIterator[tuple[Holding, Holding, list[str]]]:
    first, second = Holding(), Holding()
    async with (
        MisbehavingBackend(choose=lambda _: first) as one,
        MisbehavingBackend(choose=lambda _: second) as other,
    ):
        yield first, second, [one.url, other.url]
        await asyncio.gather(first.answer_all(), second.answer_all())


@pytest.fixture
async def folder(
    store_url: str,
    backends: tuple[Holding, Holding, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A project, and its jobs."""
    monkeypatch.delenv("SP00KY_STORE", raising=False)
    write_document(tmp_path / "openapi.json", "/a")
    urls = dict(zip(("first", "second"), backends[2], strict=True))
    (tmp_path / "sp00ky.yml").write_text(CONFIG.format(store=store_url, **urls))
    async with Outbox.open(tmp_path / "sp00ky.yml") as outbox:
        await outbox.migrate()
        await outbox.run_many("api", [NewJob(path="/a")] * 100)
    return tmp_path


@pytest.fixture
async def runners(folder: Path) -> AsyncIterator[list[Process]]:
    """Two that deliver them."""
    logged: dict[str, Any] = {"cwd": folder, "stderr": subprocess.PIPE}
    runners = [await asyncio.create_subprocess_exec(SP00KY, "run", **logged) for _ in range(2)]
    yield runners
    for runner in runners:
        runner.kill()
        await runner.wait()


async def all_say(runners: list[Process], text: str) -> None:
    """Wait until each has logged this."""
    for runner in runners:
        assert runner.stderr is not None
        async for line in runner.stderr:
            if text in line.decode():
                break
        else:
            raise AssertionError(f"it ended without {text!r}")


async def test_a_change_reaches_every_runner(
    folder: Path, runners: list[Process], backends: tuple[Holding, Holding, list[str]], store_url: str
) -> None:
    first, second, urls = backends
    await first.holds(2)
    # All places are taken, so that no runner has a claim to send.
    assert "(file: 1)" in await sp00ky(folder, "backends", "set", "api", "concurrency=3")
    await first.holds(6)
    await sp00ky(folder, "backends", "set", "api", f"base-url={urls[1]}", "max-in-flight=5")
    await all_say(runners, urls[1])  # what is under way ends as it began
    await first.answer_all()
    await second.holds(5)
    assert first.in_flight == 0
    assert await sp00ky(folder, "backends", "set", "api", "--reset") == "api is as the file says\n"
    await all_say(runners, "backend api is as its file says again")
    await second.answer_all()
    await first.holds(2)
    assert second.in_flight == 0
    if store_url.startswith("ws://"):  # as other tools of a Sp00ky project do it
        address, namespace, database = store_url.removeprefix("ws://").split("/")
        policy = "UPSERT _00_job_policy:job; UPDATE _00_job_policy:job SET concurrency = 2"
        await as_root(address, f"USE NS {namespace} DB {database}; {policy}")
        await first.holds(4)
