"""Run the services of extensions: each looks again and again, and is woken by what it waits for."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import suppress

import attrs

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job.job import TERMINAL
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.ports import Extension, ExtensionContext, FollowsJobs, Service, Settlement, Spared
from sp00ky_core.runner.counters_and_log import Observer
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.stores.subscription import LEFT_AFTER, end, within

__all__ = ["ExtensionWork", "RunnerSide", "RunningExtensions"]

logger: logging.Logger = logging.getLogger(__name__)

MOST_ENDED, LONGEST_RESULT = 10_000, 4_096
"""Jobs that have ended and that a service hasn't asked for yet; bytes of the result that is kept of each."""

SAID_AFTER = 8.0
"""Seconds that one look may take before the service is named in a warning."""

AFTER_FAILURE = 1.0
"""Seconds until a service looks again that has failed."""

SHORTEST_WAIT, LONGEST_WAIT = 0.002, 60.0
"""Seconds between two looks, whatever a service says."""

CLOSE = 5.0
"""Seconds that a service gets to end what it has begun."""


Place = Callable[[str | None], tuple[int, int]]
"""Returns a runner's place among those that share a backend's work, or all, and how many these are."""


@attrs.define(eq=False)
class RunnerSide:
    """What a service hears of the runner that it works in.

    Attributes:
        place: This runner's place among others.
        clock: Seconds, monotonic.
        served: The backends whose jobs the runner delivers.
        ended: Jobs that the runner has settled as success or failed, by id, each with what was written of it.
        woken: Set where the service is to look again.
    """

    place: Place
    clock: Callable[[], float]
    served: Collection[str]
    ended: deque[tuple[str, Transition | None]] = attrs.field(factory=lambda: deque(maxlen=MOST_ENDED))
    woken: asyncio.Event = attrs.field(factory=asyncio.Event)

    def share(self, key: str, backend: str | None) -> bool:
        """See ``ExtensionContext.share``."""
        place, count = self.place(backend)
        return zlib.crc32(key.encode()) % count == place

    def take_ended(self) -> dict[str, Transition | None]:
        """See ``ExtensionContext.ended``."""
        taken = dict(self.ended)
        self.ended.clear()
        return taken

    def tell(self, job_id: str, transition: Transition) -> None:
        """Let the service know of a job that has ended."""
        is_short = len(transition.result_json or b"") <= LONGEST_RESULT
        self.ended.append((job_id, transition if is_short else None))
        self.woken.set()


ContextOf = Callable[[RunnerSide], ExtensionContext]
"""Makes what an extension works with in a runner."""

ExtensionWork = Mapping[tuple[str, str], tuple[Extension, ContextOf]]
"""Extensions, by name and distribution, and what makes their contexts."""


@attrs.define(eq=False)
class RunningExtension:
    """One extension in a runner: its service, and what it deletes.

    Attributes:
        name: Its name.
        distribution: What brought it: it is named where it fails.
        extension: It.
        context: What it works with.
        side: What it hears.
        observer: Counts its errors.
        prune_interval: Seconds between two rounds of deleting.
        service: Its service, once started; None: it has none.
        looking: Its last look.
    """

    name: str
    distribution: str
    extension: Extension
    context: ExtensionContext
    side: RunnerSide
    observer: Observer
    prune_interval: float
    service: Service | None = None
    looking: asyncio.Task[float] | None = None

    def start(self) -> None:
        """Start the service; one that can't be started is named."""
        try:
            self.service = self.extension.start(self.context)
        except Exception:  # a stranger's code must not stop deliveries
            logger.exception("%s can't be started", self)

    async def prune(self) -> None:
        """Delete what is old, round after round, until cancelled."""
        while True:
            await asyncio.sleep(self.prune_interval)
            deleted = 1
            try:
                while deleted:
                    deleted = await self.extension.retention(self.context)
            except Sp00kyError as error:
                self.observer.count(error)
                logger.warning("%s deletes later what is old: %s", self, error)
            except Exception:
                logger.exception("%s: retention() failed", self)

    async def run(self) -> None:
        """Look, wait, and look again, until cancelled."""
        service = self.service
        while service is not None:
            self.side.woken.clear()
            wait = await self._look(service)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)):
                    await self.side.woken.wait()

    async def close(self) -> None:
        """End what the service has begun; what it raises, or that it doesn't end, is logged."""
        if self.service is None:
            return
        if self.looking is not None and await end([self.looking], patience=LEFT_AFTER):
            logger.warning("%s: look() doesn't end, however often it is cancelled: it is left behind", self)
        try:
            if not await within(CLOSE, self.service.close()):
                logger.warning("%s: close() hasn't returned for %.0f s; it is left behind", self, CLOSE)
        except Exception:  # a stranger's code
            logger.exception("%s: close() failed", self)

    async def _look(self, service: Service) -> float:
        looking = self.looking = asyncio.ensure_future(service.look())
        looking.set_name(f"a look of {self}")
        try:
            if not (await asyncio.wait([looking], timeout=SAID_AFTER))[0]:
                text = "%s: look() hasn't returned for %.0f s; jobs are delivered all the same"
                logger.warning(text, self, SAID_AFTER)
                await asyncio.wait([looking])  # to await it would let it swallow the runner's cancellation
            wait = float(looking.result())
        except Sp00kyError as error:
            self.observer.failed(f"{self} looks again in {AFTER_FAILURE:.0f} s", error)
        except Exception:  # a stranger's code must not stop deliveries
            logger.exception("%s: look() failed", self)
        else:
            return wait
        return AFTER_FAILURE

    def __str__(self) -> str:
        return f"the extension {self.name} of {self.distribution}"


class RunningExtensions:
    """The extensions of one runner.

    Attributes:
        parts: The names of what was started of them.
    """

    def __init__(
        self,
        work: ExtensionWork,
        options: RunnerOptions,
        make_side: Callable[[], RunnerSide],
        observer: Observer,
    ) -> None:
        self._all: list[RunningExtension] = []
        self.parts: list[str] = []
        for (name, distribution), (extension, context_of) in work.items():
            side = make_side()
            given = (context_of(side), side, observer, options.prune_interval)
            self._all.append(RunningExtension(name, distribution, extension, *given))

    def started(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """Start each, and yield its parts by name, for the runner to run."""
        for extension in self._all:
            extension.start()
            parts = {"service": extension.run, "retention": extension.prune}
            for part, run in parts.items():
                self.parts.append(f"{part} of {extension.name}")
                yield self.parts[-1], run

    async def spared(self) -> list[Spared]:
        """Let each read what it needs of jobs before they are deleted; return which are left alone."""
        spared = list[Spared]()
        for one in self._all:
            if isinstance(one.extension, FollowsJobs):
                try:
                    spared += await one.extension.spared(one.context)
                except Sp00kyError:
                    raise
                except Exception as error:
                    raise Sp00kyError(f"{one}: spared() failed, no job is deleted: {error!r}") from error
        return spared

    def wake(self) -> None:
        """Have every service look again."""
        for extension in self._all:
            extension.side.woken.set()

    def note(self, settlement: Settlement) -> None:
        """Let every service know of a job that has ended."""
        if self._all and settlement.transition.to in TERMINAL:
            for extension in self._all:
                extension.side.tell(settlement.job_id, settlement.transition)

    async def close(self) -> None:
        """End what they have begun."""
        await asyncio.gather(*(extension.close() for extension in self._all))
