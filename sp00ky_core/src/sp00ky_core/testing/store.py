"""The whole suite of a store, in one class to be subclassed.

class TestMyStore(StoreConformance):
    def make_store(self, options):
        return MyStore(options)
"""

from __future__ import annotations

from sp00ky_core.testing.conformance.breaker import BreakerConformance
from sp00ky_core.testing.conformance.claim import ClaimConformance, ClaimersConformance
from sp00ky_core.testing.conformance.enqueue import (
    DedupConformance,
    EnqueueConformance,
    TransactionConformance,
)
from sp00ky_core.testing.conformance.harness import StoreHarness
from sp00ky_core.testing.conformance.hostile import HostileConformance
from sp00ky_core.testing.conformance.liveness import (
    BeatConformance,
    SignalConformance,
    WatchConformance,
)
from sp00ky_core.testing.conformance.operators import (
    ClearConformance,
    KillConformance,
    RedriveConformance,
)
from sp00ky_core.testing.conformance.reading import (
    LifeConformance,
    ReadingConformance,
    StatsConformance,
)
from sp00ky_core.testing.conformance.reclaim import ReclaimConformance
from sp00ky_core.testing.conformance.settle import (
    FencingConformance,
    ReleaseConformance,
    SettleConformance,
)
from sp00ky_core.testing.conformance.statements import StatementConformance

__all__ = ["StoreConformance", "StoreHarness"]


class StoreConformance(
    EnqueueConformance,
    DedupConformance,
    TransactionConformance,
    StatementConformance,
    ClaimConformance,
    ClaimersConformance,
    BreakerConformance,
    SettleConformance,
    FencingConformance,
    ReleaseConformance,
    KillConformance,
    RedriveConformance,
    ClearConformance,
    ReclaimConformance,
    ReadingConformance,
    StatsConformance,
    BeatConformance,
    SignalConformance,
    WatchConformance,
    LifeConformance,
    HostileConformance,
):
    """Every promise of ``Store``.

    An adapter writes ``make_store``, and ``write_row``, ``transaction`` and ``transact`` where its database
    can hold any row, joins the caller's transactions, and has statements for them.

    Stores differ in what their ``capabilities`` say, and in nothing else: a test that doesn't apply is
    skipped, and says which flag or which method is missing.
    """
