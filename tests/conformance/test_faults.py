"""Faults can be put before every call of a store and a transport."""

from pathlib import Path

import pytest

from sp00ky_conformance import Fault, FaultyStore, FaultyTransport, Scripted
from sp00ky_core.config import BackendConfig
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import Attempt, JobQuery, Store, Transport
from sp00ky_core.stores.transitions import clear, kill, retry
from sp00ky_core.testing import ScriptedTransport
from sp00ky_openapi import Operation
from sp00ky_store_kit.memory import MemoryStore


async def attempt_in(store: MemoryStore) -> Attempt:
    await store.add([NewJob(path="/a", backend="api")])
    (job,) = await store.claim({"api": 1}, "r")
    backend = BackendConfig(name="api", spec=Path("openapi.yml"), base_url="http://127.0.0.1:1", table="job")
    return Attempt(job=job, backend=backend, operation=Operation(path="/a"), number=1, timeout=1.0)


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
        store.overdue([]),
        store.reclaim({}),
        kill(store, ["job:1"]),
        retry(store, ["job:1"]),
        clear(store, ["job:1"]),
        store.prune(),
        store.get("job:1"),
        store.find(JobQuery()),
        store.stats(),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable):
            await call


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
