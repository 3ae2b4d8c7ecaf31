"""What the core ships for tests does what it says."""

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import sp00ky_core.testing
from sp00ky_core.config import BackendConfig
from sp00ky_core.contract import Route
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job import NewJob
from sp00ky_core.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt, JobQuery, Store, Transport
from sp00ky_core.stores.memory import MemoryStore
from sp00ky_core.testing import (
    FakeClock,
    Fault,
    FaultyStore,
    FaultyTransport,
    Scripted,
    ScriptedTransport,
    Seeded,
)


async def attempt_in(store: MemoryStore) -> Attempt:
    await store.add([NewJob(path="/a", backend="api")])
    (job,) = await store.claim({"api": 1}, "r")
    backend = BackendConfig(name="api", spec=Path("openapi.yml"), base_url="http://127.0.0.1:1", table="job")
    return Attempt(job=job, backend=backend, route=Route(path="/a", method="POST"), number=1, timeout=1.0)


async def test_a_lost_reply_went_through(memory_store: MemoryStore) -> None:
    faults = Scripted()
    store: Store = FaultyStore(memory_store, faults)
    faults.put("add", Fault(lost_reply=True), None, Fault())
    new_job = NewJob(path="/a", backend="api")
    with pytest.raises(StoreUnavailable, match="reply was lost"):
        await store.add([new_job])
    assert len(await store.find(JobQuery())) == 1
    assert len(await store.add([new_job])) == 1
    with pytest.raises(StoreUnavailable, match="no connection"):
        await store.add([new_job])
    assert faults.left() == 0
    assert len(await store.find(JobQuery())) == 2


async def test_a_call_is_held_until_it_may_go_on(memory_store: MemoryStore) -> None:
    faults, gate = Scripted(), asyncio.Event()
    store = FaultyStore(memory_store, faults)
    faults.put("claim", Fault(held_until=gate, fails=False))
    await store.add([NewJob(path="/a", backend="api")])
    claim = asyncio.ensure_future(store.claim({"api": 1}, "r"))
    await asyncio.sleep(0)
    assert not claim.done()
    gate.set()
    assert len(await claim) == 1


def test_seeded_faults_repeat() -> None:
    runs = [
        [Seeded(7, rate=0.5, methods=["claim"])(name) for name in ["claim", "add"] * 50] for _ in range(2)
    ]
    again = [Seeded(7, rate=0.5)]
    drawn = [again[0]("claim") for _ in range(200)]
    assert runs[0] == runs[1]
    assert runs[0][1::2] == [None] * 50
    assert {fault and fault.lost_reply for fault in drawn} == {None, True, False}


async def test_every_call_of_a_store_can_fail(memory_store: MemoryStore) -> None:
    store = FaultyStore(memory_store, lambda _method: Fault())
    calls = [
        store.open(),
        store.migrate(),
        store.migration(),
        store.check(),
        store.add([]),
        store.claim({}, "r"),
        store.next_due([]),
        store.settle([]),
        store.release("r", keep=()),
        store.beat("r"),
        store.reclaim({}),
        store.kill([]),
        store.redrive([]),
        store.clear([]),
        store.prune(),
        store.get("job:1"),
        store.find(JobQuery()),
        store.stats(),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable):
            await call


async def test_a_scripted_transport_records_what_it_is_given(
    memory_store: MemoryStore, scripted_transport: ScriptedTransport
) -> None:
    attempt = await attempt_in(memory_store)
    scripted_transport.script = lambda each: Undelivered(name="timeout", reason=each.job.path)
    transport: Transport = scripted_transport
    await transport.open()
    assert await transport.deliver(attempt) == Undelivered(name="timeout", reason="/a")
    assert await scripted_transport.began(1) == [attempt]
    await transport.close()


async def test_a_script_may_take_its_time(memory_store: MemoryStore) -> None:
    gate = asyncio.Event()

    async def wait(_attempt: Attempt) -> Outcome:
        await gate.wait()
        return Delivered(result=1)

    transport = ScriptedTransport(wait)
    attempt = await attempt_in(memory_store)
    tasks = [asyncio.ensure_future(transport.deliver(attempt)) for _ in range(3)]
    await transport.began(3)
    assert (transport.in_flight, transport.most_in_flight) == (3, 3)
    gate.set()
    assert await asyncio.gather(*tasks) == [Delivered(result=1)] * 3
    assert transport.in_flight == 0


async def test_a_faulty_transport_loses_requests_and_answers(
    memory_store: MemoryStore, scripted_transport: ScriptedTransport
) -> None:
    faults = Scripted()
    faults.put("deliver", Fault(), Fault(lost_reply=True))
    transport: Transport = FaultyTransport(scripted_transport, faults)
    attempt = await attempt_in(memory_store)
    outcomes = [await transport.deliver(attempt) for _ in range(3)]
    assert [getattr(outcome, "name", None) for outcome in outcomes] == ["connect", "reset", None]
    assert len(scripted_transport.attempts) == 2


async def test_a_fake_clock_drives_the_memory_store(fake_clock: FakeClock, memory_store: MemoryStore) -> None:
    store = MemoryStore(memory_store.options, now=fake_clock.now)
    await store.add([NewJob(path="/a", backend="api")])
    (job,) = await store.claim({"api": 1}, "r")
    fake_clock.advance(39.9)
    assert await store.reclaim({}) == []
    fake_clock.advance(0.1)
    assert [each.job_id for each in await store.reclaim({})] == [job.id]
    assert fake_clock.monotonic() == 40
    with pytest.raises(ValueError, match="doesn't go back"):
        fake_clock.advance(-1)


def test_every_exported_name_is_there() -> None:
    for name in sp00ky_core.testing.__all__:
        assert (
            getattr(sp00ky_core.testing, name).__module__.startswith("sp00ky_core.testing.")
            or name == "Faults"
        )
    with pytest.raises(AttributeError):
        _ = sp00ky_core.testing.nothing


def test_the_plugin_leaves_other_runs_alone(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        textwrap.dedent("""
            import sys

            def test_nothing_heavy_is_loaded():
                assert "sp00ky_core.testing.pytest_plugin" in sys.modules
                heavy = {"sp00ky_core.testing.model", "sp00ky_core.testing.store", "pytest_asyncio"}
                assert not heavy & set(sys.modules)
        """)
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:asyncio",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_five_lines_prove_a_store(tmp_path: Path) -> None:
    settings = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    (tmp_path / "pytest.ini").write_text(settings)
    (tmp_path / "test_mine.py").write_text(
        textwrap.dedent("""
            from sp00ky_core.stores.memory import MemoryStore
            from sp00ky_core.testing import StoreConformance

            class TestMine(StoreConformance):
                def make_store(self, options):
                    return MemoryStore(options)
        """)
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "Mine and add",
    ]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_store_that_promises_less_is_tested_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (tmp_path / "test_modest.py").write_text(
        textwrap.dedent("""
            from sp00ky_core.ports import StoreCapabilities
            from sp00ky_core.stores.memory import MemoryStore
            from sp00ky_core.testing import StoreConformance

            class Modest(MemoryStore):
                capabilities = StoreCapabilities(durable=False, holds_any_row=False)

            class TestModest(StoreConformance):
                def make_store(self, options):
                    return Modest(options)
        """)
    )
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(done.stdout.split(" passed")[0].split()[-1])
    assert passed > 110, done.stdout
    for flag in ("durable", "shared", "transactions", "holds_any_row"):
        assert f"capabilities.{flag} = False" in done.stdout
