"""What claims remember of a table's groups."""

from __future__ import annotations

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.jobs.claim_group import Groups

TABLE = JobTable(backend="api", table="job")


def test_the_first_of_them_is_news() -> None:
    groups = Groups()
    assert (groups.are_in(TABLE), groups.are_ordered("api"), groups.after(TABLE)) == (False, False, "")
    assert not groups.note(TABLE, {"any": False})
    assert groups.note(TABLE, {"any": True})
    assert not groups.note(TABLE, {"any": True, "after": "k"})
    assert (groups.are_in(TABLE), groups.are_ordered("api"), groups.after(TABLE)) == (True, True, "k")


def test_once_there_is_none_left_claims_look_at_one_range_again() -> None:
    groups = Groups()
    groups.note(TABLE, {"any": True, "after": "k"})
    assert not groups.note(TABLE, {"any": False, "after": ""})
    assert (groups.are_in(TABLE), groups.after(TABLE)) == (False, "")
    assert groups.are_ordered("api")  # what was claimed may yet be settled
