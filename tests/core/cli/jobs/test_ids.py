"""Ids that are shortened to what is unique."""

import json
from typing import Any

import pytest
from tests.core.cli.jobs.shelf import Shelf, enqueued


def test_ids_may_be_shortened_to_what_is_unique(shelf: Shelf, sp00ky: Any) -> None:
    one, other = enqueued(2, assigned_to="thread:a")
    common = next(one[:n] for n in range(len(one)) if one[n] != other[n])
    short = other[: len(common) + 1]
    assert sp00ky("jobs", "get", short, "--json").json["id"] == other
    assert sp00ky("jobs", "get", short.removeprefix("job:"), "--json").json["id"] == other
    listed = sp00ky("jobs", "list", "--after", short, "--json").json["jobs"]
    assert [job["id"] for job in listed] == [one]
    killed = sp00ky("jobs", "kill", short, other, one, short, "--json").json
    assert killed == {"results": [{"id": other, "result": "killed"}, {"id": one, "result": "killed"}]}
    copied = sp00ky("jobs", "copy", short, "--json").json
    assert (copied["assigned_to"], copied["status"]) == ("thread:a", "pending")
    watched = sp00ky("jobs", "watch", short, "--json").out.splitlines()
    assert [json.loads(line)["id"] for line in watched] == [other]


def test_an_id_that_several_have_is_said_with_two_of_them(shelf: Shelf, sp00ky: Any) -> None:
    one, other = enqueued(2)
    common = next(one[:n] for n in range(len(one)) if one[n] != other[n])
    for command in (["get"], ["watch"], ["copy"], ["list", "--after"]):
        line = sp00ky("jobs", *command, common).complaint(1)
        assert repr(common) in line
        assert one in line
        assert other in line
    killed = sp00ky("jobs", "kill", common, one, "--json")
    assert killed.code == 1
    assert killed.json["results"] == [{"id": common, "result": "ambiguous"}, {"id": one, "result": "killed"}]
    assert other in killed.err
    assert shelf.statuses([one, other]) == ["failed", "pending"]


@pytest.mark.parametrize("given", ["", ":", "job:", "nowhere:0", "0", "job:x'y", "job:%"])
def test_what_no_id_begins_with_finds_no_job(shelf: Shelf, sp00ky: Any, given: str) -> None:
    ids = enqueued(1)
    if given == "0":
        given = "f"
    assert repr(given) in sp00ky("jobs", "get", given).complaint(1)
    assert sp00ky("jobs", "kill", given).code == 1
    assert shelf.statuses(ids) == ["pending"]
