"""The core and a store are enough to enqueue, watch and operate; running asks for a transport."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

Sp00ky = Callable[..., subprocess.CompletedProcess[str]]

OPENAPI = """
openapi: 3.1.0
info: {title: api, version: "1"}
paths: {/spookify: {post: {responses: {"200": {description: ok}}}}}
"""

CONFIG = """
backends: {api: {spec: openapi.yml, baseUrl: "http://127.0.0.1:1", method: {type: outbox, table: job}}}
store: surrealkv://jobs
"""


@pytest.fixture
def sp00ky(without_transport: Path, tmp_path: Path) -> Sp00ky:
    """The command line in a project's folder."""
    (tmp_path / "openapi.yml").write_text(OPENAPI)
    (tmp_path / "sp00ky.yml").write_text(CONFIG)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(without_transport / "sp00ky"), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)

    return run


def test_running_says_what_to_install(sp00ky: Sp00ky) -> None:
    assert sp00ky("migrate").returncode == 0
    done = sp00ky("run")
    assert done.returncode == 2
    assert "pip install ./sp00ky_transport_http" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_job_is_enqueued_read_and_killed(sp00ky: Sp00ky) -> None:
    assert sp00ky("migrate").returncode == 0
    called = sp00ky("call", "api", "/spookify", '{"id": 1}')
    assert called.returncode == 0, called.stderr
    listed = json.loads(sp00ky("jobs", "list", "--json").stdout)
    (job,) = listed["jobs"]
    assert job["id"] in called.stdout
    assert (job["status"], job["payload"]) == ("pending", {"id": 1})
    assert sp00ky("jobs", "kill", job["id"]).returncode == 0
    assert json.loads(sp00ky("jobs", "get", job["id"], "--json").stdout)["status"] == "failed"


def test_the_plugins_that_are_there_are_listed(sp00ky: Sp00ky) -> None:
    listed = sp00ky("plugins")
    assert listed.returncode == 0, listed.stderr
    assert "sp00ky-store-surreal" in listed.stdout
    assert "sp00ky-transport-http" not in listed.stdout
