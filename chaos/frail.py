"""A backend that is well, and then away in one of the ways in which backends are: refused, 503, hang."""

import asyncio
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from chaos.proxy import Proxy
from sp00ky_conformance.transport.answering import Answering
from sp00ky_conformance.transport.backend import MisbehavingBackend

__all__ = ["FrailBackend", "REFUSED", "AWAY", "HANG", "KINDS"]

REFUSED, AWAY, HANG = KINDS = ("refused", "503", "hang")


class FrailBackend:
    """Answers each request after a while; an asynchronous context manager."""

    def __init__(self, kind: str, *, takes: float) -> None:
        self._kind = kind
        self._takes = takes  # seconds
        self._is_away = False
        self._server = MisbehavingBackend(choose=lambda _: self._answer)
        self._door = Proxy(self._connect)  # what refuses connections
        self.answered: list[float] = []  # when a job was taken

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        await self._door.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._door.close()
        await self._server.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Its origin, the same before and after an outage."""
        return f"http://127.0.0.1:{self._door.port}"

    async def go_away(self) -> None:
        """From now on it is unavailable."""
        self._is_away = True
        if self._kind == REFUSED:
            await self._door.close()

    async def come_back(self) -> None:
        """From now on it is well; requests that hang go on hanging."""
        self._is_away = False
        if self._kind == REFUSED:
            await self._door.open()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", urlsplit(self._server.url).port)

    async def _answer(self, to: Answering) -> bool:
        if self._is_away and self._kind == HANG:
            await to.gone()
            return False
        if await to.gone(self._takes):
            return False
        if self._is_away:
            await to.answer("503 Service Unavailable")
        else:
            self.answered.append(time.time())
            await to.answer("200 OK", b"{}")
        return True
