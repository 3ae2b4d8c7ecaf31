"""Rows as jobs, and rows that the database refuses."""

from __future__ import annotations

from sp00ky_core.errors import RowRefused
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_core.stores.transactional import (
    Is,
)
from sp00ky_core.stores.transactional.rows import others_than


def refused(error: Exception) -> Exception:
    return RowRefused(store="test", problem=str(error))


class TestRefusedRows:
    def test_a_refused_row_is_left_out_for_a_while(self) -> None:
        now = [0.0]
        refused = Quarantine(lambda: now[0])
        assert others_than(refused, "claimed", "job") == []
        refused.add("claimed", ["job:a"], "no")
        assert others_than(refused, "claimed", "job") == [Is("id", "not in", ("a",))]
        assert others_than(refused, "claimed", "mail") == []
        assert others_than(refused, "deleted", "job") == []
        refused.add("claimed", ["job:\udcff"], "no")
        assert others_than(refused, "claimed", "job") == [Is("id", "not in", ("a",))]
        now[0] = 61.0
        assert others_than(refused, "claimed", "job") == []
