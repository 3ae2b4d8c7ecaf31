"""What ``check`` says of how webhooks are configured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.webhooks.conftest import FILE, Bench

from sp00ky_core import Outbox
from sp00ky_core.errors import ConfigError
from sp00ky_core.ports import Is
from sp00ky_webhooks import Webhooks
from sp00ky_webhooks.service import EVERY, Disabler
from sp00ky_webhooks.tables import ENDPOINTS

HOOKS = 'baseUrl: "webhook://endpoints", method: {type: outbox, table: webhook}'


async def problems(folder: Path, backends: str) -> list[str]:
    file = folder / "sp00ky.yml"
    file.write_text(f"backends: {{{backends}}}\nstore: memory://\nwebhooks: {{}}\n")
    async with Outbox.open(file) as outbox:
        return [finding.problem for finding in await outbox.check()]


async def test_nothing_is_wrong_with_a_table_of_its_own(tmp_path: Path) -> None:
    assert await problems(tmp_path, f"hooks: {{{HOOKS}}}") == []


async def test_a_proxy_and_a_shared_table_are_found(tmp_path: Path) -> None:
    proxied = f'hooks: {{{HOOKS}, proxy: "http://proxy:3128"}}'
    assert await problems(tmp_path, proxied) == ["webhooks go through no proxy"]


async def test_without_a_backend_for_them_nothing_can_be_published(tmp_path: Path) -> None:
    file = tmp_path / "sp00ky.yml"
    text = FILE.format(store="memory://", settings="allowPrivate: [127.0.0.0/8]")
    file.write_text(text.replace("webhook://endpoints", "python://tests.tasks.functions:tasks"))
    async with Outbox.open(file) as outbox:
        webhooks = outbox.extension(Webhooks)
        await webhooks.endpoints.create(id="one", url="http://127.0.0.1:8000/")
        with pytest.raises(ConfigError, match="baseUrl: webhook://endpoints"):
            await webhooks.publish("a", {})


async def test_it_looks_every_minute(memory_bench: Bench) -> None:
    service = Disabler(memory_bench.webhooks)
    assert await service.look() == EVERY
    await service.close()


async def test_endpoints_that_have_failed_for_an_hour_are_measured(memory_bench: Bench) -> None:
    endpoints, context = memory_bench.webhooks.endpoints, memory_bench.webhooks.context
    for name, ago in (("well", None), ("new", 0.5), ("failing", 2), ("disabled", 2)):
        await endpoints.create(id=name, url="http://127.0.0.1:8000/")
        since = ago and datetime.now(UTC) - timedelta(hours=ago)
        row, where = {"failing_since": since, "enabled": int(name != "disabled")}, [Is("id", "=", name)]
        await context.transact(lambda tx, row=row, where=where: tx.update(ENDPOINTS, where, row))
    assert "sp00ky_endpoints_failing 1.0" in await memory_bench.outbox.metrics()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("topics: [order.paid]", "expected topics"),
        ("topics: {Order: {}}", "joined by dots"),
        ("topics: {a: missing.yml}", "the schema of a"),
        ("topics: {a: {type: nonsense}}", "the schema of a"),
        ("allowPrivate: [10.0.0.1/8]", "expected a network"),
        ("rate: often", "expected a rate"),
        ("maxInFlight: 0", "maxInFlight"),
        ("disableafter: 5d", "disableAfter"),
    ],
)
def test_what_is_wrong_with_the_section_is_said(tmp_path: Path, settings: str, said: str) -> None:
    file = tmp_path / "sp00ky.yml"
    file.write_text(FILE.format(store="memory://", settings=settings))
    with pytest.raises(ConfigError, match=said) as refused:
        Outbox.open(file)
    assert "webhooks" in str(refused.value)


def test_schemas_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("{required: [n]}")
    file = tmp_path / "sp00ky.yml"
    file.write_text(FILE.format(store="memory://", settings="topics: {a: a.yml, b: null}"))
    assert set(Outbox.open(file).config.extensions["webhooks"].topics) == {"a", "b"}
