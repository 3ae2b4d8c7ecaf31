"""Operating on jobs by their ids: shortened ones, and their order."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.cli.jobs.shelf import Shelf, enqueued


def test_fates_are_in_the_order_of_the_ids_each_once(shelf: Shelf, sp00ky: Any) -> None:
    one, two = enqueued(2)
    key = two.partition(":")[2]
    killed = sp00ky("jobs", "kill", "job:nope", key[:-1], one, two, one, "--json")
    assert [tuple(each.values()) for each in killed.json["results"]] == [
        ("job:nope", "not_found"),
        (two, "killed"),
        (one, "killed"),
    ]
    assert killed.code == 1


def test_what_is_shortened_too_far_is_not_touched(shelf: Shelf, sp00ky: Any) -> None:
    one, two = enqueued(2)
    short = one[: next(n for n in range(len(one)) if one[n] != two[n])]
    killed = sp00ky("jobs", "kill", short, "--json")
    assert (killed.code, killed.json) == (1, {"results": [{"id": short, "result": "ambiguous"}]})
    assert one in killed.err
    assert two in killed.err
    assert shelf.statuses([one, two]) == ["pending", "pending"]
    assert sp00ky("audit", "--json").json["audit"] == []


@pytest.mark.parametrize("command", [["kill"], ["retry"], ["clear"], ["reschedule", "--now"]])
@pytest.mark.parametrize("job_id", ["", "job:", "other:1", "job:\0", "\udc80", "x" * 10_000])
def test_an_id_that_is_none_is_not_found(shelf: Shelf, sp00ky: Any, command: list[str], job_id: str) -> None:
    enqueued(1)
    assert "<table>:<key>" in sp00ky("jobs", *command, job_id).complaint(1)
