"""What both examples do: write and enqueue in one transaction, deliver, drain, and leave nothing behind."""

from typing import Any

import pytest

COUNTS = "SELECT (SELECT count(*) FROM thread), (SELECT count(*) FROM job)"
REFUSE_AT_COMMIT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON thread
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture(params=["fastapi", "aiohttp"])
def example(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def succeeded(service: Any, job_id: str) -> Any:
    _, job = await service.get(f"/jobs/{job_id}")
    return job if job["status"] == "success" else None


async def has_said(service: Any, text: str) -> bool:
    return text in service.said()


async def test_a_row_and_its_job_are_written_and_delivered(
    serving: Any, backend: Any, sql: Any, eventually: Any
) -> None:
    async with serving("main.py") as service:
        status, accepted = await service.post("Boo")
        assert status == 202, accepted
        job = await eventually(lambda: succeeded(service, accepted["job_id"]))
        thread = f"thread:{accepted['thread_id']}"
        assert job == {
            "id": accepted["job_id"],
            "status": "success",
            "retries": 0,
            "result": {"spooky": thread},
        }
        assert backend.requests == [{"id": thread, "title": "Boo"}]
        assert await sql.fetchval("SELECT assigned_to FROM job") == thread


async def test_a_commit_that_fails_leaves_no_job(
    serving: Any, backend: Any, sql: Any, eventually: Any
) -> None:
    """The client hears of it too: the answer waits for the commit."""
    async with serving("main.py") as service:
        await sql.execute(REFUSE_AT_COMMIT)
        status, _ = await service.post("Boo")
        assert status == 500
        await eventually(lambda: has_said(service, "not today"))
        assert tuple(await sql.fetchrow(COUNTS)) == (0, 0)
        assert backend.requests == []


async def test_bad_requests_are_the_callers_fault(serving: Any, sql: Any) -> None:
    async with serving("main.py") as service:
        assert (await service.get("/jobs/job:nothing"))[0] == 404
        no_text = (b'{"title": "\\u0000"}', b'{"title": "\\ud800"}')
        for body in (b"{", b"\xff", b"[]", b'{"title": 1}', *no_text):
            headers = {"Content-Type": "application/json"}
            async with service.client.post(f"{service.url}/threads", data=body, headers=headers) as response:
                assert response.status in {400, 422}, body
        assert tuple(await sql.fetchrow(COUNTS)) == (0, 0)


async def test_sigterm_drains_and_exits_0(
    serving: Any, backend: Any, sql: Any, eventually: Any, abandoned: Any
) -> None:
    async with serving("main.py") as service:
        backend.hold()
        assert (await service.post("in flight"))[0] == 202
        await backend.received(1)
        service.terminate()
        await eventually(service.is_refusing)
        assert service.process.returncode is None
        backend.answer()
        assert await service.ended() == 0, service.said()
    assert tuple(await sql.fetchrow("SELECT status, retries, runner_id FROM job")) == ("success", 0, None)
    assert len(backend.requests) == 1
    await sql.close()
    assert await abandoned() == 0


async def test_it_does_not_start_without_its_database(spawn: Any) -> None:
    nobody = "postgresql://postgres@127.0.0.1:1/postgres"
    process, output = await spawn("main.py", DATABASE_URL=nobody, PORT="0")
    assert await process.wait() != 0
    assert "127.0.0.1:1" in output.read_text() or "127.0.0.1', 1" in output.read_text()
    assert "was destroyed" not in output.read_text()


async def test_a_migration_of_no_database_says_what_to_set(spawn: Any) -> None:
    process, output = await spawn("migrate.py", DATABASE_URL="")
    assert await process.wait() == 2
    (line,) = output.read_text().splitlines()
    assert line.startswith("set DATABASE_URL")


async def test_it_does_not_start_before_the_migration(spawn: Any, abandoned: Any) -> None:
    process, output = await spawn("main.py", PORT="0")
    assert await process.wait() != 0
    assert "sp00ky migrate" in output.read_text()
    assert await abandoned() == 0
