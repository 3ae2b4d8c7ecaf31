"""The command line on a real server: what is wrong is one line that names the part that is."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import pytest
from tests.command_line import SPEC, start
from tests.conftest import complaints

BACKEND = "{spec: openapi.yml, baseUrl: 'http://127.0.0.1:1', method: {table: job}}"


@attrs.frozen
class Ended:
    code: int
    out: str
    err: str

    def complaint(self) -> str:
        """Its one line on stderr."""
        assert self.code == 1, self.err
        (line,) = self.err.splitlines()
        assert line.startswith("sp00ky: ")
        return line


Run = Callable[..., Awaitable[Ended]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "openapi.yml").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {BACKEND}}}\n")
    return tmp_path


@pytest.fixture
def sp00ky(project: Path, url: str) -> Run:
    async def run(*arguments: str, store: str = url) -> Ended:
        process = await start(project, *arguments, SP00KY_STORE=store)
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), complaints(err.decode()))

    return run


async def test_an_empty_database_is_one_line_everywhere(sp00ky: Run) -> None:
    checked = await sp00ky("check")
    assert checked.code == 1
    (line,) = (text for text in checked.out.splitlines() if "the tables are missing: job" in text)
    assert line.endswith("fix: run: sp00ky migrate")
    commands = ("call api /spookify", "jobs stats", f"jobs kill job:{'0' * 32}")
    for ended in await asyncio.gather(*(sp00ky(*command.split()) for command in commands)):
        assert "run: sp00ky migrate" in ended.complaint()
    migrated = await sp00ky("migrate")
    assert migrated.code == 0
    assert all(line.partition(": ")[0] for line in migrated.out.splitlines())
    assert (await sp00ky("check")).code == 0
    assert (await sp00ky("migrate")).out == "nothing to do\n"
