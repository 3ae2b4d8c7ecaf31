"""Workflows while their runners are killed: each step once, none before what it needs, none forgotten."""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from tests.store_postgres.conftest import schema, sql, url
from tests.workflows.conftest import document, statuses

from sp00ky_core import Outbox, load_config, load_plugins
from sp00ky_workflows import Workflows

__all__ = ["schema", "sql", "url"]

WORKFLOWS, KILLS = 30, 6
ORDER = {"/a": "", "/b": "/a", "/c": "/a", "/d": "/b"}


class Shop:
    """A backend that writes down, for each workflow, which step was asked under which key, in order."""

    def __init__(self) -> None:
        self.asked: dict[int, list[tuple[str, str]]] = defaultdict(list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
            payload = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.asked[payload["n"]].append((lines[0].split()[1], headers["idempotency-key"]))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = Shop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await made.answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    backend = f"{{spec: openapi.json, baseUrl: 'http://127.0.0.1:{port}', method: {{}}, retry: {{base: 0}}}}"
    (tmp_path / "openapi.json").write_text(document())
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{shop: {backend}}}\nlease: 5s\n")
    yield made
    server.close()


async def started(folder: Path, store: str) -> asyncio.subprocess.Process:
    program = [sys.executable, "-m", "sp00ky_core", "--config", str(folder / "sp00ky.yml"), "--store", store]
    return await asyncio.create_subprocess_exec(*program, "run", stderr=asyncio.subprocess.DEVNULL)


async def make(workflows: Workflows, n: int) -> str:
    async with workflows.create("diamond") as w:
        a = w.step("a", "shop", "/a", {"n": n}, max_retries=50)
        b = w.step("b", "shop", "/b", {"n": n}, after=[a], max_retries=50)
        c = w.step("c", "shop", "/c", {"n": n}, after=[a], max_retries=50)
        w.step("d", "shop", "/d", {"n": n}, after=[b, c], max_retries=50)
    return w.id


async def test_each_step_is_done_once_whoever_is_killed(tmp_path: Path, url: str, shop: Shop) -> None:
    plugins, random = load_plugins(), Random(46)  # noqa: S311
    outbox = Outbox.open(load_config(tmp_path / "sp00ky.yml", plugins=plugins), store=url, plugins=plugins)
    async with outbox:
        await outbox.migrate()
        workflows = outbox.extension(Workflows)
        runners = [await started(tmp_path, url) for _ in range(2)]
        ids = list[str]()
        try:
            for kill in range(KILLS):
                ids += [await make(workflows, n) for n in range(kill, WORKFLOWS, KILLS)]
                async with asyncio.timeout(120):
                    await workflows.wait(random.choice(ids))
                victim = random.randrange(2)
                runners[victim].kill()
                await runners[victim].wait()
                runners[victim] = await started(tmp_path, url)
            ended = [await workflows.wait(workflow_id, timeout=180) for workflow_id in ids]
        finally:
            for runner in runners:
                runner.kill()
                await runner.wait()
    assert [statuses(one) for one in ended] == [dict.fromkeys("abcd", "success")] * WORKFLOWS
    for asked in shop.asked.values():
        assert len({key for _, key in asked}) == len(ORDER)  # one job a step, however often it is asked
        paths = [path for path, _ in asked]
        assert all(not needed or paths.index(needed) < paths.index(path) for path, needed in ORDER.items())
