"""Two backends of one table, on every store: a job belongs to the one whose document has its path."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sp00ky_core import Job, NewJob, Outbox, RunnerOptions, hookimpl
from sp00ky_core.plugins.registry import load_plugins
from sp00ky_core.ports import JobQuery
from sp00ky_core.testing import ScriptedTransport

FAST = RunnerOptions(grace=5, poll=0.05)
CONFIG = """\
store: "{store}"
backends:
  api:
    spec: ./api.json
    baseUrl: http://127.0.0.1:1
    method: {{concurrency: 7}}
    retention: {{success: 1h, failed: 1d}}
  agent:
    spec: ./agent.json
    baseUrl: http://127.0.0.1:2
    method: {{table: job, concurrency: 3}}
    timeout: 60
    timeoutOverridable: true
    retention: {{success: 2h}}
  other:
    spec: ./api.json
    baseUrl: http://127.0.0.1:3
    method: {{table: other}}
"""


def write_document(file: Path, *paths: str) -> None:
    operation = {"post": {"requestBody": {"content": {"application/json": {}}}}}
    file.write_text(json.dumps({"openapi": "3.1.0", "paths": dict.fromkeys(paths, operation)}))


def project(folder: Path, store: str) -> Path:
    write_document(folder / "api.json", "/a", "/b")
    write_document(folder / "agent.json", "/chat")
    (folder / "sp00ky.yml").write_text(CONFIG.format(store=store))
    return folder / "sp00ky.yml"


@pytest.fixture(params=["memory", "embedded", "surreal", "postgres"])
def config(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SP00KY_STORE", raising=False)
    urls = {"memory": "memory://", "embedded": "mem://"}
    if request.param == "surreal":
        url = request.getfixturevalue("surreal_url")
    elif request.param == "postgres":
        base = request.getfixturevalue("dsn")
        url = f"{base}{'&' if '?' in base else '?'}schema=test_{uuid4().hex[:12]}"
    else:
        url = urls[request.param]
    return project(tmp_path, url)


def names(jobs: list[Job]) -> list[tuple[str, str]]:
    return [(job.backend, job.path) for job in jobs]


async def test_callers_see_each_backends_own_jobs(config: Path) -> None:
    async with Outbox.open(config) as outbox:
        await outbox.store.migrate()
        first = await outbox.run("api", "/a", dedup_key="k")
        second = await outbox.run("agent", "/chat", timeout=5)
        await outbox.run_many("other", [NewJob(path="/a"), NewJob(path="/b")])
        assert (first.backend, second.backend) == ("api", "agent")
        assert {first.id.partition(":")[0], second.id.partition(":")[0]} == {"job"}
        assert (await outbox.get(second.id)).backend == "agent"
        assert names(await outbox.find(backend="agent")) == [("agent", "/chat")]
        assert names(await outbox.find(backend="api")) == [("api", "/a")]
        assert names(await outbox.find(path="/chat")) == [("agent", "/chat")]
        assert len(await outbox.find()) == 4
        assert sorted({job.backend for job in await outbox.find()}) == ["agent", "api", "other"]
        stats = await outbox.stats()
        assert [stats[name].pending for name in ("api", "agent", "other")] == [2, 2, 2]
        async with aclosing(outbox.watch_all(JobQuery(backend="agent"))) as changes:
            assert (await anext(changes)).id == second.id


class Seen:
    """A plugin that hears of backends."""

    def __init__(self) -> None:
        self.claimed: set[tuple[str, str]] = set()
        self.settled: set[tuple[str, str]] = set()

    @hookimpl
    def sp00ky_jobs_claimed(self, jobs: Any) -> None:
        self.claimed |= set(names(jobs))

    @hookimpl
    def sp00ky_job_settled(self, job: Job) -> None:
        self.settled.add((job.backend, job.path))


async def test_each_job_is_delivered_by_its_backend_and_the_tighter_limit_holds(config: Path) -> None:
    seen = Seen()
    plugins = load_plugins()
    plugins.register(seen, name="seen", distribution="test")
    transport = ScriptedTransport()
    async with Outbox.open(config, plugins=plugins) as outbox:
        await outbox.store.migrate()
        await outbox.run_many("api", [NewJob(path="/a")] * 20)
        await outbox.run_many("agent", [NewJob(path="/chat", timeout=5)] * 20)
        await outbox.store.add([NewJob(path="/nowhere", backend="api", max_retries=0)])
        async with outbox.runner(FAST, transport=transport) as runner:
            assert await runner.until_empty() == 1
        assert {(attempt.backend.name, attempt.job.path) for attempt in transport.attempts} == {
            ("api", "/a"),
            ("agent", "/chat"),
        }
        assert {attempt.timeout for attempt in transport.attempts if attempt.job.path == "/a"} == {10}
        assert {attempt.timeout for attempt in transport.attempts if attempt.job.path == "/chat"} == {5}
        assert transport.most_in_flight <= 3
        assert [len(await outbox.find(backend=name)) for name in ("api", "agent")] == [21, 20]
    assert seen.claimed == {("api", "/a"), ("agent", "/chat"), ("api", "/nowhere")}
    assert seen.settled == seen.claimed
