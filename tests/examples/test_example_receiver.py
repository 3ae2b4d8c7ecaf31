"""The example that receives: it credits what the outbox asks, once, and nothing that isn't signed."""

import json
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, create_subprocess_exec
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from standardwebhooks import Webhook
from tests.ports import free_port

from sp00ky_core import Outbox

EXAMPLE = Path(__file__).parents[2] / "examples" / "receiver"
SECRET = "whsec_" + "A" * 32
CREDIT = {"account": "ghost", "cents": 100}


@pytest_asyncio.fixture
async def url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., Awaitable[Any]]
) -> AsyncIterator[str]:
    """The example, at work in a folder of its own; a sp00ky.yml for it is in that."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    port = free_port()
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "sp00ky.yml"
    file.write_text(file.read_text().replace("3661", str(port)))
    process = await create_subprocess_exec(
        *(sys.executable, "-B", "service.py"),
        cwd=tmp_path,
        env={**os.environ, "PORT": str(port)},
        stderr=DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    async def serves() -> bool:
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{url}/accounts")).json() == {}
            except httpx.ConnectError:
                assert process.returncode is None, "it has ended"
                return False

    await eventually(serves)
    yield url
    process.terminate()
    await process.wait()


async def test_a_credit_is_booked_once(url: str, tmp_path: Path) -> None:
    async with Outbox.open(tmp_path / "sp00ky.yml", store="memory://") as outbox, outbox.runner():
        job = await outbox.run("api", "/credit", CREDIT)
        job = await outbox.wait(job.id)
    assert (job.status, job.result) == ("success", {"cents": 100})
    body, now = json.dumps(CREDIT, separators=(",", ":")), datetime.now(UTC)
    headers = {
        "webhook-id": job.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(job.id, now, body),
        "content-type": "application/json",
    }
    async with httpx.AsyncClient() as client:
        repeated = await client.post(f"{url}/credit", content=body, headers=headers)
        assert (repeated.json(), repeated.headers["idempotent-replayed"]) == ({"cents": 100}, "true")
        assert (await client.post(f"{url}/credit", json=CREDIT)).status_code == 401
        assert (await client.get(f"{url}/accounts")).json() == {"ghost": 100}
