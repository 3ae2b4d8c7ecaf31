"""A backend's document: what it says of jobs, which backend is to be mended, and what isn't sent."""

from pathlib import Path
from typing import Any

import pytest

from sp00ky_core import ContractError, Outbox, load_contract
from sp00ky_core.config import BackendConfig
from sp00ky_core.job.job import NewJob
from sp00ky_core.testing.perform import ScriptedTransport
from sp00ky_openapi import Contract


def written(folder: Path, paths: str) -> Contract:
    (folder / "openapi.yml").write_text(f"openapi: 3.1.0\npaths:\n  /good: {{post: {{}}}}\n  {paths}\n")
    return loaded(folder / "openapi.yml")


def loaded(file: Path) -> Contract:
    return load_contract(BackendConfig(name="api", spec=file, base_url="http://x.test", table="job"))


def test_a_missing_file_names_the_backend(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"openapi\.yml: no such file; .*'api'"):
        loaded(tmp_path / "openapi.yml")
    with pytest.raises(ContractError, match=r"can't be read.*; .*`spec` of the backend 'api' in sp00ky\.yml"):
        loaded(tmp_path)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("x-sp00ky-max-retries: 1001", "x-sp00ky-max-retries is 1001; expected an integer"),
        ("x-sp00ky-timeout: soon", "x-sp00ky-timeout is 'soon'; expected seconds"),
    ],
)
def test_what_an_operation_says_of_its_jobs_is_in_range(tmp_path: Path, said: str, reason: str) -> None:
    found = written(tmp_path, f"/a: {{post: {{{said}}}}}")
    assert reason in found.unusable["/a"]
    assert found.operation("/good") is not None


@pytest.fixture
async def outbox(tmp_path: Path) -> Any:
    written(tmp_path, "/gone: {get: {}, delete: {}}")
    backend = "{spec: openapi.yml, baseUrl: 'http://127.0.0.1:1', method: {table: job}, retry: {base: 0}}"
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {backend}}}\nstore: memory://\n")
    async with Outbox.open(tmp_path / "sp00ky.yml", store="memory://") as outbox:
        yield outbox


async def test_a_row_for_such_a_route_is_not_sent_and_says_why(outbox: Outbox) -> None:
    (job,) = await outbox.store.add([NewJob(path="/gone", backend="api", max_retries=0)])
    transport = ScriptedTransport()
    async with outbox.runner(transport=transport):
        async for seen in outbox.watch(job.id):
            ended = seen
    assert ended.errors[-1].name == "unknown_route"
    assert "'GET /gone', 'DELETE /gone'" in ended.errors[-1].reason
    assert transport.attempts == []
