"""Two services on one database with one table: each would fail the other's jobs, so it is said."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from tests.command_line import sp00ky

from sp00ky_core import Outbox, RunnerOptions
from sp00ky_core.ports import Finding
from sp00ky_core.testing import ScriptedTransport


def service(folder: Path, *backends: str, table: str = "job") -> Path:
    """A project of its own, on the one database."""
    folder.mkdir(exist_ok=True)
    texts = []
    for name in backends:
        paths = {f"/{name}": {"post": {}}}
        (folder / f"{name}.json").write_text(json.dumps({"openapi": "3.1.0", "paths": paths}))
        method = f"{{table: {table}}}"
        texts.append(f"  {name}: {{spec: {name}.json, baseUrl: 'http://127.0.0.1:1', method: {method}}}\n")
    store = f"sqlite:///{folder.parent}/jobs.db"
    (folder / "sp00ky.yml").write_text(f"store: {store}\nbackends:\n{''.join(texts)}")
    return folder / "sp00ky.yml"


@pytest_asyncio.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Path]:
    """A service whose runner is alive."""
    file = service(tmp_path / "shop", "orders")
    async with Outbox.open(file) as outbox:
        await outbox.migrate()
        async with outbox.runner(RunnerOptions(poll=0.05), transport=ScriptedTransport({})):
            yield file


async def checked(file: Path) -> Sequence[Finding]:
    async with Outbox.open(file) as outbox:
        return [finding for finding in await outbox.check() if finding.subject == "table job"]


async def test_another_service_of_the_table_is_found(shop: Path, tmp_path: Path) -> None:
    (found,) = await checked(service(tmp_path / "mail", "letters"))
    assert found.stops_jobs
    assert "its backends orders, and this service for letters" in found.problem
    assert "method.table" in found.fix


async def test_a_runner_says_so_at_its_start(
    shop: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox.open(service(tmp_path / "mail", "letters"))
    async with outbox, outbox.runner(transport=ScriptedTransport({})):
        pass
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "orders" in record.getMessage()
    assert "letters" in record.getMessage()


@pytest.mark.parametrize(
    ("backends", "table"), [(["orders"], "job"), (["orders", "refunds"], "job"), (["letters"], "mail_job")]
)
async def test_a_deploy_of_the_same_service_or_another_table_is_no_finding(
    shop: Path, tmp_path: Path, backends: Sequence[str], table: str
) -> None:
    file = service(tmp_path / "next", *backends, table=table)
    async with Outbox.open(file) as outbox:
        await outbox.migrate()
        assert await outbox.other_services() == []


async def test_migrate_asks_for_yes(shop: Path, tmp_path: Path) -> None:
    service(tmp_path / "mail", "letters")
    await sp00ky(tmp_path / "mail", "migrate", code=2)
    await sp00ky(tmp_path / "mail", "migrate", "--yes")
    assert "table job" in await sp00ky(tmp_path / "mail", "check", code=1)
