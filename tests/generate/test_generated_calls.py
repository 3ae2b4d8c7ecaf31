from pathlib import Path
from typing import Any

import pytest
from tests.generate.conftest import Written, document_of, generated
from tests.generate.test_module import THING, imported

from sp00ky_core import ModuleOutdated, OptionInvalid, Outbox, PayloadInvalid
from sp00ky_core.sync import SyncOutbox


@pytest.fixture
def config(written: Written) -> Path:
    return written(document_of({"a": THING, "b": {"type": "object"}}))


@pytest.fixture
def module(config: Path, tmp_path: Path) -> Any:
    return imported(tmp_path, generated(config))


async def test_a_call_enqueues(config: Path, module: Any) -> None:
    async with Outbox.open(config) as outbox:
        typed = module.TypedOutbox(outbox)
        job = await typed.api.a(module.APayload(id="1"), assigned_to="thread:1")
        assert (job.path, job.payload, job.assigned_to) == ("/a", {"id": "1"}, "thread:1")
        assert (await typed.run("api", "/b")).payload == {}
        assert len(await typed.outbox.find()) == 2
        with pytest.raises(PayloadInvalid):
            await typed.api.a({})
        with pytest.raises(OptionInvalid, match="connection"):
            await typed.api.a({"id": "1"}, connection=None)


def test_a_call_enqueues_from_synchronous_code(config: Path, module: Any) -> None:
    with SyncOutbox.open(config) as outbox:
        typed = module.TypedSyncOutbox(outbox)
        assert typed.api.a({"id": "1"}, autocommit=True).payload == {"id": "1"}
        assert typed.run("api", "/b", autocommit=True).path == "/b"
        with pytest.raises(OptionInvalid, match="connection"):
            typed.api.a({"id": "1"})


def test_a_module_that_is_older_than_its_document_is_refused(
    config: Path, module: Any, written: Written
) -> None:
    written(document_of({"a": THING}))
    line = r"typed_outbox\.py is older than .*openapi\.json; run `sp00ky generate --out typed_outbox\.py`"
    with pytest.raises(ModuleOutdated, match=line):
        module.TypedOutbox(Outbox.open(config))
    with pytest.raises(ModuleOutdated):
        module.TypedSyncOutbox(SyncOutbox.open(config))
