"""The synchronous examples: a row and its job in one transaction, a runner beside the service."""

import re
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

COUNTS = "SELECT (SELECT count(*) FROM {thread}), (SELECT count(*) FROM job)"
REFUSE_AT_COMMIT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {thread}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
"""
SERVE = {"django": ("manage.py", "runserver", "--noreload", "{port}"), "flask": ("main.py",)}
RUN = {"django": ("manage.py", "sp00ky", "run"), "flask": ("-m", "sp00ky_core", "run")}
THREADS = {"django": "threads_thread", "flask": "thread"}


@pytest.fixture(params=["django", "flask"])
def example(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def running(spawn: Any, example: str) -> Any:
    """A runner, which drains at the end."""

    @asynccontextmanager
    async def running() -> Any:
        process, output = await spawn(*RUN[example])
        try:
            yield
        finally:
            process.terminate()
            code = await process.wait()
        assert code == 0, output.read_text()

    return running


@pytest.fixture
def counts(sql: Any, example: str) -> Any:
    async def counts() -> tuple[int, int]:
        return tuple(await sql.fetchrow(COUNTS.format(thread=THREADS[example])))

    return counts


async def succeeded(service: Any, job_id: str) -> Any:
    _, job = await service.get(f"/jobs/{job_id}")
    return job if job["status"] == "success" else None


async def test_a_row_and_its_job_are_written_and_delivered(
    serving: Any, running: Any, example: str, backend: Any, counts: Any, eventually: Any
) -> None:
    async with serving(*SERVE[example]) as service, running():
        status, accepted = await service.post("Boo")
        assert status == 202, accepted
        job = await eventually(lambda: succeeded(service, accepted["job_id"]))
        thread = f"thread:{accepted['thread_id']}"
        expected = {"status": "success", "retries": 0, "result": {"spooky": thread}}
        assert job == {"id": accepted["job_id"], **expected}
        assert backend.requests == [{"id": thread, "title": "Boo"}]
        assert (await service.get("/jobs/job:nothing"))[0] == 404
        assert await counts() == (1, 1)


async def test_what_fails_leaves_neither_row_nor_job(
    serving: Any, example: str, sql: Any, counts: Any
) -> None:
    """Whether the contract refuses it, or the commit does."""
    async with serving(*SERVE[example]) as service:
        status, refusal = await service.post("x" * 101)
        assert status == 422
        assert "/title" in str(refusal)
        for body in (b"{", b"\xff", b"[]", b'{"title": 1}', b'{"title": "\\u0000"}', b'{"title": "\\ud800"}'):
            headers = {"Content-Type": "application/json"}
            async with service.client.post(f"{service.url}/threads", data=body, headers=headers) as response:
                assert response.status == 400, body
        await sql.execute(REFUSE_AT_COMMIT.format(thread=THREADS[example]))
        assert (await service.post("Boo"))[0] == 500
        assert await counts() == (0, 0)


class TestDjango:
    """What only Django has."""

    @pytest.fixture
    def example(self) -> str:
        return "django"

    async def test_its_own_tests_pass_on_both_databases(self, spawn: Any) -> None:
        """In a test database of Django's making: in memory, and beside the test's."""
        arguments = ("manage.py", "test", "--noinput")
        runs = [await spawn(*arguments, DATABASE_URL=""), await spawn(*arguments)]
        for process, output in runs:
            assert await process.wait() == 0, output.read_text()
            assert re.search(r"Ran \d+ tests", output.read_text())

    async def test_a_deploy_finds_nothing_to_complain_about(self, spawn: Any, migrated: None) -> None:
        commands = [
            ("makemigrations", "--check"),
            ("check", "--fail-level", "WARNING", "--database", "default"),
            ("sp00ky", "check"),
        ]
        for process, output in [await spawn("manage.py", *command) for command in commands]:
            assert await process.wait() == 0, output.read_text()

    async def test_the_admin_retries_a_job(self, serving: Any, spawn: Any, sql: Any) -> None:
        process, output = await spawn(
            *("manage.py", "createsuperuser", "--noinput", "--username", "ada", "--email", "ada@example.com"),
            DJANGO_SUPERUSER_PASSWORD="secret",
        )
        async with serving(*SERVE["django"]) as service:
            assert await process.wait() == 0, output.read_text()
            jar = aiohttp.CookieJar(unsafe=True)
            async with aiohttp.ClientSession(service.url, cookie_jar=jar) as browser:
                await self.submit(browser, "/admin/login/", username="ada", password="secret", next="/admin/")
                _, accepted = await service.post("Boo")
                await sql.execute("UPDATE job SET status = 'failed'")
                key = accepted["job_id"].partition(":")[2]
                chosen = {"action": "retry", "_selected_action": key}
                page = await self.submit(browser, "/admin/sp00ky_django/job/", **chosen)
                assert "1 job retried." in page
        assert await sql.fetchval("SELECT status FROM job") == "pending"
        assert await sql.fetchval("SELECT actor FROM sp00ky_audit") == "ada"

    async def submit(self, browser: aiohttp.ClientSession, path: str, **form: str) -> str:
        """What a page answers to its form."""
        async with browser.get(path) as response:
            (token, *_) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', await response.text())
        async with browser.post(path, data={**form, "csrfmiddlewaretoken": token}) as response:
            assert response.status == 200
            return await response.text()

    async def test_without_a_database_it_runs_on_sqlite(self, spawn: Any, project: Any, backend: Any) -> None:
        """As the README has it."""

        async def managed(*arguments: str) -> str:
            process, output = await spawn("manage.py", *arguments, DATABASE_URL="")
            assert await process.wait() == 0, output.read_text()
            return str(output.read_text())

        await managed("migrate")
        await managed("sp00ky", "call", "api", "/spookify", '{"id": "thread:1", "title": "Boo"}')
        await managed("sp00ky", "run", "--until-empty")  # 1 if the job had failed
        assert backend.requests == [{"id": "thread:1", "title": "Boo"}]
        assert (project / "db.sqlite3").exists()
