"""A server whose disk was full keeps what it commits, once it was ended and started again."""

import signal
from pathlib import Path
from typing import Any

import pytest
from chaos import disk
from surrealdb import AsyncSurreal

ROW = "y" * 5_000
"""With shorter ones it mostly keeps them without a restart, too."""


@pytest.mark.slow
async def test_commits_after_a_full_disk_outlive_a_crash_once_the_server_was_restarted(
    tmp_path: Path, new_surreal_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "MEGABYTES", 40)
    with disk.small_disk(tmp_path) as small:
        if small.why_not:
            pytest.skip(small.why_not)
        server = new_surreal_server(f"surrealkv://{tmp_path}/db")
        await _create(server, range(100))
        small.fill()
        assert await _create(server, range(100, 160)) < 60
        small.free()
        assert await _create(server, range(200, 220)) == 20
        server.process.send_signal(signal.SIGTERM)
        server.process.wait()
        server.start()
        server.kill()
        server.start()
        assert {*range(100), *range(200, 220)} <= await _stored(server)
        server.kill()


async def _create(server: Any, numbers: range) -> int:
    """Create a row for each number; how many the server has taken."""
    taken = 0
    async with AsyncSurreal(server.address) as database:
        await _sign_in(database)
        for n in numbers:
            answer = await database.query_raw(f"CREATE row:{n} SET text = $text", {"text": ROW})
            taken += answer.get("result", [{}])[0].get("status") == "OK"
    return taken


async def _stored(server: Any) -> set[int]:
    async with AsyncSurreal(server.address) as database:
        await _sign_in(database)
        return {*await database.query("SELECT VALUE record::id(id) FROM row")}


async def _sign_in(database: Any) -> None:
    await database.signin({"username": "root", "password": "root"})
    await database.use("full", "full")
