"""What a runner says and where it goes: its log, its output, its connections."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import attrs

__all__ = ["Log", "Process", "connecting", "logged", "running"]

OURS = ("sp00ky_core", "sp00ky_store_postgres", "sp00ky_store_surreal", "sp00ky_transport_http")

SP00KY = Path(sys.executable).with_name("sp00ky")

_watchers: list[tuple[frozenset[str], set[str]]] = []


class Log(logging.Handler):
    """Everything that any library logs, with tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._lines: list[tuple[logging.LogRecord, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append((record, f"{self.format(record)} {record.args!r}"))

    def text(self) -> str:
        """What was logged since the last clear."""
        return "\n".join(line for _, line in self._lines)

    def clear(self) -> None:
        """Forget it."""
        self._lines.clear()

    def outcries(self) -> Iterator[str]:
        """What tells of a bug: an exception that nobody expected."""
        for record, line in self._lines:
            if record.levelno >= logging.ERROR and (record.exc_info or record.name == "asyncio"):
                yield f"logged: {line}"


@asynccontextmanager
async def logged() -> AsyncIterator[Log]:
    """Log everything that is ours, and what others warn of."""
    log, root = Log(), logging.getLogger()
    root.addHandler(log)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        for name in OURS:
            logging.getLogger(name).setLevel(logging.NOTSET)
        root.removeHandler(log)


@contextmanager
def connecting(allowed: Collection[str]) -> Iterator[set[str]]:
    """Where this process connects to, or asks for the address of, beside some URLs' hosts."""
    connected: set[str] = set()
    watcher = (frozenset(place for url in allowed for place in _places(url)), connected)
    _watchers.append(watcher)
    try:
        yield connected
    finally:
        _watchers.remove(watcher)


def _places(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.port:
        yield f"{parts.hostname}:{parts.port}"
    for folder in parse_qs(parts.query).get("host", []):
        yield f"{folder}/.s.PGSQL.5432"


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook can't be removed: it does nothing while nobody watches."""
    if _watchers and event in {"socket.connect", "socket.getaddrinfo"}:
        address = arguments[1] if event == "socket.connect" else arguments[:2]
        place = f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
        for allowed, connected in _watchers:
            if place not in allowed:
                connected.add(place)


sys.addaudithook(_audit)


@attrs.define(kw_only=True)
class Process:
    """``sp00ky --debug run`` as a process of its own."""

    child: asyncio.subprocess.Process
    command: tuple[str, ...]
    said: Path

    def text(self) -> str:
        """All of its output."""
        return self.said.read_text(errors="replace")

    def outcries(self) -> Iterator[str]:
        """What tells of a bug."""
        if self.child.returncode is not None:
            yield f"the runner has ended with {self.child.returncode}"
        for line in self.text().splitlines():
            if "Traceback" in line or "is started again" in line:
                yield f"said: {line}"

    async def commands(self) -> str:
        """What an operator's commands say of the rows, with ``--debug``; none may fail."""
        said = []
        for words in (("jobs", "list"), ("jobs", "list", "--json", "--limit", "1000"), ("jobs", "stats")):
            child = await asyncio.create_subprocess_exec(
                *self.command, *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            output, _ = await child.communicate()
            assert child.returncode == 0, output.decode(errors="replace")[-3_000:]
            said.append(output.decode(errors="replace"))
        return "".join(said)


@asynccontextmanager
async def running(config: Path, url: str) -> AsyncIterator[Process]:
    """A runner in a process of its own, at its default settings."""
    command = (str(SP00KY), "--config", str(config), "--store", url, "--debug")
    said = config.with_name("said.txt")
    with said.open("wb") as file:
        child = await asyncio.create_subprocess_exec(
            *command, "run", "--log-level", "debug", stdout=file, stderr=file
        )
    process = Process(child=child, command=command, said=said)
    try:
        while " delivers for " not in process.text():
            assert child.returncode is None, process.text()[-3_000:]
            await asyncio.sleep(0.05)
        yield process
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()
    assert child.returncode == 0, process.text()[-3_000:]
