"""Keys in ids: uuids in any notation become PostgreSQL's."""

from __future__ import annotations

import pytest

from sp00ky_store_postgres.ids import canonical, hyphenated, key_of, keys_by_table

HEX = "0190163d8694739baea5966c26f8ad91"
KEY = "0190163d-8694-739b-aea5-966c26f8ad91"


@pytest.mark.parametrize("written", [KEY, HEX, KEY.upper(), HEX.upper()])
def test_a_uuid_in_any_notation_is_the_same_id(written: str) -> None:
    assert canonical(f"job:{written}") == f"job:{KEY}"
    assert hyphenated(HEX) == KEY


@pytest.mark.parametrize("job_id", ["", "job", "job:x", f"job:{KEY}0"])
def test_what_is_no_uuid_names_no_key(job_id: str) -> None:
    assert canonical(job_id) == job_id
    assert key_of(job_id) is None


def test_keys_are_grouped_by_table() -> None:
    assert keys_by_table([f"job:{KEY}", f"mail:{KEY}", "job:x"]) == {"job": [KEY], "mail": [KEY]}
