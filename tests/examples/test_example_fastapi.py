"""What only the FastAPI example does: status over server-sent events, and uvicorn's ways to run it."""

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

UVICORN = ("-m", "uvicorn", "main:app", "--port", "{port}")


@pytest.fixture
def example() -> str:
    return "fastapi"


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Any]:
    """What the stream brings, until its end."""
    async for line in response.content:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


async def test_the_stream_shows_each_status_and_ends(serving: Any, backend: Any) -> None:
    async with serving("main.py") as service:
        backend.hold()
        await service.post("takes the only place")
        await backend.received(1)
        _, accepted = await service.post("waits for it")
        async with service.client.get(f"{service.url}/jobs/{accepted['job_id']}/events") as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            stream = events(response)
            assert (await anext(stream))["status"] == "pending"
            backend.answer()
            assert (await anext(stream))["status"] == "processing"
            await backend.received(2)
            backend.answer()
            (last,) = [event async for event in stream]
    thread = f"thread:{accepted['thread_id']}"
    assert last == {"id": accepted["job_id"], "status": "success", "retries": 0, "result": {"spooky": thread}}


@pytest.mark.parametrize("how", [("main.py",), UVICORN])
async def test_a_job_that_is_its_own_function_is_called_by_nobody_else(
    how: tuple[str, ...], serving: Any, sql: Any, eventually: Any
) -> None:
    async with serving(*how) as service:
        _, accepted = await service.post("Boo")

        async def result() -> Any:
            _, job = await service.get(f"/jobs/{accepted['count_id']}")
            return job["result"] if job["status"] == "success" else None

        assert await eventually(result) == 1
        body = {"id": accepted["thread_id"]}
        async with service.client.post(f"{service.url}/count", json=body) as response:
            assert response.status == 404
    assert await sql.fetchval("SELECT retries FROM own_job") == 0


async def test_a_stream_of_no_job_is_not_found(serving: Any) -> None:
    async with serving("main.py") as service:
        assert (await service.get("/jobs/job:nothing/events"))[0] == 404


async def test_open_streams_do_not_hold_up_the_end(
    serving: Any, backend: Any, project: Path, edit: Any, eventually: Any, sql: Any, abandoned: Any
) -> None:
    edit(project / "main.py", "STREAMS, GRACE = 5, 20", "STREAMS, GRACE = 1, 20")
    async with serving("main.py") as service:
        backend.hold()
        _, accepted = await service.post("Boo")
        await backend.received(1)
        async with service.client.get(f"{service.url}/jobs/{accepted['job_id']}/events") as response:
            assert (await anext(events(response)))["status"] == "processing"
            service.terminate()
            await eventually(service.is_refusing)
            with pytest.raises(aiohttp.ClientPayloadError):  # cut off: a browser's EventSource comes back
                await response.content.read()
            backend.answer()
            assert await service.ended() == 0, service.said()
    assert await sql.fetchval("SELECT status FROM job") == "success"
    assert "Application shutdown complete" in service.said()
    assert "was destroyed" not in service.said()
    await sql.close()
    assert await abandoned() == 0


async def test_a_client_that_leaves_ends_its_stream(
    serving: Any, backend: Any, sql: Any, eventually: Any
) -> None:
    """Nobody asks the database for a job that nobody watches any more."""
    async with serving("main.py") as service:
        backend.hold()
        _, accepted = await service.post("Boo")
        await backend.received(1)
        async with service.client.get(f"{service.url}/jobs/{accepted['job_id']}/events") as response:
            assert (await anext(events(response)))["status"] == "processing"
            response.close()
        service.terminate()  # no stream is left to be waited for, or to be cancelled
        await eventually(service.is_refusing)
        backend.answer()
        assert await service.ended() == 0
        assert "timeout graceful shutdown exceeded" not in service.said()


async def test_uvicorn_ends_with_the_signal_once_it_has_drained(
    serving: Any, backend: Any, sql: Any, eventually: Any
) -> None:
    async with serving(*UVICORN) as service:
        backend.hold()
        await service.post("Boo")
        await backend.received(1)
        service.terminate()
        await eventually(service.is_refusing)
        backend.answer()
        assert await service.ended() == -signal.SIGTERM
        assert "Application shutdown complete" in service.said()
    assert await sql.fetchval("SELECT status FROM job") == "success"


async def test_each_worker_is_a_runner_and_each_job_is_delivered_once(
    serving: Any, backend: Any, sql: Any, eventually: Any
) -> None:
    async def all_ended() -> bool:
        return bool(await sql.fetchval("SELECT count(*) = 20 FROM job WHERE status = 'success'"))

    async with serving(*UVICORN, "--workers", "2") as service:
        await eventually(lambda: sql.fetchval("SELECT count(*) = 2 FROM sp00ky_runner"))
        for number in range(20):
            assert (await service.post(str(number)))[0] == 202
        await eventually(all_ended)
        assert sorted(int(request["title"]) for request in backend.requests) == list(range(20))
        service.terminate()
        assert await service.ended() == 0, service.said()
