"""The misbehaving backend: what it does to a request is chosen by the seed, the job and how often it came."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from random import Random

from chaos.history import Request
from sp00ky_conformance.transport.answering import Answering
from sp00ky_conformance.transport.backend import MisbehavingBackend

__all__ = ["ChaoticBackend", "PATHS", "TIMEOUT", "WELL"]

TIMEOUT = 2.0
"""Seconds that an attempt may take, as sp00ky.yml says."""

PATHS = ("/wild", "/calm")

WELL = frozenset({"ok", "slow", "odd"})
"""Behaviours that are no fault."""

Behaviour = Callable[["_Answer"], Awaitable[bool]]


class ChaoticBackend:
    """Serves ``/wild``, which does anything, and ``/calm``, which answers well; records each request."""

    def __init__(
        self,
        seed: int,
        *,
        weights: Mapping[str, int] | None = None,
        calm_weights: Mapping[str, int] | None = None,
    ) -> None:
        self._seed = seed
        self._weights = {"/wild": weights or WEIGHTS, "/calm": calm_weights or {"ok": 1}}
        self._seen: Counter[int] = Counter()
        self.requests: list[Request] = []
        self.calm = False  # everything is answered well
        self._let_go = asyncio.Event()
        self.server = MisbehavingBackend(choose=lambda _: self._answer)

    async def _answer(self, to: Answering) -> bool:
        request = self._note(to)
        name = request.behaviour = self._choose(to, request.n)
        try:
            return await BEHAVIOURS[name](_Answer(request, to, self._let_go))
        finally:
            request.gone_at = time.time()

    def let_go(self) -> None:
        """Answer every request that hangs, and those that would."""
        self._let_go.set()

    def _note(self, to: Answering) -> Request:
        n = json.loads(to.request.body)["n"]
        headers = to.request.headers
        request = Request(
            number=len(self.requests) + 1,
            n=n,
            at=time.time(),
            runner=headers.get("chaos-runner", ""),
            epoch=int(headers.get("chaos-epoch", "0")),
            begun=float(headers.get("chaos-begun", time.time())),
            path=to.request.target,
        )
        self.requests.append(request)
        return request

    def _choose(self, to: Answering, n: int) -> str:
        self._seen[n] += 1
        if self.calm:
            return "ok"
        if json.loads(to.request.body).get("hang"):
            return "hang" if self._seen[n] == 1 else "late"
        random = Random(f"{self._seed}:{n}:{self._seen[n]}")  # noqa: S311  # repeatable, and no secret
        weights = self._weights[to.request.target]
        return random.choices(list(weights), list(weights.values()))[0]


class _Answer:
    """One request's answer, and the record of it."""

    def __init__(self, request: Request, to: Answering, let_go: asyncio.Event) -> None:
        self.request = request
        self.to = to
        self._let_go = let_go

    async def until_let_go(self) -> bool:
        """Wait; whether the client still does."""
        going, waiting = asyncio.create_task(self.to.gone()), asyncio.create_task(self._let_go.wait())
        try:
            await asyncio.wait([going, waiting], return_when=asyncio.FIRST_COMPLETED)
            return not going.done()
        finally:
            for task in (going, waiting):
                task.cancel()
            await asyncio.gather(going, waiting, return_exceptions=True)

    async def whole(self, status: str, body: bytes | None = None, headers: str = "") -> bool:
        """Answer properly, and note that the answer was sent well within the timeout."""
        body = json.dumps({"request": self.request.number}).encode() if body is None else body
        self.note(int(status.split(maxsplit=1)[0]))
        await self.to.answer(status, body, headers=headers)
        self.request.certain = self.request.answered_at - self.request.begun < TIMEOUT / 2
        return True

    def note(self, status: int) -> None:
        """The answer is about to be sent."""
        self.request.status, self.request.answered_at = status, time.time()


async def _ok(answer: _Answer) -> bool:
    return await answer.whole("200 OK")


async def _slow(answer: _Answer) -> bool:
    if await answer.to.gone(TIMEOUT / 5):
        return False
    return await answer.whole("200 OK")


async def _late(answer: _Answer) -> bool:
    if await answer.to.gone(TIMEOUT * 3 / 4):
        return False
    return await answer.whole("200 OK")


async def _odd(answer: _Answer) -> bool:
    return await answer.whole("201 Created", b"\x00 this is no JSON")


async def _fails(answer: _Answer) -> bool:
    return await answer.whole("500 Internal Server Error", b"the ghost\0 is out")


async def _busy(answer: _Answer) -> bool:
    return await answer.whole("429 Too Many Requests", b"", "Retry-After: 1\r\n")


async def _away(answer: _Answer) -> bool:
    return await answer.whole("503 Service Unavailable", b"")


async def _refuses(answer: _Answer) -> bool:
    return await answer.whole("400 Bad Request", b"{}")


async def _hang(answer: _Answer) -> bool:
    if await answer.until_let_go():
        return await answer.whole("200 OK")
    return False


async def _reset(answer: _Answer) -> bool:
    answer.to.reset()
    return False


async def _garbage(answer: _Answer) -> bool:
    await answer.to.send(b"\x00\x01\xfeSSH-2.0-OpenSSH\r\n\r\n")
    return False


async def _trickle(answer: _Answer) -> bool:
    answer.note(200)
    await answer.to.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n")
    while not await answer.to.gone(0.3):
        await answer.to.send(b" ")
    return False


async def _torn(answer: _Answer) -> bool:
    answer.note(200)
    await answer.to.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{")
    await asyncio.sleep(0)
    answer.to.reset()
    return False


BEHAVIOURS: dict[str, Behaviour] = {
    "ok": _ok,
    "slow": _slow,
    "late": _late,
    "odd": _odd,
    "500": _fails,
    "429": _busy,
    "503": _away,
    "400": _refuses,
    "hang": _hang,
    "reset": _reset,
    "garbage": _garbage,
    "trickle": _trickle,
    "torn": _torn,
}

WEIGHTS = {
    "ok": 50,
    "slow": 20,
    "odd": 3,
    "500": 8,
    "429": 1,
    "503": 2,
    "400": 2,
    "hang": 2,
    "reset": 3,
    "garbage": 3,
    "trickle": 1,
    "torn": 2,
}
