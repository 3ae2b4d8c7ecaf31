"""Run a part of a conformance test in a process of its own: ``python -m`` this module.

The test's class is imported there from its file, and makes a store; nothing else is shared.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, cast

import attrs

from sp00ky_conformance.store.connection.runner_stand_in import deliver
from sp00ky_conformance.store.harness import API, StoreHarness, settlement
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import Store, StoreOptions

__all__ = ["Member", "members"]

RETIREMENT = 10.0
"""Seconds that a process gets to close its store."""

MARK = "sp00ky:"
"""Begins a line that is ours: a store, or what it is made of, may print too."""


_idle: list[subprocess.Popen[bytes]] = []
"""Processes that have done their task and wait for another: a start takes as long as many tests."""


@attrs.frozen
class Member:
    """A process that takes part in a test.

    Attributes:
        process: Its pipes carry the tasks and the answers.
    """

    process: subprocess.Popen[bytes]

    async def go(self, **arguments: Any) -> None:
        """Let it begin."""
        self._send(arguments)

    async def result(self) -> Any:
        """Return what its task returned, once it has ended."""
        return await asyncio.to_thread(self._answer)

    async def ready(self) -> None:
        """Wait until its store is open."""
        assert await asyncio.to_thread(self._answer) == "ready"

    async def retire(self) -> None:
        """Let it wait for another task, or end it where it has not come to the end of this one."""
        with suppress(AssertionError, OSError):
            async with asyncio.timeout(RETIREMENT):
                if await asyncio.to_thread(self._answer) == "done":
                    _idle.append(self.process)
                    return
        self._end()

    def _send(self, value: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(_packed(value) + b"\n")
        self.process.stdin.flush()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(MARK.encode()):
                answer, failure = _unpacked(line.removeprefix(MARK.encode()))
                assert not failure, f"another process failed: {failure}"
                return answer
        raise AssertionError("another process ended without an answer")

    def _end(self) -> None:
        self.process.kill()
        self.process.communicate()


@asynccontextmanager
async def members(
    harness: StoreHarness, options: StoreOptions, task: str, count: int = 1
) -> AsyncIterator[list[Member]]:
    """Have processes, each with a store of the same tables that is open, ready for a task to ``go``."""
    started = [Member(_idle.pop() if _idle else _started()) for _ in range(count)]
    try:
        for member in started:
            member._send(_whole(harness, options, task))  # of the same module
        for member in started:
            await member.ready()
        yield started
    except BaseException:
        for member in started:
            member._end()
        raise
    for member in started:
        await member.retire()


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", __name__]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  # ourselves


@atexit.register
def _end_idle() -> None:
    for process in _idle:
        Member(process)._end()


def _whole(harness: StoreHarness, options: StoreOptions, task: str) -> dict[str, Any]:
    cls = type(harness)
    return {
        "path": sys.path,
        "module": cls.__module__,
        "file": getattr(sys.modules.get(cls.__module__), "__file__", None),
        "name": cls.__qualname__,
        "state": _picklable(vars(harness)),
        "options": options,
        "task": task,
    }


def _picklable(state: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what can be sent; a fixture's connection stays at home."""
    kept: dict[str, Any] = {}
    for name, value in state.items():
        with suppress(Exception):
            pickle.dumps(value)
            kept[name] = value
    return kept


def _packed(value: object) -> bytes:
    return base64.b64encode(pickle.dumps(value))


def _unpacked(line: bytes) -> Any:
    return pickle.loads(base64.b64decode(line))  # noqa: S301  # of our own child, or parent


def _class_of(whole: Mapping[str, Any]) -> type[StoreHarness]:
    parts = whole["module"].split(".")
    file = Path(whole["file"])
    if file.with_suffix("").parts[-len(parts) :] == tuple(parts):  # pytest may have found it by its file
        sys.path.insert(0, str(file.parents[len(parts) - 1]))
    try:
        module = sys.modules.get(whole["module"]) or import_module(whole["module"])
    except ModuleNotFoundError:
        spec = spec_from_file_location(whole["module"], file)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[whole["module"]] = module
        spec.loader.exec_module(module)
    attribute: Any = module
    for name in whole["name"].split("."):
        attribute = getattr(attribute, name)
    return cast("type[StoreHarness]", attribute)


async def _claim_all(store: Store, *, runner: str, slots: int) -> list[tuple[str, int]]:
    """Claim until nothing is due."""
    taken: list[tuple[str, int]] = []
    while jobs := await store.claim({API: slots}, runner):
        taken += [(job.id, job.lease_epoch) for job in jobs]
    return taken


async def _add(store: Store, *, keys: list[str | None]) -> list[str]:
    """Enqueue jobs with these dedup keys, one after the other."""
    return [
        (await store.add([NewJob(backend=API, path="/spookify", payload={}, dedup_key=key)]))[0].id
        for key in keys
    ]


async def _migrate(store: Store) -> int:
    """Bring the tables up to date; the number of steps."""
    return len(await store.migrate())


async def _settle_and_die(store: Store, *, runner: str) -> None:
    """Enqueue, claim and settle one job, answer, and end without closing anything."""
    (added,) = await store.add([NewJob(backend=API, path="/spookify", payload={})])
    (job,) = await store.claim({API: 1}, runner)
    await store.settle([settlement(job, Delivered(result="written"))])
    _answer(added.id)
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


async def _claim_often(store: Store, *, runner: str, slots: int, rounds: int) -> int:
    """Claim so many times; the number of jobs."""
    return sum([len(await store.claim({API: slots}, runner)) for _ in range(rounds)])


async def _call(store: Store, *, method: str, arguments: Mapping[str, Any]) -> Any:
    """Make one call of the port."""
    return await getattr(store, method)(**arguments)


TASKS: Mapping[str, Callable[..., Awaitable[Any]]] = {
    "claim": _claim_all,
    "add": _add,
    "migrate": _migrate,
    "settle_and_die": _settle_and_die,
    "deliver": deliver,
    "claim_often": _claim_often,
    "call": _call,
}


def _answer(value: object, failure: str = "") -> None:
    sys.stdout.write(f"{MARK}{_packed((value, failure)).decode()}\n")
    sys.stdout.flush()


async def _work(whole: Mapping[str, Any]) -> None:
    harness = object.__new__(_class_of(whole))
    vars(harness).update(whole["state"])
    store = harness.make_store(whole["options"])
    try:
        await store.open()
        _answer("ready")
        arguments = _unpacked(sys.stdin.buffer.readline())
        _answer(await TASKS[whole["task"]](store, **arguments))
    finally:
        await store.close()


def _main() -> None:
    while line := sys.stdin.buffer.readline():
        whole = _unpacked(line)
        sys.path[:] = whole["path"]
        try:
            asyncio.run(_work(whole))
            _answer("done")
        except Exception as error:  # noqa: BLE001  # whatever it is, the test says it
            _answer(None, f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    _main()
