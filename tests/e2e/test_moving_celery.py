"""The script that moves a queue of Celery over."""

import importlib.util
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from tests.ports import free_port

from sp00ky_core import JobQuery, Outbox

SCRIPT = Path(__file__).parents[2] / "docs" / "moving" / "move_celery.py"
SPEC = """
openapi: 3.1.0
info: {title: api, version: "1"}
paths:
  /spookify:
    post:
      requestBody:
        content: {application/json: {schema: {required: [id], properties: {id: {type: string}}}}}
"""


@pytest.fixture
def script() -> ModuleType:
    pytest.importorskip("celery")
    spec = importlib.util.spec_from_file_location("move_celery", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis server of its own; its URL."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        while server.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


@pytest.fixture(params=["memory", "redis"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a broker: in memory, and a Redis server."""
    if request.param == "memory":
        yield "memory://"
        return
    pytest.importorskip("redis")
    if shutil.which("redis-server") is None:
        pytest.skip("no `redis-server` on PATH: a Redis server can't be started")
    with redis(tmp_path) as url:
        yield url


@pytest.fixture
def app(script: ModuleType, broker: str) -> Any:
    """An application."""
    app = script.Celery("tasks", broker=broker)
    app.conf.task_default_queue = uuid4().hex  # the memory is the process's

    @app.task(name="spookify", shared=False)  # type: ignore[untyped-decorator]  # celery carries no types
    def spookify(id: Any, loud: bool = False) -> None:  # noqa: A002  # the payload's name
        """Never run here."""

    return app


@pytest.fixture
def open_outbox(tmp_path: Path) -> Callable[[], Outbox]:
    (tmp_path / "openapi.yml").write_text(SPEC)
    backend = "{spec: openapi.yml, baseUrl: 'http://127.0.0.1:1', method: {table: job}}"
    (tmp_path / "sp00ky.yml").write_text(f"store: memory://\nbackends: {{api: {backend}}}\n")
    return lambda: Outbox.open(tmp_path / "sp00ky.yml")


async def test_what_waits_is_moved_and_the_rest_left(
    script: ModuleType, app: Any, open_outbox: Callable[[], Outbox], capsys: pytest.CaptureFixture[str]
) -> None:
    task = app.tasks["spookify"]
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    first = task.delay("1", loud=True)
    task.apply_async(kwargs={"id": "2"}, eta=soon, expires=soon + timedelta(hours=1))
    refused = task.delay(3)  # the document wants text
    app.send_task("other")
    task.apply_async(("4",), link=task.si("5"))
    async with open_outbox() as outbox:
        assert await script.move(app, outbox, app.conf.task_default_queue) == 2
        assert capsys.readouterr().out.count("left ") == 3
        assert await script.move(app, outbox, app.conf.task_default_queue) == 0
        one, two = sorted(await outbox.store.find(JobQuery()), key=lambda job: job.payload["id"])
    assert (one.path, one.payload, one.dedup_key) == ("/spookify", {"id": "1", "loud": True}, first.id)
    assert (two.run_at, two.expires_at) == (soon, soon + timedelta(hours=1))
    assert f"left {refused.id}" in capsys.readouterr().out


async def test_a_job_that_was_written_before_the_script_died_is_not_written_again(
    script: ModuleType, app: Any, open_outbox: Callable[[], Outbox]
) -> None:
    task = app.tasks["spookify"].delay("1")
    async with open_outbox() as outbox:
        await outbox.run("api", "/spookify", {"id": "1"}, dedup_key=task.id)
        assert await script.move(app, outbox, app.conf.task_default_queue) == 1
        assert len(await outbox.store.find(JobQuery())) == 1
