"""A transport that sends nothing, and what ``sp00ky_core.testing`` exports."""

from pathlib import Path

from sp00ky_core.config import BackendConfig
from sp00ky_core.contract import Operation
from sp00ky_core.job import NewJob
from sp00ky_core.outcome import Undelivered
from sp00ky_core.ports import Attempt, Transport
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.testing import ScriptedTransport


async def attempt_in(store: MemoryStore) -> Attempt:
    await store.add([NewJob(path="/a", backend="api")])
    (job,) = await store.claim({"api": 1}, "r")
    backend = BackendConfig(name="api", spec=Path("openapi.yml"), base_url="http://127.0.0.1:1", table="job")
    return Attempt(job=job, backend=backend, operation=Operation(path="/a"), number=1, timeout=1.0)


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
