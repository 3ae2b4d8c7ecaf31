"""How functions are called: in which loop or thread, for how long, and what comes of it."""

import asyncio

import pytest
from tests.tasks.conftest import Project

from sp00ky_core import Job, Outbox, RunnerOptions
from sp00ky_core.errors import ConfigError
from sp00ky_core.job.job import JobStatus

SHOP = """
began, goes_on, threads, contexts = threading.Event(), threading.Event(), [], []

@tasks.task
async def send_receipt(order: int, email: str = "boo@example.com") -> str:
    threads.append(threading.current_thread().name)
    return f"{order} to {email}"

@tasks.task
def blocks() -> None:
    began.set()
    assert goes_on.wait(60)

@tasks.task
async def blocks_its_loop() -> None:
    blocks()

@tasks.task(timeout=1, max_retries=0)
async def never_ends() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        threads.append("cancelled")

@tasks.task(timeout=1, max_retries=0)
def goes_on_too_long() -> None:
    blocks()

@tasks.task(max_retries=0)
async def waits(context: Context, n: int) -> bool:
    contexts.append(context)
    began.set()
    while not context.stopping:
        await asyncio.sleep(0.01)
    return context.stopping

@tasks.task(aliases=["old_name"])
def plain(thing): return thing

@tasks.task
def no_json(): return {"a": [1, object()]}
"""


async def delivered(outbox: Outbox, *jobs: Job) -> list[Job]:
    """Run until nothing is left; return the jobs as they ended."""
    async with outbox.runner(RunnerOptions(poll=0.05)) as runner, asyncio.timeout(60):
        await runner.until_empty()
    return [await outbox.get(job.id) for job in jobs]


async def test_functions_are_called_in_their_own_loop_and_in_threads(project: Project) -> None:
    shop = project.write(SHOP)
    async with project.outbox() as outbox:
        first = await shop.send_receipt.enqueue(outbox, 7, email="a@example.com")
        by_hand = await outbox.run("shop", "/send_receipt", {"order": 8})
        renamed = await outbox.run("shop", "/old_name", {"thing": {"any": [1]}})
        jobs = await delivered(outbox, first, by_hand, renamed)
    assert [job.result for job in jobs] == ["7 to a@example.com", "8 to boo@example.com", {"any": [1]}]
    assert set(shop.threads) == {f"python://{project.name}:tasks"}
    assert (shop.plain("x"), await shop.send_receipt(9)) == ("x", "9 to boo@example.com")


@pytest.mark.parametrize("name", ["blocks", "blocks_its_loop"])
async def test_one_that_blocks_costs_no_beat_and_is_called_once(project: Project, name: str) -> None:
    shop = project.write(SHOP, keys="timeout: 60")
    options = RunnerOptions(beat_interval=0.05, beat_stale=2)
    async with project.outbox() as outbox:
        job = await getattr(shop, name).configure(max_retries=0).enqueue(outbox)
        async with outbox.runner(options) as one, outbox.runner(options) as other:
            assert await asyncio.to_thread(shop.began.wait, 60)
            beats = {runner.beat_at for runner in await outbox.store.runners()}
            while beats & {runner.beat_at for runner in await outbox.store.runners()}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            shop.goes_on.set()
            await asyncio.gather(one.until_empty(), other.until_empty())
        assert (await outbox.get(job.id)).status is JobStatus.SUCCESS


async def test_a_timeout_cancels_what_can_be_and_a_thread_keeps_its_place(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    shop = project.write(SHOP, keys="concurrency: 1, timeout: 60")
    async with project.outbox() as outbox, outbox.runner(RunnerOptions(poll=0.05)) as runner:
        late = [await shop.never_ends.enqueue(outbox), await shop.goes_on_too_long.enqueue(outbox)]
        for job, did in zip(late, ("cancelled", "its thread goes on, and keeps its place"), strict=True):
            (error,) = (await outbox.wait(job.id, timeout=60)).errors
            said = f"not done after 1 s: {did}"
            assert (error.name, error.reason.partition(";")[0]) == ("timeout", said)
            assert f"job {job.id}: {job.path} is {said}" in caplog.text
        waits = await shop.plain.configure(max_retries=0).enqueue(outbox, thing=1)
        while not (error := (await outbox.get(waits.id)).errors):  # noqa: ASYNC110  # nobody else is told
            await asyncio.sleep(0.01)
        shop.goes_on.set()
        await runner.until_empty()
        assert (error[0].name, (await outbox.get(waits.id)).result) == ("busy", 1)
    assert shop.threads == ["cancelled"]


async def test_a_runner_whose_threads_all_hang_is_not_ready_and_is_named(project: Project) -> None:
    shop = project.write(SHOP, keys="concurrency: 2")
    async with project.outbox() as outbox:
        for _ in range(2):
            await shop.goes_on_too_long.enqueue(outbox)
        async with outbox.runner(RunnerOptions(poll=0.05)) as runner, asyncio.timeout(60):
            assert (runner.is_ready, [*runner.stuck]) == (True, [])
            while runner.is_ready:  # noqa: ASYNC110  # nobody is told
                await asyncio.sleep(0.01)
            assert [*runner.stuck] == ["shop"]
            assert 'sp00ky_places{backend="shop"} 0.0' in await outbox.metrics()
            while not (found := await outbox.check()):  # noqa: ASYNC110  # with its next beat
                await asyncio.sleep(0.1)
            assert (found[0].subject, found[0].stops_jobs) == (f"runner {runner.runner_id}", False)
            assert "each of its places for shop is kept by a call" in found[0].problem
            shop.goes_on.set()
            while not runner.is_ready:  # noqa: ASYNC110  # nobody is told
                await asyncio.sleep(0.01)


async def test_a_function_is_told_of_its_attempt_and_of_a_drain(project: Project) -> None:
    shop = project.write(SHOP)
    async with project.outbox() as outbox:
        job = await shop.waits.enqueue(outbox, n=1)
        async with outbox.runner():
            assert await asyncio.to_thread(shop.began.wait, 60)
        assert (await outbox.get(job.id)).result is True
    (context,) = shop.contexts
    assert (context.job_id, context.attempt, context.last) == (job.id, 1, True)


ENDLESS = """
began, goes_on = threading.Event(), threading.Event()

@tasks.task
async def deaf() -> None:
    began.set()
    while not goes_on.is_set():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            pass

@tasks.task
async def blocks() -> None:
    began.set()
    goes_on.wait()

@tasks.task
def waits() -> None:
    began.set()
    goes_on.wait()
"""


@pytest.mark.parametrize("name", ["deaf", "blocks", "waits"])
async def test_a_drain_ends_in_time_whatever_a_function_does(project: Project, name: str) -> None:
    shop = project.write(ENDLESS, keys="timeout: 60")
    async with project.outbox() as outbox:
        job = await getattr(shop, name).configure(max_retries=0).enqueue(outbox)
        runner = outbox.runner(RunnerOptions(grace=0.1))
        await runner.start()
        assert await asyncio.to_thread(shop.began.wait, 60)
        async with asyncio.timeout(6):  # promised: grace and 2 s
            await runner.drain()
        shop.goes_on.set()
        (error,) = (await outbox.get(job.id)).errors
    assert error.name == "outcome_unknown"


async def test_a_result_that_is_no_json_fails_its_job_and_says_where(project: Project) -> None:
    shop = project.write(SHOP)
    async with project.outbox() as outbox:
        (job,) = await delivered(outbox, await shop.no_json.enqueue(outbox))
    (error,) = job.errors
    assert (job.status, error.name) == (JobStatus.FAILED, "invalid_result")
    assert error.reason.startswith("the result isn't JSON: /a/1: its type is object")
    assert job.retries == 0


FAILING = """
calls = []

class Untold(Exception):
    def __str__(self) -> str: raise RuntimeError

@tasks.task(max_retries=0)
def untold() -> None:
    raise Untold

@tasks.task(max_retries=1)
def fails(text: str) -> None:
    raise ValueError(text)

@tasks.task(retry_on=(OSError,), give_up_on=(ConnectionError,))
async def picky(kind: str) -> None:
    raise {"os": OSError, "connection": ConnectionError, "key": KeyError}[kind](kind)

@tasks.task
def steers(how: str) -> str:
    calls.append(how)
    if len(calls) == 1:
        raise {"retry": Retry("not yet", after=0), "give up": GiveUp("never"), "snooze": Snooze(0)}[how]
    return "done"
"""


async def test_the_row_and_the_log_say_what_was_raised(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    shop = project.write(FAILING)
    async with project.outbox() as outbox:
        enqueued = await shop.fails.enqueue(outbox, "no database\nat postgresql://u:hunter2@h/db")
        (job,) = await delivered(outbox, enqueued)
        (group,) = await outbox.errors()
    first, last = job.errors
    assert (last.summary, last.scheme, last.attempt) == ("ValueError", "python", 2)
    assert last.reason == "no database at postgresql://u:***@h/db; not tried again: no retry left of 1"
    assert first.trace.startswith("Traceback (most recent call last):\n  File")
    assert "raise ValueError(text)" in first.trace
    assert "hunter2" not in f"{job.errors}{caplog.text}"
    assert f"job {job.id}: /fails raised ValueError\nTraceback" in caplog.text
    assert (group.name, group.count, group.path) == ("ValueError", 1, "/fails")


@pytest.mark.parametrize(
    ("kind", "retries", "rule"),
    [
        ("os", 3, "no retry left of 3"),
        ("connection", 0, "ConnectionError is given up on"),
        ("key", 0, "KeyError is not in retry_on"),
    ],
)
async def test_what_is_retried_is_said_by_its_class(
    project: Project, kind: str, retries: int, rule: str
) -> None:
    shop = project.write(FAILING)
    async with project.outbox() as outbox:
        (job,) = await delivered(outbox, await shop.picky.enqueue(outbox, kind=kind))
    assert (job.status, job.retries) == (JobStatus.FAILED, retries)
    assert job.errors[-1].reason.endswith(f"; not tried again: {rule}")


@pytest.mark.parametrize(
    ("how", "max_retries", "ends"),
    [
        ("retry", 3, ("success", 1, "Retry")),
        ("give up", 3, ("failed", 0, "GiveUp")),
        ("snooze", 3, ("success", 0, "snoozed")),
        ("snooze", 0, ("failed", 0, "snoozed")),
    ],
)
async def test_a_function_says_how_its_job_goes_on(
    project: Project,
    how: str,
    max_retries: int,
    ends: tuple[str, int, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = project.write(FAILING)
    async with project.outbox() as outbox:
        (job,) = await delivered(
            outbox, await shop.steers.configure(max_retries=max_retries).enqueue(outbox, how)
        )
    assert (job.status, job.retries, job.errors[0].name) == ends
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert "Traceback" not in caplog.text


async def test_a_project_that_cannot_be_delivered_to_is_told_in_one_line(project: Project) -> None:
    project.write("", url=f"python://{project.name}:asyncio")
    async with project.outbox() as outbox:
        with pytest.raises(ConfigError, match="is no Tasks, but of the type module") as caught:
            await outbox.runner().start()
    assert "\n" not in str(caught.value)
