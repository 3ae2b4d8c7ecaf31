"""Faults that no test noticed when the list was made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from tests.store_sqlite.mutations.patches import apart_for_duplicates_only, never_reconnecting, visible_again
from tests.store_sqlite.mutations.stores import (
    ClaimOfAnother,
    DeafWithoutTransactions,
    Lazy,
    LockedInThisProcess,
    OneLane,
    PlannedBefore,
    SettledRowByRow,
    Untranslated,
)
from tests.store_sqlite.mutations.tools import Mutation, setting
from tests.store_sqlite.mutations.unshielded import Unshielded, unshielded

from sp00ky_core.stores.transactional.connection import executor
from sp00ky_core.stores.transactional.fleet import heartbeat
from sp00ky_core.stores.transactional.jobs import due, release, retention

STALE = "test_a_zombies_settle_after_the_next_claim_is_lost"
DELIVERED = "test_a_delivered_job_succeeds_without_retries"
CLAIMED = "test_a_claim_raises_the_epoch_and_sets_the_lease"
RETRIED = "test_a_failed_attempt_is_retried_later"
EXPIRED = "test_an_expired_lease_counts_as_an_attempt"
FENCED = "test_an_attempt_in_flight_is_fenced_off"
PROBED = "test_after_the_pause_one_caller_gets_one_job"
PRUNED = "test_prune_deletes_what_is_older_than_it_is_kept"
GIVEN_BACK = "test_jobs_that_are_not_kept_go_back"
REFUSED = "test_a_refused_result_costs_only_itself"
OF_ANOTHER = "test_another_processes_job_sends_the_signal"

UNNOTICED: Mapping[str, Mutation] = {
    "release gives back rows whose lease has run out": Mutation(
        ("test_a_job_whose_lease_is_over_is_not_given_back",),
        setting(release, "is_overdue", lambda *_: False),
    ),
    "prune by created_at": Mutation(
        ("test_a_job_is_kept_from_its_end_on",),
        setting(
            retention,
            "select_up_to",
            lambda session, table, where, _column, *args, **options: due.select_up_to(
                session, table, where, "created_at", *args, **options
            ),
        ),
    ),
    "beat queued behind claims and settles": Mutation(
        ("test_a_beat_waits_for_no_queue_of_settles",), store=OneLane
    ),
    "settle commits row by row, later ones lost on an error": Mutation((REFUSED,), store=SettledRowByRow),
    "settle isolates nothing but duplicates": Mutation(
        (REFUSED, "test_a_row_that_cannot_be_settled_holds_up_no_other"), apart_for_duplicates_only
    ),
    "claim guarded by a lock of this process only": Mutation(
        ("test_processes_share_a_queue",), store=LockedInThisProcess
    ),
    "claim takes processing rows whose lease has run out": Mutation(
        ("test_a_job_whose_lease_is_over_is_not_claimed",), visible_again
    ),
    "a cancelled claim is lost track of": Mutation(
        ("test_a_claim_that_waits_when_it_is_cut_off_is_given_back",), store=ClaimOfAnother
    ),
    "migrate planned in an earlier transaction": Mutation(
        ("test_stores_migrate_at_once",), store=PlannedBefore
    ),
    "a cancelled settle leaves its transaction open": Mutation(
        ("test_a_settle_that_is_cut_off_can_be_repeated",),
        setting(executor.Executor, "do", unshielded),
        Unshielded,
    ),
    "old runners' rows are never forgotten": Mutation(
        ("test_a_runner_that_has_long_been_silent_is_forgotten",),
        setting(heartbeat, "FORGOTTEN", timedelta(days=3_650)),
    ),
    "a lost connection isn't healed and comes through": Mutation(
        ("test_a_lost_connection_is_healed_or_said[add]", "test_settles_go_on_after_a_lost_connection"),
        never_reconnecting,
        Untranslated,
    ),
    "a lost connection is said and never healed": Mutation(
        ("test_a_lost_connection_is_healed_or_said[beat]",), never_reconnecting
    ),
    "no signal and no transactions": Mutation(
        (OF_ANOTHER, "test_a_connection_is_taken_where_it_says_so"), store=DeafWithoutTransactions
    ),
    "every flag at its laziest": Mutation(
        (
            "test_a_store_is_shared_where_it_says_so",
            "test_a_store_is_durable_where_it_says_so",
            "test_a_connection_is_taken_where_it_says_so",
            "test_a_store_holds_any_row_where_it_says_so",
        ),
        store=Lazy,
    ),
}
