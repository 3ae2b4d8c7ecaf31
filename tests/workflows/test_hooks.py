"""Plugins hear once of each workflow and batch that has ended; what ended long ago is deleted."""

from datetime import timedelta
from pathlib import Path

from tests.workflows.conftest import BACKEND, Backend, document, until

from sp00ky_core import NewJob, Outbox, hookimpl, load_plugins
from sp00ky_core.plugins.registry import load_config
from sp00ky_workflows import BatchRecord, WorkflowRecord, Workflows


class Heard:
    def __init__(self) -> None:
        self.ended: list[tuple[str, str | int]] = []

    @hookimpl
    def sp00ky_workflow_ended(self, workflow: WorkflowRecord) -> None:
        self.ended.append((workflow.name, workflow.status.value))

    @hookimpl
    def sp00ky_batch_ended(self, batch: BatchRecord) -> None:
        self.ended.append((batch.name, batch.succeeded))


async def test_each_end_is_observed_once_and_old_ones_are_deleted(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(document())
    keys = f"backends: {{shop: {BACKEND}}}\nretention: {{runSuccess: 1ms, runFailed: 1ms}}\n"
    (tmp_path / "sp00ky.yml").write_text(keys)
    plugins, heard = load_plugins(), Heard()
    plugins.register(heard, name="heard", distribution="zombie")
    config = load_config(tmp_path / "sp00ky.yml", plugins=plugins)
    async with Outbox.open(config, store="memory://", plugins=plugins) as outbox:
        workflows = outbox.extension(Workflows)
        async with workflows.create("one") as w:
            w.step("a", "shop", "/a")
        async with workflows.create("delayed") as left:
            left.step("a", "shop", "/a", delay=timedelta(hours=1))
        async with workflows.batch("import-7") as batch:
            await batch.run_many("shop", [NewJob(path="/a", payload={})])
        async with workflows.batch("empty"):
            pass

        async def is_all_heard() -> bool:
            return len(heard.ended) == 3

        async with outbox.runner(transport=Backend()):
            await until(is_all_heard)
        assert sorted(heard.ended) == [("empty", 0), ("import-7", 1), ("one", "success")]
        extension = plugins.extensions["workflows"]
        context = workflows._context
        assert await extension.retention(context) == 3
        assert await extension.retention(context) == 0
        assert [found.name for found in await workflows.list()] == ["delayed"]
        assert await workflows.batches.list() == []
