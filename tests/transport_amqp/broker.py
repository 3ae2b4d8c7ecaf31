"""A RabbitMQ of a test's own, and what stands between it and a transport."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

import aio_pika
from tests.ports import free_port

from sp00ky_conformance.transport.peer import CollectingPeer

LIBRARY = Path("/usr/lib/rabbitmq/bin")  # of Debian: what is on PATH changes the user
PATIENCE = 120.0
"""Seconds that a broker is given to start, on whatever machine."""


def program(name: str) -> str | None:
    """Return where one of RabbitMQ's programs is; None: it isn't installed."""
    return shutil.which(LIBRARY / name) or shutil.which(name)


async def until(is_so: Callable[[], Awaitable[object]]) -> None:
    """Wait until something is so, which a broker or a store has to be asked for."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.05)


NO_BROKER = "no `rabbitmq-server` on this machine (Debian's package of that name): a broker can't be started"


class Broker:
    """A RabbitMQ with everything in one folder, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        (folder / "plugins").write_text("[].\n")
        self._log = folder / "output"
        self._server: subprocess.Popen[bytes] | None = None
        self._names: subprocess.Popen[bytes] | None = None
        self._environment = {
            **os.environ,
            "HOME": str(folder),  # where Erlang's cookie is
            "RABBITMQ_NODENAME": f"sp00ky{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "ERL_EPMD_PORT": str(free_port()),
        }

    @property
    def url(self) -> str:
        """Its ``baseUrl``."""
        return f"amqp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        server, names = program("rabbitmq-server"), shutil.which("epmd")
        assert server is not None
        assert names is not None
        if self._names is None:  # Erlang's register of names: a node would leave one behind
            self._names = subprocess.Popen([names], env=self._environment)
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [server], env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + PATIENCE
        while self._server.poll() is None and time.monotonic() < until:
            with suppress(subprocess.CalledProcessError):
                self.control("await_startup")
                return
        raise RuntimeError(self._log.read_text()[-2_000:])

    def control(self, *arguments: str) -> None:
        """Run ``rabbitmqctl``."""
        control = program("rabbitmqctl")
        assert control is not None
        subprocess.run([control, *arguments], env=self._environment, check=True, capture_output=True)

    def end(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End it: in order, or killed."""
        if self._server is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._server.pid, sign)
            self._server.wait(PATIENCE)

    def clean_up(self) -> None:
        """End it, and Erlang's register of names, too."""
        self.end(signal.SIGKILL)
        if self._names is not None:
            self._names.kill()
            self._names.wait()

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
        """Open a channel of the test's own."""
        async with await aio_pika.connect(self.url) as connection:
            yield await connection.channel()

    async def messages(self, queue: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
        """Take what is in a queue."""
        taken = []
        async with self.channel() as channel:
            found = await channel.get_queue(queue)
            while message := await found.get(no_ack=True, fail=False):
                taken.append(message)
        return taken


PUBLISH = b"\0\x3c\0\x28"
"""What a frame that publishes begins with: class 60, method 40."""


class Wire:
    """What stands between a broker and its clients: it holds back confirms, and cuts connections.

    Attributes:
        url: The ``baseUrl`` of a backend behind it.
        holds_confirms: Nothing that the broker says is passed on once a message was published.
        answers: Set while what the broker says is passed on.
    """

    def __init__(self, port: int) -> None:
        self.url = ""
        self.holds_confirms = False
        self.answers = asyncio.Event()
        self.answers.set()
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"amqp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection, and pass on what the broker says to the next."""
        for writer in self._writers:
            writer.transport.abort()
        self.release()

    def release(self) -> None:
        """Pass on what the broker says."""
        self.holds_confirms = False
        self.answers.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_broker, to_broker = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, to_broker}
        self._tasks |= {
            asyncio.create_task(self._ask(reader, to_broker)),
            asyncio.create_task(self._answer(from_broker, writer)),
        }

    async def _ask(self, client: asyncio.StreamReader, broker: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await client.read(65_536):
                if self.holds_confirms and PUBLISH in data:
                    self.answers.clear()
                broker.write(data)
                await broker.drain()
        broker.transport.abort()

    async def _answer(self, broker: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await broker.read(65_536):
                await self.answers.wait()
                client.write(data)
                await client.drain()
        client.transport.abort()


class Collecting(CollectingPeer):
    """A peer that gets what a broker's queue does, and whose wire may be held."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire.url)
        self.wire = wire

    async def consume(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        """Keep a message."""
        self.take(message.body)
