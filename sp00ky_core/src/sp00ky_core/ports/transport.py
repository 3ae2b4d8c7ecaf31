"""Promise what a way to deliver a job does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import attrs

from sp00ky_core.config import BackendConfig, TransportTraits
from sp00ky_core.gate.isolation import RouteLimits
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import Outcome
from sp00ky_openapi import Operation

__all__ = ["Attempt", "DrainingTransport", "ExtensionTransport", "FindsExtensions"]
__all__ += ["IsolatingTransport"]
__all__ += [
    "PlacedTransport",
    "PreparedTransport",
    "RouteLimits",
    "Transport",
    "TransportEntry",
    "TransportFactory",
]
__all__ += ["entry_of"]


@attrs.frozen(kw_only=True, slots=False)  # faster to make, which is done for each job
class Attempt:
    """One delivery try under one claim: all that a transport needs to know.

    Attributes:
        job: The job.
        backend: The backend's configuration.
        operation: What the job is to be sent to.
        number: 1 for the first.
        timeout: Seconds, for the whole attempt.
        last: No retry is left: take no chance with a connection that may be stale.
        headers: Of plugins, checked.
    """

    job: Job
    backend: BackendConfig
    operation: Operation
    number: int
    timeout: float
    last: bool = False
    headers: Mapping[str, str] = attrs.field(factory=dict)


class Transport(Protocol):
    """A way to deliver a job to a backend."""

    async def open(self) -> None:
        """Get ready; called once, in the event loop that will deliver."""

    async def close(self) -> None:
        """Let go of every connection; attempts in flight have ended or were cancelled.

        Closing a closed transport does nothing; a close that was cancelled is made again.
        """

    async def deliver(self, attempt: Attempt) -> Outcome:
        """Send the request and say what came of it.

        Never raises for what a backend or the network does, nor for a hostile row; it ends within
        ``attempt.timeout``. Cancelling it ends what it has begun: it closes the connection, or gives up its
        part of a shared one; it may still return what has come by then. (Where the ``TransportEntry`` says
        ``leaves_running``, what was begun may go on, unheard.)
        """


@runtime_checkable
class DrainingTransport(Transport, Protocol):
    """A transport that can tell what it has begun that the runner drains."""

    def draining(self) -> None:
        """Tell it: what isn't over when the grace ends is cut off. May be called again."""


@runtime_checkable
class PreparedTransport(Transport, Protocol):
    """A transport that has something to do before the first delivery, such as to import or to ask for it."""

    async def prepare(self, backend: BackendConfig) -> None:
        """Get ready for a backend. Called after ``open``, at a runner's start and by ``sp00ky check``.

        Raises:
            Sp00kyError: why it can't be delivered to, in a line; the runner doesn't start.
        """


@runtime_checkable
class PlacedTransport(Transport, Protocol):
    """A transport whose attempts may keep their place after their timeout: a thread can't be ended."""

    def lost_places(self, backend: str) -> int:
        """Return how many places of a backend are kept by attempts whose time is over."""


@runtime_checkable
class ExtensionTransport(Transport, Protocol):
    """A transport that belongs to an extension, and works with its tables.

    Attributes:
        api: The extension's calls, as ``Outbox.extension`` is given them.
    """

    api: type[Any]

    def use(self, calls: Any) -> None:
        """Take the extension's calls; called once, before ``open``, by the outbox that makes a runner."""


@runtime_checkable
class FindsExtensions(Transport, Protocol):
    """A transport that delivers to code which may work with any extension."""

    def find_extensions(self, find: Callable[[type[Any]], Any]) -> None:
        """Take ``Outbox.extension``; called once, before ``open``, by the outbox that makes a runner."""


@runtime_checkable
class IsolatingTransport(Transport, Protocol):
    """A transport whose routes are each on their own, and that knows more of them than the core does."""

    def limits(self, route: str) -> RouteLimits:
        """Say what a route is sent by this process. Called for each job: it awaits and reads nothing."""

    async def put_off(self, route: str, seconds: float) -> None:
        """Hear that a route is shut or full, and its waiting jobs are put off: new ones may start then."""


TransportFactory = Callable[[], Transport]
"""Makes a transport; a plugin registers one for each scheme, or a ``TransportEntry``, which is one, too."""


@attrs.frozen(kw_only=True, eq=False)
class TransportEntry(TransportTraits):
    """What a plugin registers for the scheme of a ``baseUrl``: a factory, and what the core must know.

    The rest of that is said in ``TransportTraits``: its section, its codes, its credentials, its contract.

    Attributes:
        make: Makes the transport.
        document: Gives an OpenAPI document. Called when the contract is first needed; an ``Sp00kyError`` of
            it is the backend's, as of ``prepare``.
        unlisted: Gives all routes of a backend whose ``contract`` is none, where a path is none of them: such
            a job is refused when it is enqueued; else nothing. None: any path may be enqueued.
        leaves_running: A ``deliver`` that was cancelled may leave something at work.
        in_tests: Makes what delivers in ``perform_jobs`` where a test gives no response, in the test's own
            loop and process; None: such a job succeeds.
        lists: Describes what a backend's jobs may call, a line each, for ``sp00ky check``.
        engine: Says what sends a backend's requests, and why, for ``sp00ky check --verbose``.
    """

    make: Callable[[], Transport]
    document: Callable[[BackendConfig], Mapping[str, Any]] | None = None
    unlisted: Callable[[BackendConfig, str], Sequence[str]] | None = None
    leaves_running: bool = False
    in_tests: Callable[[], Transport] | None = None
    lists: Callable[[BackendConfig], Sequence[str]] | None = None
    engine: Callable[[BackendConfig], str] | None = None

    def __call__(self) -> Transport:
        """Make the transport."""
        return self.make()


def entry_of(factory: TransportFactory) -> TransportEntry:
    """Return what was registered as an entry; a bare factory's is one like HTTP's."""
    return factory if isinstance(factory, TransportEntry) else TransportEntry(make=factory)
