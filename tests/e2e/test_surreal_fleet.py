"""Several ``sp00ky run`` on one SurrealDB server: every job is requested, and none twice."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path

import pytest

from sp00ky_core import NewJob, Outbox

SP00KY = Path(sys.executable).with_name("sp00ky")
OPENAPI = Path(__file__).parents[2] / "examples" / "quickstart" / "openapi.yml"
RUNNERS, JOBS = 3, 600

PROJECT = """\
store: {store}
backends:
  api:
    spec: ./openapi.yml
    baseUrl: {backend}
    method: {{type: outbox, table: job}}
    concurrency: 10
"""


class Requests:
    """A backend that counts requests by the job they are for."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                await reader.readexactly(int(fields["content-length"]))
                self.counts[fields["idempotency-key"]] += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def test_runners_share_a_queue(
    tmp_path: Path, surreal_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SP00KY_STORE", raising=False)
    requests = Requests()
    server = await asyncio.start_server(requests.answer, "127.0.0.1", 0)
    backend = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    (tmp_path / "openapi.yml").write_text(OPENAPI.read_text())
    config = tmp_path / "sp00ky.yml"
    config.write_text(PROJECT.format(store=surreal_url, backend=backend))
    async with server, Outbox.open(config) as outbox:
        await outbox.store.migrate()
        new_jobs = [NewJob(path="/spookify", payload={"id": str(number)}) for number in range(JOBS)]
        jobs = await outbox.run_many("api", new_jobs)
        command = (str(SP00KY), "run", "--until-empty")
        pipes = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.PIPE}
        fleet = [
            await asyncio.create_subprocess_exec(*command, cwd=tmp_path, **pipes) for _ in range(RUNNERS)
        ]
        for runner in fleet:
            _, err = await runner.communicate()
            assert runner.returncode == 0, err.decode()
        stats = (await outbox.stats())["api"]
    assert (stats.success, stats.pending, stats.processing, stats.failed) == (JOBS, 0, 0, 0)
    assert requests.counts == Counter({job.id: 1 for job in jobs})
