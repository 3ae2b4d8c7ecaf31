"""Choose the rows that make jobs."""

from __future__ import annotations

from sp00ky_core.config.schedules import ForEachConfig
from sp00ky_core.schedule.fan_out import fan_out

QUERY = ForEachConfig(query="SELECT 1", key="tenant")


def test_keys_are_texts_of_what_the_field_holds() -> None:
    rows = [{"tenant": "a"}, {"tenant": 7}, {"tenant": True}, {"tenant": [1]}]
    assert list(fan_out(QUERY, rows).rows) == ["a", "7", "true", "[1]"]


def test_what_is_left_out_is_said() -> None:
    found = fan_out(QUERY, [{"id": 1}, {"tenant": "a"}, {}])
    assert list(found.rows) == ["a"]
    assert found.problem == "2 rows have no 'tenant' that can be a key, the first is row 1"
    assert fan_out(QUERY, [{"tenant": "a"}]).problem is None
