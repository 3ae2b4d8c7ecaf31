"""What a ``baseUrl`` may name, and that anything else is one line at ``check`` and at the start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.transport_asgi import applications
from tests.transport_asgi.conftest import Project

from sp00ky_core import Attempt, Undelivered
from sp00ky_core.contract import Operation
from sp00ky_core.errors import ConfigError
from sp00ky_transport_asgi.target import Target, TargetProblem
from sp00ky_transport_asgi.transport import AsgiTransport

DOCUMENT = "openapi: 3.1.0\npaths: {/x: {post: {}}}\n"
HERE = applications.__name__

FASTAPI = """
from fastapi import FastAPI
app = FastAPI()

@app.post("/x")
def x() -> str:
    return "boo"
"""

BAD = [
    ("asgi://no_such_module:app", "there is no module 'no_such_module' in "),
    ("asgi://tests.no_such.module:app", "there is no module 'tests.no_such' in "),
    (f"asgi://{HERE}:nothing", f"{HERE} has no attribute 'nothing'"),
    (f"asgi://{HERE}:not_callable", "not_callable is no ASGI application: it doesn't take"),
    (f"asgi://{HERE}:wsgi", "wsgi is no ASGI application: it doesn't take (scope, receive, send)"),
    (f"asgi://{HERE}:factory", "factory is no ASGI application"),
    (f"asgi://{HERE}", "expected asgi://MODULE:ATTRIBUTE, such as asgi://shop.main:app"),
    (f"asgi://{HERE}:refuses_to_start", "refuses_to_start doesn't start: OSError: no database"),
    (f"asgi://{HERE}:raises_at_start", "raises_at_start doesn't start: OSError: no database"),
    (f"asgi://{HERE}:is_cancelled_at_start", "is_cancelled_at_start doesn't start: CancelledError"),
    (f"asgi://{HERE}:is_interrupted_at_start", "is_interrupted_at_start doesn't start: KeyboardInterrupt"),
]


@pytest.mark.parametrize(("url", "says"), BAD)
async def test_what_cannot_be_called_keeps_a_runner_from_starting(
    project: Project, url: str, says: str
) -> None:
    (project.folder / "api.yml").write_text(DOCUMENT)
    project.write("", url=url, keys="spec: api.yml")
    async with project.outbox() as outbox:
        await outbox.run("shop", "/x", {})
        with pytest.raises(ConfigError) as caught:
            await outbox.runner().start()
        assert caught.value.key == "backends.shop"
        assert says in caught.value.problem
        assert "\n" not in str(caught.value)
        ((_, backends),) = [(transport, list(ours)) for transport, ours in outbox.prepared_transports()]
        assert [backend.name for backend in backends] == ["shop"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "import no_such_library",
            "can't be imported: ModuleNotFoundError: No module named 'no_such_library'",
        ),
        ("raise SystemExit('no\\nsettings')", "can't be imported: SystemExit: no settings"),
        ("def app(:", "can't be imported: SyntaxError"),
    ],
)
async def test_a_module_that_fails_is_named_with_its_error(project: Project, source: str, says: str) -> None:
    project.write(source)
    async with project.outbox() as outbox:
        with pytest.raises(ConfigError) as caught:
            await outbox.run("shop", "/x", {})
    assert caught.value.key == "backends.shop.baseUrl"
    assert says in caught.value.problem
    assert "\n" not in str(caught.value)


async def test_whoever_only_looks_does_not_import_it(project: Project) -> None:
    project.write("raise RuntimeError('imported')")
    async with project.outbox() as outbox:
        await outbox.find()
        await outbox.stats()
        await outbox.errors()
        await outbox.audit()
        await outbox.kill("job:1")
    assert project.module is None


def sp00ky(project: Project, *arguments: str) -> tuple[int, str]:
    """Run the command line in a process of its own; return its exit code and what it says."""
    command = [sys.executable, "-m", "sp00ky_core", *arguments, "--config", str(project.file)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=project.folder)
    return ended.returncode, ended.stdout + ended.stderr


def test_the_command_line_says_it_at_check_and_runs_nothing_to_look_at_jobs(project: Project) -> None:
    (project.folder / "api.yml").write_text(DOCUMENT)
    project.write("print('imported')", keys="spec: api.yml")
    assert "imported" not in sp00ky(project, "jobs", "list")[1]
    code, said = sp00ky(project, "check")
    assert (code, said.splitlines()[0]) == (1, "imported")
    assert f"error: backend shop: {project.name} has no attribute 'app'; consequence: " in said


EMBEDDING = """
from contextlib import asynccontextmanager
from fastapi import FastAPI
from sp00ky_core import Outbox

@asynccontextmanager
async def lifespan(app):
    async with Outbox.open("sp00ky.yml") as outbox, outbox.runner() as runner:
        print("delivers", runner.is_ready)
        yield

app = FastAPI(lifespan=lifespan)
"""


def test_check_claims_no_job_by_a_runner_of_the_lifespan(project: Project) -> None:
    project.write(EMBEDDING)
    code, said = sp00ky(project, "check")
    assert (code, said.splitlines()[0]) == (0, "delivers False")


def test_a_module_of_another_folder_is_not_taken_for_its_own(project: Project) -> None:
    project.write(FASTAPI)
    other = project.folder / "other"
    other.mkdir()
    (other / f"{project.name}.py").write_text("raise RuntimeError('imported')")

    def load(folder: Path) -> object:
        return Target(module=project.name, attribute="app", prefix="", folder=folder).load()

    assert load(project.folder) is load(project.folder)
    with pytest.raises(TargetProblem, match=r"can't be it too; give one of them another name"):
        load(other)
    (other / f"{project.name}.py").unlink()
    load(other)


async def test_a_row_says_nothing_that_the_application_raises(project: Project) -> None:
    (project.folder / "api.yml").write_text(DOCUMENT)
    for source, says in (
        ("raise ValueError('password hunter2')", "can't be imported: ValueError"),
        (f"from {HERE} import tells_a_secret as app", "doesn't start"),
    ):
        project.write(source, keys="spec: api.yml")
        async with project.outbox() as outbox:
            job = await outbox.run("shop", "/x", {})
            attempt = Attempt(
                job=job,
                backend=outbox.backends["shop"].config,
                operation=Operation(path="/x"),
                number=1,
                timeout=5,
            )
        transport = AsgiTransport()
        outcome = await transport.deliver(attempt)
        await transport.close()
        assert isinstance(outcome, Undelivered)
        assert outcome.reason.endswith(says)


def test_the_command_line_delivers_to_it(project: Project) -> None:
    project.write(FASTAPI)
    assert sp00ky(project, "check") == (0, "ok: nothing to fix\n")
    code, said = sp00ky(project, "call", "--wait", "--json", "shop", "/x", "{}")
    assert (code, json.JSONDecoder().raw_decode(said)[0]["result"]) == (0, "boo")
