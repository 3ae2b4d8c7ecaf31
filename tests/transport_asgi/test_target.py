"""What a ``baseUrl`` may name, and that anything else is one line at ``check`` and at the start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.transport_asgi import applications
from tests.transport_asgi.conftest import Project

from sp00ky_core import Attempt, Undelivered
from sp00ky_core.errors import ConfigError
from sp00ky_openapi import Operation
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
    (f"asgi://{HERE}:wsgi", "wsgi is no ASGI application: it is a WSGI application; serve it over HTTP"),
    (f"asgi://{HERE}:factory", "factory is no ASGI application"),
    (f"asgi://{HERE}", "expected asgi://MODULE:ATTRIBUTE, such as asgi://shop.main:app"),
    (f"asgi://{HERE}:refuses_to_start", "refuses_to_start doesn't start: no database at 10.0.0.7"),
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
    assert caught.value.key == "backends.shop"
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
        return Target(scheme="asgi", module=project.name, attribute="app", prefix="", folder=folder).load()

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


MAIN = """
from contextlib import asynccontextmanager
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sp00ky_core import Outbox

print("imported")

@asynccontextmanager
async def lifespan(app):
    async with Outbox.open("sp00ky.yml") as outbox, outbox.runner():
        yield {"outbox": outbox}

app = FastAPI(lifespan=lifespan)

@app.post("/order")
async def order(request: Request):
    outbox = request.state.outbox
    return (await outbox.wait((await outbox.run("shop", "/x", {})).id, timeout=30)).result

@app.post("/x")
async def x(request: Request) -> list:
    return [request.app is app, hasattr(request.state, "outbox")]

if __name__ == "__main__":
    with TestClient(app) as client:
        print(client.post("/order").json())
"""


@pytest.mark.parametrize("how", [["{name}.py"], ["-m", "{name}"]])
def test_the_program_that_runs_is_not_imported_again(project: Project, how: list[str]) -> None:
    project.write(MAIN.replace("import FastAPI", "import FastAPI, Request"))
    command = [sys.executable, *(word.format(name=project.name) for word in how)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=project.folder)
    assert ended.stdout.split("\n")[:2] == ["imported", "[True, True]"], ended.stderr


async def test_backends_of_one_application_have_one_loop(project: Project) -> None:
    (project.folder / "api.yml").write_text(DOCUMENT)
    project.write(FASTAPI, keys="spec: api.yml, asgi: {loop: own}")
    text = project.file.read_text()
    other = text.partition("shop: ")[2].rstrip("}\n").replace("own", "shared").replace("{}", "{table: two}")
    project.file.write_text(text.rstrip("}\n") + "}}, other: " + other + "}}}\n")
    code, said = sp00ky(project, "check")
    assert code == 1
    assert f"error: backend other: asgi://{project.name}:app has another `loop` for another backend" in said


FAILING = """
from contextlib import asynccontextmanager
from fastapi import FastAPI
from pydantic import BaseModel

class Settings(BaseModel):
    database: str

@asynccontextmanager
async def lifespan(app):
    Settings()
    yield

app = FastAPI(lifespan=lifespan)
"""


def test_a_lifespan_that_fails_is_told_in_one_whole_line(project: Project) -> None:
    (project.folder / "api.yml").write_text(DOCUMENT)
    project.write(FAILING, keys="spec: api.yml")
    code, said = sp00ky(project, "check")
    problem = "doesn't start: ValidationError: 1 validation error for Settings database Field required"
    assert (code, problem in said) == (1, True), said
    assert "Traceback" not in said
    assert "line 11, in lifespan" in sp00ky(project, "run", "--log-level", "debug", "--debug")[1]


def test_the_command_line_delivers_to_it(project: Project) -> None:
    project.write(FASTAPI)
    assert sp00ky(project, "check") == (0, "ok: nothing to fix\n")
    code, said = sp00ky(project, "call", "--wait", "--json", "shop", "/x", "{}")
    assert (code, json.JSONDecoder().raw_decode(said)[0]["result"]) == (0, "boo")
