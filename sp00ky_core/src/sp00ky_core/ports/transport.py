"""Promise what a way to deliver a job does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from sp00ky_core.config import BackendConfig
from sp00ky_core.contract import Operation
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import Outcome

__all__ = ["Attempt", "Transport", "TransportFactory"]


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
        ``attempt.timeout``. Cancelling it closes the connection; it may still return what has come by then.
        """


TransportFactory = Callable[[], Transport]
"""Makes a transport; a plugin registers one for each scheme."""
