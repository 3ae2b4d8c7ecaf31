"""The engine on real connections: TLS, cancellation, large payloads, on both event loops."""

import asyncio
import gc
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme
import uvloop
from tests.transport_http.engine import EngineTransport

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_core.config import TlsConfig
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import Attempt

Run = Callable[[Coroutine[Any, Any, None]], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Each event loop in turn."""
    found: Run = request.param
    return found


class Secure:
    """A backend with TLS that notes whom it is taken for, and answers all that it is asked.

    Attributes:
        names: Server names that clients asked for.
        protocols: What was agreed on with each.
    """

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.ca)
        self.names: list[str | None] = []
        self.protocols: list[str | None] = []
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, name: str) -> asyncio.Server:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(name).configure_cert(context)
        context.set_alpn_protocols(["h2", "http/1.1"])
        context.sni_callback = lambda _, name, __: self.names.append(name)
        self._server = await asyncio.start_server(self._answer, "localhost", 0, ssl=context)
        return self._server

    async def close(self) -> None:
        """End when its clients have closed their connections."""
        self._server.close()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.protocols.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        try:
            while True:
                await reader.readuntil(b"{}")
                writer.write(OK)
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()

    def attempt(self, server: asyncio.Server, **options: Any) -> Attempt:
        attempt = attempt_for(f"https://localhost:{server.sockets[0].getsockname()[1]}", "/json", **options)
        return attrs.evolve(attempt, backend=attrs.evolve(attempt.backend, tls=TlsConfig(ca=self.ca)))


def test_tls_names_the_host_speaks_http_1_and_is_of_one_backend(run: Run, tmp_path: Path) -> None:
    async def deliver() -> None:
        secure, transport = Secure(tmp_path), EngineTransport("httptools")
        await transport.open()
        server = await secure.serve("localhost")
        attempt = secure.attempt(server)
        other = attrs.evolve(attempt, backend=attrs.evolve(attempt.backend, name="other"))
        for sent in (attempt, attempt, attrs.evolve(attempt, last=True), attempt, other):
            assert await transport.deliver(sent) == Delivered(code=200, result=b"{}")
        await transport.close()
        await secure.close()
        assert secure.names == ["localhost"] * 3  # one for the last attempt, one for the other backend
        assert secure.protocols == ["http/1.1"] * 3

    run(deliver())


def test_cancelling_while_it_connects_leaves_nothing_open(run: Run, tmp_path: Path) -> None:
    """At each step of a delivery over TLS; what is left open warns when it is collected."""

    async def deliver() -> None:
        secure, transport = Secure(tmp_path), EngineTransport("httptools")
        await transport.open()
        server = await secure.serve("localhost")
        attempt = secure.attempt(server, last=True)
        steps = 0
        while True:
            steps += 1
            task = asyncio.create_task(transport.deliver(attempt))
            for _ in range(steps):
                await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                assert isinstance(task.result(), Delivered)
                break
        await transport.close()
        await secure.close()
        gc.collect()

    run(deliver())
