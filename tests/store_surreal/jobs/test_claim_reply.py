"""Claims' replies: states and parts, among results of any number of statements."""

from __future__ import annotations

import math

import pytest

from sp00ky_core.config import RateConfig
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.jobs.claim_reply import ClaimState, parts_of

OPEN = {"state": "open", "failures": 3, "paused_for": "1s", "probe_runner": "", "probe_for": "0s"}
API = JobTable(backend="api", table="job", rate=RateConfig(limit=1))
UNBROKEN = JobTable(backend="api", table="job", breaker=False)


def test_what_a_backend_is_kept_from_is_read() -> None:
    state = ClaimState()
    pauses = [{"backend": "api", "lasts": ""}, {"backend": "mail", "lasts": "1m"}]
    state.read([None, ["claimable", [{**OPEN, "backend": "api"}], pauses], []], [(API, 1)])
    assert not state.is_open(UNBROKEN)  # a pause holds whatever the breaker
    assert not state.wants_probe(API)
    claim = state.claim_of([], [(API, 1)])
    assert claim.paused == {"api": math.inf}
    assert list(claim.breakers) == ["api"]


def test_a_breaker_that_is_turned_off_keeps_from_nothing() -> None:
    state = ClaimState()
    state.read([["claimable", [{**OPEN, "backend": "api"}], []]], [(API, 1)])
    assert (state.is_open(API), state.is_open(UNBROKEN)) == (False, True)
    assert not state.wants_probe(UNBROKEN)


@pytest.mark.parametrize("rows", [["row", "row"], {"unsafe": ["row", "row"]}])
def test_parts_and_what_was_left_of_the_limits(rows: object) -> None:
    reply = [["claimed", 2, None, [], rows, {"any": False}, {}], None, ["limits", 2.0, 0]]
    (part,) = parts_of(reply)
    assert (part.found, part.has_others, part.rows, part.taken) == (2, False, rows, 2)
    state = ClaimState()
    state.read(reply, [(API, 3)])
    assert state.retry_in == {"api": 1.0}
