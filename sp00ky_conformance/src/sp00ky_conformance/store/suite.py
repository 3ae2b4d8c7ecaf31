"""Put the whole suite of a store into one class to be subclassed.

class TestMyStore(StoreConformance):
    def make_store(self, options):
        return MyStore(options)
"""

from __future__ import annotations

from sp00ky_conformance.store import capability_flags, extension_tables, user_queries
from sp00ky_conformance.store.connection import errors, interrupted, processes, synchronous
from sp00ky_conformance.store.harness import StoreHarness
from sp00ky_conformance.store.jobs import (
    breaker,
    claim,
    defer,
    enqueue,
    expiry,
    operators,
    overdue,
    reclaim,
    refusals,
    release_and_prune,
    rewrite,
    settle,
    statements,
)
from sp00ky_conformance.store.observe import filters, hostile, reading, rollups, signals_and_watch
from sp00ky_conformance.store.steering import (
    audit,
    error_groups,
    in_flight,
    ordering_key_exclusion,
    ordering_key_order,
    pause,
    place,
    priority,
    rate,
    reschedule,
    runners,
    settings,
)

__all__ = ["StoreConformance", "StoreHarness"]


class StoreConformance(
    extension_tables.ExtensionConformance,
    enqueue.EnqueueConformance,
    enqueue.DedupConformance,
    enqueue.TransactionConformance,
    statements.StatementConformance,
    synchronous.SynchronousConformance,
    claim.ClaimConformance,
    claim.ClaimersConformance,
    breaker.BreakerConformance,
    settle.SettleConformance,
    settle.FencingConformance,
    defer.DeferConformance,
    settle.ReleaseConformance,
    operators.KillConformance,
    operators.RetryConformance,
    operators.ClearConformance,
    rewrite.ImportConformance,
    rewrite.RedactConformance,
    reclaim.ReclaimConformance,
    overdue.OverdueConformance,
    reading.ReadingConformance,
    filters.FilterConformance,
    filters.ClearMatchingConformance,
    filters.ShortIdConformance,
    filters.HistoryConformance,
    reading.StatsConformance,
    signals_and_watch.BeatConformance,
    signals_and_watch.SignalConformance,
    signals_and_watch.WatchConformance,
    reading.LifeConformance,
    hostile.HostileConformance,
    refusals.RefusalConformance,
    release_and_prune.ReleaseAndPruneConformance,
    priority.PriorityConformance,
    expiry.ExpiryConformance,
    ordering_key_order.OrderConformance,
    place.PlaceConformance,
    place.ManyKeysConformance,
    ordering_key_exclusion.ExclusionConformance,
    ordering_key_exclusion.CompetitionConformance,
    rate.RateConformance,
    rate.RateSharedConformance,
    in_flight.InFlightConformance,
    in_flight.InFlightSharedConformance,
    pause.PauseConformance,
    pause.PausedConformance,
    settings.SettingsConformance,
    settings.TableInUseConformance,
    reschedule.RescheduleConformance,
    reschedule.RetryDelayConformance,
    reschedule.PutOffConformance,
    error_groups.ErrorGroupConformance,
    runners.RunnerRecordConformance,
    runners.DrainConformance,
    audit.AuditConformance,
    user_queries.QueryConformance,
    rollups.RollupConformance,
    interrupted.InterruptionConformance,
    errors.ErrorConformance,
    processes.ProcessConformance,
    capability_flags.FlagConformance,
):
    """Every promise of ``Store``.

    An adapter writes ``make_store``, and ``write_row``, ``transaction``, ``transact`` and ``blocking`` where
    its database can hold any row, joins the caller's transactions, has statements for them, and takes
    blocking connections; and, so that faults can be tested, ``refuse``, ``sever``, ``backdate_beat``,
    ``backdate_audit``, ``change_row`` and ``delete_row``; and ``query_of`` where users ask its database.

    Stores differ in what their ``capabilities`` say, and in nothing else. No test is skipped: where a flag is
    false it is asserted that the store doesn't have what it says it hasn't, and a row that the database
    refuses must be refused with an error, and leave nothing.
    """
