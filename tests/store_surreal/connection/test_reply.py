"""Every statement's status is looked at, and NULL is None to columns."""

from __future__ import annotations

from typing import Any

import pytest

from sp00ky_core.errors import StoreError
from sp00ky_store_surreal.connection.reply import NULL, results_of, without_null

OK = {"status": "OK", "result": [1]}
FAILED = {"status": "ERR", "result": "An error occurred: no"}


def test_the_results_of_all_statements() -> None:
    assert results_of("mem://", {"result": [OK, OK | {"result": None}]}) == [[1], None]


@pytest.mark.parametrize(
    "reply", [{"result": [OK, FAILED, OK]}, {"error": {"code": -32000, "message": "no"}}, {"error": None}, {}]
)
def test_any_statement_that_failed(reply: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match=r"^mem://: "):
        results_of("mem://", reply)


def test_null_within_a_value() -> None:
    assert without_null({"a": [NULL, {"b": NULL}], "c": 1}) == {"a": [None, {"b": None}], "c": 1}
