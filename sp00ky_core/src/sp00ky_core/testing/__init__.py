"""Test an application without a backend: a scripted transport, a clock, an outbox over any store.

The conformance suites of adapters are in the distribution ``sp00ky-conformance``.
"""

from sp00ky_core.testing.clock import FakeClock
from sp00ky_core.testing.outboxes import outbox_over
from sp00ky_core.testing.scripted import ScriptedTransport, deliver_all

__all__ = ["ScriptedTransport", "deliver_all", "FakeClock", "outbox_over"]
