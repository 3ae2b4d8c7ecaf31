"""Faults of ``TransactionalStore``: each changes its source, and tests of the suite must fail."""

from typing import NamedTuple

__all__ = ["MUTANTS", "Mutant"]


class Mutant(NamedTuple):
    """A fault: of which file, what stands there, what stands there instead, and which tests notice it."""

    file: str
    old: str
    new: str
    noticed_by: str


CLAIM, SETTLE, ENQUEUE = "jobs/claim.py", "jobs/settle.py", "jobs/enqueue.py"
RETENTION, DECISIONS = "jobs/retention.py", "../decisions.py"
CLAIMED = "a_claim_raises_the_epoch_and_sets_the_lease"
DELIVERED = "a_delivered_job_succeeds_without_retries"
EXPIRED = "an_expired_lease_counts_as_an_attempt"
PAUSED = "a_paused_backend_gives_nothing"
PROBED = "after_the_pause_one_caller_gets_one_job"
DRAINED = "the_next_beat_says_that_it_is_to_drain"
MANY_KEYS = "keys_that_wait_hide_no_other"

APART = (
    '        await {0}.execute("COMMIT")\n        __import__("time").sleep(0.02)\n'
    '        await {0}.execute("BEGIN IMMEDIATE")\n'
)
"""Ends a transaction, and begins another a moment later."""

MUTANTS = [
    Mutant(CLAIM, '"lease_epoch": job.lease_epoch + 1', '"lease_epoch": job.lease_epoch', CLAIMED),
    Mutant(CLAIM, "seconds=lease)", "seconds=lease - table.lease_margin)", CLAIMED),
    Mutant(CLAIM, '"runner_id": self.runner_id,\n            "updated', '"updated', CLAIMED),
    Mutant(CLAIM, '"updated_at": now,', "", CLAIMED),
    Mutant("breakers_and_pauses.py", "pause_of(row, now) for", "None for", PAUSED),
    Mutant(CLAIM, "table.backend not in self.paused and (", "(", "nothing_is_probed_while_it_holds"),
    Mutant(CLAIM, "allowance.grant(slots)", "allowance.grant(slots + 1)", "each_backend_gets_its_slots"),
    Mutant(CLAIM, "allowance, len(taken)", "allowance, 0", "a_burst_is_had_at_once_and_no_more"),
    Mutant(
        CLAIM,
        "self.breakers.get(table.backend, Breaker()) if table.breaker else Breaker()",
        "Breaker()",
        "a_closed_breaker_may_be_paused",
    ),
    Mutant(CLAIM, "if not state.breaker(stored.table).lets_through", "if False", PROBED),
    Mutant(
        CLAIM,
        "sorted([*due, *heads], key=rank)[:count]",
        "[*due, *heads][:count]",
        "priority_counts_among_jobs_with_and_without_a_key",
    ),
    Mutant(CLAIM, "self.rounds.begin_again(stored.table)", "pass", "every_key_has_its_turn"),
    Mutant(CLAIM, ", *unleased(stored)]", "]", "a_lost_job_takes_no_second_place"),
    Mutant(CLAIM, "table.attempt_timeout(job.timeout)", "table.timeout", "own_timeout_counts and 100.0-130"),
    Mutant(
        CLAIM,
        "        guards = map(guard_of, rows)\n",
        f"        guards = [guard_of(row)[:1] for row in rows]\n{APART.format('stored.session')}",
        "processes_share_a_queue",
    ),
    Mutant(
        "jobs/due.py",
        'if latest else ("run_at", "id")',
        'if latest else ("-run_at", "-id")',
        "the_oldest_due_come_first",
    ),
    Mutant(
        "rows.py", 'Is("run_at", "<=", self.now)', 'Is("run_at", "!=", None)', "a_delayed_job_is_due_later"
    ),
    Mutant("jobs/due.py", "ranges, reverse=True", "ranges", "what_is_urgent_comes_before_what_is_old"),
    Mutant(
        "jobs/due.py",
        '"ordering_at", "id")',
        '"-ordering_at", "-id")',
        "only_the_first_of_a_key_is_claimed",
    ),
    Mutant(
        "jobs/due.py",
        "*stored.leased(), WITH",
        'Is("id", "in", ()), WITH',
        "a_lost_job_keeps_its_key_for_its_lease",
    ),
    Mutant(
        "jobs/due.py",
        '[]\n    options["order"]',
        'await stored.select([PROCESSING, stored.overdue()])\n    options["order"]',
        "a_job_whose_lease_is_over_is_not_claimed",
    ),
    Mutant("jobs/due.py", "return table.table in self._rounds", "return False", MANY_KEYS),
    Mutant("jobs/due.py", "self._rounds[table] = at", "pass", MANY_KEYS),
    Mutant(
        SETTLE,
        "fate_on(epoch=job.lease_epoch",
        "fate_on(epoch=settlement.epoch",
        "a_zombies_settle_after_the_next_claim_is_lost",
    ),
    Mutant(SETTLE, "status=job.status", "status=JobStatus.PROCESSING", "a_repeated_settle_is_recognised"),
    Mutant(
        SETTLE, "await _is_taken(session, table, job)", "False", "a_key_that_another_job_holds_refuses_it"
    ),
    Mutant(
        SETTLE,
        "settle_with_less(settlement, problem, write) or busy",
        "write(settlement)",
        "a_refused_result_costs_only_itself",
    ),
    Mutant(
        SETTLE,
        "changes(job, applied(job, settlement.transition, now))",
        "changes(job, applied(job, settlement.transition, job.created_at))",
        DELIVERED,
    ),
    Mutant(
        SETTLE,
        ', Is("runner_id", "=", runner_id)]',
        "]",
        "every_table_is_asked_and_no_other_runner",
    ),
    Mutant(SETTLE, "job.id not in keep and ", "", "jobs_that_are_not_kept_go_back"),
    Mutant(
        SETTLE,
        " and not is_overdue(job, stored.now)",
        "",
        "a_job_whose_lease_is_over_is_not_given_back",
    ),
    Mutant(SETTLE, "stored.overdue(), taken", 'Is("id", "in", ()), taken', EXPIRED),
    Mutant(
        RETENTION,
        "(JobStatus.FAILED, table",
        "(JobStatus.SUCCESS, table",
        "failed_jobs_have_a_retention_of_their_own",
    ),
    Mutant(
        RETENTION,
        'Is("updated_at", "<=", until)',
        'Is("created_at", "<=", until)',
        "a_job_is_kept_from_its_end_on",
    ),
    Mutant(
        RETENTION,
        'table, [old, Is("status", "=", status)]',
        "table, [old]",
        "prune_deletes_what_is_older_than_it_is_kept",
    ),
    Mutant(RETENTION, "ENDED, *begin", "*begin", "only_ended_jobs_that_match_are_deleted"),
    Mutant(RETENTION, "LIVE_STATUSES)\n", "())\n", "only_ended_jobs_are_cleared"),
    Mutant(RETENTION, "seconds=AUDIT_KEPT", "days=9999", "entries_go_after_90_days"),
    Mutant(ENQUEUE, '    "traceparent",\n', "", "every_option_is_stored"),
    Mutant(ENQUEUE, '    "expires_at",\n', "", "every_option_is_stored"),
    Mutant(
        "rows.py", '                Is("lease_until", "=", None),\n', "", "no_runner_wrote_is_over and none"
    ),
    Mutant(
        DECISIONS, "now + timedelta(seconds=transition.delay)", "now", "a_failed_attempt_is_retried_later"
    ),
    Mutant(DECISIONS, " + transition.bumps_epoch", "", "an_attempt_in_flight_is_fenced_off"),
    Mutant(DECISIONS, "= transition.keeps_lease", "= False", "a_lost_attempt_counts_for_its_lease"),
    Mutant(DECISIONS, "max(run_at, job.lease_until)", "run_at", "a_job_killed_in_flight_waits_for_its_lease"),
    Mutant(DECISIONS, "seen) != seen}", "seen) >= seen}", "a_dead_runners_jobs_are_taken"),
    Mutant(DECISIONS, "seen) != seen}", "seen) < seen}", "a_runner_that_has_beaten_since_is_left_alone"),
    Mutant(
        "schema.py",
        "LIVE_STATUSES = (JobStatus.PENDING, JobStatus.PROCESSING)",
        "LIVE_STATUSES = (JobStatus.PENDING,)",
        "a_job_in_flight_still_holds_its_key",
    ),
    Mutant(
        "schema.py",
        "        steps = await plan(session, tables, location)\n",
        f"        steps = await plan(session, tables, location)\n{APART.format('session')}",
        "stores_migrate_at_once",
    ),
    Mutant(
        "store.py",
        "within(session, partial(work, joined=True))",
        "write(work)",
        "jobs_are_not_there_when_it_rolls_back",
    ),
    Mutant(ENQUEUE, "live.get((new_job.backend, dedup))", "None", "a_key_counts_once_among_concurrent_calls"),
    Mutant(
        "breakers_and_pauses.py",
        "fits(row or {}, change.before)",
        "True",
        "a_change_from_another_state_is_not_written",
    ),
    Mutant("fleet.py", '"beat_at": now, ', "", "a_beat_moves_on"),
    Mutant("fleet.py", 'bool(row["draining"])', "False", DRAINED),
    Mutant("fleet.py", "if info.draining else {}", 'if info.draining else {"draining": 0}', DRAINED),
    Mutant(
        "fleet.py",
        "timedelta(days=1)",
        "timedelta(days=9999)",
        "a_runner_that_has_long_been_silent_is_forgotten",
    ),
    Mutant("fleet.py", '"-started_at", "-id"', '"started_at", "id"', "the_youngest_come_first"),
    Mutant(CLAIM, "count(PROCESSING)", 'count(Is("id", "in", ()))', "no_more_are_under_way"),
    Mutant(CLAIM, " + await stored.count(*stored.leased())", "", "a_killed_attempt_counts_for_its_lease"),
    Mutant(
        "breakers_and_pauses.py",
        '"paused") or (until is not None and until <= now)',
        '"paused")',
        "a_pause_may_have_an_end",
    ),
    Mutant("breakers_and_pauses.py", '"paused": 0, **', "**", PAUSED),
    Mutant(
        "breakers_and_pauses.py",
        "now if before is None else before.since",
        "now",
        "a_second_pause_takes_the_place_of_the_first",
    ),
    Mutant("fleet.py", '{"count": count}', '{"count": 0}', "its_count_is_written_as_it_goes_on"),
    Mutant("fleet.py", '"-at", "-id"', '"at", "id"', "the_newest_entries_come_first"),
    Mutant("fleet.py", '[Is("at", ">=", since)]', "[]", "entries_since_an_instant_are_listed"),
    Mutant(
        "observe.py",
        "count(PROCESSING, stored.overdue())",
        'count(Is("id", "in", ()))',
        "a_job_whose_lease_ran_out_is_stalled",
    ),
    Mutant(
        "../../gate/breaker.py", "max(paused_for, change.pause)", "change.pause", "pause_is_never_shortened"
    ),
    Mutant("../../ports/statistics.py", "-item[1].count", "item[1].count", "the_largest_groups_come_first"),
    Mutant(
        "observe.py",
        'Is("updated_at", ">=", since)',
        'Is("updated_at", "!=", None)',
        "only_what_changed_since_counts",
    ),
    Mutant("connection/lanes.py", "do(work(True)", "do(work(False)", "a_refused_result_costs_only_itself"),
    Mutant(
        "connection/lanes.py",
        "asyncio.shield(running)",
        "running",
        "an_add_that_is_cut_off_is_all_or_none",
    ),
    Mutant(
        "connection/lanes.py",
        "self._idle.pop()",
        "self._idle[0]",
        "settles_go_on_after_a_lost_connection",
    ),
]
