"""A job that says nothing about retries has its backend's; one that says something keeps it."""

from pathlib import Path
from typing import Any, cast

import pytest

from sp00ky_core import NewJob, Outbox
from sp00ky_core.backend.backend import Backend, Backends, serving, stored_table
from sp00ky_core.backend.loading import load_backends
from sp00ky_core.config import BackendConfig, Config, RetryConfig
from sp00ky_core.errors import ConfigError, UnknownBackend, UnknownStrategy
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.testing.perform import outbox_over
from sp00ky_openapi import Contract
from sp00ky_store_kit.memory import MemoryStore

TABLES = (JobTable(backend="api", table="job"),)
RETRY = RetryConfig(max_retries=7, strategy="exponential")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    store = MemoryStore(StoreOptions(url="memory://", tables=TABLES))
    return outbox_over(store, TABLES, tmp_path, retry=RETRY)


def retries(job: Any) -> tuple[int, str]:
    return job.max_retries, job.retry_strategy


async def test_without_an_outbox_it_has_three_linear_ones(outbox: Outbox) -> None:
    async with outbox:
        (job,) = await outbox.store.add([NewJob(path="/spookify", backend="api")])
    assert retries(job) == (3, "linear")


async def test_a_strategy_that_nobody_has_is_refused(outbox: Outbox) -> None:
    async with outbox:
        with pytest.raises(UnknownStrategy):
            await outbox.run("api", "/spookify", retry_strategy="fast")


def test_a_backends_strategy_that_nobody_has_is_refused(tmp_path: Path) -> None:
    store = MemoryStore(StoreOptions(url="memory://", tables=TABLES))
    said = r"api\.retry\.strategy: no retry strategy 'exponentiel'; did you mean"
    with pytest.raises(ConfigError, match=said):
        outbox_over(store, TABLES, tmp_path, retry=RetryConfig(strategy="exponentiel"))


def described(name: str, table: JobTable, sharing: tuple[Backend, ...] = ()) -> Backend:
    config = BackendConfig(name=name, spec=Path("x"), base_url="http://x", table=table.table)
    return Backend(config=config, contract=cast("Contract", None), table=table, sharing=sharing)


def test_a_runner_serves_what_is_named_and_what_shares_its_table() -> None:
    job, mail = JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail")
    agent = described("agent", job)
    backends = Backends(
        {"api": described("api", job, (agent,)), "agent": agent, "mail": described("mail", mail)}, {}
    )
    assert list(serving(backends, None)) == ["api", "agent", "mail"]
    assert list(serving(backends, ["agent"])) == ["api", "agent"]
    assert list(serving(backends, ["mail", "mail"])) == ["mail"]
    with pytest.raises(UnknownBackend, match="did you mean 'mail'"):
        serving(backends, ["mails"])
    pooled = described("gpu", JobTable(backend="gpu", table="gpu", delivered=False))
    backends = Backends({"mail": backends["mail"], "gpu": pooled}, {})
    assert list(serving(backends, None)) == ["mail"]
    with pytest.raises(UnknownBackend, match=r"on a pool of machines; .* remove `runOn`"):
        serving(backends, ["mail", "gpu"])


def test_backends_of_a_table_share_neither_a_path_nor_an_operation_id(tmp_path: Path) -> None:
    def loaded(second: str) -> Backends:
        documents = {"one": "/a: {get: {operationId: same}, post: {operationId: mine}}", "two": second}
        for name, paths in documents.items():
            (tmp_path / f"{name}.yml").write_text(f"openapi: 3.1.0\npaths:\n  {paths}\n")
        backends = {
            name: BackendConfig(name=name, spec=tmp_path / f"{name}.yml", base_url="http://x.test")
            for name in documents
        }
        return load_backends(Config(file=tmp_path / "sp00ky.yml", backends=backends), frozenset({"linear"}))

    with pytest.raises(ConfigError, match="both have '/a'"):
        loaded("/a: {put: {}}")
    backends = loaded("/b: {put: {operationId: same}}")
    for name, operation in (("one", "GET /a"), ("two", "/b")):
        contract = backends[name].contract
        assert contract.operation("same") is None
        assert "one and two" in contract.why_not("same")
        assert contract.operation(operation) is not None
    assert backends["one"].serving("mine").name == "one"
    assert backends["one"].serving("PUT /b").name == "two"
    assert stored_table(backends["one"]).routes == {"GET /a", "/a", "POST /a", "mine", "/b", "PUT /b"}
