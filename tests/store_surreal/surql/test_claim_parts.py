"""A claim's statement: leases as a row may have them, rows that are passed over, and what is bound."""

from __future__ import annotations

from datetime import UTC, datetime

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.surql import claim_parts
from sp00ky_store_surreal.surql.claim_parts import (
    bindings_of,
    due_now,
    first_pending,
    lease_bindings,
    lone_due_ids,
    shared_due_ids,
    until_of,
    within,
)

PLAIN = JobTable(backend="api", table="job", timeout=10, lease_margin=30)
OWN = JobTable(
    backend="api", table="job", timeout=10, lease_margin=30, timeout_overridable=True, breaker=False
)


def test_a_lease_is_the_table_s_unless_a_row_may_have_its_own() -> None:
    assert until_of(PLAIN, "0") == "$until0"
    assert lease_bindings(PLAIN, "0") == {"lease0": duration_text(40)}
    assert "math::clamp(timeout, 1, 86400)" in until_of(OWN, "1")
    assert lease_bindings(OWN, "1") == {"lease1": duration_text(40), "margin1": duration_text(30)}


def test_a_breaker_that_is_turned_off_is_not_asked() -> None:
    assert bindings_of(0, PLAIN, 5).items() >= {"breaker0": "api", "backend0": "api", "slots0": 5}.items()
    assert bindings_of(1, OWN, 5).items() >= {"breaker1": "", "backend1": "api"}.items()


def test_only_a_server_is_given_a_limit() -> None:
    lone = lone_due_ids(PLAIN, "0", 0, passed="")
    names = {"table": "`job`", "n": "0", "but": ""}
    shared = shared_due_ids(names, 0, datetime(2026, 1, 1, tzinfo=UTC), beyond=False)
    assert "TIMEOUT" not in lone
    assert within(embedded=False) == f"TIMEOUT {duration_text(claim_parts.CLAIM_SECONDS)}"
    assert within(embedded=False) in shared
    assert within(embedded=True) == ""


def test_rows_that_are_passed_over_need_room() -> None:
    statement, bindings = due_now(PLAIN, 5, [], embedded=True)
    assert "$skipped" not in statement
    assert bindings == {"slots": 5, "most": 5, "after": ""}
    statement, bindings = due_now(PLAIN, 5, ["a", "b"], embedded=True)
    assert "$skipped" in statement
    assert bindings == {"slots": 5, "most": 7, "after": "", "skipped": ["a", "b"]}


def test_an_index_of_a_server_has_far_years_out_of_order() -> None:
    assert due_now(PLAIN, 5, [], embedded=False)[0] != due_now(PLAIN, 5, [], embedded=True)[0]
    assert first_pending(PLAIN, embedded=False) != first_pending(PLAIN, embedded=True)
