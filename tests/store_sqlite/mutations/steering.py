"""Faults in priority, order, limits, pauses, runners and the audit."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from tests.store_sqlite.mutations.patches import (
    heads_by,
    keyed_last,
    never_ending,
    no_pause_while_probing,
    ordering_without,
    saving_up,
    spending_unless,
    unmoved_rounds,
)
from tests.store_sqlite.mutations.stores import (
    AtOnce,
    ErrorsOfAllTime,
    KeepsPriority,
    KeysInTwoTransactions,
    SilentPauses,
    TokensBack,
)
from tests.store_sqlite.mutations.tools import (
    NEVER,
    Mutation,
    after,
    altering,
    each_of,
    setting,
)

from sp00ky_core.stores.transactional.fleet import heartbeat, limit
from sp00ky_core.stores.transactional.jobs import claim, due, enqueue, ordering, retention, settle
from sp00ky_core.stores.transactional.operate import audit, pause

PAUSED = "test_a_paused_backend_gives_nothing"
KILLED_IN_FLIGHT = "test_a_job_killed_in_flight_keeps_its_key_for_its_lease"
LOST = "test_a_lost_job_keeps_its_key_for_its_lease"
DRAINED = "test_the_next_beat_says_that_it_is_to_drain"
MANY_KEYS = "test_keys_that_wait_hide_no_other"
BURST = "test_a_burst_is_had_at_once_and_no_more"


async def nothing(*_: object, **__: object) -> None:
    """Do nothing."""


STEERING: Mapping[str, Mutation] = {
    "a pause is ignored by claims": Mutation((PAUSED,), setting(claim, "pause_of", lambda *_: None)),
    "a pause never ends": Mutation(
        ("test_a_pause_may_have_an_end",), setting(claim, "pause_of", never_ending)
    ),
    "a paused backend is probed": Mutation(
        ("test_nothing_is_probed_while_it_holds",), no_pause_while_probing
    ),
    "a resume ends nothing": Mutation((PAUSED,), setting(pause, "NO_PAUSE", {"reason": None})),
    "a second pause begins anew": Mutation(
        ("test_a_second_pause_takes_the_place_of_the_first",), setting(pause, "pause_of", lambda *_: None)
    ),
    "a pause is no signal": Mutation(("test_both_are_signals",), store=SilentPauses),
    "priority is ignored": Mutation(
        ("test_what_is_urgent_comes_before_what_is_old",), setting(due, "priority_of", lambda _: 0)
    ),
    "jobs with a key come after all others": Mutation(
        ("test_priority_counts_among_jobs_with_and_without_a_key",), setting(claim, "_first", keyed_last)
    ),
    "the last job of a key is claimed first": Mutation(
        ("test_only_the_first_of_a_key_is_claimed",), heads_by("-ordering_at", "-id")
    ),
    "a job that is due overtakes a retry of its key": Mutation(
        ("test_a_job_that_waits_for_a_retry_holds_back_the_next",), heads_by("run_at", "id")
    ),
    "a batch isn't kept in its order": Mutation(
        ("test_a_batch_is_kept_in_its_order",),
        setting(enqueue, "new_keys", after(enqueue.new_keys, lambda keys, _: keys[::-1])),
    ),
    "a redrive takes a new place": Mutation(
        ("test_a_redriven_job_takes_its_old_place",),
        setting(
            settle,
            "changes",
            after(
                settle.changes,
                lambda values, before, _: (
                    {**values, "ordering_at": values["updated_at"]} if before.is_terminal else values
                ),
            ),
        ),
    ),
    "two of a key are processed at once": Mutation(
        ("test_a_redriven_job_waits_for_a_later_one_that_is_processing",),
        each_of(ordering_without("processing"), ordering_without("index")),
    ),
    "claims of keys are not atomic": Mutation(
        ("test_one_key_is_claimed_once_by_many_at_once",), store=KeysInTwoTransactions
    ),
    "a key is let go before its lease ends": Mutation(
        (KILLED_IN_FLIGHT, LOST), setting(ordering, "leased", lambda _: [NEVER])
    ),
    "no claim says that there are more keys": Mutation(
        (MANY_KEYS,), setting(ordering.Rounds, "is_cut_off", lambda *_: False)
    ),
    "every claim begins with the first key": Mutation((MANY_KEYS,), unmoved_rounds),
    "keys that had no slot are forgotten": Mutation(
        ("test_every_key_has_its_turn",), setting(ordering.Rounds, "begin_again", lambda *_: None)
    ),
    "max_in_flight counts what is processing only": Mutation(
        ("test_a_killed_attempt_counts_for_its_lease", "test_a_lost_attempt_counts_for_its_lease"),
        setting(limit, "leased", lambda _: [NEVER]),
    ),
    "a lost job is claimed before its lease ends": Mutation(
        ("test_a_lost_job_takes_no_second_place", "test_a_lost_job_is_no_probe"),
        setting(claim, "unleased", lambda *_: []),
    ),
    "max_in_flight counts leases only": Mutation(
        ("test_no_more_are_under_way",), setting(limit, "PROCESSING", NEVER)
    ),
    "tokens are saved up beyond the burst": Mutation(("test_no_more_than_a_burst_is_saved_up",), saving_up),
    "tokens are not written down": Mutation((BURST,), setting(claim, "spend", nothing)),
    "a probe costs no token": Mutation(("test_a_probe_costs_a_token",), spending_unless(1)),
    "a release gives tokens back": Mutation(("test_a_release_gives_no_token_back",), store=TokensBack),
    "expires_at is dropped": Mutation(
        ("test_every_option_is_stored",),
        setting(enqueue, "_row", after(enqueue._row, lambda row, *_: {**row, "expires_at": None})),
    ),
    "a drain is not said": Mutation(
        (DRAINED,),
        setting(
            heartbeat, "_info", after(heartbeat._info, lambda info, _: attrs.evolve(info, draining=False))
        ),
    ),
    "a beat forgets that a drain was asked for": Mutation(
        (DRAINED,),
        setting(heartbeat, "beat", altering(heartbeat.beat, values=lambda values: {"draining": 0, **values})),
    ),
    "a runner that stops leaves its row": Mutation(
        ("test_a_runner_that_stops_leaves_no_row",), setting(heartbeat, "remove", nothing)
    ),
    "the count of an act is lost": Mutation(
        ("test_its_count_is_written_as_it_goes_on",),
        setting(audit, "update", altering(audit.update, values=lambda values: {**values, "count": 0})),
    ),
    "audit entries are kept for ever": Mutation(
        ("test_entries_go_after_90_days",), setting(retention, "AUDIT_KEPT", 3e9)
    ),
    "errors of all time are grouped": Mutation(
        ("test_only_what_changed_since_counts",), store=ErrorsOfAllTime
    ),
    "delays of a redrive are ignored": Mutation(("test_each_delay_is_that_of_its_job",), store=AtOnce),
    "a priority can't be changed": Mutation(
        ("test_a_priority_is_set_and_the_rest_stays",),
        store=KeepsPriority,
    ),
}
