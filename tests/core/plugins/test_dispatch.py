"""Hooks at work: when each fires, and that a stranger's fault in one changes nothing."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from sp00ky_core import (
    Attempt,
    BackendConfig,
    BreakerConfig,
    Config,
    Delivered,
    Job,
    JobStatus,
    Outbox,
    Outcome,
    Plugins,
    RetryConfig,
    RunnerOptions,
    Transition,
    Undelivered,
    hookimpl,
)
from sp00ky_core.plugins import dispatch
from sp00ky_core.plugins.dispatch import sp00ky_classify_outcome
from sp00ky_core.testing import ScriptedTransport
from sp00ky_core.testing.perform import Script, deliver_all
from sp00ky_store_kit import memory as core_stores

BROKEN = Undelivered(code=500, name="http_status", reason="Internal Server Error")
FAST = RunnerOptions(
    grace=5, poll=0.05, beat_interval=0.02, beat_stale=60, reclaim_after=0.05, dead_after=120
)


class Scene:
    """An outbox on a store in memory, whose backend answers as told, and plugins."""

    def __init__(self, folder: Path) -> None:
        spec = folder / "openapi.json"
        spec.write_text('{"openapi": "3.1.0", "paths": {"/spookify": {"post": {}}}}')
        self._spec = spec
        self.breaker: BreakerConfig | None = BreakerConfig()
        self.transport = ScriptedTransport()
        self.plugins = Plugins()
        self.plugins.register(core_stores, name="core", distribution="sp00ky-core")
        bringing = hookimpl(lambda: {"http": lambda: self.transport})
        transport = SimpleNamespace(sp00ky_register_transports=bringing)
        self.plugins.register(transport, name="transport", distribution="ghost-transport")

    def register(self, plugin: object, name: str = "ghost") -> None:
        self.plugins.register(plugin, name=name, distribution="ghost-distribution")

    def outbox(self) -> Outbox:
        api = BackendConfig(
            name="api",
            spec=self._spec,
            base_url="http://127.0.0.1:1",
            table="job",
            retry=RetryConfig(base=0),
            breaker=self.breaker,
        )
        config = Config(file=self._spec.with_name("sp00ky.yml"), backends={"api": api})
        return Outbox.open(config, store="memory://", plugins=self.plugins)

    async def deliver(self, answer: Script = deliver_all, **options: Any) -> Job:
        """One job, from its enqueueing to its end."""
        self.transport.script = answer
        async with self.outbox() as outbox:
            job = await outbox.run("api", "/spookify", {"id": 7}, **options)
            async with outbox.runner(FAST):
                return await _ended(outbox, job)


async def _ended(outbox: Outbox, job: Job) -> Job:
    async for state in outbox.watch(job.id):
        job = state
    return job


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@attrs.define
class Witness:
    """Observes everything, in order; what the row held when an observer looked."""

    outbox: Outbox | None = None
    seen: list[tuple[Any, ...]] = attrs.field(factory=list)

    def names(self) -> list[str]:
        return [fact[0] for fact in self.seen]

    async def _status(self, job_id: str) -> str:
        assert self.outbox is not None
        return (await self.outbox.get(job_id)).status.value

    @hookimpl
    async def sp00ky_job_enqueued(self, jobs: Sequence[Job]) -> None:
        self.seen.append(("enqueued", await self._status(jobs[0].id)))

    @hookimpl
    def sp00ky_runner_started(self, runner_id: str) -> None:
        self.seen.append(("runner_started", runner_id))

    @hookimpl
    def sp00ky_jobs_claimed(self, jobs: Sequence[Job], runner_id: str) -> None:
        self.seen.append(("claimed", jobs[0].status.value, jobs[0].lease_epoch, runner_id))

    @hookimpl
    def sp00ky_attempt_started(self, attempt: Attempt) -> None:
        self.seen.append(("attempt_started", attempt.number))

    @hookimpl
    def sp00ky_attempt_finished(self, attempt: Attempt, outcome: Outcome, seconds: float) -> None:
        assert seconds >= 0
        self.seen.append(("attempt_finished", attempt.number, outcome.code))

    @hookimpl
    async def sp00ky_job_settled(self, job: Job, transition: Transition) -> None:
        self.seen.append(("settled", job.status.value, transition.to.value))
        self.seen.append(("row", await self._status(job.id)))

    @hookimpl
    def sp00ky_lease_lost(self, job_id: str, runner_id: str, reason: str) -> None:
        self.seen.append(("lease_lost", job_id, runner_id, reason))

    @hookimpl
    def sp00ky_runner_stopped(self, runner_id: str) -> None:
        self.seen.append(("runner_stopped", runner_id))

    @hookimpl
    def sp00ky_breaker_changed(self, backend: str, state: str) -> None:
        self.seen.append(("breaker_changed", backend, state))


async def test_every_observer_is_told_at_its_moment(scene: Scene) -> None:
    witness = Witness()
    scene.register(witness)
    options = attrs.evolve(FAST, runner_id="runner-1")
    async with scene.outbox() as outbox:
        witness.outbox = outbox
        job = await outbox.run("api", "/spookify", {"id": 7})
        async with outbox.runner(options) as runner:
            await _ended(outbox, job)
    assert witness.seen == [
        ("enqueued", "pending"),
        ("runner_started", runner.runner_id),
        ("claimed", "processing", 1, runner.runner_id),
        ("attempt_started", 1),
        ("attempt_finished", 1, 200),
        ("settled", "processing", "success"),
        ("row", "success"),
        ("runner_stopped", runner.runner_id),
    ]


# --- isolation ---


OBSERVERS = ("job_enqueued", "runner_started", "jobs_claimed", "attempt_started")
OBSERVERS += ("attempt_finished", "job_settled", "runner_stopped")


def fails() -> None:
    raise RuntimeError("boo")


async def fails_later() -> None:
    fails()


async def test_an_observer_that_raises_changes_nothing_and_is_logged_by_name(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    raising = zip(OBSERVERS, cycle([fails, fails_later]), strict=False)
    scene.register(SimpleNamespace(**{f"sp00ky_{name}": hookimpl(function) for name, function in raising}))
    witness = Witness()
    scene.register(witness, name="witness")
    async with scene.outbox() as outbox:
        witness.outbox = outbox
        job = await outbox.run("api", "/spookify", {"id": 7})
        async with outbox.runner(FAST):
            assert (await _ended(outbox, job)).status is JobStatus.SUCCESS
    assert "settled" in witness.names()
    told = {record.getMessage() for record in caplog.records if record.levelno == logging.ERROR}
    assert told == {f"plugin ghost-distribution:ghost failed in sp00ky_{name}" for name in OBSERVERS}


# --- decisions ---


async def test_the_first_decision_that_is_not_none_counts(scene: Scene) -> None:
    class Indifferent:
        @hookimpl(tryfirst=True)
        def sp00ky_classify_outcome(self) -> None: ...

    class Lenient:
        @hookimpl
        def sp00ky_classify_outcome(self, job: Job, backend: BackendConfig, outcome: Outcome) -> Outcome:
            assert (job.path, backend.name, outcome.code) == ("/spookify", "api", 500)
            return Delivered(result="taken as done")

    scene.register(Indifferent(), name="indifferent")
    scene.register(Lenient(), name="lenient")
    job = await scene.deliver(lambda _attempt: BROKEN)
    assert (job.status, job.result, job.errors) == (JobStatus.SUCCESS, "taken as done", ())


# --- headers ---


async def test_headers_are_merged_and_the_forbidden_ones_dropped(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    class Team:
        @hookimpl
        def sp00ky_request_headers(self, job: Job, backend: BackendConfig) -> Mapping[str, str]:
            return {"X-Team": f"{backend.name} {job.path}", "Authorization": "Bearer stolen"}

    class Careless:
        @hookimpl
        def sp00ky_request_headers(self) -> Mapping[Any, Any]:
            return {
                "X-Shift": "night",
                "HOST": "evil.test",
                "Connection": "close",
                "transfer-encoding": "chunked",
                "Content-Length": "1",
                "X-Split": "a\r\nX: b",
                "X: b\r\nX-Name": "a",
                "X-Number": 7,
            }

    class Broken:
        @hookimpl
        def sp00ky_request_headers(self) -> Mapping[str, str]:
            raise RuntimeError("boo")

    for plugin in (Team(), Careless(), Broken()):
        scene.register(plugin, name=type(plugin).__name__)
    assert (await scene.deliver()).status is JobStatus.SUCCESS
    assert scene.transport.attempts[0].headers == {"X-Team": "api /spookify", "X-Shift": "night"}
    told = "\n".join(record.getMessage() for record in caplog.records)
    for name in ("Authorization", "HOST", "Connection", "X-Split", "X-Number"):
        assert f"may not set the request header {name!r}" in told
    assert "plugin ghost-distribution:Broken failed in sp00ky_request_headers" in told
    assert "stolen" not in told


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (lambda: {}["tenant"], "raised KeyError in sp00ky_request_headers"),
        (lambda: {"X-Tenant": "a\r\nb"}, "may not set a header of its sp00ky_request_headers"),
    ],
)
async def test_without_headers_that_must_not_be_lacking_nothing_is_sent(
    scene: Scene, headers: Callable[[], Mapping[str, str]], says: str
) -> None:
    observed: list[str | int] = []

    class Tenant:
        @hookimpl(on_error="fail")
        def sp00ky_request_headers(self) -> Mapping[str, str]:
            return headers()

        @hookimpl
        def sp00ky_attempt_started(self, attempt: Attempt) -> None:
            observed.append(attempt.number)

        @hookimpl
        def sp00ky_attempt_finished(self, attempt: Attempt, outcome: Outcome) -> None:
            assert isinstance(outcome, Undelivered)
            observed.extend((attempt.number, outcome.name))

    scene.register(Tenant(), name="Tenant")
    job = await scene.deliver()
    assert scene.transport.attempts == []
    assert observed[:3] == [1, 1, "hook_failed"]
    assert {error.name for error in job.errors} == {"hook_failed"}
    assert f"plugin ghost-distribution:Tenant {says}" in job.errors[-1].reason


async def test_a_hook_that_blocks_the_loop_is_named(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(dispatch, "time", SimpleNamespace(monotonic=lambda: now))

    def block() -> None:
        nonlocal now
        now += dispatch.BLOCKS + 0.1

    class Slow:
        @hookimpl
        def sp00ky_request_headers(self) -> None:
            block()

        @hookimpl
        def sp00ky_classify_outcome(self) -> None:
            block()

        @hookimpl
        async def sp00ky_job_settled(self) -> None:
            await asyncio.sleep(0)
            block()

        @hookimpl
        async def sp00ky_jobs_claimed(self) -> None:
            asyncio.get_running_loop().call_soon(block)
            await asyncio.sleep(0)  # while another does

    scene.register(Slow(), name="Slow")
    assert (await scene.deliver()).status is JobStatus.SUCCESS
    told = "\n".join(record.getMessage() for record in caplog.records)
    for name in ("request_headers", "classify_outcome", "job_settled"):
        assert f"plugin ghost-distribution:Slow blocked for 0.6 s in sp00ky_{name}" in told
    assert "sp00ky_jobs_claimed" not in told


async def test_an_observer_that_hangs_silences_no_other_plugin(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatch, "MAX_OBSERVING", 3)
    monkeypatch.setattr(dispatch, "OBSERVER_TIMEOUT", 60.0)
    told, over = list[str](), asyncio.Event()

    class Hanging:
        @hookimpl
        async def sp00ky_runner_stopped(self) -> None:
            await over.wait()

    class Good:
        @hookimpl
        async def sp00ky_runner_stopped(self, runner_id: str) -> None:
            told.append(runner_id)

    scene.register(Hanging(), name="hanging")
    scene.register(Good(), name="good")
    hooks = scene.plugins.hooks()
    for n in range(10):
        hooks.dispatch_soon("sp00ky_runner_stopped", runner_id=str(n))
        for _ in range(3):  # turns of the loop, for the call to be made and its task to end
            await asyncio.sleep(0)
    over.set()
    await hooks.flush()
    assert told == [str(n) for n in range(10)]
    left_out = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(left_out) == 7
    assert all("hanging" in line for line in left_out)


class _Tracer:
    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    @hookimpl
    def sp00ky_traceparent(self, job: Any, backend: BackendConfig) -> Any:
        assert (job.path, backend.name) == ("/spookify", "api")
        return self.answer()


TRACE, OTHER_TRACE = (f"00-{digit * 32}-{digit * 16}-01" for digit in "ab")


@pytest.mark.parametrize(
    ("answer", "complaints"),
    [(lambda: None, 0), (lambda: "no-traceparent", 1), (lambda: 7, 1), (lambda: 1 / 0, 1)],
)
async def test_a_trace_that_is_none_costs_no_job(
    scene: Scene, answer: Callable[[], Any], complaints: int, caplog: pytest.LogCaptureFixture
) -> None:
    scene.register(_Tracer(answer))
    job = await scene.deliver()
    assert (job.status, job.traceparent) == (JobStatus.SUCCESS, None)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == complaints


BACKEND = BackendConfig(
    name="api",
    spec=Path("openapi.yml"),
    base_url="http://x.test",
    table="job",
    give_up_on=frozenset({422, 429}),
    retry=RetryConfig(base=7.0, cap=70.0),
)


@pytest.mark.parametrize(
    ("outcome", "changes"),
    [
        (Delivered(code=200), {}),
        (Undelivered(name="http_status", code=500), {}),
        (Undelivered(name="http_status", code=422), {"retryable": False, "rule": "giveUpOn has 422"}),
        (Undelivered(name="throttled", code=503), {}),
        (
            Undelivered(name="throttled", code=429),
            {
                "retryable": False,
                "rule": "giveUpOn has 429",
                "name": "http_status",
                "counts_as": "throttled",
            },
        ),
        (
            Undelivered(name="throttled", scheme="amqp", code=422, counts_as="unavailable"),
            {"retryable": False, "rule": "giveUpOn has 422", "name": "amqp_status"},
        ),
    ],
)
def test_what_is_given_up_on(outcome: Outcome, changes: dict[str, Any]) -> None:
    assert sp00ky_classify_outcome(BACKEND, outcome) == attrs.evolve(outcome, **changes)
