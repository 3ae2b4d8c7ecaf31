"""Put the whole suite of a store into one class to be subclassed.

class TestMyStore(StoreConformance):
    def make_store(self, options):
        return MyStore(options)
"""

from __future__ import annotations

from sp00ky_conformance.store.capability_flags import FlagConformance
from sp00ky_conformance.store.connection.errors import ErrorConformance
from sp00ky_conformance.store.connection.interrupted import InterruptionConformance
from sp00ky_conformance.store.connection.processes import ProcessConformance
from sp00ky_conformance.store.connection.synchronous import SynchronousConformance
from sp00ky_conformance.store.extension_tables import ExtensionConformance
from sp00ky_conformance.store.harness import StoreHarness
from sp00ky_conformance.store.jobs.breaker import BreakerConformance
from sp00ky_conformance.store.jobs.claim import ClaimConformance, ClaimersConformance
from sp00ky_conformance.store.jobs.defer import DeferConformance
from sp00ky_conformance.store.jobs.enqueue import (
    DedupConformance,
    EnqueueConformance,
    TransactionConformance,
)
from sp00ky_conformance.store.jobs.expiry import ExpiryConformance
from sp00ky_conformance.store.jobs.operators import (
    ClearConformance,
    KillConformance,
    RedriveConformance,
)
from sp00ky_conformance.store.jobs.overdue import OverdueConformance
from sp00ky_conformance.store.jobs.reclaim import ReclaimConformance
from sp00ky_conformance.store.jobs.refusals import RefusalConformance
from sp00ky_conformance.store.jobs.release_and_prune import ReleaseAndPruneConformance
from sp00ky_conformance.store.jobs.rewrite import ImportConformance, RedactConformance
from sp00ky_conformance.store.jobs.settle import (
    FencingConformance,
    ReleaseConformance,
    SettleConformance,
)
from sp00ky_conformance.store.jobs.statements import StatementConformance
from sp00ky_conformance.store.observe.filters import (
    ClearMatchingConformance,
    FilterConformance,
    HistoryConformance,
    ShortIdConformance,
)
from sp00ky_conformance.store.observe.hostile import HostileConformance
from sp00ky_conformance.store.observe.reading import (
    LifeConformance,
    ReadingConformance,
    StatsConformance,
)
from sp00ky_conformance.store.observe.rollups import RollupConformance
from sp00ky_conformance.store.observe.signals_and_watch import (
    BeatConformance,
    SignalConformance,
    WatchConformance,
)
from sp00ky_conformance.store.schedules.one_fire_changes_together import FireConformance
from sp00ky_conformance.store.schedules.queries import QueryConformance
from sp00ky_conformance.store.schedules.rows import ScheduleRowConformance
from sp00ky_conformance.store.schedules.runs import RunConformance
from sp00ky_conformance.store.steering.audit import AuditConformance
from sp00ky_conformance.store.steering.errors import ErrorGroupConformance
from sp00ky_conformance.store.steering.in_flight import InFlightConformance, InFlightSharedConformance
from sp00ky_conformance.store.steering.ordering_key_exclusion import (
    CompetitionConformance,
    ExclusionConformance,
)
from sp00ky_conformance.store.steering.ordering_key_order import OrderConformance
from sp00ky_conformance.store.steering.pause import PauseConformance, PausedConformance
from sp00ky_conformance.store.steering.place import ManyKeysConformance, PlaceConformance
from sp00ky_conformance.store.steering.priority import PriorityConformance
from sp00ky_conformance.store.steering.rate import RateConformance, RateSharedConformance
from sp00ky_conformance.store.steering.reschedule import (
    RedriveDelayConformance,
    RescheduleConformance,
)
from sp00ky_conformance.store.steering.runners import DrainConformance, RunnerRecordConformance
from sp00ky_conformance.store.steering.settings import SettingsConformance, TableInUseConformance

__all__ = ["StoreConformance", "StoreHarness"]


class StoreConformance(
    ExtensionConformance,
    EnqueueConformance,
    DedupConformance,
    TransactionConformance,
    StatementConformance,
    SynchronousConformance,
    ClaimConformance,
    ClaimersConformance,
    BreakerConformance,
    SettleConformance,
    FencingConformance,
    DeferConformance,
    ReleaseConformance,
    KillConformance,
    RedriveConformance,
    ClearConformance,
    ImportConformance,
    RedactConformance,
    ReclaimConformance,
    OverdueConformance,
    ReadingConformance,
    FilterConformance,
    ClearMatchingConformance,
    ShortIdConformance,
    HistoryConformance,
    StatsConformance,
    BeatConformance,
    SignalConformance,
    WatchConformance,
    LifeConformance,
    HostileConformance,
    RefusalConformance,
    ReleaseAndPruneConformance,
    PriorityConformance,
    ExpiryConformance,
    OrderConformance,
    PlaceConformance,
    ManyKeysConformance,
    ExclusionConformance,
    CompetitionConformance,
    RateConformance,
    RateSharedConformance,
    InFlightConformance,
    InFlightSharedConformance,
    PauseConformance,
    PausedConformance,
    SettingsConformance,
    TableInUseConformance,
    RescheduleConformance,
    RedriveDelayConformance,
    ErrorGroupConformance,
    RunnerRecordConformance,
    DrainConformance,
    AuditConformance,
    ScheduleRowConformance,
    FireConformance,
    RunConformance,
    QueryConformance,
    RollupConformance,
    InterruptionConformance,
    ErrorConformance,
    ProcessConformance,
    FlagConformance,
):
    """Every promise of ``Store``.

    An adapter writes ``make_store``, and ``write_row``, ``transaction``, ``transact`` and ``blocking`` where
    its database can hold any row, joins the caller's transactions, has statements for them, and takes
    blocking connections; and, so that faults can be tested, ``refuse``, ``sever``, ``backdate_beat``,
    ``backdate_audit``, ``change_row`` and ``delete_row``; and ``query_of`` where it keeps schedules.

    Stores differ in what their ``capabilities`` say, and in nothing else. No test is skipped: where a flag is
    false it is asserted that the store doesn't have what it says it hasn't, and a row that the database
    refuses must be refused with an error, and leave nothing.
    """
