"""A Sp00ky project as it is: its sp00ky.yml, its server, its users' rows; only the runner is ours."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

SP00KY = Path(sys.executable).with_name("sp00ky")
OPENAPI = Path(__file__).parents[2] / "examples" / "quickstart" / "openapi.yml"

# With what other tools of such a project read.
BACKENDS = """\
mode: cluster
slug: spookify
schema: ./schema
version: {{dev: {{ssp: {{path: ../ssp}}}}, cloud: canary}}
logLevel: {{dev: "info,push=debug"}}
surrealdb:
  namespace: {name}
  database: {name}
  endpoint: {endpoint}
  username: "{username}"
  password: "${{SURREAL_PASSWORD}}"
backends:
  api:
    spec: ./openapi.yml
    baseUrl: {backend}
    auth: {{type: token, token: "${{API_TOKEN}}"}}
    method: {{type: outbox, table: job, schema: ./schema/outbox.surql}}
    dev: {{command: "npm run dev", port: 3660}}
    deploy: {{timeout: 20, timeoutOverridable: true, replicas: 2}}
"""

APPS = BACKENDS.replace("backends:\n", "apps:\n  web: {{type: frontend, path: ./web}}\n").replace(
    "  api:\n", "  api:\n    type: backend\n"
)

JOB = """\
CREATE job:{key} SET path = '/spookify', payload = '{{"id":"{key}"}}', assigned_to = thread:a,
  max_retries = 3, retry_strategy = 'linear'
"""
"""As the TypeScript client writes it: the payload as text."""


@attrs.frozen
class Project:
    """A folder with a sp00ky.yml, and the command line in it."""

    folder: Path
    app: Any

    async def sp00ky(self, *arguments: str, code: int = 0) -> str:
        """What a command prints."""
        process = await self.start(*arguments)
        out, err = await process.communicate()
        assert process.returncode == code, err.decode()
        return out.decode()

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        return await asyncio.create_subprocess_exec(str(SP00KY), *arguments, cwd=self.folder, **pipes)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """``sp00ky run``, drained at the end."""
        process = await self.start("run")
        try:
            yield
            process.send_signal(signal.SIGTERM)
            _, err = await process.communicate()
            assert process.returncode == 0, err.decode()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    async def tables(self) -> dict[str, Any]:
        """What the database says about its tables, by name."""
        (info,) = (await self.app.root.query_raw("INFO FOR DB"))["result"]
        names = sorted(info["result"]["tables"])
        reply = await self.app.root.query_raw("".join(f"INFO FOR TABLE {name};" for name in names))
        told = [result["result"] for result in reply["result"]]
        return {
            name: (info["result"]["tables"][name], layout) for name, layout in zip(names, told, strict=True)
        }


MakeProject = Callable[[str], Project]


@pytest.fixture
def make_project(
    tmp_path: Path, spooky_app: Any, backend_url: str, monkeypatch: pytest.MonkeyPatch
) -> MakeProject:
    monkeypatch.setenv("API_TOKEN", "secret")
    monkeypatch.setenv("SURREAL_PASSWORD", spooky_app.password)
    monkeypatch.delenv("SP00KY_STORE", raising=False)

    def make(text: str) -> Project:
        (tmp_path / "openapi.yml").write_text(OPENAPI.read_text())
        where = {"name": spooky_app.name, "endpoint": spooky_app.address, "username": spooky_app.username}
        filled = text.format(backend=backend_url, **where)
        (tmp_path / "sp00ky.yml").write_text(filled)
        return Project(tmp_path, spooky_app)

    return make


async def ended(connection: Any, key: str) -> Any:
    """A row once its job has ended, by a LIVE query of the user's own."""
    (live,) = (await connection.query_raw("LIVE SELECT * FROM job"))["result"]
    changes = await connection.subscribe_live(live["result"])
    (now,) = (await connection.query_raw("SELECT * FROM job"))["result"]
    (row,) = [result for result in now["result"] if str(result["id"]) == f"job:{key}"]
    async with asyncio.timeout(60):
        while row["status"] not in {"success", "failed"} or str(row["id"]) != f"job:{key}":
            change = await anext(changes)
            row = change["result"] if "action" in change else change  # SDK 3 tells what happened, too
    return row


@pytest.mark.parametrize("text", [BACKENDS, APPS], ids=["backends", "apps"])
async def test_a_project_as_it_is_is_enough(make_project: MakeProject, text: str) -> None:
    project = make_project(text)
    user = await project.app.sign_up("a")
    await user.query_raw(JOB.format(key="before"))  # no migration yet

    findings = await project.sp00ky("check", code=1)
    assert "run: sp00ky migrate" in findings
    await project.sp00ky("migrate")
    async with project.running():
        assert (await ended(user, "before"))["status"] == "success"
        await user.query_raw(JOB.format(key="after"))
        row = await ended(user, "after")
        assert (row["status"], row["retries"], row["result"]) == ("success", 0, {"spooky": "after"})
