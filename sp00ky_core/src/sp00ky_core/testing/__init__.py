"""Test an application without a backend: what was enqueued, and what comes of it.

The pytest fixtures ``outbox`` and ``sync_outbox`` are in ``sp00ky_pytest``, which pytest finds.

The conformance suites of adapters are in the distribution ``sp00ky-conformance``.
"""

from sp00ky_core.testing.enqueued import assert_enqueued, refute_enqueued
from sp00ky_core.testing.outboxes import FakeClock, memory_outbox, outbox_over
from sp00ky_core.testing.perform import Answer, Response, ScriptedTransport, deliver_all, perform_jobs

__all__ = [
    "assert_enqueued",
    "refute_enqueued",
    "perform_jobs",
    "Answer",
    "Response",
    "memory_outbox",
    "ScriptedTransport",
    "deliver_all",
    "FakeClock",
    "outbox_over",
]
