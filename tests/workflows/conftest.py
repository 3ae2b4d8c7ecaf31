"""A project with one backend, whose answers a test says; its outbox, on any store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core import Delivered, Outbox, Outcome, Undelivered, load_config, load_plugins
from sp00ky_core.encoding.json_bytes import JsonText, encode
from sp00ky_workflows import WorkflowRecord, Workflows

OPEN = {"type": "object"}
PAID = {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]}
PAID |= {"additionalProperties": False}
PATHS = {f"/{letter}": OPEN for letter in "abcdefgh"} | {"/undo": OPEN, "/done": OPEN, "/pay": PAID}
BACKEND = (
    "{spec: openapi.json, baseUrl: 'http://127.0.0.1:1', concurrency: 100, method: {}, retry: {base: 0}}"
)

Answer = Callable[[Any], Any]


class Refused(Exception):
    """What an answer raises so that its job fails."""


class Backend:
    """Answers each job by its path, and writes down what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, Any]] = []

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def deliver(self, attempt: Any) -> Outcome:
        path, payload = attempt.job.path, attempt.job.payload
        self.asked.append((path, payload))
        try:
            answer = self.answers.get(path, lambda _: None)(payload)
            if hasattr(answer, "__await__"):
                answer = await answer
        except Refused as error:
            return Undelivered(code=422, name="http_status", reason=str(error), retryable=False)
        return Delivered(code=200, result=JsonText(encode(answer)))


@pytest.fixture
def backend() -> Backend:
    return Backend()


def document(paths: Mapping[str, Any] = PATHS) -> str:
    content = {path: {"application/json": {"schema": schema}} for path, schema in paths.items()}
    posts = {path: {"post": {"requestBody": {"content": of}}} for path, of in content.items()}
    return encode({"openapi": "3.1.0", "info": {"title": "shop", "version": "1"}, "paths": posts}).decode()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "openapi.json").write_text(document())
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{shop: {BACKEND}}}\n")
    return tmp_path / "sp00ky.yml"


@pytest.fixture
def store_url() -> str:
    return "memory://"


@pytest.fixture
async def outbox(project: Path, store_url: str) -> AsyncIterator[Outbox]:
    plugins = load_plugins()
    config = load_config(project, plugins=plugins)
    async with Outbox.open(config, store=store_url, plugins=plugins) as outbox:
        await outbox.migrate()
        yield outbox


@pytest.fixture
def workflows(outbox: Outbox) -> Workflows:
    return outbox.extension(Workflows)


Run = Callable[[str], Any]


@pytest.fixture
def run(outbox: Outbox, backend: Backend, workflows: Workflows) -> Run:
    """Run a runner until a workflow has ended; return it."""

    async def until(workflow_id: str) -> WorkflowRecord:
        async with outbox.runner(transport=backend):
            return await workflows.wait(workflow_id, timeout=60)

    return until


async def until(met: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that a database has, and no event says."""
    async with asyncio.timeout(60):
        while not await met():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def statuses(workflow: WorkflowRecord) -> dict[str, str]:
    """Return what became of each step."""
    return {step.name: step.status.value for step in workflow.steps}
