"""What is wrong with a SurrealDB server, or with what is said of it: one line, and how to mend it."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from surrealdb.data.cbor import decode, encode
from tests.conftest import complaints
from websockets import ConnectionClosed, Subprotocol
from websockets.asyncio.server import ServerConnection, serve

from sp00ky_core.cli import main

SP00KY = Path(sys.executable).with_name("sp00ky")
OPENAPI = Path(__file__).parents[2] / "examples" / "quickstart" / "openapi.yml"
CONFIG = "backends: {api: {spec: openapi.yml, baseUrl: http://127.0.0.1:1, method: {table: job}}}"
Shown = pytest.CaptureFixture[str]
EVERY = (["run"], ["check"], ["migrate"], ["jobs", "list"], ["call", "api", "/spookify", '{"id": "a"}'])


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a configuration, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SP00KY_STORE", raising=False)
    (tmp_path / "openapi.yml").write_text(OPENAPI.read_text())
    (tmp_path / "sp00ky.yml").write_text(CONFIG)


async def sp00ky(capsys: Shown, url: str, *arguments: str) -> tuple[int | str | None, str, str]:
    """Its exit code, and what it prints: a command in this process, ``run`` as one of its own."""
    if arguments[0] == "run":
        return await apart(url, *arguments)

    def run() -> int | str | None:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--store", url])
        return ended.value.code

    code = await asyncio.to_thread(run)  # a server of the test's own may be what it talks to
    return code, *capsys.readouterr()


async def apart(url: str, *arguments: str) -> tuple[int | None, str, str]:
    """The same of a process, which may take signals."""
    process = await asyncio.create_subprocess_exec(
        *(str(SP00KY), *arguments, "--store", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:  # a service that waits for a database that is there
            process.kill()
            await process.wait()
    return process.returncode, out.decode(), complaints(err.decode())


async def complaint(capsys: Shown, url: str, *arguments: str, code: int = 1) -> str:
    """The one line."""
    returned, out, err = await sp00ky(capsys, url, *arguments)
    (line,) = complaints(err).splitlines()
    assert (returned, out) == (code, "")
    assert "hunter2" not in line
    return line


@pytest_asyncio.fixture
async def old_server() -> AsyncIterator[str]:
    """Nothing of a server but its version: one that old can't be had here."""

    async def talk(visitor: ServerConnection) -> None:
        with suppress(ConnectionClosed):  # a client that hangs up is none of stderr's lines
            async for frame in visitor:
                call = decode(frame)
                result = "surrealdb-1.5.6" if call["method"] == "version" else None
                await visitor.send(encode({"id": call["id"], "result": result}))

    async with serve(talk, "127.0.0.1", 0, subprotocols=[Subprotocol("cbor")]) as server:
        yield f"ws://root:hunter2@127.0.0.1:{server.sockets[0].getsockname()[1]}/a/b"


@pytest.mark.parametrize("command", EVERY[1:], ids=" ".join)
async def test_nobody_listens_there(capsys: Shown, command: list[str]) -> None:
    line = await complaint(capsys, "ws://root:hunter2@127.0.0.1:1/a/b", *command)
    assert line.startswith("sp00ky: ws://127.0.0.1:1/a/b: no connection: ")
    assert "is a SurrealDB server running at that address?" in line


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
async def test_a_wrong_password(capsys: Shown, surreal_url: str, command: list[str]) -> None:
    url = re.sub(r":[^:@]*@", ":hunter2@", surreal_url)
    assert "check the user, the password or the token" in await complaint(capsys, url, *command)


@pytest.mark.parametrize("command", [each for each in EVERY if each != ["migrate"]], ids=" ".join)
async def test_a_namespace_that_isnt_there(
    capsys: Shown, missing_surreal_url: str, command: list[str]
) -> None:
    line = await complaint(capsys, missing_surreal_url, *command)
    assert "its namespace or database is missing: check their names, or run: sp00ky migrate" in line


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
async def test_a_server_that_is_too_old(capsys: Shown, old_server: str, command: list[str]) -> None:
    line = await complaint(capsys, old_server, *command)
    assert "the server is too old (surrealdb-1.5.6)" in line
    assert "upgrade it to SurrealDB 3.0 or newer" in line


async def test_no_tls_there(capsys: Shown, surreal_url: str) -> None:
    line = await complaint(capsys, surreal_url.replace("ws://", "wss://"), "check")
    assert "does the server speak TLS there" in line


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
async def test_a_table_that_is_no_job_table(capsys: Shown, spooky_app: Any, command: list[str]) -> None:
    await spooky_app.root.query_raw(
        "REMOVE TABLE job; DEFINE TABLE job; DEFINE FIELD title ON job TYPE string"
    )
    before = (await spooky_app.root.query_raw("INFO FOR TABLE job"))["result"][0]["result"]
    if command == ["migrate"]:
        line = await complaint(capsys, spooky_app.url, *command)
        assert "table 'job' is there and is no job table" in line
        assert "give the backend another one in method.table" in line
    else:
        code, out, err = await sp00ky(capsys, spooky_app.url, *command)
        assert (code, "job" in out + err, "Traceback" in err) == (1, True, False)
    assert (await spooky_app.root.query_raw("INFO FOR TABLE job"))["result"][0]["result"] == before


@pytest.mark.parametrize(
    "refusing",
    [
        "DEFINE FIELD OVERWRITE status ON job TYPE string ASSERT $value IN ['pending', 'running', 'done']",
        "DEFINE FIELD OVERWRITE max_retries ON job TYPE int DEFAULT 3 ASSERT $this.status != 'success'",
        "DEFINE FIELD OVERWRITE retries ON job TYPE int DEFAULT 0 ASSERT $value < 1",
        "DEFINE FIELD OVERWRITE updated_at ON job TYPE datetime READONLY VALUE time::now()",
    ],
)
async def test_a_schema_that_refuses_what_runners_write(
    capsys: Shown, spooky_app: Any, refusing: str
) -> None:
    assert (await sp00ky(capsys, spooky_app.url, "migrate"))[0] == 0
    (reply,) = (await spooky_app.root.query_raw(refusing))["result"]
    assert reply["status"] == "OK", reply
    code, out, err = await sp00ky(capsys, spooky_app.url, "check")
    assert (code, err) == (1, "")
    (finding,) = [line for line in out.splitlines() if line.startswith("error: ")]
    assert finding.startswith("error: job: a dry run of a job was refused: ")
    assert "fix: change the definition that the database names" in finding
    line = await complaint(capsys, spooky_app.url, "run", "--until-empty")
    assert "a dry run of a job was refused" in line
    assert (await spooky_app.root.query_raw("SELECT * FROM job"))["result"][0]["result"] == []
